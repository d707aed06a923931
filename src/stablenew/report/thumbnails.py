"""Small pictures for the inside of a report."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from os import cpu_count
from pathlib import Path

from PIL import Image

SIDE = 256
PIXELS_MAX = 120_000_000
"""A picture of more pixels gets no thumbnail: it would take more memory than a report is worth."""

_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture as a data URI, and the (width, height) of the original in pixels."""

    uri: str
    size: tuple[int, int]


def thumbnails(paths: Iterable[Path | None], side: int = SIDE) -> Iterator[Thumbnail | None]:
    """A thumbnail of each picture, in order, at most `side` pixels long; None where there is none that can be read.

    Made by a few threads, so many pictures ahead of the caller that memory stays small.
    """
    waiting = iter(paths)
    with ThreadPoolExecutor(max_workers=min(8, cpu_count() or 1), thread_name_prefix="thumbnail") as pool:
        while batch := list(islice(waiting, _AT_ONCE)):
            yield from pool.map(lambda path: thumbnail(path, side), batch)


def thumbnail(path: Path | None, side: int = SIDE) -> Thumbnail | None:
    """The thumbnail of one picture, None where there is none that can be read."""
    if path is None:
        return None
    try:
        with Image.open(path) as opened:
            size = opened.size
            if size[0] * size[1] > PIXELS_MAX:
                return None
            opened.draft("RGB", (side, side))
            small = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return Thumbnail(_data_uri(small), size)


def _data_uri(picture: Image.Image) -> str:
    """As JPEG, the quickest to make and to show; a tiny or transparent picture as lossless WebP."""
    buffer = io.BytesIO()
    if picture.mode == "RGB" and picture.width * picture.height > 96 * 96:
        kind = "jpeg"
        picture.save(buffer, "JPEG", quality=82)
    else:
        kind = "webp"
        picture.save(buffer, "WEBP", lossless=True, quality=60)
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode()
