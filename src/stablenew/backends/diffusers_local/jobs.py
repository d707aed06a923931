"""A request of the local backend made ready for drawing: checked, its model found, its start picture read."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from PIL import Image

from stablenew.backends.base import Img2ImgRequest, StageRequest, Txt2ImgRequest, UpscaleRequest
from stablenew.backends.diffusers_local.models import ModelSource, check_pipeline, find_model, find_vae, read_facts
from stablenew.backends.diffusers_local.samplers import AUTOMATIC, Sampling, check_for_model, resolve_sampling
from stablenew.backends.picture import read_pixels
from stablenew.config import server_extras_in_use
from stablenew.errors import InvalidSetting, UnsupportedStage

_GRAIN = 8
_NETWORK = re.compile(r"<(?:lora|lyco|hypernet|embedding):[^>]*>|\bembedding:[^\s,:()<>]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where requests are understood: the backend's name, its default model, and the workspace with its models."""

    backend: str
    model: str | None = None
    workspace: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What decides a picture besides its prompt and seed. `denoise` is None for a picture from text."""

    model: ModelSource
    vae: ModelSource | None
    sampling: Sampling
    steps: int
    cfg_scale: float
    clip_skip: int
    denoise: float | None

    @property
    def guided(self) -> bool:
        """Whether the negative prompt has a say; without guidance a picture costs half."""
        return self.cfg_scale != 1

    @property
    def steps_run(self) -> int:
        """How many steps are taken: all from text, that share of them over a picture, as diffusers counts."""
        return self.steps if self.denoise is None else min(int(self.steps * self.denoise), self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A request on its way. `width` and `height` are the picture's, None: the model's own. `start` is padded."""

    index: int
    request: StageRequest
    recipe: Recipe
    width: int | None
    height: int | None
    start: Image.Image | None = None

    @property
    def together(self) -> Hashable:
        """Jobs for which this is equal can be drawn in one forward pass."""
        return _together(self.recipe, self.width, self.height)


def read_recipe(request: StageRequest, around: Surroundings) -> Recipe:
    """What `request` asks for, once it can be done. Its picture is not looked at.

    Raises UnknownChoice, InvalidSetting, UnsupportedStage, or BackendUnavailable without the embedded model.
    """
    if isinstance(request, UpscaleRequest) and request.settings.method == "upscaler":
        hint = "it has no upscalers: use method lanczos or img2img"
        raise UnsupportedStage(around.backend, "upscale with method upscaler", hint)
    _refuse_what_servers_do(request, around.backend)
    model = find_model(request.model or around.model, backend=around.backend, workspace=around.workspace)
    facts = read_facts(model)
    check_pipeline(model, facts.pipeline)
    recipe = _settle(request, model, around)
    check_for_model(recipe.sampling, recipe.steps, facts.scheduler)
    if facts.text_layers is not None and recipe.clip_skip > facts.text_layers:
        raise InvalidSetting("clip_skip", recipe.clip_skip, f"from 1 to {facts.text_layers} with this model")
    return recipe


def _refuse_what_servers_do(request: StageRequest, backend: str) -> None:
    """Hires fix, scripts, loras and the like are refused: a picture made without them is not what was asked for."""
    if not isinstance(request, UpscaleRequest):
        for name in server_extras_in_use(request.settings):
            raise UnsupportedStage(backend, name, "only servers do that")
    for text in (request.prompt, request.negative_prompt):
        if found := _NETWORK.search(text):
            hint = "use a server backend, or take it out of the prompt"
            raise UnsupportedStage(backend, f"the extra network {found[0]}", hint)


def batch_key(request: StageRequest, around: Surroundings) -> Hashable:
    """Requests with equal keys can be drawn together, as far as can be said without looking at their pictures."""
    recipe = read_recipe(request, around)
    match request:
        case Txt2ImgRequest():
            return request.stage, _together(recipe, *_asked_size(request, recipe))
        case Img2ImgRequest():
            return request.stage, _together(recipe, None, None)
        case UpscaleRequest():
            return request.stage, _together(recipe, request.width, request.height)
        case _ as never:
            assert_never(never)


def prepare(index: int, request: StageRequest, around: Surroundings) -> Job:
    """`request` ready to be drawn. Raises as `read_recipe`, and GenerationFailed when its picture cannot be read."""
    recipe = read_recipe(request, around)
    if isinstance(request, Txt2ImgRequest):
        width, height = _asked_size(request, recipe)
        return Job(index=index, request=request, recipe=recipe, width=width, height=height)
    start = read_pixels(request.image, around.backend)
    if isinstance(request, UpscaleRequest):
        start = start.resize((request.width, request.height), Image.Resampling.LANCZOS)
    return Job(index=index, request=request, recipe=recipe, width=start.width, height=start.height, start=_pad(start))


def padded(side: int) -> int:
    """The least length models can draw that is not below `side`."""
    return -(-side // _GRAIN) * _GRAIN


def _together(recipe: Recipe, width: int | None, height: int | None) -> Hashable:
    return dataclasses.replace(recipe, cfg_scale=0.0), recipe.guided, width, height


def _asked_size(request: Txt2ImgRequest, recipe: Recipe) -> tuple[int | None, int | None]:
    native = read_facts(recipe.model).native_size or (None, None)
    return request.settings.width or native[0], request.settings.height or native[1]


def _settle(request: StageRequest, model: ModelSource, around: Surroundings) -> Recipe:
    match request:
        case Txt2ImgRequest(settings=settings):
            clip_skip, denoise = settings.clip_skip, None
        case Img2ImgRequest(settings=settings):
            clip_skip, denoise = request.clip_skip, settings.denoise
        case UpscaleRequest(repaint=settings):
            clip_skip, denoise = request.clip_skip, request.settings.denoise
        case _ as never:
            assert_never(never)
    for name in ("sampler", "steps", "cfg_scale"):
        if getattr(settings, name) is None:
            raise InvalidSetting(f"{request.stage}.{name}", None, "a value by the time it reaches a backend")
    vae = find_vae(request.vae, backend=around.backend, workspace=around.workspace) if request.vae else None
    return Recipe(
        model=model,
        vae=vae,
        sampling=resolve_sampling(settings.sampler or "", settings.scheduler or AUTOMATIC, backend=around.backend),
        steps=settings.steps or 0,
        cfg_scale=settings.cfg_scale or 0.0,
        clip_skip=clip_skip,
        denoise=denoise,
    )


def _pad(image: Image.Image) -> Image.Image:
    """`image` with its last row and column repeated up to a size that models can draw."""
    width, height = padded(image.width), padded(image.height)
    if (width, height) == image.size:
        return image
    made = Image.new("RGB", (width, height))
    made.paste(image.crop((image.width - 1, 0, image.width, image.height)).resize((width, image.height)))
    made.paste(image)
    last = made.crop((0, image.height - 1, width, image.height))
    if height > image.height:
        made.paste(last.resize((width, height - image.height)), (0, image.height))
    return made
