"""What the local backend does beyond the contract: models, memory, text, numbers and errors."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from stablenew.backends.base import CancelToken, GeneratedImage, Txt2ImgRequest, Watch
from stablenew.backends.diffusers_local import loading as diffusers_loading
from stablenew.backends.diffusers_local import models as diffusers_models
from stablenew.backends.diffusers_local.backend import LocalBackend, open_backend
from stablenew.backends.diffusers_local.models import find_model, find_vae, has_only_fp16, model_hash
from stablenew.backends.diffusers_local.painting import Painter
from stablenew.backends.registry import BackendOptions
from stablenew.errors import (
    BackendUnavailable,
    Cancelled,
    GenerationFailed,
    InvalidSetting,
    UnknownChoice,
    UnsupportedStage,
)
from stablenew.testing.backend_contract import BackendContract, largest
from tests.backends.checkpoint import write_checkpoint
from tests.backends.tiny_random_model import EMBEDDED_UNET, LAYERS, POSITIONS, build, build_xl, kl_vae

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of numpy, from inside diffusers

ASK = BackendContract()
Opener = Callable[..., LocalBackend]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of the layout of the embedded one."""
    return build(tmp_path_factory.mktemp("models") / "random")


@pytest.fixture(scope="module")
def folder_xl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Stable Diffusion XL."""
    return build_xl(tmp_path_factory.mktemp("models") / "random-xl")


@pytest.fixture
def opened(folder: Path) -> Iterator[Opener]:
    """Opens local backends on the random model, or another; closes them."""
    made: list[LocalBackend] = []

    def open_one(model: Path | str | None = None, workspace: Path | None = None, **settings: Any) -> LocalBackend:
        asked = str(model or folder)
        options = BackendOptions(name="local", model=asked, workspace=workspace, settings={"device": "cpu", **settings})
        made.append(open_backend(options))
        return made[-1]

    yield open_one
    for backend in made:
        backend.close()


def ask(**settings: Any) -> Txt2ImgRequest:
    """A request whose settings are changed."""
    base = ASK.txt2img()
    return dataclasses.replace(base, settings=dataclasses.replace(base.settings, **settings))


def count_draws(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that are drawn from now on."""
    sizes: list[int] = []
    plain = Painter.draw

    def draw(self: Painter, batch: Any, watch: Any) -> Any:
        sizes.append(len(batch))
        return plain(self, batch, watch)

    monkeypatch.setattr(Painter, "draw", draw)
    return sizes


class TestTheSameAsDiffusers:
    """What is drawn is what diffusers' own pipeline draws."""

    def bare(self, folder: Path) -> Any:
        pipe = diffusers.StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    @pytest.mark.parametrize("cfg_scale", [1.0, 7.0])
    def test_from_text(self, opened: Opener, folder: Path, cfg_scale: float) -> None:
        """A picture from text is the one of a plain diffusers pipeline with the same seed, guided or not."""
        pipe = self.bare(folder)
        expected = pipe(
            "a cat",
            negative_prompt="blurry",
            num_inference_steps=6,
            guidance_scale=cfg_scale,
            generator=torch.Generator().manual_seed(5),
        ).images[0]
        request = ask(sampler="Euler", steps=6, cfg_scale=cfg_scale, width=None, height=None)
        made = ASK.pixels(opened(), dataclasses.replace(request, seed=5))
        assert largest(expected, made) <= 1

    def test_over_a_picture(self, opened: Opener, folder: Path) -> None:
        """A repainted picture is the one of diffusers' own img2img, built of the same parts."""
        parts = self.bare(folder).components
        pipe = diffusers.StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
        start = ASK.start_picture()
        expected = pipe(
            "a cat",
            image=start,
            negative_prompt="",
            strength=0.5,
            num_inference_steps=6,
            guidance_scale=7.0,
            generator=torch.Generator().manual_seed(5),
        ).images[0]
        request = ASK.img2img(start, denoise=0.5, seed=5)
        request = dataclasses.replace(request, settings=dataclasses.replace(request.settings, sampler="Euler", steps=6))
        assert largest(expected, ASK.pixels(opened(), request)) <= 1


class TestTogether:
    """What is drawn in one forward pass."""

    def test_one_pass_for_different_prompts_seeds_and_guidance(
        self, opened: Opener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Prompts, seeds and guidance may differ within a pass; unguided pictures and other steps need their own."""
        sizes = count_draws(monkeypatch)
        requests = [ASK.txt2img(seed=1, cfg_scale=3), ASK.txt2img(seed=2, cfg_scale=9, prompt="a dog"), ask(steps=3)]
        backend = opened()
        ASK.made(backend, [*requests, ASK.txt2img(cfg_scale=1.0)])
        assert sizes == [2, 1, 1]
        keys = [backend.batch_key(request) for request in requests]
        assert keys[0] == keys[1] != keys[2]

    def test_guidance_below_one_is_done_as_asked(self, opened: Opener) -> None:
        """Guidance 0 gives the picture of the negative prompt, which plain diffusers cannot draw."""
        backend = opened()
        negative = dataclasses.replace(ASK.txt2img(cfg_scale=1.0), prompt="blurry")
        unguided = ASK.pixels(backend, negative)
        assert largest(unguided, ASK.pixels(backend, ASK.txt2img(cfg_scale=0.0))) <= 2
        assert largest(unguided, ASK.pixels(backend, ASK.txt2img(cfg_scale=1.0))) > 2

    def test_a_model_that_reads_its_guidance_gets_one_for_all(
        self, tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A model with guidance as an input (LCM) draws one guidance at a time, and it makes a difference."""
        sizes = count_draws(monkeypatch)
        lcm = opened(build(tmp_path / "lcm", unet={**EMBEDDED_UNET, "time_cond_proj_dim": 16}))
        first, second, third = ASK.made(lcm, [ASK.txt2img(cfg_scale=scale) for scale in (2.0, 8.0, 2.0)])
        assert sorted(sizes) == [1, 2]
        assert largest(first.picture, third.picture) <= 2
        assert largest(first.picture, second.picture) > 2

    def test_no_more_at_once_than_told(self, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
        """`max_batch` bounds a pass, and is what the backend asks to be handed over at once."""
        sizes = count_draws(monkeypatch)
        backend = opened(max_batch=2)
        ASK.made(backend, [ASK.txt2img(seed=seed) for seed in range(5)])
        assert sizes == [2, 2, 1]
        assert backend.capabilities().window == 2

    def test_large_pictures_are_drawn_alone_on_a_cpu(self, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
        """A picture of 256x256 fills a pass by itself on a CPU."""
        sizes = count_draws(monkeypatch)
        ASK.made(opened(), [ask(width=256, height=256, steps=1), ask(width=256, height=256, steps=1)])
        assert sizes == [1, 1]

    def test_too_little_memory_halves_the_pass(self, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
        """When memory is short the pass is halved until it fits, all pictures are made, and the size is remembered."""
        sizes = fail_above(monkeypatch, 2, torch.OutOfMemoryError("CUDA out of memory"))
        backend = opened()
        made = ASK.made(backend, [ASK.txt2img(seed=seed) for seed in range(8)])
        assert all(isinstance(one, GeneratedImage) for one in made)
        assert sizes[:3] == [8, 4, 2]
        sizes.clear()
        ASK.made(backend, [ASK.txt2img(seed=seed) for seed in range(4)])
        assert sizes == [2, 2]

    def test_too_little_memory_for_one_says_so(self, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
        """A picture too large for the memory fails with its size and what to do; the backend goes on."""
        fail_above(monkeypatch, 0, torch.OutOfMemoryError("CUDA out of memory"))
        failed = ASK.one(opened(), ASK.txt2img())
        assert isinstance(failed, GenerationFailed)
        assert "not enough memory for 1 of 64x64 pixels" in str(failed)

    def test_one_that_fails_does_not_take_the_others_along(
        self, opened: Opener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A prompt that breaks the model fails alone; those drawn with it are made."""
        plain = Painter._encode

        def encode(self: Painter, text: str, clip_skip: int, *, zeros: bool) -> Any:
            if text == "poison":
                raise IndexError("index out of range in self")
            return plain(self, text, clip_skip, zeros=zeros)

        monkeypatch.setattr(Painter, "_encode", encode)
        made = ASK.made(opened(), [ASK.txt2img(), ASK.txt2img(prompt="poison"), ASK.txt2img(seed=3)])
        assert [type(one) for one in made] == [GeneratedImage, GenerationFailed, GeneratedImage]
        assert "IndexError: index out of range" in str(made[1])

    def test_stop_finishes_the_pass_and_begins_no_other(self, opened: Opener) -> None:
        """`stop` during a pass lets its pictures be finished; those of the next are Cancelled."""
        token = CancelToken()
        watch = Watch(cancel=token, progress=lambda _: token.stop())
        made = ASK.made(opened(max_batch=1), [ASK.txt2img(), ASK.txt2img(seed=2)], watch)
        assert [type(one) for one in made] == [GeneratedImage, Cancelled]


def fail_above(monkeypatch: pytest.MonkeyPatch, most: int, error: Exception) -> list[int]:
    """Passes of more than `most` pictures raise `error`; gives the sizes that were tried."""
    sizes = count_draws(monkeypatch)
    counted = Painter.draw

    def draw(self: Painter, batch: Any, watch: Any) -> Any:
        if len(batch) > most:
            sizes.append(len(batch))
            raise error
        return counted(self, batch, watch)

    monkeypatch.setattr(Painter, "draw", draw)
    return sizes


class TestTruth:
    """What the record will say."""

    def test_a_prompt_that_is_too_long_is_told(self, opened: Opener) -> None:
        """What the model could not read of a prompt is said, with what it did read; a fitting prompt says nothing."""
        long = "abcdefghij" * 5
        made = ASK.picture(opened(), ASK.txt2img(prompt=long))
        (deviation,) = made.deviations
        assert (deviation.setting, deviation.asked) == ("prompt", long)
        assert long.startswith(deviation.done.replace(" ", ""))
        assert len(deviation.done.replace(" ", "")) == POSITIONS - 2
        assert ASK.picture(opened(), ASK.txt2img(prompt=long[: POSITIONS - 2])).deviations == ()

    def test_automatic_is_told_by_its_name(self, opened: Opener) -> None:
        """Automatic is recorded as the schedule it came to, and the diffusers class is named."""
        done = ASK.picture(opened(), ask(scheduler="Automatic")).effective
        assert (done.scheduler, done.extra["scheduler_class"]) == ("SGM Uniform", "EulerAncestralDiscreteScheduler")
        assert ASK.picture(opened(), ask(sampler="Euler Karras")).effective.scheduler == "Karras"

    def test_model_is_recorded_by_name_and_hash_and_never_by_path(self, opened: Opener, folder: Path) -> None:
        """The record carries the folder's name and the hash of its UNet's weights, not where it lies."""
        done = ASK.picture(opened(), ASK.txt2img()).effective
        weights = (folder / "unet" / "diffusion_pytorch_model.safetensors").read_bytes()
        assert done.model_hash == hashlib.sha256(weights).hexdigest()[:10]
        assert done.model == "random"
        assert str(folder.parent) not in repr(done)

    def test_no_step_left_at_a_small_denoise_is_told(self, opened: Opener) -> None:
        """Denoise 0.1 of 4 steps leaves no step: the picture is unchanged and that is said; denoise 0 is as asked."""
        start = ASK.start_picture()
        made = ASK.picture(opened(), ASK.img2img(start, denoise=0.1))
        assert largest(start, made.picture) == 0
        assert [(one.setting, one.asked, one.done) for one in made.deviations] == [("denoise", 0.1, 0.0)]
        assert ASK.picture(opened(), ASK.img2img(start, denoise=0.0)).deviations == ()
        assert ASK.picture(opened(), ASK.img2img(start, denoise=0.5)).effective.extra["steps_run"] == 2

    def test_numbers_that_are_none_fail_that_picture_alone(
        self, opened: Opener, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A picture of NaN is an error with advice; the one beside it is made."""
        made = with_pixels(opened, monkeypatch, lambda pixels: pixels[0].fill(np.nan))
        assert isinstance(made[0], GenerationFailed)
        assert "dtype=float32" in str(made[0])
        assert isinstance(made[1], GeneratedImage)

    def test_a_picture_of_one_colour_is_told(self, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
        """A black picture is kept and said to be of one colour."""
        made = with_pixels(opened, monkeypatch, lambda pixels: pixels[0].fill(0))
        assert [one.setting for one in made[0].deviations] == ["image"]
        assert made[1].deviations == ()

    def test_clip_skip_changes_the_picture_and_has_an_end(self, opened: Opener) -> None:
        """Clip skip takes the text from an earlier layer, is recorded, and cannot skip more layers than there are."""
        backend = opened()
        made = ASK.picture(backend, ask(clip_skip=2))
        assert made.effective.clip_skip == 2
        assert largest(made.picture, ASK.pixels(backend, ask(clip_skip=1))) > 2
        with pytest.raises(InvalidSetting, match=f"from 1 to {LAYERS}"):
            backend.check(ask(clip_skip=LAYERS + 1))

    def test_clip_skip_one_is_the_whole_text_encoder(self, folder: Path) -> None:
        """Counting layers from the end, 1 is what the text encoder itself gives as its last word."""
        model = diffusers_loading.load_model(
            find_model(str(folder), backend="local"), None, backend="local", device="cpu"
        )
        with torch.inference_mode():
            plain = Painter(model)._encode("a cat", 1, zeros=False)[0]
            counted = Painter(model)._earlier_layer("a cat", 1)
            earlier = Painter(model)._earlier_layer("a cat", 2)
        assert torch.allclose(plain, counted, atol=1e-5)
        assert not torch.allclose(plain, earlier, atol=1e-2)

    def test_xl_always_skips_one_layer(self, opened: Opener, folder_xl: Path) -> None:
        """XL takes its text from the last layer but one whatever 1 or 2 asks for, and the record says 2."""
        backend = opened(folder_xl)
        one, two, three = (ASK.picture(backend, ask(clip_skip=skip, width=32, height=32)) for skip in (1, 2, 3))
        assert one.effective.clip_skip == two.effective.clip_skip == 2
        assert largest(one.picture, two.picture) == 0
        assert largest(one.picture, three.picture) > 2

    def test_seconds_are_shares_of_the_pass(self, folder: Path) -> None:
        """Two pictures of a pass that took four seconds took two each."""
        ticks = iter(range(0, 1000, 4))
        options = BackendOptions(name="local", model=str(folder), settings={"device": "cpu"})
        settings = open_backend(options)._settings
        backend = LocalBackend(options, settings, clock=lambda: float(next(ticks)))
        assert [one.seconds for one in ASK.made(backend, [ASK.txt2img(), ASK.txt2img(seed=2)])] == [2.0, 2.0]
        backend.close()


def with_pixels(opened: Opener, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Any], None]) -> list[Any]:
    """Two pictures drawn together by a model whose answer is spoilt."""
    from stablenew.backends.diffusers_local import pipelines as diffusers_pipelines

    backend = opened()
    ASK.one(backend, ASK.txt2img())
    plain = diffusers_pipelines.Txt2Img.__call__

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer = plain(self, *args, **kwargs)
        spoil(answer.images)
        return answer

    monkeypatch.setattr(diffusers_pipelines.Txt2Img, "__call__", call)
    return ASK.made(backend, [ASK.txt2img(), ASK.txt2img(seed=2)])


class TestModels:
    """Where models come from."""

    def test_a_missing_model_is_refused_with_its_neighbour(self, opened: Opener, folder: Path) -> None:
        """A path that is not there is refused, naming the model beside it that is most like it."""
        wrong = folder.with_name("randum")
        with pytest.raises(UnknownChoice) as refused:
            opened(wrong).check(ASK.txt2img())
        assert refused.value.nearest == str(folder)

    def test_a_folder_that_is_no_model_is_refused(self, opened: Opener, tmp_path: Path) -> None:
        """A folder without model_index.json, or of a family that cannot be run, is refused by what is wrong with it."""
        with pytest.raises(InvalidSetting, match=r"model_index\.json"):
            opened(tmp_path).check(ASK.txt2img())
        (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
        with pytest.raises(InvalidSetting, match="this one is a FluxPipeline"):
            opened(tmp_path).check(ASK.txt2img())
        (tmp_path / "model_index.json").write_text('{"_class_name": ')
        diffusers_models.read_facts.cache_clear()
        with pytest.raises(InvalidSetting, match="cannot be read"):
            opened(tmp_path).check(ASK.txt2img())

    def test_a_place_that_cannot_be_read_is_refused(
        self, opened: Opener, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A model or VAE in a folder this person may not look into is refused by that reason."""

        def is_file(_: Path) -> bool:
            raise PermissionError(13, "Permission denied")

        backend = opened()
        monkeypatch.setattr(Path, "is_file", is_file)
        with pytest.raises(InvalidSetting, match=r"setting model .* can be read \(Permission denied\)"):
            backend.check(ASK.txt2img())
        with pytest.raises(InvalidSetting, match=r"setting vae .* can be read \(Permission denied\)"):
            find_vae(str(folder), backend="local")

    def test_models_of_the_workspace_are_found_by_name(self, opened: Opener, folder: Path, tmp_path: Path) -> None:
        """A relative name is looked for in the workspace's folder `models`, from which it cannot climb out."""
        shutil.copytree(folder, tmp_path / "models" / "mine")
        assert ASK.picture(opened("mine", workspace=tmp_path), ASK.txt2img()).effective.model == "mine"
        with pytest.raises(UnknownChoice):
            opened("../models/mine", workspace=tmp_path / "models").check(ASK.txt2img())

    def test_a_missing_embedded_model_is_said(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Without its embedded model the backend says so, and what to do."""
        monkeypatch.setattr(diffusers_models.importlib.resources, "files", lambda _: tmp_path)
        with pytest.raises(BackendUnavailable, match=r"embedded model is missing.*--model"):
            open_backend(BackendOptions(name="local")).capabilities()

    def test_size_comes_from_the_models_own_files(self, opened: Opener, folder_xl: Path) -> None:
        """The native size is read from the configuration: 16 latent pixels of factor 4 or 2, without loading."""
        assert opened().capabilities().native_size == (64, 64)
        assert opened(folder_xl).capabilities().native_size == (32, 32)

    def test_another_model_takes_the_place(self, opened: Opener, tmp_path: Path) -> None:
        """Requests of two models in one call are each made with their own."""
        other = build(tmp_path / "other", seed=5)
        request = ASK.txt2img()
        backend = opened()
        first, second = ASK.made(backend, [request, dataclasses.replace(request, model=str(other))])
        assert (first.effective.model, second.effective.model) == ("random", "other")
        assert largest(first.picture, second.picture) > 2
        assert largest(first.picture, ASK.pixels(backend, request)) == 0

    def test_another_vae_takes_the_place(self, opened: Opener, folder_xl: Path, tmp_path: Path) -> None:
        """A VAE folder replaces the model's own and is recorded by its name; a missing one is refused."""
        torch.manual_seed(9)
        kl_vae().save_pretrained(tmp_path / "othervae")
        backend = opened(folder_xl)
        plain = ask(width=32, height=32)
        replaced = dataclasses.replace(plain, vae=str(tmp_path / "othervae"))
        made = ASK.picture(backend, replaced)
        assert made.effective.vae == "othervae"
        assert largest(made.picture, ASK.pixels(backend, plain)) > 2
        with pytest.raises(UnknownChoice, match="VAE"):
            backend.check(dataclasses.replace(plain, vae=str(tmp_path / "novae")))

    def test_half_precision_files_are_computed_in_full_on_a_cpu(self, opened: Opener, tmp_path: Path) -> None:
        """A folder that holds only float16 weights, of the variant fp16, is loaded and computed in float32."""
        source = build(tmp_path / "full")
        pipe = diffusers.StableDiffusionPipeline.from_pretrained(source, safety_checker=None)
        pipe.to(torch.float16).save_pretrained(tmp_path / "half", variant="fp16")
        assert has_only_fp16(tmp_path / "half")
        made = ASK.picture(opened(tmp_path / "half"), ASK.txt2img())
        assert made.effective.extra["dtype"] == "float32"
        assert largest(made.picture, ASK.pixels(opened(source), ASK.txt2img())) <= 8

    def test_a_single_file_draws_what_its_folder_draws(self, opened: Opener, tmp_path: Path) -> None:
        """A checkpoint in one file, with a folder that describes it, draws the very picture of the folder."""
        source = build(tmp_path / "folder", unet={}, vae=kl_vae())
        file = write_checkpoint(source, tmp_path / "mymodel.safetensors")
        request = ask(width=32, height=32)
        made = ASK.picture(opened(file, config=str(source)), request)
        assert largest(made.picture, ASK.pixels(opened(source), request)) <= 1
        assert made.effective.model == "mymodel"
        assert made.effective.model_hash == hashlib.sha256(file.read_bytes()).hexdigest()[:10]

    def test_folders_of_older_programs_keep_their_text_encoder(
        self, opened: Opener, folder: Path, tmp_path: Path
    ) -> None:
        """A folder whose text encoder was saved before transformers 5, with longer tensor names, draws the same."""
        shutil.copytree(folder, tmp_path / "older")
        weights = tmp_path / "older" / "text_encoder" / "model.safetensors"
        tensors = load_file(weights)
        assert not any(name.startswith("text_model.") for name in tensors)
        save_file({f"text_model.{name}": tensor for name, tensor in tensors.items()}, weights, {"format": "pt"})
        assert largest(ASK.pixels(opened(tmp_path / "older"), ask()), ASK.pixels(opened(), ask())) == 0

    def test_closing_gives_the_memory_back(self, opened: Opener) -> None:
        """After `close` nothing holds the model, and the backend can be used again."""
        backend = opened()
        ASK.one(backend, ASK.txt2img())
        assert backend._loaded is not None
        held = weakref.ref(backend._loaded[1].model.txt2img.unet)
        backend.close()
        assert held() is None
        assert isinstance(ASK.one(backend, ASK.txt2img()), GeneratedImage)

    def test_hash_notices_a_changed_file(self, tmp_path: Path) -> None:
        """The hash is computed anew when the weights change, and covers every shard."""
        (tmp_path / "model_index.json").write_text("{}")
        (tmp_path / "unet").mkdir()
        shard = tmp_path / "unet" / "diffusion_pytorch_model-00001-of-00002.safetensors"
        source = find_model(str(tmp_path), backend="local")
        assert model_hash(source) is None
        shard.write_bytes(b"one")
        first = model_hash(source)
        shard.with_name("diffusion_pytorch_model-00002-of-00002.safetensors").write_bytes(b"two")
        assert model_hash(source) == hashlib.sha256(b"onetwo").hexdigest()[:10] != first


class TestErrors:
    """The libraries' exceptions come out as ours."""

    def test_every_exception_of_the_libraries_is_mapped(self) -> None:
        """Each exception class of huggingface_hub, safetensors and torch is one of those that are turned into ours."""
        import inspect

        import huggingface_hub.errors
        import safetensors

        spaces = (huggingface_hub.errors, safetensors, torch, torch.cuda)
        found = {
            thing
            for space in spaces
            for thing in vars(space).values()
            if inspect.isclass(thing) and issubclass(thing, Exception) and not issubclass(thing, Warning)
        }
        assert len(found) > 30
        left = [thing for thing in found if not issubclass(thing, diffusers_loading.LIBRARY_ERRORS)]
        assert left == []

    @pytest.mark.parametrize(
        "error",
        [
            torch.OutOfMemoryError("out of memory"),
            OSError("no such file"),
            RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
            KeyError("text_encoder"),
        ],
    )
    def test_a_failing_model_is_an_outcome(
        self, opened: Opener, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        """Whatever drawing raises becomes that picture's GenerationFailed, with the cause kept."""
        fail_above(monkeypatch, 0, error)
        failed = ASK.one(opened(), ASK.txt2img())
        assert isinstance(failed, GenerationFailed)
        assert failed.__cause__ is error

    def test_broken_weights_are_an_outcome(self, opened: Opener, folder: Path, tmp_path: Path) -> None:
        """Weights cut short make every request BackendUnavailable, naming the model; another model still works."""
        broken = tmp_path / "broken"
        shutil.copytree(folder, broken)
        weights = broken / "unet" / "diffusion_pytorch_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
        request = ASK.txt2img()
        backend = opened()
        made = ASK.made(backend, [dataclasses.replace(request, model=str(broken)), request])
        assert isinstance(made[0], BackendUnavailable)
        assert "model broken cannot be loaded" in str(made[0])
        assert isinstance(made[1], GeneratedImage)

    def test_a_hub_id_that_cannot_be_had_is_an_outcome(self, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
        """A hub id that is neither in the cache nor to be downloaded is BackendUnavailable, with the reason."""
        asked: list[bool] = []

        def download(_: str, *, local_files_only: bool = False) -> str:
            asked.append(local_files_only)
            raise OSError("somebody/model is not a local folder and is not a valid model identifier")

        monkeypatch.setattr(diffusers.DiffusionPipeline, "download", download)
        failed = ASK.one(opened("somebody/model"), ASK.txt2img())
        assert isinstance(failed, BackendUnavailable)
        assert "not a valid model identifier" in str(failed)
        assert asked == [True, False]

    def test_a_hub_id_in_the_cache_is_drawn_with(
        self, opened: Opener, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A hub id that is in the cache is loaded from there and recorded under its id."""
        monkeypatch.setattr(diffusers.DiffusionPipeline, "download", lambda _, **__: str(folder))
        made = ASK.picture(opened("somebody/model"), ask(width=None, height=None))
        assert (made.effective.model, made.width) == ("somebody/model", 64)
        assert made.effective.model_hash is not None

    def test_a_device_that_is_not_there_is_said(self, opened: Opener) -> None:
        """A device this machine lacks, or that does not exist, is BackendUnavailable."""
        assert isinstance(ASK.one(opened(device="nonsense"), ASK.txt2img()), BackendUnavailable)
        if not torch.cuda.is_available():
            assert isinstance(ASK.one(opened(device="cuda"), ASK.txt2img()), BackendUnavailable)

    def test_upscalers_are_refused(self, opened: Opener) -> None:
        """The backend has no upscalers and says what there is instead."""
        base = ASK.upscale(opened(), "img2img")
        request = dataclasses.replace(base, settings=dataclasses.replace(base.settings, method="upscaler"))
        with pytest.raises(UnsupportedStage, match="lanczos or img2img"):
            opened().check(request)

    def test_missing_packages_say_how_to_get_them(self, opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the packages of the extra, the backend says which are missing and how to install them."""
        from stablenew.backends.diffusers_local import backend as diffusers_local

        plain = diffusers_local.find_spec
        monkeypatch.setattr(diffusers_local, "find_spec", lambda name: None if name == "diffusers" else plain(name))
        with pytest.raises(BackendUnavailable, match=r"needs diffusers: pip install 'stablenew\[local\]'"):
            opened().capabilities()

    def test_settings_are_checked_by_name_and_value(self, opened: Opener) -> None:
        """A setting the backend does not have, or a value it cannot have, is refused by name."""
        with pytest.raises(InvalidSetting, match=r"local\.speed"):
            opened(speed=3)
        with pytest.raises(InvalidSetting, match="dtype"):
            opened(dtype="float8")
        with pytest.raises(InvalidSetting, match="max_batch"):
            opened(max_batch=0)


def test_asking_about_a_model_imports_no_torch(folder: Path) -> None:
    """Opening, capabilities, check and batch keys import neither torch nor diffusers."""
    code = f"""
import sys
from stablenew.backends.registry import BackendOptions, open_backend
from stablenew.testing.fake_backend import FakeBackend
from stablenew.backends.base import Txt2ImgRequest
from stablenew.config import Txt2ImgSettings
backend = open_backend(BackendOptions(name="local", model={str(folder)!r}))
request = Txt2ImgRequest(prompt="", negative_prompt="", seed=1, settings=Txt2ImgSettings())
backend.capabilities(), backend.check(request), backend.batch_key(request)
print(sorted({{"torch", "diffusers", "transformers", "numpy"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_console_stays_quiet(folder: Path) -> None:
    """Drawing prints nothing: no progress bars, no warnings of the libraries."""
    code = f"""
from stablenew.backends.base import Img2ImgRequest, Txt2ImgRequest, Watch
from stablenew.backends.registry import BackendOptions, open_backend
from stablenew.config import Txt2ImgSettings
from stablenew.testing.backend_contract import BackendContract
ask = BackendContract()
backend = open_backend(BackendOptions(name="local", model={str(folder)!r}, settings={{"device": "cpu"}}))
ask.picture(backend, ask.txt2img(prompt="x" * 100))
ask.picture(backend, ask.txt2img(sampler="DPM++ SDE"))
ask.picture(backend, ask.img2img(ask.start_picture(), denoise=0.5))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert [line for line in done.stdout.splitlines() if "model loaded" not in line] == []
