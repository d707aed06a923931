"""Small archives for tests, and the answers a naive full scan gives about them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from stablenew.learning.index_query import Group
from stablenew.learning.learning_feedback import Rating, new_rating
from stablenew.learning.learning_reader import (
    UnreadableLine,
    lines_files,
    read_current_records,
    read_file,
    record_key,
    time_ms,
)
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.prompt_words import parse_words, text_matches
from stablenew.learning.rating_fold import read_feedback, with_feedback
from stablenew.learning.record_filter import Condition, field_name, matches, value_of
from stablenew.learning.record_index import RecordIndex

USUAL = ["model", "sampler", "scheduler", "cfg_scale", "steps"]
"""What records are grouped by unless something else is asked for."""


def make_record(record_id: str = "r1", **said: Any) -> LearningRecord:
    """A record with the given values: fields of the config or of the context."""
    config_names = {"sampler", "scheduler", "steps", "cfg_scale", "model", "learning_tags", "one_click_action"}
    config = {name: value for name, value in said.items() if name in config_names}
    context = {name: value for name, value in said.items() if name not in config_names}
    defaults = {"run_id": "run-a", "timestamp": "2026-11-22T10:00:00.000Z", "prompt": "a red fox", "host_id": "h"}
    return LearningRecord.from_pipeline_context(config, {**defaults, "record_id": record_id, **context})


def write_lines(path: Path, *records: LearningRecord) -> None:
    """Append `records` to the file at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.writelines(record.to_line() + b"\n" for record in records)


def rate(record_id: str, score: int | None = None, second: int = 0, **said: Any) -> Rating:
    """A rating made `second` seconds into a day."""
    from datetime import UTC, datetime, timedelta

    moment = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=second)
    return new_rating(record_id, moment=moment, score=score, **said)


def open_index(folder: Path, **options: Any) -> RecordIndex:
    """The index over `folder`/records and `folder`/ratings."""
    return RecordIndex(folder / "records", folder / "ratings", folder / "index.sqlite", **options)


def naive_records(folder: Path) -> list[LearningRecord]:
    """Every record once with its feedback, by reading everything."""
    feedback = read_feedback(folder / "ratings")
    found = read_current_records(folder / "records")
    return [with_feedback(record, feedback.get(record.run.record_id)) for record in found]


def naive_list(
    records: Sequence[LearningRecord], where: Sequence[Condition] = (), words: str | None = None
) -> list[str]:
    """The ids of those that are meant, newest first."""
    terms = None if words is None else parse_words(words)
    kept = [
        record
        for record in records
        if matches(record.to_dict(), where) and (terms is None or text_matches(record.prompt.prompt, terms))
    ]
    kept.sort(key=lambda record: (time_ms(record.run.timestamp), record_key(record.run.record_id)), reverse=True)
    return [record.run.record_id for record in kept]


def naive_groups(
    records: Sequence[LearningRecord], by: Sequence[str], where: Sequence[Condition] = ()
) -> dict[tuple[Any, ...], tuple[int, ...]]:
    """By the values of `by`: n, ok, failed, timed, ms, rated, score and score squared."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for record in records:
        data = record.to_dict()
        if not matches(data, where):
            continue
        sums = found.setdefault(tuple(value_of(data, field_name(field)) for field in by), [0] * 8)
        seconds, rating = record.outcome.duration_s, record.feedback.rating
        score = 0 if rating is None else round(rating * 1000)
        status = record.outcome.status
        timed = seconds is not None
        more = (1, status == "ok", status == "failed", timed, round((seconds or 0) * 1000), rating is not None, score)
        for place, value in enumerate((*more, score * score)):
            sums[place] += value
    return {values: tuple(sums) for values, sums in found.items()}


def group_sums(groups: Sequence[Group]) -> dict[tuple[Any, ...], tuple[int, ...]]:
    """Groups of an index in the form of `naive_groups`."""
    return {group.values: msgspec.structs.astuple(group)[1:] for group in groups}


def naive_damage(folder: Path) -> list[tuple[str, int]]:
    """File and line of every ended line that is no record."""
    return [
        (path.name, read.line_number)
        for path in lines_files(folder / "records")
        for read in read_file(path)
        if isinstance(read, UnreadableLine) and not read.reason.startswith("unfinished")
    ]
