"""The tables of an index in which repeated values stand once: from values to the ids of their rows."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Hashable, Iterable, Sequence
from hashlib import sha256
from struct import Struct
from typing import Any, Generic, TypeVar

import msgspec

from stablenew.learning.index_schema import ORIGIN_FIELDS, RECIPE_FIELDS, SETTING_FIELDS

_CACHED = 50_000
_FEW, _AT_ONCE = 4, 32  # two lengths of a question for any number of values, so that it is prepared once
_first_64 = Struct(">Q").unpack_from

V = TypeVar("V", bound=Hashable)
Row = tuple[Any, ...]
Texts = tuple[str, str]


class Dimension(Generic[V]):
    """One such table. Rows are found by a digest of what they hold; the ids of those met last are kept in memory.

    `digests` gives that of each value; `insert` makes a row and gives its id; `remember_as` gives what stands for a
    value in memory, where that is not the value itself.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        table: str,
        *,
        digests: Callable[[Iterable[V]], list[int]],
        insert: Callable[[int, V], int],
        remember_as: Callable[[V], Hashable] | None = None,
    ) -> None:
        self._db, self._digests, self._insert, self._remember_as = db, digests, insert, remember_as
        question = f"SELECT digest, id FROM {table} WHERE digest IN"
        self._questions = {size: f"{question} ({', '.join('?' * size)})" for size in (_FEW, _AT_ONCE)}
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
        digests = self._digests(missing.values())
        known = self._known(digests)
        for (key, value), digest in zip(missing.items(), digests, strict=True):
            if digest not in known:
                known[digest] = self._insert(digest, value)
            self._cache[key] = known[digest]

    def _known(self, digests: list[int]) -> dict[int, int]:
        known: dict[int, int] = {}
        for start in range(0, len(digests), _AT_ONCE):
            some = digests[start : start + _AT_ONCE]
            size = _FEW if len(some) <= _FEW else _AT_ONCE
            some += some[:1] * (size - len(some))
            known.update(self._db.execute(self._questions[size], some))
        return known


def settings(db: sqlite3.Connection) -> Dimension[Row]:
    """Combinations of settings, in the order of SETTING_FIELDS."""
    insert_row = _inserting(db, "setting", ("digest", *SETTING_FIELDS, "recipe"))

    def insert(digest: int, values: Row) -> int:
        kept = dict(zip(SETTING_FIELDS, map(_fits, values), strict=True))
        recipe = msgspec.json.encode([kept[name] for name in RECIPE_FIELDS]).decode()
        return insert_row((digest, *kept.values(), recipe))

    return Dimension(db, "setting", digests=_digests_of_rows, insert=insert)


def origins(db: sqlite3.Connection) -> Dimension[Row]:
    """Combinations of run, pack and the like, in the order of ORIGIN_FIELDS."""
    insert_row = _inserting(db, "origin", ("digest", *ORIGIN_FIELDS))

    def insert(digest: int, values: Row) -> int:
        return insert_row((digest, *map(_fits, values)))

    return Dimension(db, "origin", digests=_digests_of_rows, insert=insert)


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
    return Dimension(db, "prompt", digests=_digests_of_texts, insert=insert, remember_as=remember_as)


def _inserting(db: sqlite3.Connection, table: str, columns: Sequence[str]) -> Callable[[Row], int]:
    """What adds a row and gives its id."""
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    return lambda row: db.execute(statement, row).lastrowid or 0


def _digests_of_rows(rows: Iterable[Row]) -> list[int]:
    return [_first_64(sha256(msgspec.json.encode(row)).digest())[0] >> 1 for row in rows]


def _digests_of_texts(texts: Iterable[Texts]) -> list[int]:
    return [_first_64(sha256(f"{prompt}\0{negative}".encode()).digest())[0] >> 1 for prompt, negative in texts]


def _fits(value: Any) -> Any:
    """`value` as SQLite can hold it: a whole number of more than 63 bits becomes a float."""
    return float(value) if isinstance(value, int) and abs(value) >= 2**63 else value
