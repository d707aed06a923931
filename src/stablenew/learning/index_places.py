"""Which row of an index holds a record: two tables from a record's key to its row.

Keys are random, so each new one belongs on another page of a large table. What comes in small lots therefore waits in
`new_place`, which stays small, and moves to `place` in one sorted pass when that is full. A key stands in one of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

ROW_OF_KEY = """SELECT record FROM new_place WHERE key = :key UNION ALL SELECT record FROM place WHERE key = :key"""


class Places:
    """Used within one transaction at a time. At most `waiting_max` keys wait: a pass over `place` is for so many."""

    def __init__(self, db: sqlite3.Connection, waiting_max: int) -> None:
        self._db, self._waiting_max = db, waiting_max
        # The keys of one lot, sorted once: whatever is looked up in that order finds neighbours on the page at hand.
        db.execute("CREATE TEMP TABLE IF NOT EXISTS fresh (key INTEGER PRIMARY KEY, record INTEGER NOT NULL)")

    def row_of(self, key: int) -> int | None:
        """The row that holds the record, None when none does."""
        found = self._db.execute(ROW_OF_KEY, {"key": key}).fetchone()
        return None if found is None else found[0]

    def rows_of(self, keys: Sequence[int], columns: str) -> list[tuple[Any, ...]]:
        """The `columns` of the rows `r` that hold these records; nothing of those that have none."""
        marks = ", ".join("?" * len(keys))
        return [
            row
            for table in ("new_place", "place")
            for row in self._db.execute(
                f"SELECT {columns} FROM {table} p CROSS JOIN record r ON r.id = p.record WHERE p.key IN ({marks})", keys
            )
        ]

    def add_rows_behind(self, row: int) -> list[tuple[int, int]]:
        """Note the rows with a larger id than `row`. Gives those, and their keys, whose key another row has already."""
        self._db.execute("DELETE FROM fresh")
        (added,) = self._db.execute("SELECT count(*) FROM record WHERE id > ?", (row,)).fetchone()
        (waiting,) = self._db.execute("SELECT count(*) FROM new_place").fetchone()
        double = self._insert("fresh", f"SELECT key, id AS record FROM record WHERE id > {row}", added)
        if added + waiting > self._waiting_max:
            self._merge()
            double |= self._insert("place", "SELECT key, record FROM fresh", added - len(double))
        else:
            double |= self._insert("new_place", "SELECT key, record FROM fresh", added - len(double))
            double |= self._take_back_old()
        return sorted(double)

    def feedback_on_fresh(self) -> list[tuple[int, float | None]]:
        """The keys just noted that somebody spoke about, with their scores."""
        asked = "SELECT n.key, f.score FROM fresh n CROSS JOIN feedback f ON f.key = n.key"
        return self._db.execute(asked).fetchall()

    def hand_over(self, key: int, row: int) -> None:
        """From now on `row` holds the record, which another row held."""
        for table in ("new_place", "place"):
            self._db.execute(f"UPDATE {table} SET record = ? WHERE key = ?", (row, key))

    def forget(self, keys: str) -> None:
        """Forget where the records are whose keys the question `keys` gives."""
        for table in ("new_place", "place"):
            self._db.execute(f"DELETE FROM {table} WHERE key IN ({keys})")

    def _insert(self, table: str, rows: str, count: int) -> set[tuple[int, int]]:
        """Add the keys and rows that the question `rows` gives, `count` of them, and give those whose key was there."""
        if self._db.execute(f"INSERT OR IGNORE INTO {table} {rows} ORDER BY key").rowcount == count:
            return set()
        there = f"SELECT n.record, n.key FROM ({rows}) n JOIN {table} p ON p.key = n.key AND p.record <> n.record"
        return set(self._db.execute(there))

    def _take_back_old(self) -> set[tuple[int, int]]:
        """Take out of `new_place` again what was just noted and whose key stands in `place`, and give it."""
        known = self._db.execute("SELECT n.record, n.key FROM fresh n CROSS JOIN place p ON p.key = n.key").fetchall()
        self._db.executemany("DELETE FROM new_place WHERE key = ?", [(key,) for _, key in known])
        return set(known)

    def _merge(self) -> None:
        self._db.execute("INSERT INTO place SELECT key, record FROM new_place ORDER BY key")
        self._db.execute("DELETE FROM new_place")
