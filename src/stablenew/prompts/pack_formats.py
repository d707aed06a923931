"""Packs in other programs' formats: read, never written."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stablenew.config import parse_value, resolve_setting
from stablenew.errors import InvalidSetting, NotFound, PackError, nearest_name
from stablenew.prompts.pack import Pack, PackLine, make_pack, read_own_pack
from stablenew.prompts.text_files import normalise_newlines, read_text

# A1111's scripts/prompts_from_file.py (1.10): what of a line's tags has a setting here.
_SETTINGS = {
    "seed": "seed",
    "steps": "txt2img.steps",
    "cfg_scale": "txt2img.cfg_scale",
    "width": "txt2img.width",
    "height": "txt2img.height",
    "sampler_name": "txt2img.sampler",
    "sd_model": "model",
}
_TEXTS = {"prompt", "negative_prompt"}
_IGNORED = {"outpath_samples", "outpath_grids", "prompt_for_display", "do_not_save_samples", "do_not_save_grid"}
_UNSUPPORTED = {
    "styles",
    "subseed",
    "subseed_strength",
    "seed_resize_from_h",
    "seed_resize_from_w",
    "sampler_index",
    "n_iter",
    "batch_size",
    "restore_faces",
    "tiling",
}
_FLAGS = {"restore_faces", "tiling", "do_not_save_samples", "do_not_save_grid"}


def read_any(path: Path, form: str = "auto") -> Pack:
    """The pack at `path`. `form` is one of FORMS; "auto" goes by the file's ending and first line.

    Raises NotFound, or PackError with line and column.
    """
    chosen = _form_of(path) if form == "auto" else form
    if chosen not in FORMS:
        raise InvalidSetting("format", form, f"auto or one of {', '.join(FORMS)}")
    return FORMS[chosen](path)


def parse_a1111(text: str, *, name: str, path: Path | None = None) -> Pack:
    """A1111's "prompts from file": rows that start with -- are read like a shell line, the others are prompts."""
    where = path or name
    lines: list[PackLine] = []
    notes: list[str] = []
    for number, row in enumerate(normalise_newlines(text).split("\n"), 1):
        row = row.strip()
        if row:
            lines.append(_a1111_line(row, number, where, notes) if "--" in row else _line(number, row))
    return make_pack(lines, name=name, rows=(), path=path, notes=notes)


def parse_styles(text: str, *, name: str, path: Path | None = None) -> Pack:
    """A1111's styles.csv: each style is a line; `{prompt}` in it becomes the slot [[prompt]]."""
    rows = _table(text, path or name, ",")
    columns = [cell.strip().casefold() for cell in rows[0][1]] if rows else []
    if "prompt" not in columns:
        raise PackError("styles have the columns name,prompt,negative_prompt in their first row", path=path or name)
    lines = []
    for number, row in rows[1:]:
        cells = dict(zip(columns, row, strict=False))
        prompt, negative = cells.get("prompt", "").strip(), cells.get("negative_prompt", "").strip()
        if prompt or negative:
            slotted = [text.replace("{prompt}", "[[prompt]]") for text in (prompt, negative)]
            title = cells.get("name", "").strip()
            lines.append(_line(number, slotted[0], slotted[1], (title,) if title else ()))
    return make_pack(lines, name=name, rows=(), path=path)


def parse_tsv(text: str, *, name: str, path: Path | None = None) -> Pack:
    """Tab-separated prompt and negative prompt; a first row with "prompt" in it names the columns."""
    rows = _table(text, path or name, "\t")
    columns = ["prompt", "negative_prompt"]
    if rows and "prompt" in (header := [cell.strip().casefold() for cell in rows[0][1]]):
        columns, rows = header, rows[1:]
    lines = []
    for number, row in rows:
        cells = dict(zip(columns, row, strict=False))
        prompt = cells.get("prompt", "").strip()
        negative = (cells.get("negative_prompt") or cells.get("negative", "")).strip()
        if prompt or negative:
            lines.append(_line(number, prompt, negative))
    return make_pack(lines, name=name, rows=(), path=path)


def parse_prompt_list(text: str, *, name: str, path: Path | None = None) -> Pack:
    """One prompt a row; empty rows do not count. No row is a comment: # may start a prompt elsewhere."""
    rows = enumerate(normalise_newlines(text).split("\n"), 1)
    return make_pack([_line(number, row.strip()) for number, row in rows if row.strip()], name=name, rows=(), path=path)


def _own(path: Path) -> Pack:
    return read_own_pack(path)


def _reader(parse: Callable[..., Pack]) -> Callable[[Path], Pack]:
    def read(path: Path) -> Pack:
        return parse(read_text(path), name=path.stem, path=path)

    return read


FORMS: dict[str, Callable[[Path], Pack]] = {
    "stablenew": _own,
    "a1111": _reader(parse_a1111),
    "styles": _reader(parse_styles),
    "tsv": _reader(parse_tsv),
    "lines": _reader(parse_prompt_list),
}


def _form_of(path: Path) -> str:
    if path.is_dir():
        raise PackError("this is a folder: name the pack file in it", path=path)
    ending = path.suffix.lower()
    if ending in (".csv", ".tsv"):
        return "styles" if ending == ".csv" else "tsv"
    if ending == ".json":
        beside = path.with_suffix(".txt")
        hint = f"give {beside.name}" if beside.is_file() else "give the pack's .txt"
        raise PackError(f"this is a pack's sidecar: {hint}", path=path)
    if not path.is_file():
        _raise_not_found(path)
    rows = (row.strip() for row in read_text(path).split("\n"))
    first = next((row for row in rows if row), "")
    return "a1111" if first.startswith("--") else "stablenew"


def _raise_not_found(path: Path) -> None:
    there = [other.name for other in path.parent.glob("*")] if path.parent.is_dir() else []
    nearest = nearest_name(path.name, there)
    raise NotFound("pack", path.name, path.parent, f"did you mean {nearest}?" if nearest else "")


def _a1111_line(row: str, number: int, where: Path | str, notes: list[str]) -> PackLine:
    try:
        words = shlex.split(row)
    except ValueError as exc:
        raise PackError(f"the quotes do not match ({exc})", path=where, line=number, column=1) from exc
    texts = {"prompt": "", "negative_prompt": ""}
    settings: dict[str, Any] = {}
    at = 0
    while at < len(words):
        tag = words[at].removeprefix("--")
        if not words[at].startswith("--") or tag not in {*_SETTINGS, *_TEXTS, *_IGNORED, *_UNSUPPORTED}:
            raise PackError(_unknown_tag(words[at]), path=where, line=number, column=max(row.find(words[at]) + 1, 1))
        at += 1
        if tag in _FLAGS and (at == len(words) or words[at].startswith("--")):
            value = "true"
        elif tag in _TEXTS:
            end = next((i for i in range(at, len(words)) if words[i].startswith("--")), len(words))
            value, at = " ".join(words[at:end]), end
        elif at < len(words):
            value, at = words[at], at + 1
        else:
            raise PackError(f"--{tag} needs a value", path=where, line=number, column=len(row))
        _take(tag, value, texts, settings, number, where, notes)
    return PackLine(
        line_number=number,
        prompt=texts["prompt"],
        negative_prompt=texts["negative_prompt"],
        settings=tuple(settings.items()),
    )


def _take(
    tag: str,
    value: str,
    texts: dict[str, str],
    settings: dict[str, Any],
    number: int,
    where: Path | str,
    notes: list[str],
) -> None:
    if tag in _TEXTS:
        texts[tag] = value
    elif tag in _SETTINGS:
        if tag == "seed" and value == "-1":
            return
        setting = resolve_setting(_SETTINGS[tag])
        try:
            settings[setting.path] = parse_value(setting, value)
        except InvalidSetting as exc:
            raise PackError(str(exc), path=where, line=number) from exc
    elif (tag in _UNSUPPORTED and value not in ("1", "false", "False", "0")) or tag == "sampler_index":
        raise PackError(f"--{tag} {value} is not something a pack can ask for here", path=where, line=number)
    elif tag in _IGNORED:
        notes.append(f"line {number}: --{tag} is not used: pictures go to the run's folder")


def _unknown_tag(word: str) -> str:
    if not word.startswith("--"):
        return f"{word[:40]!r} stands where a --tag should: quote a value that has spaces in it"
    known = sorted({*_SETTINGS, *_TEXTS, *_IGNORED, *_UNSUPPORTED})
    nearest = nearest_name(word[2:], known)
    return f"there is no tag {word[:40]}" + (f": did you mean --{nearest}?" if nearest else "")


def _table(text: str, where: Path | str, delimiter: str) -> list[tuple[int, list[str]]]:
    """The rows with cells in them, each with the number of the line where it ends."""
    reader = csv.reader(io.StringIO(normalise_newlines(text), newline=""), delimiter=delimiter)
    rows: list[tuple[int, list[str]]] = []
    try:
        rows.extend((reader.line_num, row) for row in reader if any(cell.strip() for cell in row))
    except csv.Error as exc:
        raise PackError(f"not a table: {exc}", path=where, line=reader.line_num) from exc
    return rows


def _line(number: int, prompt: str, negative: str = "", comments: Sequence[str] = ()) -> PackLine:
    return PackLine(line_number=number, prompt=prompt, negative_prompt=negative, comments=tuple(comments))
