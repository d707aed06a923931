"""A request looked up against one server: every name and size settled, or refused before anything is made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stablenew.backends.base import StageRequest, Txt2ImgRequest, UpscaleRequest
from stablenew.backends.webui.flavour import FileEntry, SamplerEntry, ServerFacts
from stablenew.backends.webui.names import (
    AUTOMATIC,
    Lora,
    find_embeddings,
    find_file,
    find_loras,
    find_name,
    find_sampling,
)
from stablenew.backends.webui.scripts import read_adetailer, read_scripts
from stablenew.config import Img2ImgSettings, Txt2ImgSettings, server_extras_in_use
from stablenew.errors import InvalidSetting, UnsupportedStage

_VAE_WORDS = ("Automatic", "None")
"""What the option sd_vae takes beside file names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What will be asked of the server, in its own names. `model` and `vae` of None leave the server's own."""

    sampler: SamplerEntry = field(default_factory=lambda: SamplerEntry(name=""))
    scheduler: str = AUTOMATIC
    model: FileEntry | None = None
    vae: FileEntry | None = None
    loras: tuple[Lora, ...] = ()
    embeddings: tuple[str, ...] = ()
    refiner: FileEntry | None = None
    hires_upscaler: str = ""
    hires_sampler: str | None = None
    hires_scheduler: str | None = None
    upscaler: str = ""
    adetailer: Mapping[str, Any] | None = None
    scripts: Mapping[str, Any] = field(default_factory=dict)


def choose(request: StageRequest, facts: ServerFacts, backend: str, model: str | None) -> Choice:
    """What `request` means on this server; `model` is taken where the request names none.

    Raises UnknownChoice naming the nearest, InvalidSetting, or UnsupportedStage.
    """
    if isinstance(request, UpscaleRequest) and request.settings.method == "upscaler":
        return _upscaler(request, facts, backend)
    choice = _common(request, facts, backend, request.model or model)
    if isinstance(request, UpscaleRequest):
        _require_size(facts, request.width, request.height)
        return choice
    choice = _extras(choice, request.settings, facts, backend)
    return _txt2img(choice, request, facts, backend) if isinstance(request, Txt2ImgRequest) else choice


def sampling_of(request: StageRequest) -> Txt2ImgSettings | Img2ImgSettings:
    """The sampler settings a request is made with."""
    return request.repaint if isinstance(request, UpscaleRequest) else request.settings


def clip_skip_of(request: StageRequest) -> int:
    """How many layers before its end the text encoder is left, 1 for the last."""
    return request.settings.clip_skip if isinstance(request, Txt2ImgRequest) else request.clip_skip


def hires_size(settings: Txt2ImgSettings) -> tuple[int | None, int | None]:
    """The size the picture will have: the sides, times the hires factor where a second pass is asked for."""
    scale = settings.hires_scale or 1
    width, height = (None if side is None else int(side * scale) for side in (settings.width, settings.height))
    return width, height


def _upscaler(request: UpscaleRequest, facts: ServerFacts, backend: str) -> Choice:
    if not facts.extras:
        raise UnsupportedStage(backend, "upscale", "this server only upscales by img2img: use upscale.method=img2img")
    return Choice(upscaler=find_name(facts.upscalers, backend, "upscaler", request.settings.upscaler or ""))


def _common(request: StageRequest, facts: ServerFacts, backend: str, model: str | None) -> Choice:
    settings = sampling_of(request)
    prompts = (request.prompt, request.negative_prompt)
    sampler, scheduler = find_sampling(facts, backend, settings.sampler or "Euler a", settings.scheduler or AUTOMATIC)
    return Choice(
        sampler=sampler,
        scheduler=scheduler,
        model=find_file(facts.models, backend, "model", model) if model else None,
        vae=_vae(facts, backend, request.vae) if request.vae else None,
        loras=tuple(lora for text in prompts for lora in find_loras(facts, backend, text)),
        embeddings=tuple(name for text in prompts for name in find_embeddings(facts, backend, text)),
    )


def _vae(facts: ServerFacts, backend: str, value: str) -> FileEntry:
    if facts.flavour == "sd.cpp":
        raise InvalidSetting("vae", value, "none here: stable-diffusion.cpp takes its VAE when it is started")
    words = () if facts.flavour == "Forge" else _VAE_WORDS
    for word in words:
        if value.casefold() == word.casefold():
            return FileEntry(name=word)
    return find_file(facts.vaes, backend, "VAE", value)


def _extras(choice: Choice, settings: Txt2ImgSettings | Img2ImgSettings, facts: ServerFacts, backend: str) -> Choice:
    asked = server_extras_in_use(settings)
    if asked and facts.flavour == "sd.cpp":
        raise UnsupportedStage(backend, asked[0], "stable-diffusion.cpp ignores it")
    return dataclasses.replace(
        choice,
        adetailer=read_adetailer(facts, backend, settings.adetailer_model, settings.adetailer_options),
        scripts=read_scripts(facts, backend, settings.scripts),
    )


def _txt2img(choice: Choice, request: Txt2ImgRequest, facts: ServerFacts, backend: str) -> Choice:
    settings = request.settings
    _require_size(facts, settings.width, settings.height)
    if settings.refiner:
        choice = dataclasses.replace(choice, refiner=find_file(facts.models, backend, "refiner", settings.refiner))
    if settings.hires_scale is None:
        return choice
    _require_hires_size(settings)
    upscalers = None if facts.upscalers is None else (*facts.latent_upscalers, *facts.upscalers)
    sampler, scheduler = find_sampling(
        facts, backend, settings.hires_sampler or choice.sampler.name, settings.hires_scheduler or choice.scheduler
    )
    return dataclasses.replace(
        choice,
        hires_upscaler=find_name(upscalers, backend, "hires upscaler", settings.hires_upscaler),
        hires_sampler=sampler.name,
        hires_scheduler=scheduler,
    )


def _require_size(facts: ServerFacts, width: int | None, height: int | None) -> None:
    """Raises InvalidSetting naming the nearest sides; the server would round in silence and report what was asked."""
    step = facts.size_step
    for name, side in (("width", width), ("height", height)):
        if side is not None and (side % step or side <= 0):
            below = max(step, side // step * step)
            raise InvalidSetting(name, side, f"multiples of {step} on this server, such as {below} or {below + step}")


def _require_hires_size(settings: Txt2ImgSettings) -> None:
    for name, side in zip(("width", "height"), hires_size(settings), strict=True):
        if side is not None and side % 8:
            allowed = f"a factor that makes {name} a multiple of 8, not {side}"
            raise InvalidSetting("hires_scale", settings.hires_scale, allowed)


def nearest_size(facts: ServerFacts, size: tuple[int, int]) -> tuple[int, int]:
    """`size` with each side brought down to what the server can make, for a picture that has no such size."""
    step = facts.size_step
    return max(step, size[0] // step * step), max(step, size[1] // step * step)
