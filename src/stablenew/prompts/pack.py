"""A pack: the file of prompts, read without losing a character and written back the same.

    # a comment, kept
    a castle on a hill,
    sunset
    neg: blurry
                                    <- an empty line ends the block: one block is one prompt
    a lighthouse

Rows starting with `neg:` are negative and joined with ", "; the other rows are positive and joined with a space. A row
that should start with a literal `#` or `neg:` gets a backslash in front. CRLF is LF, and a byte order mark is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stablenew.errors import NotFound, PackError
from stablenew.variant import PromptLine, content_hash

MAX_PACK_BYTES = 64 * 2**20

_NEGATIVE = re.compile(r"neg:", re.IGNORECASE)
_NEEDS_ESCAPE = re.compile(r"\\*(#|neg:)", re.IGNORECASE)
_ESCAPED = re.compile(r"\\+(#|neg:)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackLine:
    """One prompt of a pack, as written: slots, wildcards and alternatives are still in it.

    `line_number` is the row (from 1) where its block starts. `comments` are those inside the block, without the `#`.
    `settings` (path -> value) are what a foreign format gives this line alone.
    """

    line_number: int
    prompt: str
    negative_prompt: str = ""
    comments: tuple[str, ...] = ()
    settings: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A pack file: its lines, and its `rows` (the text itself, split at newlines), which is what gets saved."""

    pack_id: str
    name: str
    lines: tuple[PackLine, ...]
    rows: tuple[str, ...] = ()
    path: Path | None = None

    def prompt_lines(self) -> tuple[PromptLine, ...]:
        """The lines in the form that a plan takes."""
        return tuple(
            PromptLine(
                pack_id=self.pack_id,
                pack_name=self.name,
                line_number=line.line_number,
                prompt=line.prompt,
                negative_prompt=line.negative_prompt,
                settings=line.settings,
            )
            for line in self.lines
        )


def read_pack(path: Path) -> Pack:
    """The pack in the file `path`; its name is the file's, without the ending.

    Raises NotFound, or PackError with line and column where the file is not UTF-8 text.
    """
    return parse_pack(read_text(path), name=path.stem, path=path)


def parse_pack(text: str, *, name: str, path: Path | None = None) -> Pack:
    """The pack that `text` describes. Any text is a pack; only a NUL character is refused (PackError)."""
    rows = tuple(normalise_newlines(text).split("\n"))
    where = path if path is not None else name
    for number, row in enumerate(rows, 1):
        if "\0" in row:
            reason = "this is not a text file: it holds a NUL character"
            raise PackError(reason, path=where, line=number, column=row.index("\0") + 1)
    return make_pack(_parse_rows(rows), name=name, rows=rows, path=path)


def make_pack(
    lines: Iterable[PackLine], *, name: str, rows: Sequence[str] | None = None, path: Path | None = None
) -> Pack:
    """A pack of `lines`; `rows` is its text where that exists already. The id depends on what the lines say alone."""
    lines = tuple(lines)
    if rows is None:
        rows, lines = _rows_of(lines)
    said = [[line.prompt, line.negative_prompt, *map(list, line.settings)] for line in lines]
    return Pack(pack_id=content_hash(said)[:16], name=name, lines=lines, rows=tuple(rows), path=path)


def format_pack(pack: Pack) -> str:
    """The text of the pack's file: `parse_pack` gives the same pack from it."""
    return "\n".join(pack.rows)


def write_pack(pack: Pack, path: Path) -> None:
    """Put the pack's text at `path`, whole or not at all."""
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(format_pack(pack).encode("utf-8"))
    partial.replace(path)


def read_text(path: Path) -> str:
    """The UTF-8 text of a file a person supplies, without its byte order mark. Raises NotFound or PackError."""
    try:
        size = path.stat().st_size
        if size > MAX_PACK_BYTES:
            raise PackError(f"the file has {size:,} bytes, more than the {MAX_PACK_BYTES:,} that are read", path=path)
        data = path.read_bytes()
    except FileNotFoundError as exc:
        raise NotFound("file", path.name, path.parent) from exc
    except OSError as exc:
        raise PackError(f"cannot be read: {exc.strerror or exc}", path=path) from exc
    return decode_text(data, path)


def decode_text(data: bytes, where: Path | str) -> str:
    """`data` as UTF-8 text without its byte order mark. Raises PackError with line and column."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise PackError("the file is UTF-16: save it as UTF-8", path=where, line=1, column=1)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        before = data[: exc.start].decode("utf-8", "replace")
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        reason = f"byte 0x{data[exc.start]:02x} is not UTF-8: save the file as UTF-8"
        raise PackError(reason, path=where, line=line, column=column) from exc


def normalise_newlines(text: str) -> str:
    """`text` with every line end as LF and without a byte order mark."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _parse_rows(rows: Sequence[str]) -> list[PackLine]:
    lines: list[PackLine] = []
    block: list[tuple[int, str]] = []
    for number, row in enumerate([*rows, ""], 1):
        if row.strip():
            block.append((number, row))
            continue
        line = _parse_block(block)
        if line is not None:
            lines.append(line)
        block = []
    return lines


def _parse_block(block: Sequence[tuple[int, str]]) -> PackLine | None:
    """None for a block of comments alone."""
    positive: list[str] = []
    negative: list[str] = []
    comments: list[str] = []
    first = 0
    for number, row in block:
        text = row.strip()
        if text.startswith("#"):
            comments.append(text[1:].strip())
            continue
        first = first or number
        if _NEGATIVE.match(text):
            negative.append(text[4:].strip())
        else:
            positive.append(_unescape(text))
    if not first:
        return None
    return PackLine(
        line_number=first,
        prompt=" ".join(positive),
        negative_prompt=", ".join(part for part in negative if part),
        comments=tuple(comments),
    )


def _rows_of(lines: Iterable[PackLine]) -> tuple[list[str], tuple[PackLine, ...]]:
    """The rows that say `lines`, and the lines with the numbers they have there and white space made single."""
    rows: list[str] = []
    numbered: list[PackLine] = []
    for line in lines:
        comments = tuple(_one_row(comment) for comment in line.comments)
        rows += [f"# {comment}".rstrip() for comment in comments]
        first = len(rows) + 1
        prompt, negative = _one_row(line.prompt), _one_row(line.negative_prompt)
        if prompt:
            rows.append(_escape(prompt))
        if negative or not prompt:
            rows.append(f"neg: {negative}".rstrip())
        rows.append("")
        numbered.append(replace(line, line_number=first, prompt=prompt, negative_prompt=negative, comments=comments))
    return rows, tuple(numbered)


def _one_row(text: str) -> str:
    return " ".join(normalise_newlines(text).replace("\0", " ").split("\n")).strip()


def _escape(text: str) -> str:
    return "\\" + text if _NEEDS_ESCAPE.match(text) else text


def _unescape(text: str) -> str:
    return text[1:] if _ESCAPED.match(text) else text
