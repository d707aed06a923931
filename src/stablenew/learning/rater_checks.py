"""How far a person's own answers can be relied on: repeats, sides, drift, and when to take a break.

Pure functions over rating lines. A comparison tells its sides by `shown` (left to right); the same two pictures shown
again are a hidden repeat. Nothing here judges the person: noise is part of taste, and its size belongs to the answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import Literal

from stablenew.learning.learning_feedback import Rating, in_order
from stablenew.learning.learning_reader import time_ms
from stablenew.learning.rating_fold import valid
from stablenew.learning.win_rate import Share, counted, percent, share

Answer = Literal["left", "right", "tie", "skip"]

SITTING_GAP_MS = 30 * 60 * 1000
"""After half an hour without a rating, the next one begins a new sitting."""

SITTING_MAX = 150
APART = 5
"""A second look at the same picture counts as a repeat when so many ratings lie between: else it is a correction."""

RECENT = 500
"""More of the newest ratings than one sitting has."""

_SIDES_MIN = 10
_EDGE = 20
_HURRIED = 0.5
_RECENT_REPEATS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Two pictures shown side by side, by their record ids, and what the person said."""

    left: str
    right: str
    answer: Answer
    timestamp: str
    decided_ms: int | None = None
    rating_id: str = ""

    @property
    def pair(self) -> frozenset[str]:
        """Which two, whatever the sides."""
        return frozenset((self.left, self.right))

    @property
    def chosen(self) -> str | None:
        """The record id of the better one, None for a tie or a skip."""
        return {"left": self.left, "right": self.right}.get(self.answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slope:
    """A change of stars with its 95 % interval, from `n` ratings (or repeats)."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterChecks:
    """What the checks found. None where there is too little to say.

    `agreement`: hidden repeats answered as before; `left`: how often the left picture was picked. `repeat_shift`:
    stars at the second look minus the first; `trend`: stars per 100 ratings. `take_a_break` says why, "" where there
    is no reason to. `statements` say these numbers in words.
    """

    agreement: Share | None
    left: Share | None
    repeat_shift: Slope | None
    trend: Slope | None
    take_a_break: str
    statements: tuple[str, ...]


def check_rater(ratings: Iterable[Rating]) -> RaterChecks:
    """Every check, over one person's ratings in any order; undone lines do not count."""
    counting = standing(ratings)
    looks = looks_of(counting)
    agreed, left = agreement(looks), position_bias(looks)
    shift, trend = repeat_shift(counting), star_trend(counting)
    rest = break_hint(counting)
    found = (_say_agreement(agreed), _say_sides(left), _say_shift(shift), _say_trend(trend), rest)
    return RaterChecks(
        agreement=agreed,
        left=left,
        repeat_shift=shift,
        trend=trend,
        take_a_break=rest,
        statements=tuple(said for said in found if said),
    )


def standing(ratings: Iterable[Rating]) -> list[Rating]:
    """Those of `ratings` that were not taken back, in the order they were made; undo lines left out."""
    by_record: dict[str, list[Rating]] = {}
    for rating in in_order(ratings):
        by_record.setdefault(rating.record_id, []).append(rating)
    kept = [rating for group in by_record.values() for rating in valid(group) if rating.undoes is None]
    return in_order(kept)


def looks_of(standing_ratings: Iterable[Rating]) -> list[Look]:
    """The comparisons of two among ratings that stand, in their order."""
    return [look for look in map(_look, standing_ratings) if look is not None]


def repeats(looks: Iterable[Look]) -> Iterator[tuple[Look, Look]]:
    """Each look at a pair with the one before at the same pair; skips are left out."""
    last: dict[frozenset[str], Look] = {}
    for look in looks:
        if look.answer == "skip":
            continue
        if look.pair in last:
            yield last[look.pair], look
        last[look.pair] = look


def agreement(looks: Iterable[Look]) -> Share | None:
    """How often a pair shown again was answered the same: the same picture, or a tie again. Chance alone gives half."""
    same = [first.chosen == second.chosen for first, second in repeats(looks)]
    return share(sum(same), len(same)) if same else None


def position_bias(looks: Iterable[Look]) -> Share | None:
    """How often the left picture was picked, of all that had a winner. Sides drawn at random give half."""
    sides = [look.answer == "left" for look in looks if look.answer in ("left", "right")]
    return share(sum(sides), len(sides)) if sides else None


def repeat_shift(standing_ratings: Sequence[Rating]) -> Slope | None:
    """How stars moved between the first look at a picture and the next, at least `APART` ratings later."""
    first: dict[str, tuple[int, int]] = {}
    moved: list[float] = []
    for place, rating in enumerate(_starred(standing_ratings)):
        assert rating.score is not None
        before = first.setdefault(rating.record_id, (place, rating.score))
        if place - before[0] >= APART:
            moved.append(rating.score - before[1])
            first[rating.record_id] = (place, rating.score)
    if len(moved) < 2:
        return None
    mean = fmean(moved)
    error = math.sqrt(sum((each - mean) ** 2 for each in moved) / (len(moved) - 1) / len(moved))
    return _slope(mean, error, len(moved) - 1, len(moved))


def star_trend(standing_ratings: Sequence[Rating]) -> Slope | None:
    """Stars per 100 ratings, by least squares over their order; later pictures may also simply be better."""
    stars = [float(rating.score) for rating in _starred(standing_ratings) if rating.score is not None]
    n = len(stars)
    if n < 20:
        return None
    places = [place / 100 for place in range(n)]
    middle, mean = fmean(places), fmean(stars)
    spread = sum((place - middle) ** 2 for place in places)
    slope = sum((place - middle) * (star - mean) for place, star in zip(places, stars, strict=True)) / spread
    left = sum((star - mean - slope * (place - middle)) ** 2 for place, star in zip(places, stars, strict=True))
    return _slope(slope, math.sqrt(left / (n - 2) / spread), n - 2, n)


def break_hint(standing_ratings: Sequence[Rating]) -> str:
    """Why a break would be good now, "" where nothing speaks for it; looks at the newest sitting alone."""
    sitting = newest_sitting(standing_ratings)
    if len(sitting) > SITTING_MAX:
        return f"{len(sitting)} ratings in this sitting, more than {SITTING_MAX}: take a break"
    return _hurry(sitting) or _fading_agreement(looks_of(sitting))


def newest_sitting(standing_ratings: Sequence[Rating]) -> list[Rating]:
    """The newest ratings without a pause of half an hour between them."""
    start = 0
    for place, (before, after) in enumerate(pairwise(standing_ratings), 1):
        if time_ms(after.timestamp) - time_ms(before.timestamp) > SITTING_GAP_MS:
            start = place
    return list(standing_ratings[start:])


def _look(rating: Rating) -> Look | None:
    if len(rating.shown) != 2 or rating.record_id not in rating.shown:
        return None
    left, right = rating.shown
    answer: Answer = "skip"
    if rating.better_than:
        answer = "left" if rating.record_id == left else "right"
    elif rating.equal_to:
        answer = "tie"
    return Look(
        left=left,
        right=right,
        answer=answer,
        timestamp=rating.timestamp,
        decided_ms=rating.decided_ms,
        rating_id=rating.rating_id,
    )


def _starred(standing_ratings: Iterable[Rating]) -> Iterator[Rating]:
    return (rating for rating in standing_ratings if rating.score is not None and not rating.weak)


def _slope(value: float, error: float, freedom: int, n: int) -> Slope:
    from scipy.special import stdtrit

    half = float(stdtrit(freedom, 0.975)) * error
    return Slope(value=value, low=value - half, high=value + half, n=n)


def _hurry(sitting: Sequence[Rating]) -> str:
    times = [rating.decided_ms for rating in sitting if rating.decided_ms is not None]
    if len(times) < 3 * _EDGE:
        return ""
    early, late = median(times[:_EDGE]), median(times[-_EDGE:])
    if late >= _HURRIED * early:
        return ""
    return f"your answers take {late / 1000:.1f} s now, {early / 1000:.1f} s at first: take a break"


def _fading_agreement(looks: Sequence[Look]) -> str:
    same = [first.chosen == second.chosen for first, second in repeats(looks)]
    early, late = same[:-_RECENT_REPEATS], same[-_RECENT_REPEATS:]
    if len(early) < _RECENT_REPEATS or 2 * sum(late) > len(late) or 4 * sum(early) < 3 * len(early):
        return ""
    return (
        f"of the last {len(late)} repeats you answered {sum(late)} as before, "
        f"of the {len(early)} earlier ones {sum(early)}: take a break"
    )


def _say_agreement(found: Share | None) -> str:
    if found is None:
        return ""
    return (
        f"{counted(found.n, 'pair')} shown again: {percent(found.mean)} % answered as before "
        f"({percent(found.low)}..{percent(found.high)} %; guessing gives 50 %)"
    )


def _say_sides(found: Share | None) -> str:
    if found is None or found.n < _SIDES_MIN:
        return ""
    said = f"the left picture was picked {percent(found.mean)} % of {counted(found.n, 'time')}"
    bias = ": a leaning to one side" if found.low > 0.5 or found.high < 0.5 else ""
    return f"{said} ({percent(found.low)}..{percent(found.high)} %){bias}"


def _say_shift(found: Slope | None) -> str:
    if found is None:
        return ""
    moved = ": your scale moved" if found.low > 0 or found.high < 0 else ""
    return (
        f"{counted(found.n, 'picture')} rated again: {found.value:+.1f} stars "
        f"({found.low:+.1f}..{found.high:+.1f}){moved}"
    )


def _say_trend(found: Slope | None) -> str:
    if found is None or found.low <= 0 <= found.high:
        return ""
    return (
        f"stars move by {found.value:+.1f} per 100 ratings ({found.low:+.1f}..{found.high:+.1f}, "
        f"{counted(found.n, 'rating')}): your scale, or the pictures"
    )
