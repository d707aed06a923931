"""Finished runs packed into Parquet: a fraction of the room, and exactly the same lines when unpacked.

`run.jsonl` becomes `run.jsonl.parquet` beside it, one row a line, damaged and unfinished ones included. Everything that
reads records reads packs too, as long as DuckDB is there (the extra `analytics`); without it, what is left out is said.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from stablenew.errors import InputError, RecordError
from stablenew.learning.file_lock import Locked, lock_within, process_lock
from stablenew.learning.line_scan import ScannedLine, scan_lines

if TYPE_CHECKING:
    import duckdb

PACK_SUFFIX = ".jsonl.parquet"
_LOCK_TIMEOUT_S = 2.0
_ROWS_AT_ONCE = 1000
_MISSING = "reading packed records needs DuckDB: pip install 'stablenew[analytics]'"


def is_pack(path: Path | str) -> bool:
    """Whether `path` is named as a pack is."""
    return str(path).endswith(PACK_SUFFIX)


def open_duckdb() -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory. Raises InputError saying how to install it."""
    try:
        import duckdb
    except ImportError as exc:
        raise InputError(_MISSING) from exc
    return duckdb.connect()


def pack_file(path: Path) -> Path:
    """Put the pack of a file in its place, once it is proved to give back every byte.

    Raises RecordError when a process is writing to the file or the pack is not the same; then the file stays as it is.
    """
    pack = path.with_name(path.name.removesuffix(".jsonl") + PACK_SUFFIX)
    if pack.exists():
        raise RecordError(f"{pack} is there already: unpack it first")
    fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    lock = process_lock()
    temporary = path.with_name(f".{pack.name}.tmp")
    try:
        if lock_within(lock, fd, _LOCK_TIMEOUT_S) is not Locked.YES:
            raise RecordError(f"{path} is being written to: pack it when its run has ended")
        _write_pack(path, temporary)
        _prove_same(path, temporary)
        seen = os.fstat(fd)
        os.utime(temporary, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        _put_in_place(temporary, pack)
        path.unlink()
    finally:
        temporary.unlink(missing_ok=True)
        os.close(fd)  # which frees the lock
    return pack


def unpack_file(pack: Path) -> Path:
    """Put the file that was packed back in the place of its pack. Raises RecordError when one is there."""
    path = pack.with_name(pack.name.removesuffix(PACK_SUFFIX) + ".jsonl")
    if path.exists():
        raise RecordError(f"{path} is there already: its run went on after it was packed")
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            for line in pack_lines(pack):
                file.write(line.data or b"")
                file.write(b"\n" if line.ended else b"")
        seen = pack.stat()
        os.utime(temporary, ns=(seen.st_atime_ns, seen.st_mtime_ns))
        _put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    pack.unlink()
    return path


def pack_lines(pack: Path) -> Iterator[ScannedLine]:
    """Every line of the packed file, in order; `offset` is the line's place in the pack, from 0.

    Raises InputError without DuckDB, RecordError when the pack cannot be read.
    """
    db = open_duckdb()
    try:
        found = _select(db, pack, "ORDER BY place")
        while rows := found.fetchmany(_ROWS_AT_ONCE):
            yield from (_line(row) for row in rows)
    finally:
        db.close()


def pack_line(pack: Path, place: int) -> bytes:
    """One line of a pack. Raises as `pack_lines`, and RecordError when there is no such line."""
    db = open_duckdb()
    try:
        row = _select(db, pack, f"WHERE place = {int(place)}").fetchone()
    finally:
        db.close()
    if row is None:
        raise RecordError(f"{pack} has no line {place + 1}")
    return _line(row).data or b""


def _select(db: duckdb.DuckDBPyConnection, pack: Path, rest: str) -> Any:
    import duckdb

    try:
        return db.execute(f"SELECT place, ended, line, raw FROM read_parquet($1) {rest}", [str(pack)])
    except duckdb.Error as exc:
        raise RecordError(f"{pack} cannot be read: {exc}") from exc


def _line(row: tuple[int, bool, str | None, bytes | None]) -> ScannedLine:
    place, ended, text, raw = row
    data = raw or b"" if text is None else text.encode()
    return ScannedLine(place, data, len(data), ended)


def _write_pack(path: Path, target: Path) -> None:
    """Write the lines of `path` as Parquet; what is not UTF-8 as it is."""
    rows = target.with_name(f"{target.name}.rows")
    try:
        with path.open("rb") as source, rows.open("wb") as file:
            for place, line in enumerate(scan_lines(source)):
                if line.data is None:
                    raise RecordError(f"{path}: line {place + 1} is larger than any record: repair the file first")
                file.write(_row(place, line) + b"\n")
        db = open_duckdb()
        try:
            db.execute(
                f"""COPY (SELECT place, ended, line, from_base64(raw) AS raw FROM read_json($1,
                    format = 'newline_delimited', maximum_object_size = 67108864,
                    columns = {{place: 'BIGINT', ended: 'BOOLEAN', line: 'VARCHAR', raw: 'VARCHAR'}}) ORDER BY place)
                    TO '{str(target).replace("'", "''")}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 2048)""",
                [str(rows)],
            )
        finally:
            db.close()
    finally:
        rows.unlink(missing_ok=True)


def _row(place: int, line: ScannedLine) -> bytes:
    data = line.data or b""
    try:
        text, raw = data.decode(), None
    except UnicodeDecodeError:
        text, raw = None, base64.standard_b64encode(data).decode()
    if text is not None and "\0" in text:
        text, raw = None, base64.standard_b64encode(data).decode()
    return msgspec.json.encode({"place": place, "ended": line.ended, "line": text, "raw": raw})


def _prove_same(path: Path, pack: Path) -> None:
    with path.open("rb") as file:
        packed = pack_lines(pack)
        for line in scan_lines(file):
            other = next(packed, None)
            if other is None or (other.data, other.ended) != (line.data, line.ended):
                raise RecordError(
                    f"{path} cannot be packed: its line at byte {line.offset} does not come back the same"
                )
        if next(packed, None) is not None:
            raise RecordError(f"{path} cannot be packed: the pack has more lines than the file")


def _put_in_place(temporary: Path, target: Path) -> None:
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(target)
