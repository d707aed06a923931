"""Small histories: values as lines of JSON in one file, appended and never rewritten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from stablenew.learning.append_file import AppendFile, shard_paths
from stablenew.learning.line_scan import scan_lines

T = TypeVar("T")


def append_value(path: Path, value: Any) -> None:
    """Store `value` as the last line of `path`; it is on the disk on return. Raises RecordNotWritten."""
    file = AppendFile(path, durability="record")
    try:
        file.append(msgspec.json.encode(value))
    finally:
        file.close()


def read_values(path: Path, kind: type[T]) -> Iterator[T]:
    """Every line of `path` (and its shards) that is a `kind`, in file order; what is none is passed over."""
    decoder = msgspec.json.Decoder(kind)
    for each in shard_paths(path):
        with each.open("rb") as file:
            for line in scan_lines(file):
                try:
                    yield decoder.decode(line.data or b"")
                except (msgspec.MsgspecError, UnicodeError, RecursionError):
                    continue
