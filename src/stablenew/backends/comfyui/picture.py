"""What a ComfyUI server gave as the picture: looked at before it is believed."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator

from PIL import Image, UnidentifiedImageError

from stablenew.backends.base import GeneratedImage
from stablenew.backends.comfyui.job import Job
from stablenew.errors import GenerationFailed
from stablenew.variant import Deviation


def read_picture(data: bytes, job: Job, *, seconds: float, backend: str) -> GeneratedImage:
    """The picture with its own size and with what differs from what was asked; its bytes stay as they came.

    Raises GenerationFailed when the bytes are no whole picture.
    """
    image = _decoded(data, backend)
    effective = dataclasses.replace(job.effective, width=image.width, height=image.height)
    return GeneratedImage(
        picture=data,
        width=image.width,
        height=image.height,
        seed=job.seed,
        seconds=seconds,
        effective=effective,
        deviations=(*job.deviations, *_size_deviations(image, job), *_colour_deviations(image)),
    )


def _decoded(data: bytes, backend: str) -> Image.Image:
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as opened:
            return opened.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as exc:
        raise GenerationFailed(backend, f"what the server gave as the picture cannot be read: {exc}") from exc


def _size_deviations(image: Image.Image, job: Job) -> Iterator[Deviation]:
    for setting, asked, done in zip(("width", "height"), job.size or image.size, image.size, strict=True):
        if asked != done:
            yield Deviation(setting=setting, asked=asked, done=done, detail="the picture's own pixels")


def _colour_deviations(image: Image.Image) -> Iterator[Deviation]:
    if len(image.getcolors(maxcolors=1) or ()) == 1:
        colour = "#" + image.resize((1, 1)).tobytes().hex()
        detail = "the whole picture is one colour: NaN in the model or VAE gives that"
        yield Deviation(setting="image", asked="a picture", done=f"only {colour}", detail=detail)
