"""Colours that say how much; as #rrggbb."""

from __future__ import annotations


def warmth(stars: float, cold: str, warm: str) -> str:
    """The colour of a mean of 1 to 5 between two colours."""
    return mixed(cold, warm, 0.08 + 0.92 * min(1.0, max(0.0, (stars - 1) / 4)))


def mixed(one: str, other: str, part: float) -> str:
    """`one` with `part` (0..1) of `other` in it."""
    found = [round(low + (high - low) * part) for low, high in zip(_rgb(one), _rgb(other), strict=True)]
    return "#{:02x}{:02x}{:02x}".format(*found)


def readable_on(colour: str) -> str:
    """Black or white, whichever can be read on `colour`."""
    red, green, blue = _rgb(colour)
    return "#ffffff" if 0.299 * red + 0.587 * green + 0.114 * blue < 140 else "#111111"


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
