"""How often one of two is picked: shares and win rates, with intervals that say what they assume."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

_Z = 1.959963984540054  # the normal distribution's 97.5 % point
_ALPHA = 0.05

Verdict = Literal["better", "worse", "undecided", "open"]

ASSUMES_FIXED = "the number of pairs was settled before the first, and each was judged on its own"
ASSUMES_ANYTIME = "each pair was judged on its own; it holds however often one looks and whenever one stops"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """`count` of `n`, where halves count; `low` to `high` is the 95 % interval."""

    count: float
    n: int
    low: float
    high: float

    @property
    def mean(self) -> float:
        """Between 0 and 1; one half where there was nothing to count."""
        return self.count / self.n if self.n else 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class WinRate:
    """How new settings did against old ones in blind pairs; ties count half.

    `low` to `high` is the 95 % interval for a number of pairs that was settled before; `low_anytime` to `high_anytime`
    is wider and holds at every moment at once, so one may stop when it has said enough.
    """

    wins: int
    ties: int
    losses: int
    low: float
    high: float
    low_anytime: float
    high_anytime: float

    @property
    def pairs(self) -> int:
        return self.wins + self.ties + self.losses

    @property
    def rate(self) -> float:
        return (self.wins + self.ties / 2) / self.pairs if self.pairs else 0.5

    @property
    def text(self) -> str:
        """ "62 %, 51..72 %, 90 pairs"."""
        return f"{percent(self.rate)} %, {percent(self.low)}..{percent(self.high)} %, {counted(self.pairs, 'pair')}"


def share(count: float, n: int) -> Share:
    """`count` of `n` with Wilson's score interval (1927): sensible for few and for extreme counts."""
    if n == 0:
        return Share(count=0.0, n=0, low=0.0, high=1.0)
    mean, spread = count / n, _Z * _Z / n
    centre = (mean + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(mean * (1 - mean) / n + spread / (4 * n)) / (1 + spread)
    # At the ends the formula gives the end itself, but for rounding.
    low, high = 0.0 if count == 0 else centre - half, 1.0 if count == n else centre + half
    return Share(count=count, n=n, low=max(0.0, low), high=min(1.0, high))


def win_rate(wins: int, ties: int, losses: int) -> WinRate:
    """The win rate with both intervals."""
    n, score = wins + ties + losses, wins + ties / 2
    fixed = share(score, n)
    low, high = anytime_interval(score, n)
    return WinRate(
        wins=wins, ties=ties, losses=losses, low=fixed.low, high=fixed.high, low_anytime=low, high_anytime=high
    )


def anytime_interval(score: float, n: int, alpha: float = _ALPHA) -> tuple[float, float]:
    """A 1 - alpha confidence sequence for the mean of outcomes between 0 and 1 that sum to `score` so far.

    Method of mixtures (Robbins 1970) with a uniform mixture: a rate p is excluded for good once the beta-binomial
    likelihood exceeds that of p by 1 / alpha (Ville's inequality). Outcomes between 0 and 1, such as ties of one half,
    only make it safer: the likelihood ratio is convex in the outcome.
    """
    if n == 0:
        return 0.0, 1.0
    misses = n - score
    mixed = math.lgamma(score + 1) + math.lgamma(misses + 1) - math.lgamma(n + 2)
    limit = math.log(1 / alpha)

    def excluded(p: float) -> bool:
        return mixed - _times_log(score, p) - _times_log(misses, 1 - p) >= limit

    mean = score / n
    return _edge(excluded, 0.0, mean), _edge(excluded, 1.0, mean)


def verdict(rate: WinRate, *, complete: bool, planned: int = 0) -> Verdict:
    """What the pairs say: once `complete` by the settled interval, before that only what holds at every moment.

    "worse" is also a win rate below one half when all is judged, and at least half of the `planned` pairs: what does
    not even win is not kept.
    """
    if not complete:
        return "better" if rate.low_anytime > 0.5 else "worse" if rate.high_anytime < 0.5 else "open"
    if rate.low > 0.5:
        return "better"
    lost = rate.high < 0.5 or (rate.rate < 0.5 and 2 * rate.pairs >= planned)
    return "worse" if lost else "undecided"


def percent(value: float) -> int:
    """`value` of 1 in whole hundredths, halves away from zero."""
    return math.floor(100 * value + 0.5)


def counted(n: int, word: str) -> str:
    """ "1 pair", "2 pairs"."""
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def _times_log(factor: float, value: float) -> float:
    if factor == 0:
        return 0.0
    return factor * math.log(value) if value > 0 else -math.inf


def _edge(excluded: Callable[[float], bool], end: float, inside: float) -> float:
    """Where `excluded` changes between `end` and `inside`, by bisection; `end` where even that is not excluded."""
    if not excluded(end):
        return end
    for _ in range(40):
        middle = (end + inside) / 2
        end, inside = (middle, inside) if excluded(middle) else (end, middle)
    return end
