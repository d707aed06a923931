"""Where a person is in a list of pictures: a value, and what each key makes of it. Knows no widgets and no disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stablenew.learning.rating_fold import Feedback
from stablenew.learning.recorded_picture import RecordedPicture

Verdict = Literal["any", "unrated", "rated", "5", "4+", "3+", "2-", "rejected", "favourite"]
FeedbackOf = Callable[[str], Feedback]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sieve:
    """What of the pictures read is shown: by the person's own verdict and by a tag ("" for any)."""

    verdict: Verdict = "any"
    tag: str = ""

    def keeps(self, feedback: Feedback) -> bool:
        """Whether a picture about which that was said is shown."""
        return _VERDICTS[self.verdict](feedback) and (not self.tag or self.tag in feedback.tags)


_VERDICTS: dict[Verdict, Callable[[Feedback], bool]] = {
    "any": lambda said: True,
    "unrated": lambda said: said.score is None and not said.rejected,
    "rated": lambda said: said.score is not None,
    "5": lambda said: (said.score or 0) >= 5,
    "4+": lambda said: (said.score or 0) >= 4,
    "3+": lambda said: (said.score or 0) >= 3,
    "2-": lambda said: said.score is not None and said.score <= 2,
    "rejected": lambda said: said.rejected,
    "favourite": lambda said: said.favourite,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Culling:
    """`pictures` in order, as many as were read; `shown` are the numbers of those that the sieve keeps.

    `shown` changes with the sieve and with what is read, and not when something is said: a picture that was just rated
    does not vanish from under the eye. `cursor` is a place in `shown`.
    """

    pictures: tuple[RecordedPicture, ...] = ()
    shown: tuple[int, ...] = ()
    sieve: Sieve = Sieve()
    cursor: int = 0

    @property
    def current(self) -> RecordedPicture | None:
        """The picture the person is at; None when none is shown."""
        return self.at(self.cursor)

    def at(self, place: int) -> RecordedPicture | None:
        """The picture at a place; None where there is none."""
        return self.pictures[self.shown[place]] if 0 <= place < len(self.shown) else None

    def place_of(self, record_id: str) -> int | None:
        """Where a picture is shown; None where it is not."""
        return next((n for n, k in enumerate(self.shown) if self.pictures[k].record_id == record_id), None)


def with_more(state: Culling, pictures: Sequence[RecordedPicture], feedback: FeedbackOf) -> Culling:
    """`state` with `pictures` behind those that were there."""
    begin = len(state.pictures)
    more = (begin + n for n, each in enumerate(pictures) if state.sieve.keeps(feedback(each.record_id)))
    return replace(state, pictures=(*state.pictures, *pictures), shown=(*state.shown, *more))


def sifted(state: Culling, sieve: Sieve, feedback: FeedbackOf) -> Culling:
    """`state` through another sieve, or through the same once more; the person stays at the same picture or near it."""
    shown = tuple(n for n, each in enumerate(state.pictures) if sieve.keeps(feedback(each.record_id)))
    at = state.shown[state.cursor] if state.current is not None else 0
    cursor = next((place for place, number in enumerate(shown) if number >= at), max(0, len(shown) - 1))
    return replace(state, sieve=sieve, shown=shown, cursor=cursor)


def moved(state: Culling, by: int) -> Culling:
    """So many pictures on, or back; the ends are ends."""
    return moved_to(state, state.cursor + by)


def moved_to(state: Culling, place: int) -> Culling:
    """At that place, or at the end that is nearest to it."""
    return replace(state, cursor=max(0, min(len(state.shown) - 1, place)))


def next_without_verdict(state: Culling, has_verdict: Callable[[str], bool]) -> int | None:
    """The next place without a verdict, from the start again after the end; None when all have one."""
    count = len(state.shown)
    for step in range(1, count + 1):
        place = (state.cursor + step) % count
        if not has_verdict(state.pictures[state.shown[place]].record_id):
            return place
    return None


def needed_next(state: Culling, has_verdict: Callable[[str], bool], ahead: int = 4) -> list[int]:
    """The places that may be looked at next, the likeliest first: this one, those that follow, the one before."""
    jump = next_without_verdict(state, has_verdict)
    wanted = [state.cursor, state.cursor + 1, *([jump] if jump is not None else []), state.cursor + 2, state.cursor - 1]
    wanted += range(state.cursor + 3, state.cursor + 1 + ahead)
    return [place for place in dict.fromkeys(wanted) if 0 <= place < len(state.shown)]
