"""From a request to the job that is handed over: on a graph of our own, or on the person's workflow for that stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from stablenew.backends.base import Img2ImgRequest, StageRequest, Txt2ImgRequest, UpscaleRequest
from stablenew.backends.comfyui import resolve
from stablenew.backends.comfyui.graph import Enlarging, ModelParts, Sampling, image_to_image, text_to_image, upscale
from stablenew.backends.comfyui.job import PREFIX, Job, Store
from stablenew.backends.comfyui.names import our_sampler, our_scheduler
from stablenew.backends.comfyui.own import OwnWorkflow, own_job
from stablenew.backends.comfyui.resolve import Shelf
from stablenew.config import StageName
from stablenew.variant import EffectiveSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """How each stage is done on one server."""

    shelf: Shelf
    own: Mapping[StageName, OwnWorkflow] = field(default_factory=dict)

    def job(self, request: StageRequest, *, marker: str, store: Store) -> Job:
        """The job for a request; `store` hands its start picture over. Raises what `Backend.check` raises."""
        own = self.own.get(request.stage)
        if own is not None:
            return own_job(self.shelf, own, request, marker, store)
        return built_in_job(self.shelf, request, marker, store)


def built_in_job(shelf: Shelf, request: StageRequest, marker: str, store: Store) -> Job:
    """The job for a request on a graph of our own. Raises what `Backend.check` raises."""
    if isinstance(request, UpscaleRequest) and request.settings.method == "upscaler":
        return _upscale_job(shelf, request, marker, store)
    texts, loras = resolve.find_texts(shelf, request)
    model = resolve.find_model(shelf, request, loras)
    sampling = resolve.find_sampling(shelf, request)
    prefix = f"{PREFIX}/{marker}"
    enlarging: Enlarging | None = None
    size: tuple[int, int] | None
    match request:
        case Txt2ImgRequest():
            size = resolve.find_size(shelf, request)
            hires = resolve.find_hires(shelf, request, size, sampling)
            refiner = resolve.find_refiner(shelf, request, model)
            graph = text_to_image(model, texts, sampling, size, prefix=prefix, hires=hires, refiner=refiner)
            size = (hires.enlarging.width, hires.enlarging.height) if hires else size
        case Img2ImgRequest():
            stored = store(request.image)
            size = stored.size
            graph = image_to_image(model, texts, sampling, stored.name, prefix=prefix)
        case UpscaleRequest():
            enlarging = resolve.find_enlarging(shelf, request)
            resolve.check_side("upscale width", request.width)
            resolve.check_side("upscale height", request.height)
            size = (request.width, request.height)
            start = store(request.image).name
            graph = image_to_image(model, texts, sampling, start, prefix=prefix, enlarging=enlarging)
        case _ as never:
            assert_never(never)
    effective = _effective(request, model, sampling, enlarging)
    return Job(graph=graph, seed=request.seed, steps=sampling.steps, effective=effective, size=size, marker=marker)


def _upscale_job(shelf: Shelf, request: UpscaleRequest, marker: str, store: Store) -> Job:
    enlarging = resolve.find_enlarging(shelf, request)
    return Job(
        graph=upscale(store(request.image).name, enlarging, prefix=f"{PREFIX}/{marker}"),
        seed=request.seed,
        steps=1,
        effective=EffectiveSettings(upscaler=enlarging.upscale_model or resolve.PLAIN_UPSCALER),
        size=(request.width, request.height),
        marker=marker,
    )


def _effective(
    request: StageRequest, model: ModelParts, sampling: Sampling, enlarging: Enlarging | None
) -> EffectiveSettings:
    extra: dict[str, Any] = {}
    if model.loras:
        extra["loras"] = [[lora.file, lora.strength, lora.text_strength] for lora in model.loras]
    if model.clips:
        extra["text_encoders"] = list(model.clips)
    if sampling.first_step:
        extra["first_step"] = sampling.first_step
    if isinstance(request, Txt2ImgRequest):
        extra |= _passes(request)
    upscaler = None
    if enlarging is not None and isinstance(request, UpscaleRequest):
        upscaler = enlarging.upscale_model or request.settings.upscaler or resolve.PLAIN_UPSCALER
    return EffectiveSettings(
        model=model.checkpoint or model.diffusion_model,
        vae=model.vae,
        sampler=our_sampler(sampling.sampler),
        scheduler=our_scheduler(sampling.scheduler),
        cfg_scale=sampling.cfg,
        steps=sampling.steps,
        clip_skip=model.clip_skip,
        denoise=None if isinstance(request, Txt2ImgRequest) else sampling.denoise,
        upscaler=upscaler,
        extra=extra,
    )


def _passes(request: Txt2ImgRequest) -> dict[str, Any]:
    """Hires fix and refiner by the names the WebUI's infotext has for them, so that records compare."""
    settings, said = request.settings, {}
    if settings.hires_scale is not None:
        said = {
            "Hires upscale": f"{settings.hires_scale:g}",
            "Hires steps": str(settings.hires_steps or settings.steps),
            "Hires upscaler": settings.hires_upscaler,
            "Hires denoise": f"{settings.hires_denoise:g}",
            "Hires sampler": settings.hires_sampler,
            "Hires schedule type": settings.hires_scheduler,
            "Hires CFG Scale": None if settings.hires_cfg_scale is None else f"{settings.hires_cfg_scale:g}",
        }
    if settings.refiner is not None:
        said |= {"Refiner": settings.refiner, "Refiner switch at": f"{settings.refiner_switch_at:g}"}
    return {name: value for name, value in said.items() if value is not None}
