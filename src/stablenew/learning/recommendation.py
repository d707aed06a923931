"""Advice as a value: what to set, what that is expected to bring, how sure that is, and what is not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from stablenew.learning.search_space import Settings

Z95, Z80 = 1.959964, 1.281552
"""Standard deviations to either side of 95 % and of 80 % of a normal distribution."""

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


def estimate(mean: float, sd: float, images: int, *, difference: bool = False) -> Estimate:
    """The estimate of a normal belief. `difference`: of two ratings, not of one."""
    least, most = (-4.0, 4.0) if difference else (1.0, 5.0)

    def cut(value: float) -> float:
        return min(most, max(least, value))

    return Estimate(
        mean=cut(mean),
        sd=sd,
        low=cut(mean - Z95 * sd),
        high=cut(mean + Z95 * sd),
        low80=cut(mean - Z80 * sd),
        high80=cut(mean + Z80 * sd),
        images=images,
    )


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
    """One value of a setting: `stars` more or less than the setting's mean, everything else averaged over.

    `images`: rated pictures that have the value; without any it is not `tested`. `matched`: the difference to other
    values in `pairs` matched pairs (same prompt and seed, nothing else different), None where there are too few.
    """

    value: Any
    stars: Estimate
    pairs: int
    images: int
    tested: bool
    matched: Estimate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingEffect:
    """What one setting does. `share`: its part of what all settings together explain, 0..1."""

    name: str
    share: float
    values: tuple[ValueEffect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The advice for one context, given a `baseline` to compare with.

    Where `enough` is false the settings are the baseline's, `reason` says what is missing, and the numbers are those of
    the baseline. `certainty`: the probability that the best settings found are better than the baseline; `effect_sd`:
    how uncertain it is how far they lie from the mean of all settings, in stars. `more_possible`: so many stars more
    may be found by trying more. `alternatives` cannot be told apart from the advice; `cheapest` are settings that are
    with 80 % certainty not more than 0.25 stars worse. `seed_share`: the share of the variance of stars that is just
    the seed, None where no pictures tell. `proof`: ids of the best rated pictures made with settings like those
    advised. Every sentence of `statements` says numbers that stand in the other fields.
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
    certainty: float = 0.0
    effect_sd: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The same in JSON types."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain
