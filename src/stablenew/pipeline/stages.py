"""The stages: what is asked of the backend for each, and the one that needs no backend, plain resampling."""

from __future__ import annotations

import dataclasses
import io
import time
from pathlib import Path
from typing import assert_never

from stablenew.backends.base import (
    GeneratedImage,
    Img2ImgRequest,
    Picture,
    StageRequest,
    Txt2ImgRequest,
    UpscaleRequest,
)
from stablenew.backends.picture import read_pixels
from stablenew.config import Img2ImgSettings, PipelineConfig, StageName
from stablenew.errors import InputError
from stablenew.variant import EffectiveSettings, Variant

UNMADE = b""
"""Stands for the picture an earlier stage has yet to make, when a request is only checked."""


def build_request(variant: Variant, stage: StageName, source: Picture, size: tuple[int, int]) -> StageRequest | None:
    """What to ask the backend for, None when the stage is plain resampling and needs no backend.

    `source` is the picture the stage before made and `size` its (width, height); txt2img uses neither.
    """
    config = variant.config
    if stage == "txt2img":
        return Txt2ImgRequest(
            prompt=variant.prompt,
            negative_prompt=variant.negative_prompt,
            seed=variant.seed,
            settings=config.txt2img,
            model=config.model,
            vae=config.vae,
        )
    if stage == "img2img":
        return Img2ImgRequest(
            prompt=variant.prompt,
            negative_prompt=variant.negative_prompt,
            seed=variant.seed,
            settings=repaint_settings(config, config.img2img.denoise),
            image=source,
            clip_skip=config.txt2img.clip_skip,
            model=config.model,
            vae=config.vae,
        )
    if stage == "upscale":
        return _upscale_request(variant, source, size)
    assert_never(stage)


def repaint_settings(config: PipelineConfig, denoise: float) -> Img2ImgSettings:
    """The img2img settings with every None taken from txt2img, at the given strength (0..1)."""
    own, base = config.img2img, config.txt2img
    return dataclasses.replace(
        own,
        denoise=denoise,
        sampler=own.sampler or base.sampler,
        scheduler=own.scheduler or base.scheduler,
        steps=own.steps or base.steps,
        cfg_scale=base.cfg_scale if own.cfg_scale is None else own.cfg_scale,
    )


def resample(source: Picture, scale: float, seed: int) -> GeneratedImage:
    """`source` made larger by `scale` with Lanczos resampling (Pillow): pixels, 8-bit sRGB.

    Raises GenerationFailed when `source` cannot be decoded.
    """
    from PIL.Image import Resampling

    started = time.perf_counter()
    pixels = read_pixels(source, "resample")
    width, height = scaled_size(pixels.size, scale)
    larger = pixels.resize((width, height), Resampling.LANCZOS)
    return GeneratedImage(
        picture=larger,
        width=width,
        height=height,
        seed=seed,
        seconds=time.perf_counter() - started,
        effective=EffectiveSettings(width=width, height=height, upscaler="Lanczos"),
    )


def scaled_size(size: tuple[int, int], scale: float, multiple: int = 1) -> tuple[int, int]:
    """`size` (width, height) times `scale`, each side rounded to the nearest `multiple` of pixels."""
    width, height = (max(multiple, round(side * scale / multiple) * multiple) for side in size)
    return width, height


def read_init_image(config: PipelineConfig) -> tuple[Picture, tuple[int, int]]:
    """The file bytes and the (width, height) of `img2img.init_image`. Raises InputError when it is no picture."""
    from PIL import Image, UnidentifiedImageError

    path = Path(config.img2img.init_image or "")
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as opened:
            return data, opened.size
    except UnidentifiedImageError as exc:
        raise InputError(f"img2img.init_image {path} is not a picture that can be read") from exc
    except OSError as exc:
        raise InputError(f"img2img.init_image {path} cannot be read: {exc.strerror or exc}") from exc


def _upscale_request(variant: Variant, source: Picture, size: tuple[int, int]) -> UpscaleRequest | None:
    config, settings = variant.config, variant.config.upscale
    if settings.method == "lanczos":
        return None
    width, height = scaled_size(size, settings.scale, 8 if settings.method == "img2img" else 1)
    return UpscaleRequest(
        prompt=variant.prompt,
        negative_prompt=variant.negative_prompt,
        seed=variant.seed,
        settings=settings,
        repaint=repaint_settings(config, settings.denoise),
        image=source,
        width=width,
        height=height,
        clip_skip=config.txt2img.clip_skip,
        model=config.model,
        vae=config.vae,
    )
