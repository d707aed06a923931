"""Pictures with an A1111 `parameters` text: A1111 itself, Forge, SD.Next, and the many that write the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stablenew.config import StageName
from stablenew.learning.importing.found import (
    Found,
    FoundStage,
    as_number,
    as_seed,
    as_text,
    as_whole,
    file_stem,
    our_sampler,
    our_scheduler,
    plain_extra,
)
from stablenew.learning.infotext import parse_infotext
from stablenew.variant import EffectiveSettings

# Before v1.9 the schedule was the end of the sampler's name.
_SCHEDULE_ENDS = ("Karras", "Exponential", "Polyexponential", "SGM Uniform", "Uniform", "Simple", "Normal", "Beta")
_OWN_NAMES = {
    "Hires upscale": "hires_scale",
    "Hires upscaler": "hires_upscaler",
    "Hires steps": "hires_steps",
    "Hires sampler": "hires_sampler",
    "Hires schedule type": "hires_scheduler",
    "Hires CFG Scale": "hires_cfg_scale",
    "Refiner": "refiner",
    "Refiner switch at": "refiner_switch_at",
    "Face restoration": "restore_faces",
    "ADetailer model": "adetailer_model",
}
_TAKEN = frozenset(
    {"Steps", "Sampler", "Schedule type", "Scheduler", "CFG scale", "Seed", "Size", "Model hash", "Model"}
)
_TAKEN |= {"VAE", "Denoising strength", "Clip skip", "Version", "App"}
# They say when and by whom, not how.
_NO_SETTING = frozenset({"Created Date", "Date", "User", "Time taken", "Pipeline", "Operations", "Parser", "Backend"})
_SIZE = re.compile(r"\s*(\d{1,5})\s*x\s*(\d{1,5})\s*")


def read_a1111(texts: Mapping[str, str]) -> Found | None:
    """What the `parameters` text (Exif: the comment) says, None where there is none."""
    text = texts.get("parameters") or texts.get("UserComment") or texts.get("comment") or ""
    if not text or text.lstrip().startswith("{"):
        return None
    parts = parse_infotext(text)
    settings = parts.settings
    if as_whole(settings.get("Steps")) is None and len(settings) < 3:
        return None
    tool, version = _tool(settings)
    return Found(
        tool=tool,
        version=version,
        prompt=parts.prompt,
        negative_prompt=parts.negative_prompt,
        seed=as_seed(settings.get("Seed")),
        stages=(_stage(settings),),
    )


def sampler_and_schedule(sampler: str | None, schedule: str | None) -> tuple[str | None, str | None]:
    """Both by the names people use; an old joined name such as "DPM++ 2M Karras" comes apart."""
    if sampler is not None and schedule is None:
        for end in _SCHEDULE_ENDS:
            if sampler.endswith(f" {end}"):
                return our_sampler(sampler.removesuffix(f" {end}")), end
    return our_sampler(sampler), our_scheduler(schedule)


def _tool(settings: Mapping[str, str]) -> tuple[str, str]:
    version = settings.get("Version", "")
    if "sd.next" in settings.get("App", "").casefold():
        return "sdnext", version
    for start, tool in (("Fooocus", "fooocus"), ("ComfyUI", "comfyui"), ("StableNew", "stablenew")):
        if version.startswith(start):
            return tool, version.removeprefix(start).strip()
    if re.match(r"f\d|neo|classic", version):
        return "forge", version
    return "a1111", version


def _stage(settings: Mapping[str, str]) -> FoundStage:
    size = _SIZE.fullmatch(settings.get("Size", ""))
    sampler, scheduler = sampler_and_schedule(
        as_text(settings.get("Sampler")), as_text(settings.get("Schedule type") or settings.get("Scheduler"))
    )
    denoise = as_number(settings.get("Denoising strength"))
    hires = any(name.startswith("Hires") for name in settings)
    stage: StageName = "img2img" if denoise is not None and not hires else "txt2img"
    others = _others(settings)
    if hires:
        others["hires_denoise"] = denoise
    return FoundStage(
        stage=stage,
        settings=EffectiveSettings(
            model=file_stem(settings.get("Model")),
            model_hash=as_text(settings.get("Model hash")),
            vae=file_stem(settings.get("VAE")),
            sampler=sampler,
            scheduler=scheduler,
            cfg_scale=as_number(settings.get("CFG scale")),
            steps=as_whole(settings.get("Steps")),
            width=int(size[1]) if size else None,
            height=int(size[2]) if size else None,
            clip_skip=as_whole(settings.get("Clip skip")),
            denoise=denoise if stage == "img2img" else None,
            extra=plain_extra(others, _NO_SETTING | {""}),
        ),
    )


def _others(settings: Mapping[str, str]) -> dict[str, Any]:
    """What has no field of its own: a number where we know the setting, else verbatim (a hash is no number)."""
    found: dict[str, Any] = {}
    for name, text in settings.items():
        own = _OWN_NAMES.get(name)
        if own is not None:
            number = as_whole(text)
            found[own] = (as_number(text) if number is None else number) or text
        elif name not in _TAKEN:
            found[name] = text
    return found
