"""Diffusers' own pipelines, with one thing more: each picture of a batch can have its own guidance."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)


class _EachItsGuidance:
    """`guidance_scale` may be a tensor [B, 1, 1, 1]; every value but 1 is guided, those below 1 too.

    Diffusers multiplies by `guidance_scale` as it is, so a tensor spreads over the batch; only its question whether
    there is guidance at all takes a single number, and is asked anew here.
    """

    unet: Any
    _guidance_scale: float | torch.Tensor

    @property
    def do_classifier_free_guidance(self) -> bool:
        unguided = self.unet.config.time_cond_proj_dim is not None
        return not unguided and bool((torch.as_tensor(self._guidance_scale) != 1).any())


class Txt2Img(_EachItsGuidance, StableDiffusionPipeline):  # type: ignore[misc]  # diffusers is not typed
    """Stable Diffusion 1.x and 2.x from text."""


class Img2Img(_EachItsGuidance, StableDiffusionImg2ImgPipeline):  # type: ignore[misc]  # diffusers is not typed
    """Stable Diffusion 1.x and 2.x over a picture."""


class Txt2ImgXL(_EachItsGuidance, StableDiffusionXLPipeline):  # type: ignore[misc]  # diffusers is not typed
    """Stable Diffusion XL from text."""


class Img2ImgXL(_EachItsGuidance, StableDiffusionXLImg2ImgPipeline):  # type: ignore[misc]  # diffusers is not typed
    """Stable Diffusion XL over a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The pipelines of one kind of model: diffusers' own, which loads it, and ours, which run it."""

    loader: Any
    txt2img: Any
    img2img: Any


FAMILIES = {
    "StableDiffusionPipeline": Family(loader=StableDiffusionPipeline, txt2img=Txt2Img, img2img=Img2Img),
    "StableDiffusionXLPipeline": Family(loader=StableDiffusionXLPipeline, txt2img=Txt2ImgXL, img2img=Img2ImgXL),
}


def from_parts(pipeline: Any, loaded: Any) -> Any:
    """A pipeline of the class `pipeline` around the parts of another, without its safety checker.

    `from_pipe` is not used: it does not know AutoencoderTiny.
    """
    wanted = set(inspect.signature(pipeline.__init__).parameters)
    parts = {name: part for name, part in loaded.components.items() if name in wanted}
    settings = {"requires_safety_checker": False, "force_zeros_for_empty_prompt": True, "add_watermarker": False}
    settings["force_zeros_for_empty_prompt"] = bool(loaded.config.get("force_zeros_for_empty_prompt", True))
    parts |= {name: value for name, value in settings.items() if name in wanted}
    if "safety_checker" in wanted:
        parts |= {"safety_checker": None, "feature_extractor": None}
    made = pipeline(**parts)
    made.set_progress_bar_config(disable=True)
    return made
