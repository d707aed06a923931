"""How much a scorer's word is worth to one person, learned from that person's own stars: nothing, for a useless one.

A Bayesian linear regression of stars on the scores' normal quantiles (so that any rising scale is as good as any
other), with Zellner's g-prior at g = n, the unit information prior. Its evidence against no effect is eq. 6 of Liang et
al. 2008, "Mixtures of g Priors for Bayesian Variable Selection". Weight asks for three things: better scores for better
stars, evidence of `EVIDENCE` to 1, and a gain where each picture is told from the others (leave one out).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

PAIRS_MIN = 12
EVIDENCE = 10.0
STARS = (1.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudoStars:
    """What a person would give, as far as a score tells: `stars` with the standard deviation `sd`, 1 to 5."""

    stars: float
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What a scorer's scores mean in one person's stars. `weight` (0..1): the share of what moves the stars that the
    scores tell, out of sample, times the probability that they tell anything; `pairs` pictures are behind it.
    """

    weight: float
    pairs: int
    evidence: float
    mean: float
    slope: float
    noise_sd: float
    spread: float
    known: tuple[float, ...]

    def stars(self, score: float) -> PseudoStars:
        """The pseudo-stars of `score`; at most as sure as the person's own stars scatter around the line."""
        x = _quantile(self.known, score)
        told = min(max(self.mean + self.slope * x, STARS[0]), STARS[1])
        return PseudoStars(stars=told, sd=self.noise_sd * math.sqrt(1 + 1 / self.pairs + x * x / self.spread))


def scorer_weight(pairs: Sequence[tuple[float, float]], groups: Sequence[Hashable] | None = None) -> Calibration | None:
    """What `pairs` of (score, stars) teach about a scorer; None for one that is of no use, or while nobody can tell.

    With `groups` (the prompt of each picture, say) only differences within a group count: a scorer that merely likes
    the prompts that the person likes cannot tell settings apart. Raises ValueError for what is no finite number.
    """
    if not all(math.isfinite(number) for pair in pairs for number in pair):
        raise ValueError("scores and stars must be finite numbers")
    known = tuple(sorted(score for score, _ in pairs))
    x = [_quantile(known, score) for score, _ in pairs]
    y = [stars for _, stars in pairs]
    labels = [0] * len(pairs) if groups is None else list(groups)
    inside_x, inside_y, sizes = _within(x, labels), _within(y, labels), _sizes(labels)
    compared = [label for label, size in zip(labels, sizes, strict=True) if size > 1]
    freedom = len(compared) - len(set(compared))
    sxx, syy = _square(inside_x), _square(inside_y)
    sxy = math.fsum(a * b for a, b in zip(inside_x, inside_y, strict=True))
    if freedom < PAIRS_MIN - 1 or sxx <= 1e-9 or syy <= 1e-9 or sxy <= 0:
        return None
    evidence = _evidence(freedom, sxy * sxy / (sxx * syy))
    gain = _gain(inside_x, inside_y, sizes, sxy / sxx, sxx)
    if evidence < EVIDENCE or gain <= 0:
        return None
    count = freedom + 1
    slope = sxy / sxx * count / (1 + count)
    residual = _square([b - slope * a for a, b in zip(inside_x, inside_y, strict=True)])
    return Calibration(
        weight=min(1.0, gain) * evidence / (1 + evidence),
        pairs=len(pairs),
        evidence=evidence,
        mean=math.fsum(y) / len(y),
        slope=slope,
        noise_sd=math.sqrt(residual / (freedom - 1)),
        spread=sxx,
        known=known,
    )


def _quantile(known: Sequence[float], score: float) -> float:
    """Where `score` stands among the sorted scores `known`, as a normal quantile; ties share their middle."""
    low, high = bisect_left(known, score), bisect_right(known, score)
    share = ((low + high) / 2 + 0.5 * (low == high)) / (len(known) + (low == high))
    edge = 0.5 / max(1, len(known))
    return NormalDist().inv_cdf(min(max(share, edge), 1 - edge))


def _within(values: Sequence[float], labels: Sequence[Hashable]) -> list[float]:
    """Each value less the mean of its group."""
    groups: dict[Hashable, list[float]] = {}
    for value, label in zip(values, labels, strict=True):
        groups.setdefault(label, []).append(value)
    means = {label: math.fsum(each) / len(each) for label, each in groups.items()}
    return [value - means[label] for value, label in zip(values, labels, strict=True)]


def _sizes(labels: Sequence[Hashable]) -> list[int]:
    """For each picture how many its group has."""
    counts: dict[Hashable, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    return [counts[label] for label in labels]


def _square(values: Sequence[float]) -> float:
    return math.fsum(value * value for value in values)


def _evidence(freedom: int, explained: float) -> float:
    """The Bayes factor of a slope against none, where it explains that share of the squares (Liang et al., eq. 6)."""
    g = freedom + 1
    log = 0.5 * ((freedom - 1) * math.log1p(g) - freedom * math.log1p(g * (1 - explained)))
    return math.exp(min(log, 500.0))


def _gain(x: Sequence[float], y: Sequence[float], sizes: Sequence[int], slope: float, sxx: float) -> float:
    """The share of the squared error that the line saves when each picture is told from the others alone."""
    without = with_line = 0.0
    for a, b, size in zip(x, y, sizes, strict=True):
        if size > 1:
            own = 1 / size
            without += (b / (1 - own)) ** 2
            with_line += ((b - slope * a) / max(1e-9, 1 - own - a * a / sxx)) ** 2
    return 1 - with_line / without if without > 0 else 0.0
