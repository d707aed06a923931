"""Records read back from disk: streamed, going on past what cannot be read.

A record may stand in the files more than once, because a variant that failed was tried again. `supersedes` says which
line counts; `read_current_records` and the index give each record once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from struct import Struct

import msgspec

from stablenew.errors import InputError, NotARecord, RecordError
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.line_scan import ScannedLine, scan_lines
from stablenew.learning.record_packs import PACK_SUFFIX, is_pack, pack_lines
from stablenew.learning.record_wire import known_groups

SUFFIX = ".jsonl"
_first_64 = Struct(">Q").unpack_from


class _RunIds(msgspec.Struct):
    record_id: str


class _Outcome(msgspec.Struct):
    status: str


class _IdAndStatus(msgspec.Struct):
    run: _RunIds
    outcome: _Outcome


class UnreadableLine(msgspec.Struct, frozen=True):
    """A line that is not a record: where it is (lines count from 1) and why."""

    path: Path
    line_number: int
    reason: str


Precedence = tuple[bool, int, bytes, int]


def record_files(folder: Path, run_id: str | None = None) -> list[Path]:
    """The record files below `folder`, packs too, of one run (its shards included) or of all, in a stable order.

    With `run_id`, files of a run called `RUN_ID.something` are among them: look at each line's own run id.
    """
    found = [Path(entry.path) for _, entry in walk_lines_files(folder, packs=True)]
    if run_id is None:
        return found
    return [path for path in found if path.name == f"{run_id}{SUFFIX}" or path.name.startswith(f"{run_id}.")]


def lines_files(folder: Path) -> list[Path]:
    """Every .jsonl file below `folder` in the order of `file_order`."""
    return [Path(entry.path) for _, entry in walk_lines_files(folder)]


def walk_lines_files(folder: Path, *, packs: bool = False) -> list[tuple[bytes, os.DirEntry[str]]]:
    """Every .jsonl file below `folder` with its name there (`file_order`), and every pack where `packs` are wanted.

    What is hidden, and links, are passed by.
    """
    return sorted(
        ((os.fsencode(name), entry) for name, entry in lines_entries(folder, packs=packs)), key=lambda each: each[0]
    )


def lines_entries(folder: Path, *, packs: bool = False) -> list[tuple[str, os.DirEntry[str]]]:
    """The files of `walk_lines_files` in no order, with forward slashes in their names: what asks often asks this."""
    found: list[tuple[str, os.DirEntry[str]]] = []
    _walk(folder, "", (SUFFIX, PACK_SUFFIX) if packs else (SUFFIX,), found)
    return found


def _walk(
    folder: Path | str, prefix: str, suffixes: tuple[str, ...], found: list[tuple[str, os.DirEntry[str]]]
) -> None:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        name = entry.name
        if name.startswith("."):
            continue
        if name.endswith(suffixes) and entry.is_file(follow_symlinks=False):
            found.append((prefix + name, entry))
        elif entry.is_dir(follow_symlinks=False):
            _walk(entry.path, f"{prefix}{name}/", suffixes, found)


def file_order(path: Path, folder: Path) -> bytes:
    """The name of a file in `folder`, with forward slashes, as bytes: files are read in this order."""
    return os.fsencode(path.relative_to(folder).as_posix())


def read_records(folder: Path, run_id: str | None = None) -> Iterator[LearningRecord | UnreadableLine]:
    """Every record in `folder`, of one run or of all, in file order; a line that is none comes as `UnreadableLine`."""
    for path in record_files(folder, run_id):
        for read in read_file(path):
            if run_id is None or isinstance(read, UnreadableLine) or read.run.run_id == run_id:
                yield read


def read_file(path: Path) -> Iterator[LearningRecord | UnreadableLine]:
    """Every record of one file, in order; a line that is none comes as `UnreadableLine`."""
    for _, read in read_file_with_offsets(path):
        yield read


def read_file_with_offsets(path: Path) -> Iterator[tuple[int, LearningRecord | UnreadableLine]]:
    """Like `read_file`, each with the byte its line starts at."""
    try:
        for number, line in enumerate(file_lines(path), 1):
            read = parse_line(path, number, line)
            if read is not None:
                yield line.offset, read
    except (OSError, InputError, RecordError) as exc:
        yield 0, UnreadableLine(path, 0, unreadable_file(exc))


def file_lines(path: Path) -> Iterator[ScannedLine]:
    """Every line of a file or of a pack. Raises OSError; for a pack also InputError and RecordError."""
    if is_pack(path):
        yield from pack_lines(path)
        return
    with path.open("rb") as file:
        yield from scan_lines(file)


def unreadable_file(error: Exception) -> str:
    """Why a whole file cannot be read, in words."""
    return f"the file cannot be read: {getattr(error, 'strerror', None) or error}"


def parse_line(path: Path, number: int, line: ScannedLine) -> LearningRecord | UnreadableLine | None:
    """What `line` holds; None for an empty line."""
    if line.data is None:
        return UnreadableLine(path, number, f"the line has {line.size:,} bytes, more than any record")
    if not line.data.strip():
        return None
    groups = known_groups(line.data)
    if groups is not None:
        return LearningRecord(
            run=groups.run,
            prompt=groups.prompt,
            pipeline=groups.pipeline,
            outcome=groups.outcome,
            feedback=groups.feedback,
        )
    try:
        return LearningRecord.from_json(line.data)
    except NotARecord as exc:
        unfinished = "" if line.ended else "unfinished last line (a write was cut off, or is under way): "
        return UnreadableLine(path, number, unfinished + str(exc))


def read_current_records(
    folder: Path, run_id: str | None = None, unreadable: Callable[[UnreadableLine], None] | None = None
) -> Iterator[LearningRecord]:
    """Each record in `folder` once, in file order: of several lines with one record id, the one that counts.

    Reads the files twice and holds one small entry per record id meanwhile. `unreadable` is told of every line that
    is no record.
    """
    files = record_files(folder, run_id)
    current = _current_places(folder, files)
    for path in files:
        for offset, read in read_file_with_offsets(path):
            if isinstance(read, UnreadableLine):
                if unreadable is not None:
                    unreadable(read)
            elif run_id in (None, read.run.run_id):
                place = (path, offset)
                if current.get(read.run.record_id, place) == place:
                    yield read


def precedence(record: LearningRecord, file_name: bytes, offset: int) -> Precedence:
    """Of several lines with one record id, the one with the largest precedence counts.

    A success counts before a failure, then a later start before an earlier one, then the later place.
    """
    return record.outcome.status == "ok", time_ms(record.run.timestamp), file_name, offset


def _current_places(folder: Path, files: list[Path]) -> dict[str, tuple[Path, int]]:
    """For each record id that stands in `files` more than once: the file and offset of the line that counts."""
    seen: set[int] = set()
    repeated: set[int] = set()
    for _, _, record in _records_of(files):
        key = record_key(record.run.record_id)
        (repeated if key in seen else seen).add(key)
    best: dict[str, tuple[Precedence, tuple[Path, int]]] = {}
    if repeated:
        for path, offset, record in _records_of(files):
            record_id = record.run.record_id
            if record_key(record_id) in repeated:
                rank = precedence(record, file_order(path, folder), offset)
                best[record_id] = max(best.get(record_id, (rank, (path, offset))), (rank, (path, offset)))
    return {record_id: place for record_id, (_, place) in best.items()}


def _records_of(files: list[Path]) -> Iterator[tuple[Path, int, LearningRecord]]:
    for path in files:
        for offset, read in read_file_with_offsets(path):
            if isinstance(read, LearningRecord):
                yield path, offset, read


def record_key(record_id: str) -> int:
    """63 bits that stand for a record id; among 10^7 ids, two share them with a chance of 1 in 180,000."""
    return record_keys((record_id,))[0]


def record_keys(record_ids: Iterable[str]) -> list[int]:
    """The `record_key` of each."""
    return [_first_64(sha256(each.encode("utf-8", "surrogatepass")).digest())[0] >> 1 for each in record_ids]


def time_ms(timestamp: str) -> int:
    """A record's timestamp as milliseconds since 1970; 0 for a moment that no calendar has."""
    try:
        return round(datetime.fromisoformat(timestamp).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return 0


def times_ms(timestamps: Sequence[str]) -> list[int]:
    """The `time_ms` of each."""
    try:
        return [round(moment.timestamp() * 1000) for moment in map(datetime.fromisoformat, timestamps)]
    except (ValueError, OverflowError, OSError):
        return list(map(time_ms, timestamps))


def successful_record_ids(folder: Path, run_id: str) -> frozenset[str]:
    """The ids of the run's records whose status is ok; unreadable lines are passed over."""
    decoder = msgspec.json.Decoder(_IdAndStatus)
    found: set[str] = set()
    for path in record_files(folder, run_id):
        for line in file_lines(path):
            try:
                read = decoder.decode(line.data or b"")
            except (msgspec.DecodeError, msgspec.ValidationError, UnicodeError):
                continue
            if read.outcome.status == "ok":
                found.add(read.run.record_id)
    return frozenset(found)
