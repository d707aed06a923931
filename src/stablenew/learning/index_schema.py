"""What the index holds: tables, and which fields of a record can be asked for without reading its line.

Repeated values stand once: `setting` has each combination of settings, with its running totals and its part of the
usual answer, ready as JSON; `style` sums the totals up by the settings asked for most; `origin` has each combination of
run, pack and the like; `prompt` each prompt. A row of `record` is narrow and points at a line; `place` and `new_place`
say which row holds a record id (see index_places).
Totals are whole numbers (milliseconds, thousandths of a star), so that what is added can be taken away exactly.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from operator import attrgetter
from typing import Any

FORMAT = 3
"""Goes up with every change of this file that changes what is stored; an index of another format is rebuilt."""

APPLICATION_ID = 0x53744E78

SETTING_FIELDS = {
    "model": "TEXT",
    "model_hash": "TEXT",
    "vae": "TEXT",
    "sampler": "TEXT",
    "scheduler": "TEXT",
    "cfg_scale": "REAL",
    "steps": "INTEGER",
    "width": "INTEGER",
    "height": "INTEGER",
    "backend": "TEXT",
}
STYLE_FIELDS = ("model", "sampler", "scheduler")
"""The settings asked for most: their combinations, far fewer than those of all settings, have totals of their own."""

RECIPE_FIELDS = ("model", "sampler", "scheduler", "cfg_scale", "steps")
"""What records are grouped by unless something else is asked for: the groups of that stand there as JSON."""

ORIGIN_FIELDS = {
    "run_id": "TEXT",
    "source": "TEXT",
    "host_id": "TEXT",
    "user_id": "TEXT",
    "experiment_id": "TEXT",
    "pack_id": "TEXT",
    "pack_name": "TEXT",
    "one_click_action": "TEXT",
}
ORIGIN_GROUPS = {
    name: "prompt" if name in ("pack_id", "pack_name", "one_click_action") else "run" for name in ORIGIN_FIELDS
}
"""Where in a record each of them stands."""

TOTALS = ("n", "ok", "failed", "timed", "ms", "rated", "score", "score2")
"""Totals of a setting: records, by status, the timed ones and their sum, the scored ones, their sum and of squares."""

STATUS_NUMBERS = {"ok": 0, "failed": 1, "cancelled": 2}
STATUS_WORDS = ("ok", "failed", "cancelled")

_ROW = """
    id INTEGER PRIMARY KEY, key INTEGER NOT NULL, setting INTEGER NOT NULL, origin INTEGER NOT NULL,
    prompt INTEGER NOT NULL, file INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
    time INTEGER NOT NULL, status INTEGER NOT NULL, ms INTEGER, score INTEGER, written TEXT
"""
ROW_COLUMNS = (
    "key", "setting", "origin", "prompt", "file", "offset", "length", "time", "status", "ms", "score", "written",
)  # fmt: skip


def _columns(fields: dict[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in fields.items())


def _dimension(table: str, fields: dict[str, str], extra: str = "") -> list[str]:
    return [f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, digest INTEGER NOT NULL UNIQUE, {_columns(fields)}{extra})"]


_TOTALS = "".join(f", {name} INTEGER NOT NULL DEFAULT 0" for name in TOTALS)
_SAME_STYLE = " AND ".join(f"{name} IS new.{name}" for name in STYLE_FIELDS)

TABLES = [
    # One file of lines: how far it was read, and what it looked like then.
    """CREATE TABLE file (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name BLOB NOT NULL, inode INTEGER NOT NULL, size INTEGER NOT NULL,
        mtime INTEGER NOT NULL, offset INTEGER NOT NULL, lines INTEGER NOT NULL, head INTEGER NOT NULL,
        tail INTEGER NOT NULL, settled INTEGER NOT NULL, damaged INTEGER NOT NULL, open INTEGER NOT NULL,
        UNIQUE (kind, name))""",
    # `recipe` is the JSON of the values of RECIPE_FIELDS, `summary` that of the group of this setting alone.
    *_dimension("setting", SETTING_FIELDS, f"{_TOTALS}, recipe TEXT NOT NULL, summary TEXT"),
    *_dimension("origin", ORIGIN_FIELDS),
    # Kept right by triggers, so that whatever changes the totals of a setting changes these.
    f"CREATE TABLE style (id INTEGER PRIMARY KEY, {_columns({n: SETTING_FIELDS[n] for n in STYLE_FIELDS})}{_TOTALS})",
    f"CREATE INDEX style_fields ON style ({', '.join(STYLE_FIELDS)})",
    f"""CREATE TRIGGER new_setting AFTER INSERT ON setting
        WHEN NOT EXISTS (SELECT 1 FROM style WHERE {_SAME_STYLE}) BEGIN
            INSERT INTO style ({", ".join(STYLE_FIELDS)}) VALUES ({", ".join(f"new.{name}" for name in STYLE_FIELDS)});
        END""",
    f"""CREATE TRIGGER new_totals AFTER UPDATE ON setting BEGIN
            UPDATE style SET {", ".join(f"{name} = {name} + new.{name} - old.{name}" for name in TOTALS)}
            WHERE {_SAME_STYLE};
        END""",
    "CREATE TABLE prompt (id INTEGER PRIMARY KEY, digest INTEGER NOT NULL UNIQUE)",
    f"CREATE TABLE record ({_ROW})",
    "CREATE TABLE place (key INTEGER PRIMARY KEY, record INTEGER NOT NULL)",
    "CREATE TABLE new_place (key INTEGER PRIMARY KEY, record INTEGER NOT NULL)",
    # Lines that another line with the same record id supersedes.
    f"CREATE TABLE spare ({_ROW})",
    "CREATE INDEX spare_key ON spare (key)",
    "CREATE INDEX record_time ON record (time, key)",
    "CREATE INDEX record_rated ON record (score, time, key, setting, origin) WHERE score IS NOT NULL",
    """CREATE TABLE rating (
        id INTEGER PRIMARY KEY, key INTEGER NOT NULL, file INTEGER NOT NULL, offset INTEGER NOT NULL,
        body TEXT NOT NULL)""",
    "CREATE INDEX rating_key ON rating (key)",
    # What holds now about a record that somebody said something about.
    """CREATE TABLE feedback (
        key INTEGER PRIMARY KEY, score REAL, rejected INTEGER NOT NULL, favourite INTEGER NOT NULL,
        tags TEXT NOT NULL, notes TEXT NOT NULL, people INTEGER NOT NULL)""",
    "CREATE TABLE damage (file INTEGER NOT NULL, line INTEGER NOT NULL, reason TEXT NOT NULL)",
]
WORDS_TABLE = "CREATE VIRTUAL TABLE words USING fts5 (prompt, negative_prompt, content='', detail=full)"


def create_tables(db: sqlite3.Connection, *, with_words: bool) -> None:
    """Make an empty index, in place of whatever tables `db` has. Within the caller's transaction."""
    for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE%'").fetchall():
        db.execute(f'DROP TABLE "{name}"')
    for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
        if not name.startswith("sqlite_"):
            db.execute(f'DROP TABLE IF EXISTS "{name}"')
    for statement in [*TABLES, *([WORDS_TABLE] if with_words else [])]:
        db.execute(statement)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {format_number(with_words=with_words)}")


def is_current(db: sqlite3.Connection, *, with_words: bool) -> bool:
    """Whether `db` is an index of this format, with or without searchable prompts."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return (application, version) == (APPLICATION_ID, format_number(with_words=with_words))


def format_number(*, with_words: bool) -> int:
    """What stands in the file for the format."""
    return 2 * FORMAT + with_words


# Each gives a tuple of a decoded record's values: attrgetter does that without running Python code.
setting_of: Callable[[Any], tuple[Any, ...]] = attrgetter(*(f"pipeline.{name}" for name in SETTING_FIELDS))
origin_of: Callable[[Any], tuple[Any, ...]] = attrgetter(*(f"{ORIGIN_GROUPS[name]}.{name}" for name in ORIGIN_FIELDS))
prompt_of: Callable[[Any], tuple[str, str]] = attrgetter("prompt.prompt", "prompt.negative_prompt")
