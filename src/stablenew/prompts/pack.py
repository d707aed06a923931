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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stablenew.atomic_file import write_atomically
from stablenew.errors import PackError
from stablenew.prompts.sidecar import Matrix, Sidecar, read_sidecar, sidecar_path
from stablenew.prompts.text_files import normalise_newlines, read_text
from stablenew.variant import PromptLine, content_hash

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
    """A pack file: its lines, and its `rows` (the text itself, split at newlines), which is what gets saved.

    `rows` is empty for a foreign format, which is read and not written. `notes` say what of a file was not taken.
    """

    pack_id: str
    name: str
    lines: tuple[PackLine, ...]
    rows: tuple[str, ...] = ()
    path: Path | None = None
    sidecar: Sidecar = field(default_factory=Sidecar)
    notes: tuple[str, ...] = ()

    @property
    def matrix(self) -> Matrix:
        """How its slots are crossed."""
        return self.sidecar.matrix

    def prompt_lines(self) -> tuple[PromptLine, ...]:
        """The lines in the form that a plan takes, the matrix's base prompt joined to each."""
        return tuple(
            PromptLine(
                pack_id=self.pack_id,
                pack_name=self.name,
                line_number=line.line_number,
                prompt=_with_base(line.prompt, self.matrix),
                negative_prompt=line.negative_prompt,
                settings=line.settings,
            )
            for line in self.lines
        )


def read_own_pack(path: Path) -> Pack:
    """The StableNew pack in the file `path`, with its sidecar; its name is the file's, without the ending.

    Raises NotFound, or PackError with line and column: not UTF-8, a sidecar that cannot be used or has other lines.
    """
    pack = parse_pack(read_text(path), name=path.stem, path=path)
    beside = sidecar_path(path)
    if beside == path or not beside.is_file():
        return pack
    sidecar = read_sidecar(beside)
    _check_lines(pack, sidecar, beside)
    return make_pack(pack.lines, name=pack.name, rows=pack.rows, path=path, sidecar=sidecar)


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
    lines: Iterable[PackLine],
    *,
    name: str,
    rows: Sequence[str] | None = None,
    path: Path | None = None,
    sidecar: Sidecar | None = None,
    notes: Sequence[str] = (),
) -> Pack:
    """A pack of `lines`; `rows` is its text where that exists already.

    The id depends on what the lines and the matrix say, and on nothing else.
    """
    sidecar = sidecar or Sidecar()
    lines = tuple(lines)
    if rows is None:
        rows, lines = _rows_of(lines)
    said = [[line.prompt, line.negative_prompt, *map(list, line.settings)] for line in lines]
    return Pack(
        pack_id=content_hash([said, sidecar.matrix])[:16],
        name=name,
        lines=lines,
        rows=tuple(rows),
        path=path,
        sidecar=sidecar,
        notes=tuple(notes),
    )


def format_pack(pack: Pack) -> str:
    """The text of the pack's file: `parse_pack` gives the same pack from it."""
    return "\n".join(pack.rows)


def write_pack(pack: Pack, path: Path) -> None:
    """Put the pack's text at `path`, whole or not at all."""
    write_atomically(path, format_pack(pack).encode("utf-8"))


def _check_lines(pack: Pack, sidecar: Sidecar, path: Path) -> None:
    """The .txt is the truth for lines: a sidecar that says otherwise is stopped at, never overruled in silence."""
    if sidecar.lines is None:
        return
    ours = [(line.prompt, line.negative_prompt) for line in pack.lines]
    if list(sidecar.lines) == ours:
        return
    differing = next((i for i, (a, b) in enumerate(zip(ours, sidecar.lines, strict=False)) if a != b), None)
    what = f"prompt {differing + 1} differs" if differing is not None else f"{len(sidecar.lines)} against {len(ours)}"
    text_name = pack.path.name if pack.path else pack.name
    reason = f"this file and {text_name} hold different prompts ({what}): remove the lines here, or make them the same"
    raise PackError(reason, path=path)


def _with_base(prompt: str, matrix: Matrix) -> str:
    base = matrix.base_prompt if matrix.enabled else ""
    if not base or matrix.prompt_mode == "replace":
        return base or prompt
    return ", ".join([prompt, base] if matrix.prompt_mode == "append" else [base, prompt])


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
    return rows or [""], tuple(numbered)


def read_pack(path: Path, form: str = "auto") -> Pack:
    """The pack in the file `path`, whatever its format; `form` names one of `pack_formats.FORMS`.

    Raises NotFound, or PackError with line and column.
    """
    from stablenew.prompts.pack_formats import read_any  # here: the formats build packs and so import this module

    return read_any(path, form)


def _one_row(text: str) -> str:
    return " ".join(normalise_newlines(text).replace("\0", " ").split("\n")).strip()


def _escape(text: str) -> str:
    return "\\" + text if _NEEDS_ESCAPE.match(text) else text


def _unescape(text: str) -> str:
    return text[1:] if _ESCAPED.match(text) else text
