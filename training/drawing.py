"""Draws a picture of the toy world: uint8 [64, 64, 3], sRGB."""

from __future__ import annotations

import math
import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.world import COLOURS, Landscape, Objects, Picture, Thing

SIZE = 64
FINE = 4  # drawn four times as large and averaged, for smooth edges
Point = tuple[float, float]
Rgb = tuple[int, int, int]

SKY: dict[str, tuple[Rgb, Rgb]] = {
    "day": ((96, 172, 240), (206, 234, 252)),
    "sunset": ((118, 62, 132), (255, 168, 84)),
    "night": ((10, 14, 44), (36, 46, 98)),
}
GROUND: dict[str, tuple[Rgb, Rgb]] = {
    "sea": ((36, 112, 176), (20, 70, 130)),
    "grass": ((96, 178, 76), (54, 128, 52)),
    "snow": ((244, 248, 252), (208, 220, 234)),
    "desert": ((236, 200, 128), (206, 158, 88)),
}
DIMMED = {"day": 1.0, "sunset": 0.86, "night": 0.55}
HORIZON = 40


def draw(picture: Picture) -> NDArray[np.uint8]:
    """Gives the picture, uint8 [64, 64, 3]; the same picture gives the same pixels."""
    if isinstance(picture, Landscape):
        return _draw_landscape(picture)
    return _draw_objects(picture)


def outline(shape: str, width: float) -> list[Point]:
    """Gives the outline of a shape around (0, 0), y down; ring and crescent give their outer circle."""
    half = width / 2
    if shape == "square":
        side = half * 0.9
        return [(-side, -side), (side, -side), (side, side), (-side, side)]
    if shape == "triangle":
        return [(0, -half), (half * 1.05, half * 0.85), (-half * 1.05, half * 0.85)]
    if shape == "diamond":
        return [(0, -half * 1.08), (half * 0.7, 0), (0, half * 1.08), (-half * 0.7, 0)]
    if shape == "cross":
        arm = half * 0.34
        return [(x * half if abs(x) == 1 else x * arm / 0.5, y * half if abs(y) == 1 else y * arm / 0.5)
                for x, y in ((-0.5, -1), (0.5, -1), (0.5, -0.5), (1, -0.5), (1, 0.5), (0.5, 0.5),
                             (0.5, 1), (-0.5, 1), (-0.5, 0.5), (-1, 0.5), (-1, -0.5), (-0.5, -0.5))]  # fmt: skip
    if shape == "star":
        radii = (half * 1.1, half * 0.47)
        turns = [(-math.pi / 2 + i * math.pi / 5, radii[i % 2]) for i in range(10)]
        return [(r * math.cos(a), r * math.sin(a) + half * 0.05) for a, r in turns]
    if shape == "heart":
        turns_of = [i * math.tau / 40 for i in range(40)]
        return [(half * 1.02 * math.sin(a) ** 3,
                 -half / 16 * (13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)))
                for a in turns_of]  # fmt: skip
    return [(half * math.cos(i * math.tau / 48), half * math.sin(i * math.tau / 48)) for i in range(48)]


def _mask(thing: Thing) -> NDArray[np.float32]:
    """Gives how much of each pixel the object covers, float32 [64, 64, 1] in 0..1."""
    canvas = Image.new("L", (SIZE * FINE, SIZE * FINE))
    pen = ImageDraw.Draw(canvas)
    cx, cy, half = thing.x * FINE, thing.y * FINE, thing.width * FINE / 2
    pen.polygon([(cx + x * FINE, cy + y * FINE) for x, y in outline(thing.shape, thing.width)], fill=255)
    if thing.shape == "ring":
        hole = half * 0.52
        pen.ellipse((cx - hole, cy - hole, cx + hole, cy + hole), fill=0)
    if thing.shape == "crescent":
        hole, away = half * 0.82, half * 0.46
        pen.ellipse((cx + away - hole, cy - hole, cx + away + hole, cy + hole), fill=0)
    small = np.asarray(canvas.reduce(FINE), dtype=np.float32)
    return small[:, :, None] / 255


def _draw_objects(picture: Objects) -> NDArray[np.uint8]:
    rng = random.Random(picture.jitter)
    rows = np.linspace(1, -1, SIZE, dtype=np.float32)[:, None, None]  # the light comes from above
    pixels = np.broadcast_to(_tint(picture.background, rng) + 7 * rows, (SIZE, SIZE, 3))
    colours: dict[str, NDArray[np.float32]] = {}
    for thing in picture.things:
        colour = colours.setdefault(thing.colour, _tint(thing.colour, rng))
        mask = _mask(thing)
        shade = np.clip((thing.y - np.arange(SIZE, dtype=np.float32)) / (thing.width / 2), -1, 1)[:, None, None]
        pixels = pixels * (1 - mask) + (colour + 9 * shade) * mask
    return _bytes(pixels)


def _tint(name: str, rng: random.Random) -> NDArray[np.float32]:
    return np.array([c + rng.uniform(-7, 7) for c in COLOURS[name]], dtype=np.float32)


def _bytes(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(pixels + 0.5, 0, 255).astype(np.uint8)


def _draw_landscape(view: Landscape) -> NDArray[np.uint8]:
    canvas = Image.new("RGB", (SIZE * FINE, SIZE * FINE))
    pen = ImageDraw.Draw(canvas)
    rng = random.Random(view.jitter)
    _bands(pen, 0, HORIZON, *SKY[view.sky])
    if view.stars:
        for _ in range(9):
            _disc(pen, rng.uniform(3, 61), rng.uniform(3, 30), 1.0, (240, 240, 220))
    if view.light:
        _light(pen, view)
    if view.clouds:
        _cloud(pen, 64 - view.light_x + rng.uniform(-3, 3), 12 + rng.uniform(-2, 2))
    if view.main == "mountains":
        _mountains(pen, view)
    top, bottom = (_dim(c, view.sky) for c in GROUND[view.ground])
    _bands(pen, HORIZON, SIZE, top, bottom)
    if view.main == "boat":
        _boat(pen, view)
    if view.main == "house":
        _house(pen, view)
    if view.main == "tree":
        _tree(pen, view, view.x, 1.15)
    if view.side_tree:
        _tree(pen, view, view.x + (20 if view.light_x < 32 else -20), 0.8)
    return np.asarray(canvas.reduce(FINE))


def _dim(colour: Rgb, sky: str) -> Rgb:
    return (round(colour[0] * DIMMED[sky]), round(colour[1] * DIMMED[sky]), round(colour[2] * DIMMED[sky]))


def _bands(pen: ImageDraw.ImageDraw, top: int, bottom: int, first: Rgb, last: Rgb) -> None:
    for y in range(top, bottom):
        share = (y - top) / max(1, bottom - top - 1)
        colour = tuple(round(a + (b - a) * share) for a, b in zip(first, last, strict=True))
        pen.rectangle((0, y * FINE, SIZE * FINE, (y + 1) * FINE), fill=colour)


def _disc(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: Rgb) -> None:
    pen.ellipse(((x - radius) * FINE, (y - radius) * FINE, (x + radius) * FINE, (y + radius) * FINE), fill=colour)


def _shape(pen: ImageDraw.ImageDraw, points: list[Point], colour: Rgb) -> None:
    pen.polygon([(x * FINE, y * FINE) for x, y in points], fill=colour)


def _light(pen: ImageDraw.ImageDraw, view: Landscape) -> None:
    """The sun by day and at sunset, the moon at night."""
    y = 30.0 if view.sky == "sunset" and view.main == "none" else 13.0
    colour = {"day": (255, 226, 70), "sunset": (255, 96, 48), "night": (244, 240, 214)}[view.sky]
    _disc(pen, view.light_x, y, 7.5, colour)


def _cloud(pen: ImageDraw.ImageDraw, x: float, y: float) -> None:
    for dx, dy, radius in ((-7, 1, 4.5), (0, -1, 6.0), (7, 1, 4.5)):
        _disc(pen, x + dx, y + dy, radius, (250, 252, 255))


def _mountains(pen: ImageDraw.ImageDraw, view: Landscape) -> None:
    rock = _dim((122, 116, 132), view.sky)
    snow = _dim((250, 250, 252), view.sky)
    for x, top, half in ((view.x - 15, 18.0, 22.0), (view.x + 15, 13.0, 25.0)):
        _shape(pen, [(x, top), (x + half, HORIZON), (x - half, HORIZON)], rock)
        cap = 0.34
        _shape(pen, [(x, top), (x + half * cap, top + (HORIZON - top) * cap),
                     (x - half * cap, top + (HORIZON - top) * cap)], snow)  # fmt: skip


def _boat(pen: ImageDraw.ImageDraw, view: Landscape) -> None:
    x, y = view.x, 47.0
    _shape(pen, [(x - 16, y), (x + 16, y), (x + 10, y + 8), (x - 10, y + 8)], _dim(COLOURS[view.paint], view.sky))
    _shape(pen, [(x - 1, y - 26), (x + 13, y - 2), (x - 1, y - 2)], _dim((250, 248, 240), view.sky))
    _shape(pen, [(x - 3, y - 20), (x - 3, y - 2), (x - 12, y - 2)], _dim((226, 222, 210), view.sky))


def _house(pen: ImageDraw.ImageDraw, view: Landscape) -> None:
    x, y = view.x, 51.0
    _shape(pen, [(x - 12, y - 17), (x + 12, y - 17), (x + 12, y), (x - 12, y)], _dim(COLOURS[view.paint], view.sky))
    _shape(pen, [(x - 15, y - 17), (x, y - 29), (x + 15, y - 17)], _dim((112, 64, 48), view.sky))
    _shape(pen, [(x - 3, y - 10), (x + 3, y - 10), (x + 3, y), (x - 3, y)], _dim((84, 52, 36), view.sky))
    window = (255, 226, 120) if view.sky == "night" else _dim((170, 214, 240), view.sky)
    for dx in (-7.5, 7.5):
        _shape(pen, [(x + dx - 2.5, y - 13), (x + dx + 2.5, y - 13), (x + dx + 2.5, y - 8), (x + dx - 2.5, y - 8)],
               window)  # fmt: skip


def _tree(pen: ImageDraw.ImageDraw, view: Landscape, x: float, scale: float) -> None:
    y = 52.0
    trunk, leaves = _dim((110, 70, 40), view.sky), _dim((38, 120, 56), view.sky)
    _shape(pen, [(x - 2.5 * scale, y - 12 * scale), (x + 2.5 * scale, y - 12 * scale),
                 (x + 2.5 * scale, y), (x - 2.5 * scale, y)], trunk)  # fmt: skip
    _disc(pen, x, y - 20 * scale, 10.5 * scale, leaves)
