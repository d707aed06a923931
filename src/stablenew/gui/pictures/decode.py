"""A picture's file as pixels. Any thread; Pillow lets others run while it decodes and resizes."""

from __future__ import annotations

import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

Size = tuple[int, int]

PIXELS_MAX = 120_000_000
"""A larger picture is not decoded: it would take more memory than a look at it is worth."""

GROUND = "#808080"
"""What shows through where a picture is transparent: a grey that tints nothing."""

_READ_ERRORS = (
    OSError, ValueError, SyntaxError, EOFError, RuntimeError, MemoryError, struct.error, zlib.error,
    Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow's readers raise for a damaged file."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The pixels (8-bit sRGB) of a file, or None and why there are none."""

    pixels: Image.Image | None
    problem: str = ""

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return self.pixels.size if self.pixels is not None else (0, 0)

    @property
    def size_bytes(self) -> int:
        """Memory it takes."""
        return self.size[0] * self.size[1] * 3


def decode(path: Path, *, at_least: int | None = None) -> Decoded:
    """The picture at `path`. With `at_least`, pixels that are enough for that side, where the format can skip some."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                if opened.width * opened.height > PIXELS_MAX:
                    return Decoded(None, f"{opened.width} x {opened.height} pixels are too many to show")
                if at_least is not None:
                    opened.draft("RGB", (at_least, at_least))
                return Decoded(_opaque(opened))
    except FileNotFoundError:
        return Decoded(None, "the file is gone")
    except _READ_ERRORS as exc:
        return Decoded(None, f"the file cannot be read: {exc}")


def shrink(pixels: Image.Image, side: int) -> Image.Image:
    """`pixels` so small that neither side is longer than `side`; never larger than they are."""
    small = pixels.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return small


def enlarged_to(pixels: Image.Image, side: int) -> Image.Image:
    """`pixels` so large that the longer side has `side`, where a picture is smaller; at most eight times as large."""
    factor = min(8.0, side / max(pixels.size))
    if factor <= 1:
        return pixels
    return pixels.resize((round(pixels.width * factor), round(pixels.height * factor)), Image.Resampling.BICUBIC)


def _opaque(opened: Image.Image) -> Image.Image:
    if not opened.has_transparency_data:
        return opened.convert("RGB")
    ground = Image.new("RGBA", opened.size, GROUND)
    ground.alpha_composite(opened.convert("RGBA"))
    return ground.convert("RGB")
