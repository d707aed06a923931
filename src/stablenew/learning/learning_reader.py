"""Records read back from disk: streamed, going on past what cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from stablenew.errors import NotARecord
from stablenew.learning.learning_record import LearningRecord


class _RunIds(msgspec.Struct):
    record_id: str


class _Outcome(msgspec.Struct):
    status: str


class _IdAndStatus(msgspec.Struct):
    run: _RunIds
    outcome: _Outcome


def record_files(folder: Path, run_id: str | None = None) -> list[Path]:
    """The record files in `folder`, of one run (its shards included) or of all, by name."""
    found = sorted(folder.glob("*.jsonl")) if folder.is_dir() else []
    if run_id is None:
        return found
    return [path for path in found if path.name == f"{run_id}.jsonl" or path.name.startswith(f"{run_id}.")]


def read_records(folder: Path, run_id: str | None = None) -> Iterator[LearningRecord | UnreadableLine]:
    """Every record in `folder`, of one run or of all, in file order; a line that is none comes as `UnreadableLine`."""
    for path in record_files(folder, run_id):
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    yield LearningRecord.from_json(line)
                except NotARecord as exc:
                    yield UnreadableLine(path, number, str(exc))


class UnreadableLine(msgspec.Struct, frozen=True):
    """A line that is not a record: where it is and why."""

    path: Path
    line_number: int
    reason: str


def successful_record_ids(folder: Path, run_id: str) -> frozenset[str]:
    """The ids of the run's records whose status is ok; unreadable lines are passed over."""
    decoder = msgspec.json.Decoder(_IdAndStatus)
    found: set[str] = set()
    for path in record_files(folder, run_id):
        with path.open("rb") as file:
            for line in file:
                try:
                    read = decoder.decode(line)
                except (msgspec.DecodeError, msgspec.ValidationError):
                    continue
                if read.outcome.status == "ok":
                    found.add(read.run.record_id)
    return frozenset(found)
