"""Which row holds a record: found wherever its key waits, and once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from stablenew.learning.index_places import Places
from stablenew.learning.index_schema import ROW_COLUMNS, create_tables


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """An empty index in memory."""
    opened = sqlite3.connect(":memory:", isolation_level=None)
    create_tables(opened, with_words=False)
    yield opened
    opened.close()


def add(db: sqlite3.Connection, places: Places, *keys: int) -> list[tuple[int, int]]:
    """Add a row for each key, in one lot; what `places` says of them."""
    (last,) = db.execute("SELECT coalesce(max(id), 0) FROM record").fetchone()
    columns = [name for name in ROW_COLUMNS if name not in ("score", "written", "ms")]
    marks = ", ".join("?" * len(columns))
    for key in keys:
        db.execute(f"INSERT INTO record ({', '.join(columns)}) VALUES ({marks})", (key, *[0] * (len(columns) - 1)))
    return places.add_rows_behind(last)


def sizes(db: sqlite3.Connection) -> tuple[int, int]:
    """How many keys wait, and how many do not."""
    (waiting,) = db.execute("SELECT count(*) FROM new_place").fetchone()
    (settled,) = db.execute("SELECT count(*) FROM place").fetchone()
    return waiting, settled


def test_small_lots_wait_and_move_together(db: sqlite3.Connection) -> None:
    """Keys wait until there are too many; a large lot does not wait. Each is found at any time."""
    places = Places(db, waiting_max=3)
    assert add(db, places, 30, 10) == []
    assert sizes(db) == (2, 0)
    assert add(db, places, 20) == []
    assert sizes(db) == (3, 0)
    assert add(db, places, 5) == []
    assert sizes(db) == (0, 4)
    assert add(db, places, 40) == []
    assert add(db, places, 9, 8, 7, 6) == []
    assert sizes(db) == (0, 9)
    assert [places.row_of(key) for key in (30, 10, 20, 5, 40, 9, 6, 99)] == [1, 2, 3, 4, 5, 6, 9, None]
    assert sorted(places.rows_of([5, 99, 40], "r.key, r.id")) == [(5, 4), (40, 5)]


@pytest.mark.parametrize("waiting_max", [0, 1, 100])
def test_a_key_that_stands_twice_is_said(db: sqlite3.Connection, waiting_max: int) -> None:
    """Within one lot, and against what waits or waits no more: the row that came first goes on holding it."""
    places = Places(db, waiting_max)
    held = places.row_of
    rivals = add(db, places, 1, 2, 2)
    assert len(rivals) == 1
    assert {rivals[0], (held(2), 2)} == {(2, 2), (3, 2)}
    assert add(db, places, 1) == [(4, 1)]
    assert add(db, places, 3, 1, 1) == [(6, 1), (7, 1)]
    assert (held(1), held(3)) == (1, 5)


def test_a_key_never_stands_in_both_tables(db: sqlite3.Connection) -> None:
    """One that is not new is taken out of those that wait again."""
    places = Places(db, waiting_max=2)
    add(db, places, 1, 2, 3)
    assert add(db, places, 2, 4) == [(4, 2)]
    assert sizes(db) == (1, 3)
    places.hand_over(2, 4)
    assert places.row_of(2) == 4


@pytest.mark.parametrize("waiting_max", [0, 100])
def test_rows_are_forgotten(db: sqlite3.Connection, waiting_max: int) -> None:
    """Wherever their keys stand."""
    places = Places(db, waiting_max)
    add(db, places, 1, 2, 3)
    places.forget("SELECT key FROM record WHERE id >= 2")
    assert [places.row_of(key) for key in (1, 2, 3)] == [1, None, None]
