"""Writes the rows of records into an index, each record once, and keeps the totals of the settings right.

Rows with an id above `_counted` are not in the totals yet; all others are. Nothing here commits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import count, repeat
from typing import Any

import msgspec

from stablenew.learning.index_dimensions import origins, prompts, settings
from stablenew.learning.index_places import Places
from stablenew.learning.index_schema import (
    ROW_COLUMNS,
    STATUS_NUMBERS,
    TOTALS,
    origin_of,
    prompt_of,
    setting_of,
)
from stablenew.learning.learning_reader import record_keys, times_ms

# About three years in milliseconds: sums of it over 10^7 records stay within SQLite's whole numbers.
_LARGEST = 10**11
SCORES_AT_ONCE = 500
"""So many values fit in one question of every SQLite."""
_COLUMNS = ", ".join(ROW_COLUMNS)
_INSERT = "INSERT INTO {table} (id, " + _COLUMNS + ") VALUES (?" + ", ?" * len(ROW_COLUMNS) + ")"
_ADDED = ("id", *(name for name in ROW_COLUMNS if name not in ("score", "written")))
_ADD = f"INSERT INTO record ({', '.join(_ADDED)}) VALUES (?{', ?' * (len(_ADDED) - 1)})"
_COUNTS = (
    "count(*)", "sum(status = 0)", "sum(status = 1)", "count(ms)", "coalesce(sum(ms), 0)", "count(score)",
    "coalesce(sum(score), 0)", "coalesce(sum(score * score), 0)",
)  # fmt: skip
_SUMS = [f"(setting.{name} + c.{name})" for name in TOTALS]
_ADD_COUNTED = f"""UPDATE setting SET ({", ".join(TOTALS)}, summary) = (
        SELECT {", ".join(_SUMS)}, '[' || recipe || ',' || {" || ',' || ".join(_SUMS)} || ']'
        FROM counted c WHERE c.setting = setting.id)
    WHERE id IN (SELECT setting FROM counted)"""
"""The only statement that changes totals: what stands in `counted` is added to them."""
_PLACE = {name: place for place, name in enumerate(ROW_COLUMNS)}

Row = tuple[Any, ...]


class RowWriter:
    """Adds, supersedes and forgets rows. Used within one transaction at a time, by one thread."""

    def __init__(self, db: sqlite3.Connection, places: Places, *, has_words: bool) -> None:
        self._db, self._places = db, places
        self._settings, self._origins = settings(db), origins(db)
        self._prompts = prompts(db, has_words=has_words)
        self._counted = self._last = 0
        sums = ", ".join(f"{name} INTEGER NOT NULL DEFAULT 0" for name in TOTALS)
        db.execute(f"CREATE TEMP TABLE IF NOT EXISTS counted (setting INTEGER PRIMARY KEY, {sums})")

    def begin(self, *, forget_cached: bool) -> None:
        """Start a transaction; `forget_cached` when somebody else wrote since the last one."""
        if forget_cached:
            self._settings.forget()
            self._origins.forget()
            self._prompts.forget()
        (self._last,) = self._db.execute("SELECT coalesce(max(id), 0) FROM record").fetchone()
        self._counted = self._last

    def add(self, records: Sequence[Any], file: int, offsets: Iterable[int], lengths: Iterable[int]) -> None:
        """Add the rows of decoded records whose lines stand at `offsets` of `file`. By columns: half the time."""
        outcomes = [record.outcome for record in records]
        columns = (
            count(self._last + 1),
            record_keys([record.run.record_id for record in records]),
            self._settings.ids(list(map(setting_of, records))),
            self._origins.ids(list(map(origin_of, records))),
            self._prompts.ids(list(map(prompt_of, records))),
            repeat(file),
            offsets,
            lengths,
            times_ms([record.run.timestamp for record in records]),
            [STATUS_NUMBERS[each.status] for each in outcomes],
            [None if each.duration_s is None else _ms(each.duration_s) for each in outcomes],
        )
        self._db.executemany(_ADD, zip(*columns, strict=False))
        for row_id, record in enumerate(records, self._last + 1):
            feedback = record.feedback
            if feedback.rating is not None or feedback.tags or feedback.notes:
                written = msgspec.json.encode(feedback).decode()
                values = (written_score(written), written, row_id)
                self._db.execute("UPDATE record SET score = ?, written = ? WHERE id = ?", values)
        self._last += len(records)

    def settle(self) -> None:
        """Bring everything added so far into the totals."""
        if self._last > self._counted:
            for row_id, key in self._places.add_rows_behind(self._counted):
                self._decide(row_id, key)
            self._account(1, "id > ?", self._counted)
            self._counted = self._last
            self._take_scores()

    def forget(self, files: Sequence[int], offset: int = 0) -> None:
        """Remove the rows of files, from `offset` on; a line that one of them had superseded counts again.

        Looks at every row once: many files at a time take little longer than one.
        """
        self.settle()
        gone, values = f"file IN ({', '.join('?' * len(files))}) AND offset >= ?", (*files, offset)
        self._db.execute("CREATE TEMP TABLE IF NOT EXISTS gone (id INTEGER PRIMARY KEY, key INTEGER NOT NULL)")
        self._db.execute("DELETE FROM gone")
        self._db.execute(f"INSERT INTO gone SELECT id, key FROM record WHERE {gone}", values)
        self._db.execute(f"DELETE FROM spare WHERE {gone}", values)
        self._account(-1, "id IN (SELECT id FROM gone)")
        orphaned = self._db.execute("SELECT key FROM gone WHERE key IN (SELECT key FROM spare)").fetchall()
        self._places.forget("SELECT key FROM gone")
        self._db.execute("DELETE FROM record WHERE id IN (SELECT id FROM gone)")
        for (key,) in orphaned:
            rows = self._db.execute(f"SELECT id, {_COLUMNS} FROM spare WHERE key = ?", (key,)).fetchall()
            best = max(rows, key=lambda row: self._rank(row[1:]))
            self._db.execute("DELETE FROM spare WHERE id = ?", (best[0],))
            self._last += 1
            self._db.execute(_INSERT.format(table="record"), (self._last, *_as_written(best[1:])))
        self.settle()

    def set_scores(self, scores: dict[int, tuple[float | None] | None]) -> None:
        """Give records, by key, their scores; None instead of a score: the one that was written with the record."""
        changes: list[tuple[int | None, int]] = []
        totals: dict[int, list[int]] = {}
        found = self._places.rows_of(list(scores), "r.key, r.id, r.setting, r.score, r.written")
        for key, row_id, setting, before, written in found:
            given = scores[key]
            now = written_score(written) if given is None else None if given[0] is None else round(given[0] * 1000)
            if now != before:
                changes.append((now, row_id))
                total = totals.setdefault(setting, [0, 0, 0])
                _add_score(total, before, -1)
                _add_score(total, now, 1)
        self._db.executemany("UPDATE record SET score = ? WHERE id = ?", changes)
        self._db.execute("DELETE FROM counted")
        self._db.executemany(
            "INSERT INTO counted (setting, rated, score, score2) VALUES (?, ?, ?, ?)",
            [(setting, *total) for setting, total in totals.items()],
        )
        self._db.execute(_ADD_COUNTED)

    def _decide(self, row_id: int, key: int) -> None:
        """Of the row `row_id` and the one that holds its record: keep the one that counts, the other is spare."""
        rows = f"SELECT id, {_COLUMNS} FROM record WHERE id IN (?, ?)"
        both = self._db.execute(rows, (row_id, self._places.row_of(key))).fetchall()
        loser, winner = sorted(both, key=lambda row: self._rank(row[1:]))
        if loser[0] <= self._counted:
            self._account(-1, "id = ?", loser[0])
        self._db.execute("DELETE FROM record WHERE id = ?", (loser[0],))
        self._db.execute(_INSERT.format(table="spare"), (None, *loser[1:]))
        self._places.hand_over(key, winner[0])

    def _rank(self, row: Row) -> tuple[bool, int, bytes, int]:
        """The precedence of the reader, from a row."""
        status, time, file, offset = (row[_PLACE[name]] for name in ("status", "time", "file", "offset"))
        (name,) = self._db.execute("SELECT name FROM file WHERE id = ?", (file,)).fetchone()
        return status == 0, time, name, offset

    def _take_scores(self) -> None:
        """Give the rows just noted the scores that people gave their records before, if any."""
        given = self._places.feedback_on_fresh()
        for start in range(0, len(given), SCORES_AT_ONCE):
            self.set_scores({key: (score,) for key, score in given[start : start + SCORES_AT_ONCE]})

    def _account(self, sign: int, where: str, *values: int) -> None:
        """Add the rows that fulfil `where` to the totals of their settings, or take them away."""
        counts = ", ".join(f"{sign} * {each}" for each in _COUNTS)
        self._db.execute("DELETE FROM counted")
        self._db.execute(
            f"INSERT INTO counted SELECT setting, {counts} FROM record NOT INDEXED WHERE {where} GROUP BY setting",
            values,
        )
        self._db.execute(_ADD_COUNTED)


def _add_score(total: list[int], score: int | None, sign: int) -> None:
    """Add a score to a setting's totals (how many, sum, sum of squares), or take it away."""
    if score is not None:
        for place, number in enumerate((1, score, score * score)):
            total[place] += sign * number


def _as_written(row: Row) -> Row:
    """The row with the score it was written with: what people gave may have changed while it was superseded."""
    place = _PLACE["score"]
    return (*row[:place], written_score(row[_PLACE["written"]]), *row[place + 1 :])


def written_score(written: str | None) -> int | None:
    """The score in a record's own feedback, in thousandths."""
    rating = None if written is None else msgspec.json.decode(written).get("rating")
    return None if rating is None else _milli(rating)


def _ms(seconds: float) -> int:
    return round(seconds * 1000) if -1e8 < seconds < 1e8 else _milli(seconds)


def _milli(value: float) -> int:
    """`value` in thousandths, cut where sums of it would no longer fit."""
    return round(max(-_LARGEST, min(_LARGEST, value * 1000)))
