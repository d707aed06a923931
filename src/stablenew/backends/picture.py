"""The pixels of a `Picture`, whichever of its two forms it has."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from stablenew.errors import GenerationFailed

if TYPE_CHECKING:
    from stablenew.backends.base import Picture


def read_pixels(picture: Picture, backend: str) -> Image.Image:
    """`picture` as 8-bit sRGB pixels (mode RGB); what is transparent is laid on white, as in a viewer.

    Raises GenerationFailed in the name of `backend` when it cannot be read.
    """
    if not isinstance(picture, bytes):
        return _opaque(picture)
    try:
        with Image.open(io.BytesIO(picture)) as opened:
            return _opaque(opened)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as exc:
        raise GenerationFailed(backend, f"the picture to start from cannot be read: {exc}") from exc


def _opaque(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    paper = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(paper, image).convert("RGB")
