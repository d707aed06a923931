"""What a belief says about settings: the best of them, what it brings, how sure that is, and what is left to find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from stablenew.learning.engine.advisor import Belief, neighbours, random_rows
from stablenew.learning.engine.arrays import Floats, Ints
from stablenew.learning.engine.main_effects import MainEffect, main_effects
from stablenew.learning.engine.problem import MIDDLE
from stablenew.learning.engine.timing import seconds_at
from stablenew.learning.evidence import Scored

CERTAINTY = 0.9
"""Settings that are worse with less certainty than this cannot be told apart."""
CHEAP_LOSS, CHEAP_CERTAINTY = 0.25, 0.8
UNSURE = 1.3
"""Standard deviations are taken so many times as large: the kernel's unknowns are not as certain as their most probable
values, and the best of many is more often one that was misjudged (measured: docs/benchmarks.md).
"""
_DROPPED = 0.03
"""A change that brings less than this many stars is not advised."""
_DRAWS = 256
_ALTERNATIVES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Normal:
    """A belief about one number."""

    mean: float
    sd: float

    @property
    def certainty(self) -> float:
        """The probability that it is above 0."""
        return float(ndtr(self.mean / max(self.sd, 1e-9)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Encoded settings [1, d], what they are expected to get, and the seconds they take where that is known."""

    row: Ints
    stars: Normal
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What a belief comes to. `changes`: per table that differs from the baseline, what it brings alone.

    `effect_sd`: how uncertain the belief itself is about how far the best settings lie from the mean of all, in stars.
    """

    best: Candidate
    baseline: Candidate
    gain: Normal
    effect_sd: float
    changes: tuple[tuple[int, Normal], ...]
    more_possible: float
    alternatives: tuple[Candidate, ...]
    cheapest: Candidate | None
    effects: tuple[MainEffect, ...]


def assess(belief: Belief, scored: Sequence[Scored], *, for_time: bool = False) -> Assessment:
    """What `belief` comes to; `for_time`: the best are the quickest that are hardly worse than the best."""
    pool = _pool(belief, _spare_changes(belief))
    mean, covariance = belief.posterior.mean_and_covariance(pool)
    seconds = seconds_at(scored, belief.encoding, pool)

    def candidate(at: int) -> Candidate:
        return Candidate(
            row=pool[[at]],
            stars=_normal(mean, covariance, at),
            seconds=None if seconds is None else float(seconds[at]),
        )

    quickest = None if seconds is None else _quickest(mean, covariance, seconds)
    chosen = quickest if for_time and quickest is not None else 0
    return Assessment(
        best=candidate(chosen),
        baseline=candidate(1),
        gain=_difference(mean, covariance, chosen, 1),
        effect_sd=float(np.sqrt(belief.posterior.effect_variance(pool[[chosen]])[0])),
        changes=_changes(belief, pool[[chosen]]),
        more_possible=_more_possible(mean, covariance),
        alternatives=tuple(map(candidate, _alternatives(pool, mean, covariance))),
        cheapest=None if quickest is None else candidate(quickest),
        effects=main_effects(belief.posterior),
    )


def gain_over(belief: Belief, row: Ints, other: Ints) -> Normal:
    """How many stars more `row` brings than `other`."""
    mean, covariance = belief.posterior.mean_and_covariance(np.concatenate([row, other]))
    return _difference(mean, covariance, 0, 1)


def _quickest(mean: Floats, covariance: Floats, seconds: Floats) -> int:
    """The quickest of the pool that is with CHEAP_CERTAINTY not more than CHEAP_LOSS stars worse than the first."""
    loss = mean[0] - mean
    sd = np.sqrt(np.maximum(covariance[0, 0] + np.diag(covariance) - 2 * covariance[0], 1e-12))
    good = ndtr((CHEAP_LOSS - loss) / sd) >= CHEAP_CERTAINTY
    good[0] = True
    return int(np.where(good, seconds, np.inf).argmin())


def _spare_changes(belief: Belief) -> Ints:
    """The best settings, with what makes no difference left at the baseline's."""
    row = belief.best.copy()
    best = float(belief.posterior.mean(row)[0])
    for at in range(row.shape[1]):
        if row[0, at] != belief.baseline[0, at]:
            kept = row.copy()
            kept[0, at] = belief.baseline[0, at]
            value = float(belief.posterior.mean(kept)[0])
            if value > best - _DROPPED:
                row, best = kept, max(best, value)
    return row


def _pool(belief: Belief, row: Ints) -> Ints:
    """`row`, the baseline, and settings that might be as good."""
    chance = random_rows(belief.encoding, 64, np.random.default_rng(7))
    rest = np.unique(np.concatenate([belief.hopeful, neighbours(belief.encoding, row[0]), chance]), axis=0)
    rest = rest[(rest != row).any(axis=1) & (rest != belief.baseline).any(axis=1)]
    mean, variance = belief.posterior.mean_and_variance(rest)
    hopeful = rest[np.argsort(-(mean + np.sqrt(variance)))[:150]]
    return np.concatenate([row, belief.baseline, hopeful])


def _changes(belief: Belief, row: Ints) -> tuple[tuple[int, Normal], ...]:
    """For each setting that differs from the baseline, what it brings with the others already changed."""
    found = []
    for at in range(row.shape[1]):
        if row[0, at] != belief.baseline[0, at]:
            without = row.copy()
            without[0, at] = belief.baseline[0, at]
            found.append((at, gain_over(belief, row, without)))
    return tuple(sorted(found, key=lambda each: -each[1].mean))


def _more_possible(mean: Floats, covariance: Floats) -> float:
    """How far the best of the pool is expected to lie above the first: what perfect knowledge would bring."""
    rng = np.random.default_rng(3)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    drawn = mean + rng.standard_normal((_DRAWS, len(mean))) @ root.T
    return float((drawn.max(axis=1) - drawn[:, 0]).mean())


def _alternatives(pool: Ints, mean: Floats, covariance: Floats) -> list[int]:
    """The most promising of the pool that are with less than CERTAINTY worse than the first, and not all alike."""
    found: list[int] = []
    for at in map(int, np.argsort(-mean)):
        apart = [int((pool[at] != pool[other]).sum()) for other in (0, *found)]
        if at == 0 or min(apart) < min(2, pool.shape[1]):
            continue
        if _difference(mean, covariance, 0, at).certainty < CERTAINTY:
            found.append(at)
        if len(found) == _ALTERNATIVES:
            break
    return found


def _normal(mean: Floats, covariance: Floats, at: int) -> Normal:
    return Normal(mean=float(mean[at]) + MIDDLE, sd=UNSURE * float(np.sqrt(max(covariance[at, at], 1e-12))))


def _difference(mean: Floats, covariance: Floats, one: int, other: int) -> Normal:
    variance = covariance[one, one] + covariance[other, other] - 2 * covariance[one, other]
    return Normal(mean=float(mean[one] - mean[other]), sd=UNSURE * float(np.sqrt(max(variance, 1e-12))))
