"""Writes the rows of records into an index, each record once, and keeps the totals of the settings right.

Rows with an id above `_counted` are not in the totals yet; all others are. Nothing here commits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec

from stablenew.learning.index_schema import (
    ORIGIN_FIELDS,
    ROW_COLUMNS,
    SETTING_FIELDS,
    STATUS_NUMBERS,
    TOTALS,
    origin_of,
    setting_of,
)
from stablenew.learning.learning_reader import record_key, time_ms

_BATCH = 4000
_CACHED = 50_000
# About three years in milliseconds: sums of it over 10^7 records stay within SQLite's whole numbers.
_LARGEST = 10**11
_COLUMNS = ", ".join(ROW_COLUMNS)
_MARKS = ", ".join("?" * len(ROW_COLUMNS))
_PLACE = {name: place for place, name in enumerate(ROW_COLUMNS)}

Row = tuple[Any, ...]


class RowWriter:
    """Adds, supersedes and forgets rows. Used within one transaction at a time, by one thread."""

    def __init__(self, db: sqlite3.Connection, *, has_words: bool) -> None:
        self._db, self._has_words = db, has_words
        self._settings: dict[Row, int] = {}
        self._origins: dict[Row, int] = {}
        self._prompts: dict[tuple[str, str], int] = {}
        self._names: dict[int, bytes] = {}
        self._rows: list[Row] = []
        self._counted = 0

    def begin(self, *, forget_cached: bool) -> None:
        """Start a transaction; `forget_cached` when somebody else wrote since the last one."""
        self._rows.clear()
        self._names = dict(self._db.execute("SELECT id, name FROM file"))
        if forget_cached:
            for cache in (self._settings, self._origins, self._prompts):
                cache.clear()
        self._counted = self._highest()

    def know_file(self, file: int, name: bytes) -> None:
        """Say what a new file is called: it decides between lines that are equal otherwise."""
        self._names[file] = name

    def add(self, record: Any, file: int, offset: int, length: int) -> None:
        """Add the row of a decoded record whose line stands at `offset` of `file`."""
        setting, origin = setting_of(record), origin_of(record)
        run, outcome, feedback = record.run, record.outcome, record.feedback
        prompt = (record.prompt.prompt, record.prompt.negative_prompt)
        seconds, rating, written = outcome.duration_s, feedback.rating, None
        if rating is not None or feedback.tags or feedback.notes:
            written = msgspec.json.encode(feedback).decode()
        rows = self._rows
        rows.append(
            (
                record_key(run.record_id),
                self._settings.get(setting) or self._setting_id(setting),
                self._origins.get(origin) or self._origin_id(origin),
                self._prompts.get(prompt) or self._prompt_id(prompt),
                file,
                offset,
                length,
                time_ms(run.timestamp),
                STATUS_NUMBERS[outcome.status],
                None if seconds is None else round(seconds * 1000) if -1e8 < seconds < 1e8 else _milli(seconds),
                None if rating is None else _milli(rating),
                written,
            )
        )
        if len(rows) >= _BATCH:
            self._flush()

    def settle(self) -> None:
        """Bring everything added so far into the totals."""
        self._flush()
        highest = self._highest()
        if highest > self._counted:
            self._take_scores()
            self._account(1, "id > ?", self._counted)
            self._counted = highest

    def forget_file(self, file: int, offset: int = 0) -> None:
        """Remove the file's rows from `offset` on; a line that one of them had superseded counts again."""
        self.settle()
        gone, place = "file = ? AND offset >= ?", (file, offset)
        self._account(-1, gone, *place)
        self._db.execute(f"DELETE FROM spare WHERE {gone}", place)
        orphaned = self._db.execute(
            f"SELECT key FROM record WHERE {gone} AND key IN (SELECT key FROM spare)", place
        ).fetchall()
        self._db.execute(f"DELETE FROM record WHERE {gone}", place)
        self._counted = self._highest()
        for (key,) in orphaned:
            rows = self._db.execute(f"SELECT id, {_COLUMNS} FROM spare WHERE key = ?", (key,)).fetchall()
            best = max(rows, key=lambda row: self._rank(row[1:]))
            self._db.execute("DELETE FROM spare WHERE id = ?", (best[0],))
            self._insert("record", _as_written(best[1:]))
        self.settle()

    def set_score(self, key: int, score: int | None, *, folded: bool) -> None:
        """Give the record its score (thousandths); without anything `folded`, the one that was written with it."""
        row = self._db.execute("SELECT id, setting, score, written FROM record WHERE key = ?", (key,)).fetchone()
        if row is None:
            return
        row_id, setting, before, written = row
        now = score if folded else written_score(written)
        if now == before:
            return
        self._db.execute("UPDATE record SET score = ? WHERE id = ?", (now, row_id))
        old, new = before or 0, now or 0
        self._db.execute(
            "UPDATE setting SET rated = rated + ?, score = score + ?, score2 = score2 + ? WHERE id = ?",
            ((now is not None) - (before is not None), new - old, new * new - old * old, setting),
        )

    def _flush(self) -> None:
        if not self._rows:
            return
        statement = f"INSERT OR IGNORE INTO record ({_COLUMNS}) VALUES ({_MARKS})"
        self._db.execute("SAVEPOINT batch")
        added = self._db.executemany(statement, self._rows).rowcount
        if added < len(self._rows):
            # A record id stands twice: rare, so the batch is simply done again, with care.
            self._db.execute("ROLLBACK TO batch")
            for row in self._rows:
                self._add_or_supersede(row)
        self._db.execute("RELEASE batch")
        self._rows.clear()

    def _add_or_supersede(self, row: Row) -> None:
        found = self._db.execute(f"SELECT id, {_COLUMNS} FROM record WHERE key = ?", (row[0],)).fetchone()
        if found is None:
            self._insert("record", row)
        elif self._rank(row) < self._rank(found[1:]):
            self._insert("spare", row)
        else:
            if found[0] <= self._counted:
                self._account(-1, "id = ?", found[0])
            self._db.execute("DELETE FROM record WHERE id = ?", (found[0],))
            # SQLite hands out the highest id again once its row is gone.
            self._counted = min(self._counted, self._highest())
            self._insert("spare", found[1:])
            self._insert("record", row)

    def _insert(self, table: str, row: Row) -> None:
        self._db.execute(f"INSERT INTO {table} ({_COLUMNS}) VALUES ({_MARKS})", row)

    def _rank(self, row: Row) -> tuple[bool, int, bytes, int]:
        """The precedence of the reader, from a row."""
        place = _PLACE
        return row[place["status"]] == 0, row[place["time"]], self._names[row[place["file"]]], row[place["offset"]]

    def _take_scores(self) -> None:
        """Give rows not counted yet the scores that people gave their records, if any."""
        if self._db.execute("SELECT 1 FROM feedback LIMIT 1").fetchone():
            self._db.execute(
                """UPDATE record SET score = (SELECT CAST(round(f.score * 1000) AS INTEGER) FROM feedback f
                   WHERE f.key = record.key) WHERE id > ? AND key IN (SELECT key FROM feedback)""",
                (self._counted,),
            )

    def _account(self, sign: int, where: str, *values: int) -> None:
        """Add the rows that fulfil `where` to the totals of their settings, or take them away."""
        totals = self._db.execute(
            f"""SELECT setting, count(*), sum(status = 0), sum(status = 1), count(ms), coalesce(sum(ms), 0),
                count(score), coalesce(sum(score), 0), coalesce(sum(score * score), 0)
                FROM record NOT INDEXED WHERE {where} GROUP BY setting""",
            values,
        ).fetchall()
        changes = ", ".join(f"{name} = {name} + ?" for name in TOTALS)
        self._db.executemany(
            f"UPDATE setting SET {changes} WHERE id = ?",
            [(*(sign * number for number in row[1:]), row[0]) for row in totals],
        )

    def _highest(self) -> int:
        (highest,) = self._db.execute("SELECT coalesce(max(id), 0) FROM record").fetchone()
        return int(highest)

    def _setting_id(self, values: Row) -> int:
        return self._dimension_id("setting", SETTING_FIELDS, values, self._settings)

    def _origin_id(self, values: Row) -> int:
        return self._dimension_id("origin", ORIGIN_FIELDS, values, self._origins)

    def _dimension_id(self, table: str, fields: Sequence[str] | dict[str, str], values: Row, cache: Any) -> int:
        digest = _digest(msgspec.json.encode(values))
        row = self._db.execute(f"SELECT id FROM {table} WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            fitting = [_fits(value) for value in values]
            marks = ", ".join("?" * (len(values) + 1))
            statement = f"INSERT INTO {table} (digest, {', '.join(fields)}) VALUES ({marks})"
            row = (self._db.execute(statement, (digest, *fitting)).lastrowid,)
        return _remember(cache, values, row[0])

    def _prompt_id(self, texts: tuple[str, str]) -> int:
        digest = _digest("\0".join(texts).encode())
        row = self._db.execute("SELECT id FROM prompt WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            row = (self._db.execute("INSERT INTO prompt (digest) VALUES (?)", (digest,)).lastrowid,)
            if self._has_words:
                self._db.execute("INSERT INTO words (rowid, prompt, negative_prompt) VALUES (?, ?, ?)", (*row, *texts))
        return _remember(self._prompts, texts, row[0])


def _as_written(row: Row) -> Row:
    """The row with the score it was written with: what people gave may have changed while it was superseded."""
    place = _PLACE["score"]
    return (*row[:place], written_score(row[_PLACE["written"]]), *row[place + 1 :])


def written_score(written: str | None) -> int | None:
    """The score in a record's own feedback, in thousandths."""
    rating = None if written is None else msgspec.json.decode(written).get("rating")
    return None if rating is None else _milli(rating)


def _remember(cache: dict[Any, int], key: object, found: int) -> int:
    if len(cache) >= _CACHED:
        cache.clear()
    cache[key] = found
    return found


def _digest(data: bytes) -> int:
    return int.from_bytes(sha256(data).digest()[:8], "big") >> 1


def _milli(value: float) -> int:
    """`value` in thousandths, cut where sums of it would no longer fit."""
    return round(max(-_LARGEST, min(_LARGEST, value * 1000)))


def _fits(value: Any) -> Any:
    """`value` as SQLite can hold it: a whole number of more than 63 bits becomes a float."""
    return float(value) if isinstance(value, int) and abs(value) >= 2**63 else value
