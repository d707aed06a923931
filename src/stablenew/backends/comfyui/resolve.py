"""The names in a request, found among what a ComfyUI server has; what it does not have is refused by name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from stablenew.backends.base import Img2ImgRequest, StageRequest, Txt2ImgRequest, UpscaleRequest
from stablenew.backends.comfyui.graph import Enlarging, Hires, LoraFile, ModelParts, Refiner, Sampling, Texts
from stablenew.backends.comfyui.names import AUTOMATIC, split_joined, their_sampler, their_scheduler
from stablenew.backends.comfyui.objects import NodeClasses
from stablenew.backends.comfyui.prompt import Lora, mark_embeddings, match_file, take_loras
from stablenew.config import Img2ImgSettings, Txt2ImgSettings, server_extras_in_use
from stablenew.errors import InvalidSetting, UnknownChoice, UnsupportedStage

LATENT_METHODS = {
    "Latent": "bilinear",
    "Latent (nearest-exact)": "nearest-exact",
    "Latent (bicubic)": "bicubic",
    "Latent (area)": "area",
    "Latent (bislerp)": "bislerp",
}
PLAIN_UPSCALER = "Lanczos"
DONE_EXTRAS = ("hires_scale", "refiner")
_BUILT_IN_VAES = ("none", "automatic", "baked")
_BASE_SIZE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What the server called `backend` has, and what is taken where a request names nothing."""

    backend: str
    classes: NodeClasses
    embeddings: tuple[str, ...] = ()
    model: str | None = None
    clips: tuple[str, ...] = ()
    clip_type: str = "stable_diffusion"
    native_size: tuple[int, int] | None = None
    checkpoints: tuple[str, ...] = field(init=False)
    diffusion_models: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "checkpoints", self.classes.choices("CheckpointLoaderSimple", "ckpt_name"))
        object.__setattr__(self, "diffusion_models", self.classes.choices("UNETLoader", "unet_name"))

    @property
    def upscale_models(self) -> tuple[str, ...]:
        return self.classes.choices("UpscaleModelLoader", "model_name")

    @property
    def open_size(self) -> tuple[int, int]:
        """The (width, height) where a request leaves both open."""
        if self.native_size is not None:
            return self.native_size
        sides = [self.classes.default("EmptyLatentImage", side) for side in ("width", "height")]
        width, height = (side if isinstance(side, int) and side > 0 else _BASE_SIZE for side in sides)
        return width, height


def find_model(shelf: Shelf, request: StageRequest, loras: tuple[Lora, ...]) -> ModelParts:
    """Where the request's model comes from. Raises UnknownChoice, or InvalidSetting when it cannot be decided."""
    name = request.model or shelf.model
    vae = find_vae(shelf, request.vae)
    files = tuple(find_lora(shelf, lora) for lora in loras)
    if name is None:
        if len(shelf.checkpoints) == 1:
            return ModelParts(checkpoint=shelf.checkpoints[0], vae=vae, loras=files, clip_skip=clip_skip(request))
        known = ", ".join((*shelf.checkpoints, *shelf.diffusion_models)[:12]) or "nothing: put a checkpoint there first"
        raise InvalidSetting(
            "model", None, f"one of the models of {shelf.backend}, as ComfyUI has no current one: {known}"
        )
    found = match_file(name, (*shelf.checkpoints, *shelf.diffusion_models), backend=shelf.backend, kind="model")
    if found in shelf.checkpoints:
        return ModelParts(checkpoint=found, vae=vae, loras=files, clip_skip=clip_skip(request))
    return _diffusion_model(shelf, found, vae, files, clip_skip(request))


def find_vae(shelf: Shelf, name: str | None) -> str | None:
    """The server's file of a VAE, None for the model's own. Raises UnknownChoice."""
    if name is None or name.casefold() in _BUILT_IN_VAES:
        return None
    return match_file(name, shelf.classes.choices("VAELoader", "vae_name"), backend=shelf.backend, kind="VAE")


def find_lora(shelf: Shelf, lora: Lora) -> LoraFile:
    """The server's file of a lora. Raises UnknownChoice."""
    known = shelf.classes.choices("LoraLoader", "lora_name")
    file = match_file(lora.name, known, backend=shelf.backend, kind="lora")
    return LoraFile(file=file, strength=lora.strength, text_strength=lora.text_strength)


def find_sampling(shelf: Shelf, request: StageRequest) -> Sampling:
    """How the request is sampled, in the server's names. Raises UnknownChoice."""
    settings = sampling_settings(request)
    refuse_extras(shelf, settings, DONE_EXTRAS)
    sampler, scheduler = _sampler_and_scheduler(shelf, settings.sampler or "", settings.scheduler or AUTOMATIC)
    return Sampling(
        seed=request.seed,
        sampler=sampler,
        scheduler=scheduler,
        steps=settings.steps or 1,
        cfg=7.0 if settings.cfg_scale is None else settings.cfg_scale,
        denoise=denoise(request),
    )


def find_hires(shelf: Shelf, request: Txt2ImgRequest, size: tuple[int, int], first: Sampling) -> Hires | None:
    """The second pass after the pass `first` at `size`; None without. Raises UnknownChoice or InvalidSetting."""
    settings = request.settings
    if settings.hires_scale is None:
        return None
    if settings.refiner is not None:
        raise InvalidSetting(
            "txt2img.refiner", settings.refiner, "none beside hires_scale: ComfyUI does one of them here"
        )
    width, height = (int(side * settings.hires_scale) for side in size)
    if width % 8 or height % 8:
        allowed = f"a factor that gives sides in multiples of 8: {width}x{height} is not"
        raise InvalidSetting("txt2img.hires_scale", settings.hires_scale, allowed)
    sampler, scheduler = _sampler_and_scheduler(
        shelf, settings.hires_sampler or settings.sampler, settings.hires_scheduler or settings.scheduler
    )
    sampling = dataclasses.replace(
        first,
        sampler=sampler,
        scheduler=scheduler,
        steps=settings.hires_steps or first.steps,
        cfg=first.cfg if settings.hires_cfg_scale is None else settings.hires_cfg_scale,
        denoise=settings.hires_denoise,
    )
    return Hires(enlarging=_enlarging(shelf, settings.hires_upscaler, width, height), sampling=sampling)


def find_refiner(shelf: Shelf, request: Txt2ImgRequest, base: ModelParts) -> Refiner | None:
    """The model that takes over during the steps, None without. Raises UnknownChoice or InvalidSetting."""
    settings = request.settings
    if settings.refiner is None:
        return None
    switch_at = round(settings.steps * settings.refiner_switch_at)
    if not 0 < switch_at < settings.steps:
        allowed = f"a share that leaves each model at least one of the {settings.steps} steps"
        raise InvalidSetting("txt2img.refiner_switch_at", settings.refiner_switch_at, allowed)
    found = match_file(settings.refiner, shelf.checkpoints, backend=shelf.backend, kind="refiner")
    return Refiner(model=ModelParts(checkpoint=found, vae=base.vae), switch_at=switch_at)


def refuse_extras(shelf: Shelf, settings: Txt2ImgSettings | Img2ImgSettings, done: tuple[str, ...] = ()) -> None:
    """Raises UnsupportedStage for a setting in use that is not `done`, instead of leaving it out."""
    for name in server_extras_in_use(settings):
        if name not in done:
            raise UnsupportedStage(shelf.backend, name, "put it into a ComfyUI workflow of your own")


def find_texts(shelf: Shelf, request: StageRequest) -> tuple[Texts, tuple[Lora, ...]]:
    """What is encoded, and the loras taken out of the prompt. Raises InvalidSetting for a lora tag that is wrong."""
    prompt, loras = take_loras(request.prompt)
    texts = Texts(
        positive=mark_embeddings(prompt, shelf.embeddings),
        negative=mark_embeddings(request.negative_prompt, shelf.embeddings),
    )
    return texts, loras


def find_enlarging(shelf: Shelf, request: UpscaleRequest) -> Enlarging:
    """How the request's picture is made larger. Raises UnknownChoice, InvalidSetting or UnsupportedStage."""
    name, method = request.settings.upscaler, request.settings.method
    if method == "lanczos":
        raise UnsupportedStage(shelf.backend, "upscale", "plain resampling is done without a backend")
    if name is None:
        if method == "upscaler":
            raise InvalidSetting("upscale.upscaler", None, "the name of an upscale model the server has")
        return _enlarging(shelf, PLAIN_UPSCALER, request.width, request.height)
    if name in LATENT_METHODS and method == "upscaler":
        raise InvalidSetting("upscale.upscaler", name, "an upscale model; Latent needs upscale.method=img2img")
    return _enlarging(shelf, name, request.width, request.height)


def find_size(shelf: Shelf, request: Txt2ImgRequest) -> tuple[int, int]:
    """The (width, height) to make. Raises InvalidSetting for a side that the server would round."""
    width, height = shelf.open_size
    size = request.settings.width or width, request.settings.height or height
    for side, pixels in zip(("width", "height"), size, strict=True):
        check_side(f"txt2img.{side}", pixels)
    return size


def check_side(name: str, pixels: int) -> None:
    """Raises InvalidSetting when a side is not one that the server keeps as it is."""
    if pixels % 8 or pixels < 16:
        raise InvalidSetting(name, pixels, "a multiple of 8 from 16 on (others are silently rounded)")


def sampling_settings(request: StageRequest) -> Txt2ImgSettings | Img2ImgSettings:
    """The settings that sampler, scheduler, steps and guidance come from."""
    return request.repaint if isinstance(request, UpscaleRequest) else request.settings


def denoise(request: StageRequest) -> float:
    """How much of the picture is made anew, 0..1."""
    match request:
        case Txt2ImgRequest():
            return 1.0
        case Img2ImgRequest() | UpscaleRequest():
            return request.settings.denoise


def clip_skip(request: StageRequest) -> int:
    """From which layer before the end the text is taken."""
    return request.settings.clip_skip if isinstance(request, Txt2ImgRequest) else request.clip_skip


def _sampler_and_scheduler(shelf: Shelf, sampler: str, scheduler: str) -> tuple[str, str]:
    """Both in the server's names."""
    sampler, scheduler = split_joined(sampler, scheduler)
    theirs = their_sampler(sampler, shelf.classes.choices("KSampler", "sampler_name"), shelf.backend)
    known = shelf.classes.choices("KSampler", "scheduler")
    return theirs, their_scheduler(scheduler, theirs, known, shelf.backend)


def _enlarging(shelf: Shelf, name: str, width: int, height: int) -> Enlarging:
    if name in LATENT_METHODS:
        return Enlarging(width=width, height=height, latent_method=LATENT_METHODS[name])
    if name == PLAIN_UPSCALER:
        return Enlarging(width=width, height=height)
    known = (*shelf.upscale_models, *LATENT_METHODS, PLAIN_UPSCALER)
    return Enlarging(
        width=width, height=height, upscale_model=match_file(name, known, backend=shelf.backend, kind="upscaler")
    )


def _diffusion_model(shelf: Shelf, model: str, vae: str | None, loras: tuple[LoraFile, ...], skip: int) -> ModelParts:
    if not shelf.clips or vae is None:
        missing = "clips" if not shelf.clips else "vae"
        hint = f"a {missing} setting beside it: {model} is a diffusion model without text encoder and VAE"
        raise InvalidSetting("model", model, hint)
    loader, inputs = (
        ("DualCLIPLoader", ("clip_name1", "clip_name2")) if len(shelf.clips) == 2 else ("CLIPLoader", ("clip_name",))
    )
    clips = tuple(
        match_file(clip, shelf.classes.choices(loader, input_name), backend=shelf.backend, kind="text encoder")
        for clip, input_name in zip(shelf.clips, inputs, strict=True)
    )
    types = shelf.classes.choices(loader, "type")
    if types and shelf.clip_type not in types:
        raise UnknownChoice(backend=shelf.backend, kind="clip_type", value=shelf.clip_type, known=types)
    return ModelParts(
        diffusion_model=model, clips=clips, clip_type=shelf.clip_type, vae=vae, loras=loras, clip_skip=skip
    )
