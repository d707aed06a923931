"""Evidence: which settings got which stars, and which were preferred to which; out of records and ratings."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stablenew.errors import InputError
from stablenew.learning.search_space import SearchSpace, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One picture with stars, 1 to 5.

    `context` is where it was seen (a pack, a prompt class, a family of models), `row` what was looked at together,
    `order` its place in time, counted in ratings. `prompt` and `seed` find matched pairs. `observational`: nobody made
    it to be compared. `noise`: how many times the usual variance it has. `seconds`: what making it took.
    """

    settings: Settings
    stars: float
    context: str = ""
    row: str = ""
    order: float = 0.0
    prompt: str = ""
    seed: int | None = None
    record_id: str = ""
    observational: bool = False
    noise: float = 1.0
    seconds: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.stars) and 1 <= self.stars <= 5):
            raise InputError(f"a picture cannot have {self.stars} stars: give 1 to 5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    """The picture made with `best` was preferred to those made with `others`, looked at together."""

    best: Settings
    others: tuple[Settings, ...]
    context: str = ""
    order: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What people said about pictures, by settings. Every entry says something about each knob of `space`."""

    space: SearchSpace
    scored: tuple[Scored, ...] = ()
    preferred: tuple[Preferred, ...] = ()
