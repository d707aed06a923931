"""The model in the package: small, whole, loads offline without a word, and draws what it is asked for."""

from __future__ import annotations

import logging
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

# ruff: noqa: E402  # all of this needs torch, and without it the file is skipped
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import stablenew.models

MODELS = Path(stablenew.models.__file__).parent
FOLDER = MODELS / "tiny"
CLEAR = {"red": (222, 40, 44), "green": (44, 165, 70), "blue": (38, 84, 220), "yellow": (250, 220, 48)}


@pytest.fixture(scope="module")
def pipe() -> Any:
    made = diffusers.StableDiffusionPipeline.from_pretrained(FOLDER, local_files_only=True)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """What the libraries log at WARNING or above while a test runs."""
    said: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    ear = Ear(logging.WARNING)
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    for logger in loggers:
        logger.addHandler(ear)
    yield said
    for logger in loggers:
        logger.removeHandler(ear)


def make(pipe: Any, prompt: str, seed: int, **more: Any) -> NDArray[np.uint8]:
    """Gives one picture at the recommended settings, uint8 [64, 64, 3]."""
    told = {"num_inference_steps": 20, "guidance_scale": 4.0, "height": 64, "width": 64} | more
    pictures = pipe(prompt, generator=torch.Generator().manual_seed(seed), output_type="np", **told).images
    return np.asarray((pictures[0] * 255).round(), dtype=np.uint8)


def nearest(pixels: NDArray[np.uint8]) -> str:
    """Gives the clear colour nearest to the middle of the picture."""
    middle = np.median(pixels[26:38, 26:38].reshape(-1, 3), axis=0)
    return min(CLEAR, key=lambda name: float(np.abs(middle - CLEAR[name]).sum()))


def test_the_folder_is_small_and_standard() -> None:
    """The folder has the standard layout, float16 safetensors alone, and at most ten megabytes."""
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) <= 10_000_000
    for part in ("unet", "vae", "text_encoder", "tokenizer", "scheduler"):
        assert (FOLDER / part).is_dir()
    assert (FOLDER / "model_index.json").is_file()
    assert not [file for file in FOLDER.rglob("*") if file.suffix in {".bin", ".pt", ".ckpt", ".pkl"}]


def test_no_path_of_the_maker_is_in_it() -> None:
    """No settings file says where the parts were loaded from."""
    for file in FOLDER.rglob("*.json"):
        assert "_name_or_path" not in file.read_text("utf-8")


def test_loads_offline_without_a_word(monkeypatch: pytest.MonkeyPatch, heard: list[str]) -> None:
    """txt2img and img2img load with the network forbidden, in float32, and nothing warns.

    One remark is not ours to avoid: diffusers notes that the autoencoder is the tiny kind, as it does for each.
    What transformers says once about torchvision has nothing to do with the folder.
    """

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in (diffusers.StableDiffusionPipeline, diffusers.StableDiffusionImg2ImgPipeline):
            made = kind.from_pretrained(FOLDER, local_files_only=True)
            types = {p.dtype for part in ("unet", "vae", "text_encoder") for p in getattr(made, part).parameters()}
            assert types == {torch.float32}
            assert made.safety_checker is None
    ours = [text for text in heard if not text.startswith("Expected types for vae") and "torchvision" not in text]
    assert ours == []


@pytest.mark.parametrize("colour", CLEAR)
def test_the_colour_asked_for_is_there(pipe: Any, colour: str) -> None:
    """A large square of a colour has that colour in its middle."""
    background = "white" if colour != "yellow" else "black"
    assert nearest(make(pipe, f"a large {colour} square on a {background} background", 3)) == colour


def test_the_same_seed_gives_the_same_picture(pipe: Any) -> None:
    """A seed repeats exactly; another seed gives another picture."""
    first, again, other = (make(pipe, "a yellow star", seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_denoise_goes_from_the_same_to_a_new_picture(pipe: Any) -> None:
    """img2img changes little at a low strength and everything at a high one."""
    other = diffusers.StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    other.set_progress_bar_config(disable=True)
    start = Image.new("RGB", (64, 64), CLEAR["blue"])
    ImageDraw.Draw(start).rectangle((14, 14, 50, 50), fill=CLEAR["yellow"])
    changes = []
    for strength in (0.15, 0.6, 0.95):
        made = other(
            "a large red circle on a white background", image=start, strength=strength, num_inference_steps=20,
            guidance_scale=4.0, generator=torch.Generator().manual_seed(1), output_type="np",
        ).images[0]  # fmt: skip
        changes.append(float(np.abs(made * 255 - np.asarray(start, dtype=np.float32)).mean()))
    assert changes[0] < 35
    assert changes[0] < changes[1] <= changes[2] + 15
    assert changes[2] > 60


def test_the_demo_pack_fits_the_model(pipe: Any) -> None:
    """Every line of the demo pack has words the model knows and fits its text encoder."""
    text = (MODELS / "demo_pack.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert 12 <= len(lines) <= 20
    for line in lines:
        assert len(pipe.tokenizer(line)["input_ids"]) <= pipe.tokenizer.model_max_length
