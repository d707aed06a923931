"""Requests, backends and the like that the ComfyUI tests share."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from stablenew.backends.base import (
    GeneratedImage,
    Img2ImgRequest,
    Outcome,
    Picture,
    StageRequest,
    Txt2ImgRequest,
    UpscaleRequest,
    Watch,
)
from stablenew.backends.comfyui.backend import ComfyBackend, open_backend
from stablenew.backends.registry import BackendOptions
from stablenew.config import Img2ImgSettings, Txt2ImgSettings, UpscaleSettings
from stablenew.testing.stub_comfy import StubComfy

SLOPE = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
QUICK = {"poll_s": 0.1, "restart_wait_s": 3.0, "timeout_s": 3.0, "connect_timeout_s": 1.0}


def txt2img(seed: int = 1, *, prompt: str = "a cat", **settings: Any) -> Txt2ImgRequest:
    """A small request; `model` and `vae` among the settings go where they belong."""
    model, vae = settings.pop("model", None), settings.pop("vae", None)
    small = dataclasses.replace(Txt2ImgSettings(width=64, height=64, steps=3), **settings)
    return Txt2ImgRequest(prompt=prompt, negative_prompt="blurry", seed=seed, settings=small, model=model, vae=vae)


def img2img(image: Picture | None = None, *, denoise: float = 0.5, **settings: Any) -> Img2ImgRequest:
    """A request to paint over a small picture."""
    full = Img2ImgSettings(
        denoise=denoise, sampler="Euler a", scheduler="Automatic", steps=settings.pop("steps", 4), cfg_scale=7.0
    )
    return Img2ImgRequest(
        prompt="a cat",
        negative_prompt="",
        seed=1,
        settings=dataclasses.replace(full, **settings),
        image=image or SLOPE,
    )


def upscale(method: str, upscaler: str | None = None) -> UpscaleRequest:
    """A request to make a small picture larger."""
    return UpscaleRequest(
        prompt="a cat",
        negative_prompt="",
        seed=1,
        settings=UpscaleSettings(method=method, upscaler=upscaler),  # type: ignore[arg-type]  # one of the literals
        repaint=img2img().settings,
        image=SLOPE,
        width=128,
        height=128,
    )


def open_comfy(
    stub: StubComfy, *, model: str | None = None, workspace: Path | None = None, **settings: Any
) -> ComfyBackend:
    """A backend on the stub, quick to lose patience."""
    options = BackendOptions(
        name="comfyui", url=stub.url, model=model, workspace=workspace, settings={**QUICK, **settings}
    )
    return open_backend(options)


def outcomes(backend: ComfyBackend, requests: Sequence[StageRequest], watch: Watch | None = None) -> list[Outcome]:
    """Every outcome in the order of the requests; fails when one is missing or comes twice."""
    made = list(backend.generate(requests, watch or Watch()))
    assert sorted(index for index, _ in made) == list(range(len(requests)))
    return [outcome for _, outcome in sorted(made, key=lambda each: each[0])]


def picture(backend: ComfyBackend, request: StageRequest) -> GeneratedImage:
    """The one picture of a request."""
    (made,) = outcomes(backend, [request])
    assert isinstance(made, GeneratedImage), made
    return made


def sent_graph(stub: StubComfy, nth: int = -1) -> dict[str, Any]:
    """The graph of the nth job that was handed over, class names to lists of inputs."""
    graph = [body for method, path, body in stub.requests if (method, path) == ("POST", "/prompt")][nth]["prompt"]
    by_class: dict[str, Any] = {}
    for node in graph.values():
        by_class.setdefault(node["class_type"], []).append(node["inputs"])
    return by_class
