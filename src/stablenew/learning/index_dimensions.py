"""The tables of an index in which repeated values stand once: from values to the ids of their rows."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Hashable
from hashlib import sha256
from struct import Struct
from typing import Any, Generic, TypeVar

import msgspec

from stablenew.learning.index_schema import ORIGIN_FIELDS, SETTING_FIELDS

_CACHED = 50_000
_AT_ONCE = 128
_first_64 = Struct(">Q").unpack_from
_MARKS = "?" + ", ?" * (_AT_ONCE - 1)

V = TypeVar("V", bound=Hashable)
Row = tuple[Any, ...]
Texts = tuple[str, str]


class Dimension(Generic[V]):
    """One such table. Rows are found by a digest of what they hold; the ids of those met last are kept in memory.

    `insert` makes a row and gives its id. `remember_as` gives what stands for a value in memory, where that is not
    the value itself.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        table: str,
        *,
        digest: Callable[[V], int],
        insert: Callable[[int, V], int],
        remember_as: Callable[[V], Hashable] | None = None,
    ) -> None:
        self._db, self._digest, self._insert, self._remember_as = db, digest, insert, remember_as
        self._question = f"SELECT digest, id FROM {table} WHERE digest IN ({_MARKS})"
        self._cache: dict[Hashable, int] = {}

    def forget(self) -> None:
        """Forget what is in memory, as the table may have been changed."""
        self._cache.clear()

    def ids(self, values: list[V]) -> list[int]:
        """The id of each of `values`; what is not in the table is added."""
        keys: list[Any] = values if self._remember_as is None else list(map(self._remember_as, values))
        found: list[Any] = list(map(self._cache.get, keys))
        if None in found:
            if len(self._cache) >= _CACHED:
                self._cache.clear()
            self._find({key: value for key, value in zip(keys, values, strict=True) if key not in self._cache})
            found = [self._cache[key] for key in keys]
        return found

    def _find(self, missing: dict[Hashable, V]) -> None:
        digests = {key: self._digest(value) for key, value in missing.items()}
        known = self._known(list(digests.values()))
        for key, digest in digests.items():
            if digest not in known:
                known[digest] = self._insert(digest, missing[key])
            self._cache[key] = known[digest]

    def _known(self, digests: list[int]) -> dict[int, int]:
        known: dict[int, int] = {}
        for start in range(0, len(digests), _AT_ONCE):
            some = digests[start : start + _AT_ONCE]
            some += some[:1] * (_AT_ONCE - len(some))  # one question for any number, so that it is prepared once
            known.update(self._db.execute(self._question, some))
        return known


def settings(db: sqlite3.Connection) -> Dimension[Row]:
    """Combinations of settings, in the order of SETTING_FIELDS."""
    return _of_fields(db, "setting", SETTING_FIELDS)


def origins(db: sqlite3.Connection) -> Dimension[Row]:
    """Combinations of run, pack and the like, in the order of ORIGIN_FIELDS."""
    return _of_fields(db, "origin", ORIGIN_FIELDS)


def prompts(db: sqlite3.Connection, *, has_words: bool) -> Dimension[Texts]:
    """Prompts with their negative prompts, searchable where `has_words`."""

    def insert(digest: int, texts: Texts) -> int:
        row_id = db.execute("INSERT INTO prompt (digest) VALUES (?)", (digest,)).lastrowid or 0
        if has_words:
            db.execute("INSERT INTO words (rowid, prompt, negative_prompt) VALUES (?, ?, ?)", (row_id, *texts))
        return row_id

    # In 64 bits, the chance that two of 50,000 pairs of texts share a hash is 1 in 10^10. Remembering the texts takes
    # twice as long, as every comparison fetches long ones from memory.
    remember_as = hash if sys.hash_info.width >= 64 else None
    return Dimension(db, "prompt", digest=_digest_of_texts, insert=insert, remember_as=remember_as)


def _of_fields(db: sqlite3.Connection, table: str, fields: dict[str, str]) -> Dimension[Row]:
    marks = ", ".join("?" * (len(fields) + 1))
    statement = f"INSERT INTO {table} (digest, {', '.join(fields)}) VALUES ({marks})"

    def insert(digest: int, values: Row) -> int:
        return db.execute(statement, (digest, *map(_fits, values))).lastrowid or 0

    return Dimension(db, table, digest=lambda values: _digest(msgspec.json.encode(values)), insert=insert)


def _digest_of_texts(texts: Texts) -> int:
    return _digest("\0".join(texts).encode())


def _digest(data: bytes) -> int:
    number: int = _first_64(sha256(data).digest())[0]
    return number >> 1


def _fits(value: Any) -> Any:
    """`value` as SQLite can hold it: a whole number of more than 63 bits becomes a float."""
    return float(value) if isinstance(value, int) and abs(value) >= 2**63 else value
