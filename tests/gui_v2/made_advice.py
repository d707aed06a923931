"""Advice made by hand, for what shows advice: two settings to change, one value never tried."""

from __future__ import annotations

import dataclasses
from typing import Any

from stablenew.learning.matched_effects import MapCell
from stablenew.learning.recommendation import (
    Alternative,
    Change,
    Estimate,
    Recommendation,
    SettingEffect,
    ValueEffect,
)
from stablenew.learning.recommendation import (
    estimate as estimated,
)
from stablenew.learning.settings_map import SettingsMap


def estimate(mean: float, sd: float = 0.2, images: int = 12) -> Estimate:
    """Stars where they can be, else a difference of stars."""
    return estimated(mean, sd, images, difference=mean < 1)


def effect(name: str, share: float, values: dict[Any, tuple[float, int]]) -> SettingEffect:
    """An effect of value -> (stars, images); a value without images was never tried."""
    found = (
        ValueEffect(
            value=value,
            stars=estimate(mean, 0.15 if n else 0.5, n),
            pairs=2 * n,
            images=n,
            tested=n > 0,
            matched=estimate(1.2 * mean, 0.2, 2 * n) if n else None,
        )
        for value, (mean, n) in values.items()
    )
    return SettingEffect(name=name, share=share, values=tuple(found))


def advice(**changes: Any) -> Recommendation:
    """Enough evidence for a change of steps and cfg_scale; `changes` are other fields."""
    made = Recommendation(
        settings={"sampler": "UniPC", "steps": 30, "cfg_scale": 5.0},
        baseline={"sampler": "UniPC", "steps": 20, "cfg_scale": 7.0},
        context="fake-model | houses",
        enough=True,
        reason="",
        changes=(
            Change(name="cfg_scale", before=7.0, after=5.0, gain=estimate(0.5, 0.15), tested=True, images=14),
            Change(name="steps", before=20, after=30, gain=estimate(0.2, 0.15), tested=True, images=9),
        ),
        expected=estimate(4.1, 0.2, 9),
        baseline_expected=estimate(3.4, 0.2, 16),
        gain=estimate(0.7, 0.2),
        more_possible=0.3,
        alternatives=(
            Alternative(
                settings={"sampler": "Euler", "steps": 30, "cfg_scale": 5.0}, expected=estimate(4.0, 0.3), seconds=4.1
            ),
        ),
        cheapest=Alternative(
            settings={"sampler": "UniPC", "steps": 10, "cfg_scale": 5.0}, expected=estimate(3.9, 0.25), seconds=1.4
        ),
        effects=(
            effect("cfg_scale", 0.6, {3.0: (-0.3, 8), 5.0: (0.4, 14), 7.0: (-0.1, 16)}),
            effect("steps", 0.3, {10: (-0.1, 10), 20: (0.0, 14), 30: (0.1, 9)}),
            effect("sampler", 0.1, {"UniPC": (0.1, 20), "Euler": (-0.1, 18), "DDIM": (0.0, 0)}),
        ),
        seed_share=0.35,
        not_tested=("sampler=DDIM",),
        warnings=("Ratings from before 1 June count less: the taste was faded.",),
        proof=(),
        ratings=48,
        choices=12,
        statements=(
            "Expected 4.1 stars (3.7 to 4.5), from 9 images like these.",
            "Another +0.3 stars may be found by trying more.",
            "sampler=DDIM was not tested.",
            "35 % of what moves the stars is just the seed.",
        ),
    )
    return dataclasses.replace(made, **changes)


def settings_map(first: str, second: str) -> SettingsMap:
    """What matched pictures say of two settings of `advice`: a cell without a match, and one that nobody tried."""
    values = {each.name: [v.value for v in each.values if v.tested] for each in advice().effects}
    firsts, seconds = values[first], values[second]
    pairs = [(one, other) for one in firsts for other in seconds]
    rated = {pair: 4 + at for at, pair in enumerate(pairs[:-1])}
    cells = {
        pair: MapCell(
            first=pair[0], second=pair[1], mean=0.9 - 0.35 * at, error=0.2 if at % 3 else 0.6, images=rated[pair] // 2
        )
        for at, pair in enumerate(pairs[:-2])
    }
    return SettingsMap(
        first=first, second=second, firsts=tuple(firsts), seconds=tuple(seconds), cells=cells, rated=rated
    )


def no_advice() -> Recommendation:
    """Advice for which there is not enough evidence."""
    made = advice()
    return dataclasses.replace(
        made,
        settings=made.baseline,
        enough=False,
        reason="6 images are rated; 24 are needed before a change is advised.",
        changes=(),
        alternatives=(),
        cheapest=None,
        ratings=6,
        choices=1,
        statements=(),
        warnings=(),
        not_tested=(),
        effects=(),
        seed_share=None,
    )
