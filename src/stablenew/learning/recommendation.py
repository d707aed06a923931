"""Advice as a value: what to set, what that is expected to bring, how sure that is, and what is not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from stablenew.learning.search_space import Settings

Purpose = Literal["quality", "time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Stars, or a difference of stars: mean, standard deviation, the 95 % and the 80 % interval, from how many images.

    The interval is cut where stars end (1 to 5, or -4 to 4 for a difference).
    """

    mean: float
    sd: float
    low: float
    high: float
    low80: float
    high80: float
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One setting that the advice changes. `gain`: what this change alone brings, the others already changed.

    `tested`: whether any rated picture has the new value; `images`: how many do.
    """

    name: str
    before: Any
    after: Any
    gain: Estimate
    tested: bool
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """Other settings and what is expected of them; `seconds` a picture, None where nothing is known of their time."""

    settings: Settings
    expected: Estimate
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueEffect:
    """One value of a setting: expected stars against the setting's mean, over everything else.

    `pairs`: matched pairs (same prompt and seed, nothing else different) that compare it with another value;
    `images`: rated pictures that have it. Without any it is `tested` by nothing.
    """

    value: Any
    stars: Estimate
    pairs: int
    images: int
    tested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingEffect:
    """What one setting does. `share`: its part of what all settings together explain, 0..1."""

    name: str
    share: float
    values: tuple[ValueEffect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The advice for one context, given a `baseline` to compare with.

    Where `enough` is false the settings are the baseline's, `reason` says what is missing, and the numbers are those
    of the baseline. `more_possible`: so many stars more may be found by trying more. `alternatives` cannot be told
    apart from the advice; `cheapest` are settings that are with 80 % certainty not more than 0.25 stars worse.
    `seed_share`: the share of the variance of stars that is just the seed, None where no pictures tell. `proof`: ids of
    the best rated pictures made with settings like those advised. Every sentence of `statements` says numbers that
    stand in the other fields.
    """

    settings: Settings
    baseline: Settings
    context: str
    enough: bool
    reason: str
    changes: tuple[Change, ...]
    expected: Estimate
    baseline_expected: Estimate
    gain: Estimate
    more_possible: float
    alternatives: tuple[Alternative, ...]
    cheapest: Alternative | None
    effects: tuple[SettingEffect, ...]
    seed_share: float | None
    not_tested: tuple[str, ...]
    warnings: tuple[str, ...]
    proof: tuple[str, ...]
    ratings: int
    choices: int
    statements: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same in JSON types."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain
