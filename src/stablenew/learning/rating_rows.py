"""Rows to rate blind: pictures of one prompt and seed under different settings, in random order, settings hidden."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from stablenew.learning.learning_feedback import RatedPicture, Rating, in_order, new_rating
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.rating_fold import valid

ROW_MAX = 6
"""So many pictures are shown at once; a longer row comes in parts."""

SURFACE = "experiment"
_APART = 3
_TAG = re.compile(r"\s*<[a-z]+:[^<>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPicture:
    """One picture of a row: whose record it is, where its file lies in the workspace, and its content's hash."""

    record_id: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingRow:
    """Pictures to be compared, in the order in which they are shown. `repeat`: they were shown before."""

    prompt: str
    seed: int | None
    pictures: tuple[RowPicture, ...]
    repeat: bool = False


def rows_to_rate(
    records: Iterable[LearningRecord],
    rated: frozenset[str],
    chance: random.Random,
    *,
    repeats: int = 0,
    size: int = ROW_MAX,
) -> list[RatingRow]:
    """The rows with a picture whose record is not among `rated`, in random order; `repeats` of them come once more.

    A picture that is alone in not being rated gets a rated one for company. A row comes again after some others, as
    far as there are any, and newly shuffled: how much a person agrees with themselves.
    """
    rows: dict[tuple[str, str, int | None], list[tuple[bool, RowPicture]]] = {}
    for record in records:
        if record.outcome.status == "ok" and record.outcome.images:
            image = record.outcome.images[-1]
            shown = RowPicture(record_id=record.run.record_id, path=image.path, sha256=image.sha256)
            key = (plain_prompt(record), record.prompt.negative_prompt, record.prompt.seed)
            rows.setdefault(key, []).append((record.run.record_id in rated, shown))
    found: list[RatingRow] = []
    for (prompt_text, _, seed), pictures in rows.items():
        for part in _parts(pictures, chance, size):
            found.append(RatingRow(prompt=prompt_text, seed=seed, pictures=tuple(part)))
    chance.shuffle(found)
    return _with_repeats(found, repeats, chance)


def plain_prompt(record: LearningRecord) -> str:
    """The record's prompt without lora tags, which may themselves be under test."""
    return _TAG.sub("", record.prompt.prompt).strip()


def rated_by(ratings: Iterable[Rating], who: str | None) -> frozenset[str]:
    """The records that the person gave a score which still counts."""
    by_record: dict[str, list[Rating]] = {}
    for rating in ratings:
        if rating.who == who and not rating.weak:
            by_record.setdefault(rating.record_id, []).append(rating)
    return frozenset(
        record_id
        for record_id, said in by_record.items()
        if any(rating.score is not None for rating in valid(in_order(said)))
    )


def row_ratings(
    row: RatingRow, stars: Sequence[int | None], best: int | None, *, who: str | None, decided_ms: int | None = None
) -> list[Rating]:
    """What a person said about a row: `stars` picture by picture (None: nothing), `best` the place of the best one.

    `decided_ms` is the time for the whole row. Raises InputError for stars that cannot be given.
    """
    each_ms = None if decided_ms is None else round(decided_ms / len(row.pictures))
    found: list[Rating] = []
    for place, (picture, score) in enumerate(zip(row.pictures, stars, strict=True)):
        others = row.pictures if place == best else ()
        beaten = [RatedPicture(record_id=o.record_id, image_sha256=o.sha256) for o in others if o is not picture]
        if score is None and not beaten:
            continue
        found.append(
            new_rating(
                picture.record_id,
                image_sha256=picture.sha256,
                score=score,
                better_than=beaten,
                shown=[each.record_id for each in row.pictures] if beaten else [],
                who=who,
                blind=True,
                surface=SURFACE,
                decided_ms=each_ms,
            )
        )
    return found


def _parts(pictures: list[tuple[bool, RowPicture]], chance: random.Random, size: int) -> list[list[RowPicture]]:
    """What is shown of a row: its unrated pictures in parts of about equal length, none of them alone."""
    todo = [picture for done, picture in pictures if not done]
    company = [picture for done, picture in pictures if done]
    if len(todo) == 1 and company:
        todo.append(company[int(chance.random() * len(company))])
    if len(todo) < 2:
        return []
    chance.shuffle(todo)
    count = -(-len(todo) // size)
    return [todo[part::count] for part in range(count)]


def _with_repeats(rows: list[RatingRow], repeats: int, chance: random.Random) -> list[RatingRow]:
    """Some of the first rows once more, each at least a few rows after it was shown."""
    again = []
    for row in rows[: min(repeats, len(rows))]:
        pictures = list(row.pictures)
        chance.shuffle(pictures)
        again.append(replace(row, pictures=tuple(pictures), repeat=True))
    for place, row in enumerate(again):
        rows.insert(min(len(rows), 2 * place + 1 + _APART), row)
    return rows
