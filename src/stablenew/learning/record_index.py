"""All records and ratings of a workspace, asked for quickly: newest, best, by words, by any field, in groups.

    with RecordIndex.of(workspace) as index:
        for record in index.records(Query(where=(parse_condition("steps>=20"),), limit=10)): ...
        for group in index.groups(["sampler", "scheduler"]): ...

Every question first reads what was appended since the last one. The index file is derived: deleting it loses nothing.
Answers agree with `read_current_records` and `with_feedback`: each record once, with what people said about it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from stablenew.errors import InputError, NotFound, RecordError
from stablenew.learning import index_query, index_store
from stablenew.learning.index_catch_up import LINES_AT_ONCE, CatchUp, CaughtUp
from stablenew.learning.index_query import Group, Pointer, Sort
from stablenew.learning.index_ratings import ratings_of_key
from stablenew.learning.learning_feedback import Rating
from stablenew.learning.learning_reader import UnreadableLine, parse_line, record_key, unreadable_file
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.line_scan import ScannedLine
from stablenew.learning.prompt_words import parse_words, text_matches
from stablenew.learning.record_filter import Condition, field_name, matches, value_of
from stablenew.learning.record_groups import FeedbackInfo
from stablenew.learning.record_packs import PACK_SUFFIX, pack_line
from stablenew.workspace import Workspace

PAGE = 500
LOCK_TIMEOUT_S = 10.0
_OPEN_FILES = 64
_PACK_END = PACK_SUFFIX.encode()
_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which records, in which order. `words` are looked for in prompts; `limit` None: all of them.

    Sorted by rating or seconds, records that have none are left out.
    """

    where: tuple[Condition, ...] = ()
    words: str | None = None
    sort: Sort = "time"
    descending: bool = True
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """How much there is. `pending_bytes`: unfinished last lines; `damaged`: lines that are no record and no rating."""

    files: int
    records: Group
    ratings: int
    damaged: int
    pending_bytes: int


class RecordIndex:
    """One thread at a time may use it; several processes may, on the same folder. Close it, or use `with`."""

    def __init__(
        self,
        records: Path,
        ratings: Path,
        path: Path,
        *,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
        progress: Callable[[int], None] | None = None,
        lines_at_once: int = LINES_AT_ONCE,
    ) -> None:
        self._records, self._ratings, self._path = records, ratings, path
        self._lock_timeout_s, self._progress, self._lines_at_once = lock_timeout_s, progress, lines_at_once
        self._db: sqlite3.Connection | None = None
        self._catching_up: CatchUp | None = None
        self._inode = -1
        self._troubles = 0
        self._private = False
        self._still = False
        self._files: dict[bytes, Any] = {}
        self._still_there: set[bytes] = set()
        self._paths: dict[bytes, Path] = {}

    @classmethod
    def of(cls, workspace: Workspace, *, progress: Callable[[int], None] | None = None) -> RecordIndex:
        """The index of a workspace; `progress` is told how many lines were read so far."""
        return cls(workspace.records, workspace.ratings, workspace.index, progress=progress)

    def __enter__(self) -> RecordIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the files; the next question opens them again, and tries the shared index again."""
        self._private = False
        if self._db is not None:
            self._db.close()
        self._db = self._catching_up = None
        self._close_files()

    @contextlib.contextmanager
    def held_still(self) -> Iterator[None]:
        """Ask several questions of one moment: new lines are looked for once, at the start, and not in between."""
        self.catch_up()
        self._still = True
        try:
            yield
        finally:
            self._still = False

    def catch_up(self) -> CaughtUp:
        """Read what is new in the files. Every question does this first."""
        return self._answer(lambda db: CaughtUp(), caught=True)

    def remake(self) -> None:
        """Make the index anew from the files; does nothing where there is none. Raises RecordError when it cannot."""
        self.close()
        if self._path.exists():
            try:
                index_store.discard(self._path, self._lock_timeout_s, index_store.inode_of(self._path))
            except sqlite3.OperationalError as exc:
                raise RecordError(f"{self._path} cannot be deleted: {exc}") from exc
            self.catch_up()
            self.close()

    def overview(self) -> Overview:
        """How much there is."""
        return self._answer(_overview)

    def groups(self, by: Sequence[str], where: Sequence[Condition] = ()) -> list[Group]:
        """The records that fulfil `where`, grouped by fields: best mean rating first, then the largest.

        Fields the index holds answer at once; for others the records are read. Raises InputError for an unknown field.
        """
        fields = [field_name(each) for each in by]
        if all(index_query.in_index(field) and field != "tag" for field in fields) and all(
            index_query.in_index(each.field) for each in where
        ):
            found = self._answer(lambda db: index_query.groups(db, fields, where))
        else:
            found = list(self._groups_from_records(fields, where))
        # Two sorts by a number each: half the time of one by pairs.
        found.sort(key=attrgetter("n"), reverse=True)
        found.sort(key=_mean_score, reverse=True)
        return found

    def records(self, query: Query | None = None) -> Iterator[LearningRecord | UnreadableLine]:
        """The records meant, each with its feedback; one whose line cannot be read any more as UnreadableLine.

        Streams: a page of places is held at a time. Raises InputError for words that name nothing.
        """
        query = query or Query()
        if query.limit is None:
            yield from self._matching(query)
        elif query.limit > 0:
            # Stops at the last one wanted: asking for another would fetch the next page.
            for count, read in enumerate(self._matching(query), 1):
                yield read
                if count == query.limit:
                    return

    def find(self, record_id: str) -> LearningRecord | None:
        """The record with exactly that id; None where there is none."""
        found = self._answer(lambda db: index_query.pointer_of_key(db, record_key(record_id)))
        self._still_there.clear()
        read = None if found is None else self._read(found)
        return read if isinstance(read, LearningRecord) and read.run.record_id == record_id else None

    def get(self, record_id: str) -> LearningRecord:
        """The record with that id, or the only one whose id starts so (4 characters at least). Raises NotFound."""
        return self.find(record_id) or self._only_one_starting(record_id)

    def ratings_of(self, record_id: str) -> list[Rating]:
        """Everything that was ever said about a record, in file order, undone lines included."""
        return self._answer(lambda db: ratings_of_key(db, record_key(record_id)))

    def damage(self) -> list[UnreadableLine]:
        """The lines that are no record and no rating, at most 1,000 a file, and files that cannot be read."""
        rows = self._answer(
            lambda db: db.execute(
                "SELECT f.kind, f.name, d.line, d.reason FROM damage d JOIN file f ON f.id = d.file ORDER BY 1, 2, 3"
            ).fetchall()
        )
        return [
            UnreadableLine(self._path_of(name, self._records if kind == "record" else self._ratings), line, reason)
            for kind, name, line, reason in rows
        ]

    def _matching(self, query: Query) -> Iterator[LearningRecord | UnreadableLine]:
        terms = None if query.words is None else parse_words(query.words)
        in_sql = terms if index_store.words_supported() else None
        if terms is not None and in_sql is None:
            _log.warning("this Python's SQLite has no FTS5: words are looked for by reading the records")
        rest = [each for each in query.where if not index_query.in_index(each.field)]
        small = query.limit is not None and not rest and terms == in_sql
        page = min(PAGE, query.limit or PAGE) if small else PAGE
        for pointer in self._pointers(query, in_sql, page):
            read = self._read(pointer)
            if isinstance(read, LearningRecord):
                if terms is not None and in_sql is None and not text_matches(read.prompt.prompt, terms):
                    continue
                if rest and not matches(read.to_dict(), rest):
                    continue
            yield read

    def _pointers(self, query: Query, terms: Any, page: int) -> Iterator[Pointer]:
        """The places of what the index itself can tell, page by page; only the first page looks for new lines."""
        after: tuple[Any, ...] | None = None
        first = True
        while True:

            def ask(db: sqlite3.Connection, after: tuple[Any, ...] | None = after) -> list[Pointer]:
                return index_query.pointers(
                    db, where=query.where, terms=terms, sort=query.sort, descending=query.descending, after=after,
                    limit=page,
                )  # fmt: skip

            found = self._answer(ask, caught=first)
            self._still_there.clear()
            yield from found
            if len(found) < page:
                return
            after, first = found[-1].place, False

    def _groups_from_records(self, fields: list[str], where: Sequence[Condition]) -> Iterator[Group]:
        found: dict[str, Group] = {}
        for record in self.records(Query(where=tuple(where))):
            if isinstance(record, LearningRecord):
                data = record.to_dict()
                values = tuple(value_of(data, field) for field in fields)
                name = msgspec.json.encode(values).decode()
                found[name] = _with_one_more(found.get(name) or Group(values=values), record)
        return iter(sorted(found.values(), key=lambda group: repr(group.values)))

    def _only_one_starting(self, prefix: str) -> LearningRecord:
        hint = "stablenew records list shows those there are"
        found: list[LearningRecord] = []
        if len(prefix) >= 4:
            for record in self.records():
                if isinstance(record, LearningRecord) and record.run.record_id.startswith(prefix):
                    found.append(record)
                    if len(found) > 1:
                        raise InputError(f"several records start with {prefix!r}: give more of the id")
        if not found:
            raise NotFound("record", prefix, self._records, hint)
        return found[0]

    def _read(self, pointer: Pointer) -> LearningRecord | UnreadableLine:
        """The record a row points at, with its feedback."""
        path = self._paths.get(pointer.file)
        if path is None:
            path = self._paths[pointer.file] = self._path_of(pointer.file, self._records)
        try:
            data = self._read_bytes(pointer, path)
        except (OSError, InputError, RecordError) as exc:
            return UnreadableLine(path, 0, unreadable_file(exc))
        read = parse_line(path, 0, ScannedLine(pointer.offset, data, len(data), True))
        if not isinstance(read, LearningRecord) or record_key(read.run.record_id) != pointer.key:
            return UnreadableLine(
                path, 0, f"the file changed while it was read: no such record at byte {pointer.offset}"
            )
        return read if pointer.feedback is None else _with_info(read, pointer.feedback)

    def _read_bytes(self, pointer: Pointer, path: Path) -> bytes:
        if pointer.file.endswith(_PACK_END):
            return pack_line(path, pointer.offset)
        file = self._open_file(pointer.file, path)
        file.seek(pointer.offset)
        data: bytes = file.read(pointer.length)
        return data

    def _open_file(self, name: bytes, path: Path) -> Any:
        """The file called `name`; one that was deleted or replaced since a page ago is opened anew."""
        file = self._files.get(name)
        if file is not None and name in self._still_there:
            return file
        if file is not None and os.fstat(file.fileno()).st_nlink == 0:
            file.close()
            file = None
        if file is None:
            if len(self._files) >= _OPEN_FILES:
                self._close_files()
            file = self._files[name] = path.open("rb", buffering=0)
        self._still_there.add(name)
        return file

    def _close_files(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()
        self._still_there.clear()

    def _path_of(self, name: bytes, folder: Path) -> Path:
        return folder / os.fsdecode(name)

    def _answer(self, question: Callable[[sqlite3.Connection], T], *, caught: bool = True) -> T:
        """Ask an up-to-date index; when it cannot be used, one in its place. `caught` False: as it is."""
        while True:
            try:
                db = self._opened()
                done: Any = None
                if caught and not self._still:
                    done = self._catch_up(db).run()
                answer = question(db)
                self._troubles = 0
                return done if isinstance(answer, CaughtUp) else answer
            except sqlite3.Error as exc:
                self._recover(exc)
                caught, self._still = True, False

    def _catch_up(self, db: sqlite3.Connection) -> CatchUp:
        if self._catching_up is None:
            self._catching_up = CatchUp(
                db,
                self._records,
                self._ratings,
                has_words=index_store.words_supported(),
                progress=self._progress,
                lines_at_once=self._lines_at_once,
            )
        return self._catching_up

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            if self._private or self._nothing_to_index():
                db = index_store.open_private(self._path, from_scratch=self._troubles > 1)
            else:
                db = index_store.open_shared(self._path, self._lock_timeout_s)
                self._inode = index_store.inode_of(self._path)
            index_query.add_functions(db)
            self._db = db
        return self._db

    def _nothing_to_index(self) -> bool:
        return not self._path.exists() and not self._records.exists() and not self._ratings.exists()

    def _recover(self, error: sqlite3.Error) -> None:
        """After `error`: a fresh file in place of a corrupt one; else an index of our own, in a temporary place."""
        self._troubles += 1
        inode = self._inode if self._db is not None else index_store.inode_of(self._path)
        was_private = self._private
        self.close()
        if self._troubles > 3:
            raise RecordError(f"no index can be made, not even in a temporary folder: {error}") from error
        if not was_private and index_store.is_corrupt(error) and self._troubles == 1:
            _log.warning("%s is damaged (%s): it is made anew from the records", self._path, error)
            with contextlib.suppress(sqlite3.OperationalError):
                index_store.discard(self._path, self._lock_timeout_s, inode)
                return
        _log.warning("%s cannot be used (%s): this process reads on in a temporary copy", self._path, error)
        self._private = True


def _overview(db: sqlite3.Connection) -> Overview:
    (totals,) = index_query.groups(db, [], []) or (Group(values=()),)
    files, damaged, pending = db.execute(
        """SELECT coalesce(sum(kind = 'record'), 0), coalesce(sum(damaged), 0),
           coalesce(sum(max(0, size - offset)), 0) FROM file"""
    ).fetchone()
    (ratings,) = db.execute("SELECT count(*) FROM rating").fetchone()
    return Overview(files=files, records=totals, ratings=ratings, damaged=damaged, pending_bytes=pending)


def _with_info(record: LearningRecord, feedback: tuple[float | None, str, str]) -> LearningRecord:
    score, tags, notes = feedback
    return dataclasses.replace(record, feedback=FeedbackInfo(rating=score, tags=msgspec.json.decode(tags), notes=notes))


def _with_one_more(group: Group, record: LearningRecord) -> Group:
    status, seconds, rating = record.outcome.status, record.outcome.duration_s, record.feedback.rating
    score = 0 if rating is None else round(rating * 1000)
    return group.plus(
        Group(
            values=group.values,
            n=1,
            ok=int(status == "ok"),
            failed=int(status == "failed"),
            timed=int(seconds is not None),
            ms=round((seconds or 0) * 1000),
            rated=int(rating is not None),
            score=score,
            score2=score * score,
        )
    )


def _mean_score(group: Group) -> float:
    return group.score / group.rated if group.rated else -math.inf
