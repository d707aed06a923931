"""Where a person is while rating an experiment's rows: a frozen value and what each key makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stablenew.learning.rating_rows import RatingRow, RowPicture

STARS_MAX = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """Row `place` of `rows` is before the person: `stars` so far, the place of the `best`, the `cursor` on a picture.

    `answered`: the rows that were answered, oldest first, each with what was said about it.
    """

    rows: tuple[RatingRow, ...] = ()
    place: int = 0
    stars: tuple[int | None, ...] = ()
    best: int | None = None
    cursor: int = 0
    answered: tuple[tuple[int, tuple[int | None, ...], int | None], ...] = ()

    @property
    def row(self) -> RatingRow | None:
        """The row to look at; None when all were."""
        return self.rows[self.place] if self.place < len(self.rows) else None

    @property
    def said_something(self) -> bool:
        """Whether the row has an answer to keep."""
        return self.best is not None or any(each is not None for each in self.stars)

    @property
    def upcoming(self) -> tuple[RowPicture, ...]:
        """The pictures of the next row."""
        after = self.place + 1
        return self.rows[after].pictures if after < len(self.rows) else ()


def begun(rows: Sequence[RatingRow]) -> Sitting:
    """At the first row."""
    return _at(Sitting(rows=tuple(rows)), 0)


def starred(sitting: Sitting, stars: int | None, at: int | None = None) -> Sitting:
    """With stars (None: taken back) for the picture `at`, else for the one under the cursor.

    The cursor goes on to the next picture without stars.
    """
    if sitting.row is None:
        return sitting
    place = sitting.cursor if at is None else at
    given = tuple(stars if number == place else each for number, each in enumerate(sitting.stars))
    after = replace(sitting, stars=given, cursor=place)
    if stars is None:
        return after
    count = len(given)
    onwards = ((place + step) % count for step in range(1, count))
    return replace(after, cursor=next((each for each in onwards if given[each] is None), place))


def with_best(sitting: Sitting, at: int | None = None) -> Sitting:
    """With that picture (else the one under the cursor) as the best of the row, or not any more."""
    if sitting.row is None:
        return sitting
    place = sitting.cursor if at is None else at
    return replace(sitting, best=None if sitting.best == place else place, cursor=place)


def moved(sitting: Sitting, by: int) -> Sitting:
    """With the cursor so many pictures further; it ends at the ends."""
    last = len(sitting.stars) - 1
    return replace(sitting, cursor=max(0, min(last, sitting.cursor + by))) if last >= 0 else sitting


def at_picture(sitting: Sitting, place: int) -> Sitting:
    """With the cursor there."""
    return replace(sitting, cursor=place) if 0 <= place < len(sitting.stars) else sitting


def answered(sitting: Sitting) -> Sitting:
    """At the next row, what was said kept."""
    said = (sitting.place, sitting.stars, sitting.best)
    return _at(replace(sitting, answered=(*sitting.answered, said)), sitting.place + 1)


def passed_over(sitting: Sitting) -> Sitting:
    """At the next row, nothing said about this one."""
    return _at(sitting, sitting.place + 1) if sitting.row is not None else sitting


def back(sitting: Sitting) -> Sitting:
    """At the row answered last, with what was said about it, as if it had not been stored."""
    if not sitting.answered:
        return sitting
    place, stars, best = sitting.answered[-1]
    there = _at(replace(sitting, answered=sitting.answered[:-1]), place)
    return replace(there, stars=stars, best=best)


def progress_text(sitting: Sitting) -> str:
    """Where the person is, in words."""
    if sitting.row is None:
        return "all rows seen"
    return f"row {sitting.place + 1} of {len(sitting.rows)}"


def summary_text(sitting: Sitting) -> str:
    """What a sitting came to."""
    rows = len(sitting.answered)
    stars = sum(each is not None for _, given, _ in sitting.answered for each in given)
    bests = sum(best is not None for _, _, best in sitting.answered)
    best = f"{bests} choice{'' if bests == 1 else 's'} of the best"
    return f"{rows} row{'' if rows == 1 else 's'} rated: {stars} with stars, {best}"


def _at(sitting: Sitting, place: int) -> Sitting:
    count = len(sitting.rows[place].pictures) if place < len(sitting.rows) else 0
    return replace(sitting, place=place, stars=(None,) * count, best=None, cursor=0)
