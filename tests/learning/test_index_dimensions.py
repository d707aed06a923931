"""Repeated values of an index: each stands once, and keeps its id."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from stablenew.learning import index_dimensions
from stablenew.learning.index_dimensions import prompts, settings
from stablenew.learning.index_schema import SETTING_FIELDS, create_tables


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """An empty index in memory."""
    opened = sqlite3.connect(":memory:", isolation_level=None)
    create_tables(opened, with_words=False)
    yield opened
    opened.close()


def test_a_value_has_one_id(db: sqlite3.Connection) -> None:
    """However many are asked for at once, whether they are remembered or not, and in another process."""
    texts = [(f"a fox {number % 70}", "blurry") for number in range(150)]
    known = prompts(db, has_words=False)
    ids = known.ids(texts)
    assert ids[:70] == ids[70:140]
    assert len(set(ids)) == 70
    assert known.ids(texts[::-1]) == ids[::-1]
    known.forget()
    assert known.ids(texts[3:5]) == ids[3:5]
    other = prompts(db, has_words=False)
    assert other.ids([*texts[::7], ("new", "")])[:-1] == ids[::7]
    assert db.execute("SELECT count(*) FROM prompt").fetchone() == (71,)


def test_ids_hold_when_memory_is_full(db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered is dropped as a whole then, in the middle of a lot too."""
    monkeypatch.setattr(index_dimensions, "_CACHED", 5)
    known = prompts(db, has_words=False)
    texts = [(f"{number}", "") for number in range(4)]
    ids = [known.ids([*texts[start : start + 2], (f"more {start}", "")]) for start in (0, 2, 0, 2)]
    assert ids[0] == ids[2]
    assert ids[1] == ids[3]


def test_numbers_too_large_for_sqlite_fit(db: sqlite3.Connection) -> None:
    """A whole number of more than 63 bits is stored as a float, and found again."""
    row = tuple(2**70 if name == "steps" else None for name in SETTING_FIELDS)
    assert settings(db).ids([row]) == settings(db).ids([row])
    assert db.execute("SELECT steps FROM setting").fetchone() == (float(2**70),)
