"""The lines of a file that is only ever appended to, with where each one starts."""

from __future__ import annotations

from collections.abc import Iterator
from os import SEEK_END
from typing import BinaryIO, NamedTuple

from stablenew.learning.append_file import LINE_BYTES_MAX

BLOCK_BYTES = 1 << 17
_SMALL_BLOCK_BYTES = 1 << 16  # with what is decoded from it, it stays in a processor's cache


class ScannedLine(NamedTuple):
    """One line without its newline. `ended`: it has one. `data` None: longer than any line of ours, and not kept.

    A tuple, as millions of them are made: a frozen dataclass takes a microsecond.
    """

    offset: int
    data: bytes | None
    size: int
    ended: bool


def scan_lines(file: BinaryIO, offset: int = 0) -> Iterator[ScannedLine]:
    """Every line of `file` from `offset` on, in order; holds no more than a block and one line in memory."""
    file.seek(offset)
    rest = b""
    while block := file.read(BLOCK_BYTES):
        *lines, rest = (rest + block).split(b"\n") if rest else block.split(b"\n")
        for line in lines:
            size = len(line)
            yield ScannedLine(offset, line if size <= LINE_BYTES_MAX else None, size, True)
            offset += size + 1
        if len(rest) > LINE_BYTES_MAX:
            size, ended = _skip_line(file, len(rest))
            yield ScannedLine(offset, None, size, ended)
            offset += size + ended
            file.seek(offset)
            rest = b""
    if rest:
        yield ScannedLine(offset, rest, len(rest), False)


class LineBlock(NamedTuple):
    """Whole lines that stand together from `offset` on: `data` begins with them, `sizes` are without the newlines."""

    offset: int
    data: bytes
    sizes: list[int]


def scan_blocks(file: BinaryIO, offset: int = 0) -> Iterator[LineBlock]:
    """The whole lines from `offset` on, many at a time and not copied one by one.

    Ends before a last line without its newline, and before a line longer than a block: `scan_lines` reads those.
    """
    while True:
        file.seek(offset)
        data = file.read(_SMALL_BLOCK_BYTES)
        sizes, start = [], 0
        while (end := data.find(b"\n", start)) >= 0:
            sizes.append(end - start)
            start = end + 1
        if not sizes:
            return
        yield LineBlock(offset, data, sizes)
        offset += start


def _skip_line(file: BinaryIO, size: int) -> tuple[int, bool]:
    """The size of a line of which `size` bytes are read already, and whether a newline ends it."""
    while block := file.read(BLOCK_BYTES):
        found = block.find(b"\n")
        if found >= 0:
            return size + found, True
        size += len(block)
    return size, False


def whole_lines_end(file: BinaryIO) -> int:
    """Where the last line that has a newline ends."""
    end = file.seek(0, SEEK_END)
    while end > 0:
        start = max(0, end - BLOCK_BYTES)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
