"""What the index knows of each file, and whether the file is still that one."""

from __future__ import annotations

import os
import sqlite3
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from stablenew.learning.learning_reader import lines_entries

Kind = Literal["record", "rating"]

_WINDOW = 4096
_SETTLE_NS = 50_000_000
_COLUMNS = "id, kind, name, inode, size, mtime, offset, lines, head, tail, settled, damaged, open"


Look = tuple[int, int, int]
"""What shows that a file was changed: inode, size, time of the last change."""

Looks = dict[str, Look | None]
"""By a file's name in its folder, what it looked like when it was read; None: it must be read again."""


@dataclass(slots=True)
class FileState:
    """A file as it was when it was last read: `offset` bytes of it, of which `lines` lines ended, are in the index.

    `head` and `tail` are checksums of the first and last bytes that were read. `settled` 0: it was read so soon after
    its last change that another change would not show in its time. `open` 1: behind `offset` stands a whole line
    without its newline, which is in the index but may still become something else.
    """

    id: int
    kind: Kind
    name: bytes
    inode: int = -1
    size: int = -1
    mtime: int = -1
    offset: int = 0
    lines: int = 0
    head: int = 0
    tail: int = 0
    settled: int = 0
    damaged: int = 0
    open: int = 0

    @property
    def looks(self) -> Look | None:
        """What the file looked like when it was last read; None when it must be read again whatever it looks like."""
        return (self.inode, self.size, self.mtime) if self.settled else None

    def still_starts_as_read(self, file: BinaryIO, seen: os.stat_result) -> bool:
        """Whether what was read still stands in the file, as far as its ends show; False means: read it anew."""
        if self.inode not in (-1, _looks(seen)[0]) or seen.st_size < self.offset:
            return False
        if seen.st_size == self.size and seen.st_mtime_ns != self.mtime:
            return False  # nothing was appended, yet it was written to
        return (self.head, self.tail) == _checksums(file, self.offset)

    def note(self, file: BinaryIO, seen: os.stat_result) -> None:
        """Remember what the file looks like now, `offset` bytes of it read; `seen` is from before the reading."""
        self.inode, self.size, self.mtime = _looks(seen)
        self.settled = int(time.time_ns() - seen.st_mtime_ns > _SETTLE_NS and self.offset <= seen.st_size)
        self.head, self.tail = _checksums(file, self.offset)

    def note_pack(self, seen: os.stat_result) -> None:
        """Remember a pack that was read whole."""
        self.inode, self.size, self.mtime = _looks(seen)
        self.offset, self.settled = self.size, 1


@dataclass(frozen=True, slots=True)
class Found:
    """A file on disk now."""

    kind: Kind
    name: bytes
    place: str
    seen: os.stat_result

    @property
    def path(self) -> Path:
        """Where it is."""
        return Path(self.place)


@dataclass(frozen=True, slots=True)
class News:
    """Files that are new or look otherwise than when they were read, in the order to read them; and those gone."""

    changed: list[Found]
    gone: list[tuple[Kind, bytes]]

    def __bool__(self) -> bool:
        return bool(self.changed or self.gone)


def load_looks(db: sqlite3.Connection) -> dict[Kind, Looks]:
    """What every file that was read looked like then."""
    looks: dict[Kind, Looks] = {"record": {}, "rating": {}}
    for kind, name, settled, *seen in db.execute("SELECT kind, name, settled, inode, size, mtime FROM file"):
        looks[kind][os.fsdecode(name)] = tuple(seen) if settled else None
    return looks


def find_news(looks: dict[Kind, Looks], records: Path, ratings: Path) -> News:
    """What happened to the files of records and ratings since they looked so. Every question asks this first."""
    changed: list[Found] = []
    gone: list[tuple[Kind, bytes]] = []
    folders: tuple[tuple[Kind, Path], ...] = (("record", records), ("rating", ratings))
    for kind, folder in folders:
        known, there = looks[kind], set()
        news: list[Found] = []
        for name, entry in lines_entries(folder, packs=kind == "record"):
            try:
                seen = _stat(entry)
            except FileNotFoundError:
                continue
            there.add(name)
            if known.get(name) != _looks(seen):
                news.append(Found(kind, os.fsencode(name), entry.path, seen))
        changed += sorted(news, key=lambda each: each.name)
        gone += [(kind, os.fsencode(name)) for name in known.keys() - there]
    return News(changed, gone)


def load_state(db: sqlite3.Connection, kind: Kind, name: bytes) -> FileState | None:
    """What the index knows of a file; None when it has never read it."""
    row = db.execute(f"SELECT {_COLUMNS} FROM file WHERE kind = ? AND name = ?", (kind, name)).fetchone()
    return None if row is None else FileState(*row)


def save_state(db: sqlite3.Connection, state: FileState) -> None:
    """Store `state`."""
    values = [getattr(state, name.strip()) for name in _COLUMNS.split(",")]
    db.execute(f"INSERT OR REPLACE INTO file ({_COLUMNS}) VALUES ({', '.join('?' * len(values))})", values)


def new_state(db: sqlite3.Connection, kind: Kind, name: bytes) -> FileState:
    """The state of a file the index has never read."""
    (highest,) = db.execute("SELECT coalesce(max(id), 0) FROM file").fetchone()
    state = FileState(highest + 1, kind, name)
    save_state(db, state)
    return state


def _stat(entry: os.DirEntry[str]) -> os.stat_result:
    # DirEntry.stat knows no inode on Windows.
    return entry.stat() if os.name == "posix" else Path(entry.path).stat()


def _looks(seen: os.stat_result) -> Look:
    # SQLite holds 63 bits; some file systems number their files with 64.
    return seen.st_ino & (2**63 - 1), seen.st_size, seen.st_mtime_ns


def _checksums(file: BinaryIO, offset: int) -> tuple[int, int]:
    """Of the first and of the last bytes before `offset`."""
    size = min(offset, _WINDOW)
    file.seek(0)
    head = zlib.crc32(file.read(size))
    file.seek(offset - size)
    return head, zlib.crc32(file.read(size))
