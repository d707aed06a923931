"""Brings an index up to date with the files: reads only what was appended, and notices what else happened to them.

One transaction reads at most 200,000 lines: other processes get their turn every few seconds, and a kill loses little.
In smaller lots, a large index would be written to all over for each of them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, islice, repeat
from pathlib import Path
from typing import BinaryIO

import msgspec

from stablenew.errors import InputError, RecordError
from stablenew.learning.index_files import (
    FileState,
    Found,
    Kind,
    Looks,
    News,
    find_news,
    load_looks,
    load_state,
    new_state,
    save_state,
)
from stablenew.learning.index_places import Places
from stablenew.learning.index_ratings import RatingRows
from stablenew.learning.index_rows import RowWriter
from stablenew.learning.learning_feedback import Rating, parse_rating
from stablenew.learning.learning_reader import UnreadableLine, parse_line, unreadable_file
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.line_scan import LineBlock, ScannedLine, scan_blocks, scan_lines
from stablenew.learning.record_packs import is_pack, pack_lines
from stablenew.learning.record_wire import decode_record, decode_records

LINES_AT_ONCE = 200_000
_FORGOTTEN_AT_ONCE = 500
_PACKED_AT_ONCE = 64
DAMAGE_KEPT = 1000
"""So many damaged lines of one file are remembered one by one; the rest are only counted."""


@dataclass(slots=True)
class CaughtUp:
    """What a catch-up did: lines read, and files forgotten because they are gone or are not what they were."""

    lines: int = 0
    forgotten: int = 0


class CatchUp:
    """Catches up the index behind `db`, which is in autocommit mode. Used by one thread."""

    def __init__(
        self,
        db: sqlite3.Connection,
        records: Path,
        ratings: Path,
        *,
        has_words: bool,
        progress: Callable[[int], None] | None = None,
        lines_at_once: int = LINES_AT_ONCE,
    ) -> None:
        self._db, self._folders, self._progress = db, (records, ratings), progress
        self._rows = RowWriter(db, Places(db, waiting_max=lines_at_once // 2), has_words=has_words)
        self._rating_rows = RatingRows(db, self._rows)
        self._done = CaughtUp()
        self._lines_at_once = lines_at_once
        self._budget = 0
        self._version = -1
        self._looks: dict[Kind, Looks] = {}
        self._looks_version = -1

    def run(self) -> CaughtUp:
        """Read everything new. Raises sqlite3.Error; what is committed by then is right as far as it goes."""
        self._done = CaughtUp()
        while news := self._news():
            try:
                self._some_files(self._begin(news))
                self._db.execute("COMMIT")
            except BaseException:
                self._version = self._looks_version = -1  # what is remembered of the tables holds no more
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            if self._progress is not None:
                self._progress(self._done.lines)
            if self._budget > 0:
                break  # everything was read; files that grew meanwhile are the next catch-up's
        return self._done

    def _news(self) -> News:
        """What happened to the files since they were read."""
        version = self._data_version()
        if version != self._looks_version:
            self._looks, self._looks_version = load_looks(self._db), version
        return find_news(self._looks, *self._folders)

    def _begin(self, news: News) -> News:
        """Start a transaction; what is news then, as another process may have read some of it meanwhile."""
        self._db.execute("BEGIN IMMEDIATE")
        version = self._data_version()
        self._rows.begin(forget_cached=version != self._version)
        self._rating_rows.begin()
        self._version, self._budget = version, self._lines_at_once
        return news if version == self._looks_version else self._news()

    def _data_version(self) -> int:
        """A number that changes with every change that another connection makes to the index."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        return int(version)

    def _some_files(self, news: News) -> None:
        """Within a transaction: forget what is gone and read on, until the budget of lines is used up."""
        self._forget_files(news.gone)
        for found in news.changed:
            which = found.kind, found.name
            self._read_on(load_state(self._db, *which) or new_state(self._db, *which), found)
            if self._budget <= 0:
                break
        self._rows.settle()
        self._rating_rows.settle()

    def _save(self, state: FileState) -> None:
        save_state(self._db, state)
        self._looks[state.kind][os.fsdecode(state.name)] = state.looks

    def _forget_files(self, names: list[tuple[Kind, bytes]]) -> None:
        gone = [state for kind, name in names if (state := load_state(self._db, kind, name)) is not None]
        records = [state.id for state in gone if state.kind == "record"]
        for start in range(0, len(records), _FORGOTTEN_AT_ONCE):
            self._rows.forget(records[start : start + _FORGOTTEN_AT_ONCE])
        for state in gone:
            if state.kind == "rating":
                self._rating_rows.forget_file(state.id)
            self._db.execute("DELETE FROM damage WHERE file = ?", (state.id,))
            self._db.execute("DELETE FROM file WHERE id = ?", (state.id,))
            del self._looks[state.kind][os.fsdecode(state.name)]
        self._done.forgotten += len(gone)

    def _forget(self, state: FileState) -> None:
        self._forget_rows(state, 0)
        self._db.execute("DELETE FROM damage WHERE file = ?", (state.id,))
        self._done.forgotten += 1

    def _forget_rows(self, state: FileState, offset: int) -> None:
        if state.kind == "record":
            self._rows.forget([state.id], offset)
        else:
            self._rating_rows.forget_file(state.id, offset)
        state.open = 0

    def _read_pack(self, state: FileState, found: Found) -> None:
        """Read a pack, which never grows: all of it, and what was read of it before is forgotten."""
        if state.size >= 0 or state.lines:
            self._forget(state)
        state.lines = state.damaged = 0
        try:
            for lines in _some_at_a_time(pack_lines(found.path)):
                self._read_packed(state, found.path, lines)
            state.note_pack(found.seen)
            self._took(state.lines)
        except (OSError, InputError, RecordError) as exc:
            self._note_unreadable(state, exc)  # no lines taken: with none left to take it would be read again and again
        self._save(state)

    def _read_packed(self, state: FileState, path: Path, lines: list[ScannedLine]) -> None:
        try:
            records = [decode_record(line.data or b"") for line in lines]
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            for line in lines:
                problem = self._read_record(state, path, line)
                if problem is not None:
                    self._note_damage(state, problem)
                state.lines += 1
            return
        self._rows.add(records, state.id, [line.offset for line in lines], [line.size for line in lines])
        state.lines += len(lines)

    def _read_on(self, state: FileState, found: Found) -> None:
        """Read what is new in one file, from its start when it is not what it was."""
        if is_pack(found.path):
            self._read_pack(state, found)
            return
        try:
            with found.path.open("rb") as file:
                seen = os.fstat(file.fileno())
                if (state.offset or state.open) and not state.still_starts_as_read(file, seen):
                    self._forget(state)
                    state.offset = state.lines = state.damaged = 0
                elif state.open:
                    self._forget_rows(state, state.offset)
                self._read_lines(state, found.path, file)
                state.note(file, seen)
                if self._budget <= 0:
                    state.settled = 0
            self._db.execute("DELETE FROM damage WHERE file = ? AND line = 0", (state.id,))
        except OSError as exc:
            self._note_unreadable(state, exc)
        self._save(state)

    def _read_lines(self, state: FileState, path: Path, file: BinaryIO) -> None:
        if state.kind == "record":
            for block in scan_blocks(file, state.offset):
                self._read_block(state, path, block)
                if self._budget <= 0:
                    return
        self._read_each_line(state, path, scan_lines(file, state.offset))

    def _read_block(self, state: FileState, path: Path, block: LineBlock) -> None:
        """Add what whole lines hold, all at once when nothing is wrong with any of them."""
        sizes = block.sizes[: self._budget]
        starts = list(accumulate([size + 1 for size in sizes], initial=block.offset))
        try:
            records = decode_records(block.data, sizes)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            scanned = map(ScannedLine, starts, block.data.split(b"\n"), sizes, repeat(True))
            self._read_each_line(state, path, scanned)
            return
        self._rows.add(records, state.id, starts, sizes)
        state.offset = starts[-1]
        state.lines += len(records)
        self._took(len(records))

    def _read_each_line(self, state: FileState, path: Path, lines: Iterable[ScannedLine]) -> None:
        read_line = self._read_record if state.kind == "record" else self._read_rating
        lines_before = state.lines
        for line in islice(lines, self._budget):
            problem = read_line(state, path, line)
            if not line.ended:
                # Under way, torn, or whole but for its newline: what comes next decides, so it is read again then.
                state.open = int(problem is None)
                break
            if problem is not None:
                self._note_damage(state, problem)
            state.offset = line.offset + line.size + 1
            state.lines += 1
        self._took(state.lines - lines_before)

    def _read_record(self, state: FileState, path: Path, line: ScannedLine) -> UnreadableLine | None:
        """Add what `line` holds; what is wrong with it, if anything."""
        try:
            record = decode_record(line.data or b"")
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            # The reader says it in full; it also knows what an empty line is.
            record = parse_line(path, state.lines + 1, line)
            if not isinstance(record, LearningRecord):
                return record
        self._rows.add([record], state.id, [line.offset], [line.size])
        return None

    def _took(self, lines: int) -> None:
        self._done.lines += lines
        self._budget -= lines

    def _read_rating(self, state: FileState, path: Path, line: ScannedLine) -> UnreadableLine | None:
        read = parse_rating(path, state.lines + 1, line)
        if isinstance(read, Rating):
            self._rating_rows.add(read, state.id, line.offset)
        return read if isinstance(read, UnreadableLine) else None

    def _note_unreadable(self, state: FileState, error: Exception) -> None:
        """Remember that the file cannot be read, until it can."""
        self._db.execute("DELETE FROM damage WHERE file = ? AND line = 0", (state.id,))
        self._db.execute("INSERT INTO damage VALUES (?, 0, ?)", (state.id, unreadable_file(error)))
        state.settled = 0

    def _note_damage(self, state: FileState, problem: UnreadableLine) -> None:
        if state.damaged < DAMAGE_KEPT:
            self._db.execute("INSERT INTO damage VALUES (?, ?, ?)", (state.id, problem.line_number, problem.reason))
        state.damaged += 1


def _some_at_a_time(lines: Iterable[ScannedLine]) -> Iterator[list[ScannedLine]]:
    """`lines` in lots; those before an error come before it."""
    some: list[ScannedLine] = []
    try:
        for line in lines:
            some.append(line)
            if len(some) >= _PACKED_AT_ONCE:
                yield some
                some = []
    except (OSError, InputError, RecordError):
        yield some
        raise
    yield some
