"""Questions to an index as SQL: which rows, in which order, and grouped how."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from stablenew.learning import index_store
from stablenew.learning.index_places import ROW_OF_KEY
from stablenew.learning.index_schema import (
    ORIGIN_FIELDS,
    ORIGIN_GROUPS,
    RECIPE_FIELDS,
    SETTING_FIELDS,
    STYLE_FIELDS,
    TOTALS,
)
from stablenew.learning.prompt_words import Term, fts_query
from stablenew.learning.record_filter import OPERATORS, Condition, contains, day_of, holds, number

Sort = Literal["time", "rating", "seconds"]

_STATUS = "CASE r.status WHEN 0 THEN 'ok' WHEN 1 THEN 'failed' ELSE 'cancelled' END"
_SETTING_SQL = {f"pipeline.{name}": (f"s.{name}", kind) for name, kind in SETTING_FIELDS.items()}
_RECIPE = [f"pipeline.{name}" for name in RECIPE_FIELDS]
_STYLE = {f"pipeline.{name}" for name in STYLE_FIELDS}
_ROW_SQL = {
    **{f"{ORIGIN_GROUPS[name]}.{name}": (f"o.{name}", kind) for name, kind in ORIGIN_FIELDS.items()},
    "outcome.status": (_STATUS, "TEXT"),
    "time": ("r.time", "INTEGER"),
    "day": ("day_of(r.time)", "TEXT"),
    "rating": ("r.score / 1000.0", "REAL"),
    "seconds": ("r.ms / 1000.0", "REAL"),
    "tag": ("", "LIST"),
}
_SQL = _SETTING_SQL | _ROW_SQL
_TAGS = "coalesce(f.tags, r.written)"
# CROSS JOIN: SQLite keeps this order, so that a time or rating index can give the rows in their order.
_SOURCE = """record r CROSS JOIN setting s ON s.id = r.setting CROSS JOIN origin o ON o.id = r.origin
    LEFT JOIN feedback f ON f.key = r.key"""
_ORDER = {"time": "r.time, r.key", "rating": "r.score, r.time, r.key", "seconds": "r.ms, r.time, r.key"}


class Pointer(NamedTuple):
    """Where a record's line stands, what it is ordered by, and what people said about it (JSON of FeedbackInfo)."""

    key: int
    file: bytes
    offset: int
    length: int
    place: tuple[Any, ...]
    feedback: tuple[float | None, str, str] | None


class Group(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Records that share `values` of the fields asked for. Sums are in thousandths of a second or of a star.

    A Struct, as the index holds many of them as JSON, and a question may give thousands.
    """

    values: tuple[Any, ...]
    n: int = 0
    ok: int = 0
    failed: int = 0
    timed: int = 0
    ms: int = 0
    rated: int = 0
    score: int = 0
    score2: int = 0

    def plus(self, other: Group) -> Group:
        """This group and `other` together, under the values of this one."""
        sums = (getattr(self, name) + getattr(other, name) for name in TOTALS)
        return Group(self.values, *sums)

    @property
    def mean_rating(self) -> float | None:
        """Mean of the scores, None when none was given."""
        return self.score / self.rated / 1000 if self.rated else None

    @property
    def rating_sd(self) -> float | None:
        """Standard deviation of the scores within the group (n - 1), None below two."""
        if self.rated < 2:
            return None
        return math.sqrt((self.score2 - self.score * self.score / self.rated) / (self.rated - 1)) / 1000

    @property
    def mean_seconds(self) -> float | None:
        """Mean duration, None when none was measured."""
        return self.ms / self.timed / 1000 if self.timed else None


_groups = msgspec.json.Decoder(list[Group])


def add_functions(db: sqlite3.Connection) -> None:
    """Give `db` the functions these questions use."""
    db.create_function("contains", 2, contains, deterministic=True)
    db.create_function("day_of", 1, day_of, deterministic=True)
    db.create_function("has_tag", 2, _has_tag, deterministic=True)


def in_index(field: str) -> bool:
    """Whether the index holds the field, so that no record need be read for it."""
    return field in _SQL


def groups(db: sqlite3.Connection, by: Sequence[str], where: Sequence[Condition]) -> list[Group]:
    """The groups of the records that fulfil `where`, by fields the index holds, in any order.

    Where only settings are named, the running totals answer, and no record's row is looked at.
    """
    if not where and list(by) == _RECIPE:
        return _recipes(db)
    named = {*by, *(each.field for each in where)}
    keys = [_SQL[field][0] for field in by]
    condition, values = _where(where)
    if named <= _SETTING_SQL.keys():
        sums = "sum(n), sum(ok), sum(failed), sum(timed), sum(ms), sum(rated), sum(score), sum(score2)"
        source = "style s" if named <= _STYLE else "setting s"
        condition = f"s.n > 0 AND {condition}"
    else:
        sums = """count(*), sum(r.status = 0), sum(r.status = 1), count(r.ms), coalesce(sum(r.ms), 0), count(r.score),
            coalesce(sum(r.score), 0), coalesce(sum(r.score * r.score), 0)"""
        source = _SOURCE
    grouping = f"GROUP BY {', '.join(keys)} ORDER BY {', '.join(keys)}" if keys else ""
    asked = f"SELECT {', '.join([*keys, sums])} FROM {source} WHERE {condition} {grouping}"
    count = len(keys)
    return [Group(row[:count], *row[count:]) for row in db.execute(asked, values) if row[count]]


def _recipes(db: sqlite3.Connection) -> list[Group]:
    """The groups by RECIPE_FIELDS, as settings keep them: a quarter of the time of adding up numbers of rows."""
    (joined,) = db.execute("SELECT group_concat(summary) FROM setting WHERE n > 0").fetchone()
    try:
        parts = _groups.decode(f"[{joined or ''}]")
    except msgspec.MsgspecError as exc:
        raise index_store.corrupt(f"a summary is no group: {exc}") from exc
    if len({part.values for part in parts}) == len(parts):
        return parts
    found: dict[tuple[Any, ...], Group] = {}
    for part in parts:  # some differ in other settings
        same = found.get(part.values)
        found[part.values] = part if same is None else same.plus(part)
    return list(found.values())


def pointers(
    db: sqlite3.Connection,
    *,
    where: Sequence[Condition],
    terms: tuple[Term, ...] | None,
    sort: Sort,
    descending: bool,
    after: tuple[Any, ...] | None,
    limit: int,
) -> list[Pointer]:
    """The next `limit` lines behind the place `after`; conditions on fields the index does not hold are left out.

    Sorted by rating or seconds, records without one are left out.
    """
    condition, values = _where([each for each in where if in_index(each.field)])
    order, direction = _ORDER[sort], "DESC" if descending else "ASC"
    if sort != "time":
        condition += f" AND {order.split(',')[0]} IS NOT NULL"
    if terms is not None:
        condition += " AND r.prompt IN (SELECT rowid FROM words WHERE words MATCH ?)"
        values.append(fts_query(terms))
    if after is not None:
        condition += f" AND ({order}) {'<' if descending else '>'} ({', '.join('?' * len(after))})"
        values += after
    ordered = ", ".join(f"{each} {direction}" for each in order.split(", "))
    rows = db.execute(
        f"""SELECT r.key, d.name, r.offset, r.length, f.people, f.score, f.tags, f.notes, {order}
            FROM {_SOURCE} CROSS JOIN file d ON d.id = r.file WHERE {condition} ORDER BY {ordered} LIMIT ?""",
        (*values, limit),
    )
    return [_pointer(row) for row in rows]


def pointer_of_key(db: sqlite3.Connection, key: int) -> Pointer | None:
    """Where the line of one record stands."""
    row = db.execute(
        f"""SELECT r.key, d.name, r.offset, r.length, f.people, f.score, f.tags, f.notes
            FROM {_SOURCE} CROSS JOIN file d ON d.id = r.file WHERE r.id = ({ROW_OF_KEY})""",
        {"key": key},
    ).fetchone()
    return None if row is None else _pointer(row)


def _pointer(row: tuple[Any, ...]) -> Pointer:
    key, file, offset, length, people, score, tags, notes, *place = row
    feedback = None if people is None else (score, tags, notes)
    return Pointer(key, file, offset, length, tuple(place), feedback)


def _where(conditions: Sequence[Condition]) -> tuple[str, list[Any]]:
    """The conditions as SQL and its values; true when there are none."""
    parts, values = ["1"], []
    for each in conditions:
        expression, kind = _SQL[each.field]
        part, value = _list_sql(each) if kind == "LIST" else _sql(expression, kind, each)
        parts.append(part)
        values += value
    return " AND ".join(parts), values


def _sql(expression: str, kind: str, condition: Condition) -> tuple[str, list[Any]]:
    operator, wanted = condition.operator, condition.value
    if wanted is None:
        return {"=": f"{expression} IS NULL", "!=": f"{expression} IS NOT NULL"}.get(operator, "0"), []
    if operator == "~":
        return f"contains({expression}, ?)", [wanted]
    value: Any = wanted if kind == "TEXT" else number(wanted)
    if value is None:
        # No number is equal to, or larger than, something that is not one.
        return ("1" if operator == "!=" else "0"), []
    return f"{expression} {'IS NOT' if operator == '!=' else operator} ?", [value]


def _list_sql(condition: Condition) -> tuple[str, list[Any]]:
    wanted = condition.value
    if wanted is None:
        empty = f"NOT has_tag({_TAGS}, NULL)"
        return {"=": empty, "!=": f"NOT ({empty})"}.get(condition.operator, "0"), []
    if condition.operator == "!=":
        return f"NOT has_tag({_TAGS}, ?)", [f"={wanted}"]
    return f"has_tag({_TAGS}, ?)", [f"{condition.operator}{wanted}"]


def _has_tag(stored: str | None, wanted: str | None) -> bool:
    """Whether the stored tags have one that fulfils `wanted` (an operator and a text); None: any at all."""
    if stored is None:
        return False
    data = msgspec.json.decode(stored)
    tags = data.get("tags", []) if isinstance(data, dict) else data
    if wanted is None:
        return bool(tags)
    operator = next(each for each in OPERATORS if wanted.startswith(each))
    return any(holds(tag, operator, wanted[len(operator) :]) for tag in tags)
