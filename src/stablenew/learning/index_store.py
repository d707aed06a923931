"""Opens the file an index lives in, and finds another place when that file cannot be used.

The index is derived from the files beside it, so whatever is wrong with it costs time, never an answer: a corrupt or
foreign file is replaced, one of another format is made anew, and where the place cannot be written (read-only, locked
for long, full) a private temporary copy is brought up to date instead.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from stablenew.learning.index_schema import create_tables, is_current

_CACHE_KIB = 48 * 1024
# Most pages are written because a few rows of theirs changed, and each costs two writes whatever its size.
_PAGE_BYTES = 16 * 1024
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT,
                      sqlite3.SQLITE_SCHEMA, sqlite3.SQLITE_MISMATCH})  # fmt: skip
_log = logging.getLogger(__name__)


@cache
def words_supported() -> bool:
    """Whether this Python's SQLite can search text (FTS5)."""
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        try:
            db.execute("CREATE VIRTUAL TABLE probe USING fts5 (x)")
        except sqlite3.OperationalError:
            return False
    return True


def open_shared(path: Path, lock_timeout_s: float) -> sqlite3.Connection:
    """The index at `path`, made if it is not there, emptied if it is of another format. Raises sqlite3.Error."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path, lock_timeout_s):
            db = _connect(str(path), lock_timeout_s)
            try:
                (pages,) = db.execute("PRAGMA page_count").fetchone()
                if pages == 0:
                    db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
                    db.execute("PRAGMA synchronous = OFF")  # an empty file may be lost, and syncing it takes long
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = NORMAL")
                _prepare(db)
            except BaseException:
                db.close()
                raise
            return db
    except (OSError, Timeout) as exc:
        raise sqlite3.OperationalError(str(exc)) from exc


def open_private(path: Path, *, from_scratch: bool) -> sqlite3.Connection:
    """An index for this process alone, in a temporary file: a copy of what `path` holds, or empty."""
    db = _connect("", 0)
    db.execute("PRAGMA synchronous = OFF")
    if not from_scratch:
        try:
            _copy(path, db)
        except sqlite3.Error as exc:
            _log.info("%s cannot be copied: %s", path, exc)
            db.close()
            return open_private(path, from_scratch=True)
    _prepare(db)
    return db


def discard(path: Path, lock_timeout_s: float, inode: int) -> None:
    """Delete the index at `path` unless somebody has put another there already. Raises sqlite3.OperationalError."""
    try:
        with _lock(path, lock_timeout_s):
            if inode_of(path) == inode:
                for each in (Path(f"{path}-wal"), Path(f"{path}-shm"), path):
                    each.unlink(missing_ok=True)
    except (OSError, Timeout) as exc:
        raise sqlite3.OperationalError(str(exc)) from exc


def inode_of(path: Path) -> int:
    """Which file is at `path`; -1 when none is."""
    try:
        return path.stat().st_ino
    except OSError:
        return -1


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether `error` says that the file itself is wrong, rather than that it cannot be reached now."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _CORRUPT


def corrupt(what: str) -> sqlite3.DatabaseError:
    """The error to raise for what SQLite cannot know to be wrong with the file."""
    error = sqlite3.DatabaseError(what)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _prepare(db: sqlite3.Connection) -> None:
    if is_current(db, with_words=words_supported()):
        return
    db.execute("BEGIN IMMEDIATE")
    # Another process may have made it meanwhile.
    if not is_current(db, with_words=words_supported()):
        create_tables(db, with_words=words_supported())
    db.execute("COMMIT")


def _copy(path: Path, target: sqlite3.Connection) -> None:
    """Copy the index at `path` into `target`. A write-ahead log that cannot be read with it makes it no use."""
    waiting = Path(f"{path}-wal")
    immutable = not waiting.exists() or waiting.stat().st_size == 0
    uri = f"{path.resolve().as_uri()}?mode=ro" + ("&immutable=1" if immutable else "")
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=0)) as source:
        if not is_current(source, with_words=words_supported()):
            raise sqlite3.OperationalError("it is of another format")
        source.backup(target)


def _connect(name: str, timeout_s: float) -> sqlite3.Connection:
    db = sqlite3.connect(name, timeout=timeout_s, isolation_level=None, check_same_thread=False)
    db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return db


def _lock(path: Path, timeout_s: float) -> FileLock:
    return FileLock(f"{path}.lock", timeout=timeout_s)
