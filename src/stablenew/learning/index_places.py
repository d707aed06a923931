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
        (added,) = self._db.execute("SELECT count(*) FROM record WHERE id > ?", (row,)).fetchone()
        (waiting,) = self._db.execute("SELECT count(*) FROM new_place").fetchone()
        if added + waiting <= self._waiting_max:
            return sorted({*self._insert("new_place", row, added), *self._take_back_old(row)})
        self._merge()
        return sorted(self._insert("place", row, added))

    def hand_over(self, key: int, row: int) -> None:
        """From now on `row` holds the record, which another row held."""
        for table in ("new_place", "place"):
            self._db.execute(f"UPDATE {table} SET record = ? WHERE key = ?", (row, key))

    def forget(self, keys: str) -> None:
        """Forget where the records are whose keys the question `keys` gives."""
        for table in ("new_place", "place"):
            self._db.execute(f"DELETE FROM {table} WHERE key IN ({keys})")

    def _insert(self, table: str, row: int, count: int) -> list[tuple[int, int]]:
        statement = f"INSERT OR IGNORE INTO {table} SELECT key, id FROM record WHERE id > ? ORDER BY key"
        if self._db.execute(statement, (row,)).rowcount == count:
            return []
        return self._db.execute(
            f"SELECT r.id, r.key FROM record r JOIN {table} p ON p.key = r.key WHERE r.id > ? AND p.record <> r.id",
            (row,),
        ).fetchall()

    def _take_back_old(self, row: int) -> list[tuple[int, int]]:
        """Take the rows behind `row` out of `new_place` again whose key stands in `place`, and give them."""
        # LIMIT -1 keeps SQLite from dropping the order, in which it finds neighbours on the page it has at hand.
        known = self._db.execute(
            """SELECT n.id, n.key FROM (SELECT id, key FROM record WHERE id > ? ORDER BY key LIMIT -1) n
               CROSS JOIN place p ON p.key = n.key""",
            (row,),
        ).fetchall()
        self._db.executemany("DELETE FROM new_place WHERE key = ?", [(key,) for _, key in known])
        return known

    def _merge(self) -> None:
        self._db.execute("INSERT INTO place SELECT key, record FROM new_place ORDER BY key")
        self._db.execute("DELETE FROM new_place")
