"""Which pictures to compare next: of one prompt, with different settings, same seed first, not compared before."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

from stablenew.learning.learning_feedback import RatedPicture, Rating, in_order, new_rating
from stablenew.learning.rating_fold import valid
from stablenew.learning.record_filter import Condition, parse_condition
from stablenew.learning.record_index import RecordIndex
from stablenew.learning.recorded_picture import PictureWish, RecordedPicture, read_pictures

NEWEST = 2000
"""Pictures are compared among so many of the newest."""

ROW_MAX = 4
_OF_ONE_PROMPT = 50

Row = tuple[RecordedPicture, ...]


def candidates(index: RecordIndex, where: Sequence[Condition] = (), limit: int = NEWEST) -> list[RecordedPicture]:
    """The newest pictures of good records that fulfil `where`."""
    wish = PictureWish(where=(parse_condition("status=ok"), *where), limit=limit)
    return [picture for page in read_pictures(index, wish) for picture in page]


def rows_to_ask(
    found: Iterable[RecordedPicture], compared: set[frozenset[str]], chance: random.Random, *, size: int = 2
) -> Iterator[Row]:
    """Rows of two to `size` pictures of one prompt with different settings, those of one seed first.

    The order of rows, and of the pictures in a row, is random. A row with nothing new in it is left out.
    """
    rows = list(_pairs(found) if size == 2 else _longer_rows(found, size, chance))
    rows = [row for row in rows if not is_compared(row, compared)]
    chance.shuffle(rows)
    for row in sorted(rows, key=lambda row: not is_matched(row)):
        yield tuple(chance.sample(row, len(row)))


def is_matched(row: Row) -> bool:
    """Whether the pictures have one seed, so that nothing but their settings differs."""
    return len({picture.seed for picture in row}) == 1 and row[0].seed is not None


def compared_before(index: RecordIndex, found: Iterable[RecordedPicture], who: str | None) -> set[frozenset[str]]:
    """The pairs of record ids that the person has compared already, ties included."""
    return pairs_of_answers(
        rating
        for picture in found
        for rating in valid(in_order(index.ratings_of(picture.record_id)))
        if rating.who == who
    )


def pairs_of_answers(answers: Iterable[Rating]) -> set[frozenset[str]]:
    """The pairs of record ids that `answers` compare, ties included."""
    return {
        frozenset((rating.record_id, other.record_id))
        for rating in answers
        for other in [*rating.better_than, *rating.equal_to]
    }


def is_compared(row: Row, compared: set[frozenset[str]]) -> bool:
    """Whether every pair in `row` is among those `compared`: there is nothing new in it."""
    return _pairs_of(row) <= compared


def preference(row: Row, number: int, **how: Any) -> Rating:
    """The line that says the picture at that place was preferred to the rest of `row`; `how` are further fields."""
    others = [each for place, each in enumerate(row) if place != number]
    return _said(row, row[number], better_than=_rated(others), **how)


def tie(row: Row, **how: Any) -> Rating:
    """The line that says none of `row` was preferred."""
    return _said(row, row[0], equal_to=_rated(row[1:]), **how)


def passed_over(row: Row, **how: Any) -> Rating:
    """The line that says `row` was looked at and nothing said of it."""
    return _said(row, row[0], **how)


def _said(row: Row, about: RecordedPicture, **said: Any) -> Rating:
    shown = [each.record_id for each in row]
    return new_rating(about.record_id, image_sha256=about.sha256, shown=shown, **said)


def _rated(pictures: Iterable[RecordedPicture]) -> list[RatedPicture]:
    return [RatedPicture(record_id=each.record_id, image_sha256=each.sha256) for each in pictures]


def _pairs(found: Iterable[RecordedPicture]) -> Iterator[Row]:
    for group in _grouped(found, by_seed=False):
        for pair in combinations(group[:_OF_ONE_PROMPT], 2):
            if pair[0].settings_key != pair[1].settings_key:
                yield pair


def _longer_rows(found: Iterable[RecordedPicture], size: int, chance: random.Random) -> Iterator[Row]:
    """Each picture among those of its prompt and seed; what is alone there among those of its prompt."""
    alone: list[RecordedPicture] = []
    for group in _grouped(found, by_seed=True):
        distinct = list({picture.settings_key: picture for picture in group}.values())
        if len(distinct) < 2:
            alone += distinct
        yield from _cut(distinct, size, chance)
    for group in _grouped(alone, by_seed=False):
        yield from _cut(list({picture.settings_key: picture for picture in group}.values()), size, chance)


def _cut(group: list[RecordedPicture], size: int, chance: random.Random) -> Iterator[Row]:
    """`group` in rows of `size`, or in one where there are fewer; the last row is filled up from the one before."""
    if len(group) < 2:
        return
    mixed = chance.sample(group, len(group))
    for start in range(0, len(mixed), size):
        yield tuple(mixed[max(0, min(start, len(mixed) - size)) :][:size])


def _grouped(found: Iterable[RecordedPicture], *, by_seed: bool) -> Iterator[list[RecordedPicture]]:
    groups: dict[tuple[str, int | None], list[RecordedPicture]] = {}
    for picture in found:
        groups.setdefault((picture.text, picture.seed if by_seed else None), []).append(picture)
    return iter(groups.values())


def _pairs_of(row: Row) -> set[frozenset[str]]:
    return {frozenset((left.record_id, right.record_id)) for left, right in combinations(row, 2)}
