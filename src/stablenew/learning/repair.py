"""Takes unreadable lines out of files of records and ratings, and whole ones out of unreadable lines.

Nothing is thrown away: the file as it was is copied into `damaged` beside the records first, and is synced there. While
the file is rewritten its lock is held, so that no writer loses a line. A repair that is cut short leaves its copy under
a name ending in `.pending`; the next repair takes from it whatever the file lacks.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from stablenew.errors import NotARecord, RecordError
from stablenew.learning.file_lock import Locked, lock_within, process_lock, sync_data, sync_folder
from stablenew.learning.learning_feedback import Rating
from stablenew.learning.learning_reader import lines_files
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.record_index import RecordIndex
from stablenew.workspace import Workspace

PENDING = ".pending"
_LOCK_TIMEOUT_S = 10.0
_STARTS = (b'{"run":', b'{"rating_id":')


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """One repaired file: how many lines were found inside damaged ones, how many lines held none, and the copy."""

    path: Path
    saved: int
    removed: int
    copy: Path


def repair_workspace(workspace: Workspace, *, moment: datetime | None = None) -> list[Repaired]:
    """Repair every file of records and ratings, then make the index anew. Raises RecordError when one is in use."""
    copies = workspace.records.parent / "damaged"
    done = []
    for folder in (workspace.records, workspace.ratings):
        for path in lines_files(folder):
            repaired = repair_file(path, copies, moment or datetime.now(UTC))
            if repaired is not None:
                done.append(repaired)
    RecordIndex.of(workspace).remake()
    return done


def repair_file(path: Path, copies: Path, moment: datetime) -> Repaired | None:
    """Rewrite `path` with its readable lines alone; None when there is nothing to do. Raises RecordError, OSError."""
    fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    lock = process_lock()
    try:
        if lock_within(lock, fd, _LOCK_TIMEOUT_S) is not Locked.YES:
            raise RecordError(f"{path} cannot be repaired now: another process holds it, or it cannot be locked")
        try:
            return _repair_locked(fd, path, copies, moment)
        finally:
            lock.unlock(fd)
    finally:
        os.close(fd)


def whole_lines(data: bytes) -> tuple[list[bytes], int, int]:
    """The JSON objects in `data`, one a line; how many were inside damaged lines; and how many lines held none."""
    kept: list[bytes] = []
    saved = removed = 0
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        if _is_object(line):
            kept.append(line)
            continue
        inside = salvage(line)
        kept += inside
        saved += len(inside)
        removed += not inside
    return kept, saved, removed


def salvage(line: bytes) -> list[bytes]:
    """The whole records and ratings inside a damaged line, as when one was glued to the fragment of another."""
    found: list[bytes] = []
    text = line.decode("utf-8", "surrogateescape")
    place = 0
    while (place := _next_start(text, place)) >= 0:
        end = _object_end(text, place)
        candidate = text[place:end].encode("utf-8", "surrogateescape")
        if end > place and (_decodes(LearningRecord.from_json, candidate) or _decodes(_decode_rating, candidate)):
            found.append(candidate)
            place = end
        else:
            place += 1
    return found


def _repair_locked(fd: int, path: Path, copies: Path, moment: datetime) -> Repaired | None:
    data = _read_all(fd)
    pending = sorted(copies.glob(f"{path.name}.*{PENDING}")) if copies.is_dir() else []
    lines, saved, removed = whole_lines(data)
    known = set(lines)
    for interrupted in pending:
        missing = [line for line in whole_lines(interrupted.read_bytes())[0] if line not in known]
        lines += missing
        known.update(missing)
        saved += len(missing)
    repaired = b"".join(line + b"\n" for line in lines)
    if repaired == data:
        for interrupted in pending:
            _keep(interrupted)
        return None
    copies.mkdir(parents=True, exist_ok=True)
    copy = copies / f"{path.name}.{moment:%Y%m%dT%H%M%S%f}{PENDING}"
    _write_durably(copy, data)
    _rewrite(fd, repaired)
    for each in [*pending, copy]:
        _keep(each)
    return Repaired(path=path, saved=saved, removed=removed, copy=copy.with_suffix(""))


def _keep(copy: Path) -> None:
    """Give a copy its lasting name: what it holds is safe in the file too."""
    copy.replace(copy.with_suffix(""))


def _read_all(fd: int) -> bytes:
    os.lseek(fd, 0, os.SEEK_SET)
    parts = []
    while part := os.read(fd, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _rewrite(fd: int, data: bytes) -> None:
    os.lseek(fd, 0, os.SEEK_SET)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.ftruncate(fd, len(data))
    sync_data(fd)


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        sync_data(file.fileno())
    sync_folder(path.parent)


def _next_start(text: str, place: int) -> int:
    found = [at for start in _STARTS if (at := text.find(start.decode(), place)) >= 0]
    return min(found, default=-1)


def _object_end(text: str, place: int) -> int:
    """Where the JSON object that starts at `place` ends; `place` when it does not."""
    try:
        return json.JSONDecoder().raw_decode(text, place)[1]
    except (ValueError, RecursionError):
        return place


def _is_object(line: bytes) -> bool:
    """Whether the line is readable data, be it a record or not."""
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False


def _decode_rating(line: bytes) -> Rating:
    return msgspec.json.decode(line, type=Rating)


def _decodes(decode: Callable[[bytes], object], line: bytes) -> bool:
    try:
        decode(line)
    except (NotARecord, msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return True
