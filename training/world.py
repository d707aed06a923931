"""The toy world: what a picture can show, and how one is drawn by lot. No pixels and no captions here."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (222, 40, 44),
    "orange": (246, 138, 28),
    "yellow": (250, 220, 48),
    "green": (44, 165, 70),
    "cyan": (62, 208, 222),
    "blue": (38, 84, 220),
    "purple": (128, 52, 180),
    "pink": (250, 146, 192),
    "brown": (124, 72, 38),
    "black": (22, 22, 28),
    "gray": (132, 134, 138),
    "white": (246, 246, 246),
}
SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "cross", "ring", "crescent")
SIZES = ("small", "medium", "large")
PLACES = ("center", "left", "right", "top", "bottom")
SKIES = ("day", "sunset", "night")
GROUNDS = ("sea", "grass", "snow", "desert")
MAINS = ("house", "boat", "tree", "mountains", "none")
PAINTED = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")  # colours of houses and boats

# One colour of every shape is kept out of training, to measure how well words combine.
UNSEEN: frozenset[tuple[str, str]] = frozenset(
    (list(COLOURS)[(5 * i + 2) % len(COLOURS)], shape) for i, shape in enumerate(SHAPES)
)

# Width of an object in pixels of a 64 x 64 picture. Less than about 20 is more than the autoencoder can carry.
WIDTHS: dict[str, tuple[float, float]] = {"small": (22, 25), "medium": (32, 36), "large": (45, 51)}
LEAST_CONTRAST = 105.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One object: `x`, `y` are its middle and `width` its width, in pixels of a 64 x 64 picture."""

    shape: str
    colour: str
    size: str
    x: float
    y: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """Flat objects on a plain background; `layout` is single, beside, stacked or group."""

    layout: str
    place: str
    background: str
    things: tuple[Thing, ...]
    jitter: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Landscape:
    """A view: sky, ground, one main thing and what else is there. `x` moves the main thing, `light_x` sun or moon."""

    sky: str
    ground: str
    main: str
    paint: str
    light: bool
    clouds: bool
    stars: bool
    side_tree: bool
    x: float
    light_x: float
    jitter: int


Picture = Objects | Landscape


def contrast(one: str, other: str) -> float:
    """Gives the distance of two named colours, 0 to 441."""
    return math.dist(COLOURS[one], COLOURS[other])


def pick_background(rng: random.Random, *colours: str) -> str:
    """Gives a background that every one of the colours stands out from."""
    return rng.choice([name for name in COLOURS if all(contrast(name, c) > LEAST_CONTRAST for c in colours)])


def pick_look(rng: random.Random, *, unseen: bool = False) -> tuple[str, str]:
    """Gives a colour and a shape; only combinations of training unless `unseen`, then only the others."""
    if unseen:
        return rng.choice(sorted(UNSEEN))
    while True:
        look = rng.choice(list(COLOURS)), rng.choice(SHAPES)
        if look not in UNSEEN:
            return look


def pick_single(rng: random.Random, *, unseen: bool = False, sizes: tuple[str, ...] = SIZES) -> Objects:
    """Gives one object somewhere."""
    colour, shape = pick_look(rng, unseen=unseen)
    size = rng.choice(sizes)
    place = "center" if rng.random() < 0.5 else rng.choice(PLACES[1:])
    width = rng.uniform(*WIDTHS[size])
    room = 31 - width / 2
    near, far = (min(2.5, room), min(17.0, room)) if place == "center" else (min(2.0, room), min(17.0, room))
    dx, dy = rng.uniform(-near, near), rng.uniform(-near, near)
    if place in ("left", "right"):
        dx = (far - rng.uniform(0, 2)) * (-1 if place == "left" else 1)
    elif place in ("top", "bottom"):
        dy = (far - rng.uniform(0, 2)) * (-1 if place == "top" else 1)
    thing = Thing(shape=shape, colour=colour, size=size, x=32 + dx, y=32 + dy, width=width)
    background = pick_background(rng, colour)
    return Objects(layout="single", place=place, background=background, things=(thing,), jitter=rng.randrange(2**30))


def pick_pair(rng: random.Random, *, unseen: bool = False) -> Objects:
    """Gives two different objects, beside or above one another; with `unseen` one of them is such a combination."""
    first = pick_look(rng, unseen=unseen)
    second = pick_look(rng)
    while second == first or (contrast(first[0], second[0]) <= 0 and first[1] == second[1]):
        second = pick_look(rng)
    looks = [first, second]
    rng.shuffle(looks)
    layout = "beside" if rng.random() < 0.65 else "stacked"
    things = []
    for (colour, shape), sign in zip(looks, (-1, 1), strict=True):
        along, across = 32 + sign * rng.uniform(14.5, 16.0), 32 + rng.uniform(-3, 3)
        x, y = (along, across) if layout == "beside" else (across, along)
        things.append(Thing(shape=shape, colour=colour, size="medium", x=x, y=y, width=rng.uniform(24, 27)))
    background = pick_background(rng, first[0], second[0])
    return Objects(
        layout=layout, place="center", background=background, things=tuple(things), jitter=rng.randrange(2**30)
    )


def pick_group(rng: random.Random) -> Objects:
    """Gives two to four equal objects."""
    colour, shape = pick_look(rng)
    spots = {
        2: ((17, 32), (47, 32)),
        3: ((32, 17), (17, 46), (47, 46)),
        4: ((17, 17), (47, 17), (17, 47), (47, 47)),
    }[rng.choice((2, 2, 3, 3, 4))]
    width = rng.uniform(22, 25)
    things = tuple(
        Thing(shape=shape, colour=colour, size="small", x=x + rng.uniform(-1, 1), y=y + rng.uniform(-1, 1), width=width)
        for x, y in spots
    )
    background = pick_background(rng, colour)
    return Objects(layout="group", place="center", background=background, things=things, jitter=rng.randrange(2**30))


def pick_landscape(rng: random.Random) -> Landscape:
    """Gives a view by day, at sunset or at night."""
    sky = rng.choice(SKIES)
    ground = rng.choice(GROUNDS)
    main = rng.choice([m for m in MAINS if m != "boat" or ground == "sea"])
    if ground == "sea" and main in ("house", "tree"):
        main = "boat"
    return Landscape(
        sky=sky,
        ground=ground,
        main=main,
        paint=rng.choice(PAINTED),
        light=main == "none" or rng.random() < 0.6,
        clouds=sky == "day" and rng.random() < 0.4,
        stars=sky == "night" and rng.random() < 0.5,
        side_tree=main == "house" and rng.random() < 0.45,
        x=rng.uniform(27, 37),
        light_x=rng.choice((14.0, 50.0)) + rng.uniform(-2, 2) if main != "none" else 32 + rng.uniform(-8, 8),
        jitter=rng.randrange(2**30),
    )


def pick_picture(rng: random.Random) -> Picture:
    """Gives a picture of the training mix: 45 % single objects, 30 % pairs, 8 % groups, 17 % landscapes."""
    lot = rng.random()
    if lot < 0.45:
        return pick_single(rng)
    if lot < 0.75:
        return pick_pair(rng)
    if lot < 0.83:
        return pick_group(rng)
    return pick_landscape(rng)
