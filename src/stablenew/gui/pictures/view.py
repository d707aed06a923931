"""Which part of a picture is seen, and where on the canvas: zoom and pan as a value that several canvases can share."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PIL import Image

from stablenew.gui.pictures.decode import Size

ENLARGE_MAX = 8.0
"""A picture that fits is enlarged at most so much: beyond, one sees its pixels and not the picture."""

ZOOM_MAX = 64.0
STEP = 1.25


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """`zoom` 1: the whole picture fits. (`x`, `y`): the point in the middle of the canvas, 0..1 of width and height.

    Relative to the picture, so that pictures of different sizes show the same part.
    """

    zoom: float = 1.0
    x: float = 0.5
    y: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What is drawn: the part `box` (left, top, right, bottom in the picture's pixels) at (`left`, `top`) as `size`."""

    box: tuple[float, float, float, float]
    left: int
    top: int
    size: Size


FIT = View()


def fit_scale(picture: Size, canvas: Size) -> float:
    """Screen pixels for one of the picture's where all of it is seen."""
    return min(canvas[0] / max(1, picture[0]), canvas[1] / max(1, picture[1]), ENLARGE_MAX)


def placed(view: View, picture: Size, canvas: Size) -> Placement:
    """Where which part of a picture of that size lies on a canvas of that size."""
    scale = fit_scale(picture, canvas) * view.zoom
    spans = [_span(at, side, room, scale) for at, side, room in zip((view.x, view.y), picture, canvas, strict=True)]
    (left, right, x, width), (top, bottom, y, height) = spans
    return Placement(box=(left, top, right, bottom), left=x, top=y, size=(width, height))


def zoomed(view: View, factor: float, at: tuple[float, float], picture: Size, canvas: Size) -> View:
    """`view` zoomed by `factor` so that what lies at `at` (pixels of the canvas) stays there."""
    zoom = min(ZOOM_MAX, max(1.0, view.zoom * factor))
    before, after = (fit_scale(picture, canvas) * each for each in (view.zoom, zoom))
    moves = [(at[i] - canvas[i] / 2) * (1 / before - 1 / after) / max(1, picture[i]) for i in (0, 1)]
    return kept_inside(replace(view, zoom=zoom, x=view.x + moves[0], y=view.y + moves[1]), picture, canvas)


def panned(view: View, dx: float, dy: float, picture: Size, canvas: Size) -> View:
    """`view` with the picture moved by so many pixels of the canvas."""
    scale = fit_scale(picture, canvas) * view.zoom
    moved = replace(view, x=view.x - dx / scale / max(1, picture[0]), y=view.y - dy / scale / max(1, picture[1]))
    return kept_inside(moved, picture, canvas)


def full_size(view: View, picture: Size, canvas: Size) -> View:
    """One screen pixel for each of the picture's, or twice as large where all of it fits so; from there back to FIT."""
    if view.zoom > 1.0:
        return FIT
    zoom = 1.0 / fit_scale(picture, canvas)
    return replace(view, zoom=zoom if zoom > 1.0 else 2.0)


def kept_inside(view: View, picture: Size, canvas: Size) -> View:
    """`view` without more empty canvas than there must be."""
    scale = fit_scale(picture, canvas) * view.zoom
    where = []
    for at, side, room in zip((view.x, view.y), picture, canvas, strict=True):
        half = room / scale / max(1, side) / 2
        where.append(0.5 if half >= 0.5 else min(1 - half, max(half, at)))
    return replace(view, x=where[0], y=where[1])


def rendered(pixels: Image.Image, placement: Placement, *, enlarged: bool = False) -> Image.Image:
    """The part of `pixels` as it is drawn. `enlarged`: a person zoomed in, and from 4 on wants to see pixels."""
    scale = placement.size[0] / max(1e-6, placement.box[2] - placement.box[0])
    if scale < 1:
        return pixels.resize(placement.size, Image.Resampling.LANCZOS, placement.box, reducing_gap=2.0)
    how = Image.Resampling.NEAREST if enlarged and scale >= 4 else Image.Resampling.BICUBIC
    return pixels.resize(placement.size, how, placement.box)


def _span(at: float, side: int, room: int, scale: float) -> tuple[float, float, int, int]:
    """Along one side: the part that is seen (from, to, in the picture), and where it lies (from, how long)."""
    shown = side * scale
    if shown <= room:
        return 0.0, float(side), round((room - shown) / 2), max(1, round(shown))
    half = room / scale / 2
    middle = min(side - half, max(half, at * side))
    return middle - half, middle + half, 0, room
