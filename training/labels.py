"""The attributes a picture can have, as positions of a 0/1 vector: what the judge learns to see."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from training.world import COLOURS, GROUNDS, PAINTED, PLACES, SHAPES, SIZES, SKIES, Landscape, Picture

GROUPS: dict[str, tuple[str, ...]] = {
    "colour": tuple(COLOURS),
    "shape": SHAPES,
    "pair": tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES),
    "background": tuple(COLOURS),
    "size": SIZES,
    "place": PLACES,
    "count": ("1", "2", "3", "4"),
    "layout": ("beside", "stacked"),
    "sky": SKIES,
    "ground": GROUNDS,
    "paint": PAINTED,
}
FLAGS = ("landscape", "house", "boat", "tree", "mountains", "sun", "moon", "clouds", "stars")
SEEN: tuple[str, ...] = tuple(f"{group}:{name}" for group, names in GROUPS.items() for name in names) + FLAGS
# What only a caption can state (which object is named first): the text encoder also learns these.
ORDER = tuple(f"{rank}:{name}" for rank in ("first", "second") for name in (*COLOURS, *SHAPES))
SAID: tuple[str, ...] = SEEN + ORDER
_SEEN_AT = {name: i for i, name in enumerate(SEEN)}
_SAID_AT = {name: i for i, name in enumerate(SAID)}


def seen_in(picture: Picture) -> frozenset[str]:
    """Gives every attribute the picture has, mentioned or not."""
    if isinstance(picture, Landscape):
        return _seen_in_landscape(picture)
    names = {f"background:{picture.background}", f"count:{len(picture.things)}"}
    for thing in picture.things:
        names |= {f"colour:{thing.colour}", f"shape:{thing.shape}", f"pair:{thing.colour} {thing.shape}"}
    if picture.layout == "single":
        names |= {f"size:{picture.things[0].size}", f"place:{picture.place}"}
    elif picture.layout != "group":
        names.add(f"layout:{picture.layout}")
    return frozenset(names)


def _seen_in_landscape(view: Landscape) -> frozenset[str]:
    flags = {
        "house": view.main == "house",
        "boat": view.main == "boat",
        "tree": view.main == "tree" or view.side_tree,
        "mountains": view.main == "mountains",
        "sun": view.light and view.sky != "night",
        "moon": view.light and view.sky == "night",
        "clouds": view.clouds,
        "stars": view.stars,
    }
    names = {"landscape", f"sky:{view.sky}", f"ground:{view.ground}"} | {name for name, on in flags.items() if on}
    if view.main in ("house", "boat"):
        names.add(f"paint:{view.paint}")
    return frozenset(names)


def seen_vector(names: Iterable[str]) -> NDArray[np.uint8]:
    """Gives uint8 [len(SEEN)], 1 where the attribute is among the names; other names are left out."""
    return _vector(names, _SEEN_AT)


def said_vector(names: Iterable[str]) -> NDArray[np.uint8]:
    """Gives uint8 [len(SAID)], 1 where the attribute is among the names."""
    return _vector(names, _SAID_AT)


def positions(group: str) -> range:
    """Gives where a group's attributes stand in the vectors."""
    start = _SEEN_AT[f"{group}:{GROUPS[group][0]}"]
    return range(start, start + len(GROUPS[group]))


def position(name: str) -> int:
    """Gives where one attribute stands in the vectors."""
    return _SEEN_AT[name]


def _vector(names: Iterable[str], at: dict[str, int]) -> NDArray[np.uint8]:
    vector = np.zeros(len(at), dtype=np.uint8)
    vector[[at[name] for name in names if name in at]] = 1
    return vector
