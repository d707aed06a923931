"""Pictures side by side, for the card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.measure import How, make

SHOWN = (
    "a red heart on a white background",
    "a large yellow star on a blue background",
    "a purple crescent, black background",
    "a green diamond on a pink background",
    "a small orange circle on the left on a cyan background",
    "a blue ring at the top on yellow",
    "a white cross on a red background",
    "a brown triangle on a green background",
    "a red circle and a blue square on a white background",
    "a yellow star above a pink heart on a purple background",
    "a cyan ring left of an orange triangle, black background",
    "a green cross and a white crescent on a brown background",
    "three yellow stars on a blue background",
    "four pink hearts on a white background",
    "two orange rings, gray background",
    "a black square below a red diamond on a cyan background",
    "a red house on the grass by day with a tree",
    "a yellow house on the snow at night, the moon",
    "a white boat on the sea by day, the sun",
    "a red boat on the sea at sunset",
    "a tree on the desert at sunset, the sun",
    "mountains behind the sea by day with clouds",
    "mountains over the snow at night with stars and the moon",
    "the sun over the sea at sunset",
)
COLUMNS, ZOOM, MARGIN, TEXT = 6, 2, 6, 30


def draw_sheet(pixels: Sequence[NDArray[np.uint8]], texts: Sequence[str], columns: int = COLUMNS) -> Image.Image:
    """Gives the pictures in rows, twice as large, each with its caption below."""
    side = 64 * ZOOM
    rows = -(-len(pixels) // columns)
    size = (MARGIN + columns * (side + MARGIN), MARGIN + rows * (side + TEXT + MARGIN))
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for i, (picture, text) in enumerate(zip(pixels, texts, strict=True)):
        x = MARGIN + (i % columns) * (side + MARGIN)
        y = MARGIN + (i // columns) * (side + TEXT + MARGIN)
        sheet.paste(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS), (x, y))
        pen.multiline_text((x, y + side + 2), _wrapped(text), fill=(40, 40, 40), font_size=9, spacing=1)
    return sheet


def _wrapped(text: str, width: int = 29) -> str:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines[:3])


def write_sheet(pipe: StableDiffusionPipeline, path: Path, seed: int = 3) -> None:
    """Makes the card's pictures, one each, unpicked: picture i has the seed `seed + i`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_sheet(list(make(pipe, SHOWN, How(), seed)), SHOWN).save(path, optimize=True)
