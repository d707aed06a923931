"""Wildcards: named lists of values from .txt, .yaml and .json files, found by name or glob, in the order of the file.

In a folder, `animals/cats.txt` is the wildcard `animals/cats`. A .yaml or .json file is a tree of names whose own file
name does not count (as in sd-dynamic-prompts): `any.yaml` with {animals: {cats: [...]}} is `animals/cats` too; one that
holds only a list is named after its file. Names compare ignoring case; a glob's `*` stays within one level, `**` does
not. Files are read when first asked for, and only files found in the folders are ever opened, whatever a name says.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stablenew.errors import PackError, nearest_name
from stablenew.prompts.text_files import normalise_newlines, parse_json, read_text

MAX_VALUES = 1_000_000
MAX_NESTING = 50
_TREES = (".yaml", ".yml", ".json")
_WEIGHT = re.compile(r"(\d{1,9}(?:\.\d{0,9})?)::\s*(.*)$", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class WildcardValues:
    """The values a name stands for, each once, and their weights for drawing (empty: all alike)."""

    texts: tuple[str, ...]
    weights: tuple[float, ...] = ()


@dataclass(kw_only=True)
class Wildcards:
    """The wildcards under `folders`, and those `given` (pattern -> values), which come first.

    `given` is how a plan that is read back from its recipe has its values without any file.
    """

    folders: tuple[Path, ...] = ()
    given: Mapping[str, WildcardValues] = field(default_factory=dict)
    _entries: dict[str, list[WildcardValues | Path]] | None = field(default=None, repr=False)
    _found: dict[str, WildcardValues] = field(default_factory=dict, repr=False)

    def values(self, pattern: str, *, where: Path | str, line: int | None, column: int | None) -> WildcardValues:
        """What `__pattern__` stands for; `where`, `line` and `column` say who asks.

        Raises PackError naming who asks and the nearest name where nothing matches.
        """
        key = pattern_key(pattern)
        if key in self.given:
            return self.given[key]
        if key not in self._found:
            names = self._matching(key)
            values = _merged([self._values_of(name) for name in names])
            if not values.texts:
                raise PackError(self._missing(pattern, names), path=where, line=line, column=column)
            self._found[key] = values
        return self._found[key]

    def asked(self) -> dict[str, WildcardValues]:
        """What was asked for so far, by the pattern's key: all that a recipe needs to keep."""
        return {**self.given, **self._found}

    def names(self) -> list[str]:
        """Every name there is, sorted."""
        return sorted({*self._index(), *self.given})

    def _matching(self, key: str) -> list[str]:
        names = self.names()
        if "*" in key or "?" in key:
            glob = _glob(key)
            return [name for name in names if glob.fullmatch(name)]
        found = [name for name in names if name == key]
        # As in sd-dynamic-prompts, a name without its folder is found in whichever folder it is.
        return found or [name for name in names if name.endswith("/" + key)]

    def _values_of(self, name: str) -> WildcardValues:
        if name in self.given:
            return self.given[name]
        entries = self._index()[name]
        for i, entry in enumerate(entries):
            if isinstance(entry, Path):
                entries[i] = parse_values(read_text(entry))
        return _merged([entry for entry in entries if isinstance(entry, WildcardValues)])

    def _index(self) -> dict[str, list[WildcardValues | Path]]:
        if self._entries is None:
            entries: dict[str, list[WildcardValues | Path]] = {}
            for folder in self.folders:
                for path in _walk(folder):
                    inside = path.relative_to(folder)
                    if path.suffix.lower() == ".txt":
                        entries.setdefault(inside.with_suffix("").as_posix().casefold(), []).append(path)
                        continue
                    for name, values in read_tree(path).items():
                        full = (inside.parent / name).as_posix().casefold()
                        entries.setdefault(full, []).append(values)
            self._entries = entries
        return self._entries

    def _missing(self, pattern: str, empty: Sequence[str]) -> str:
        if empty:
            return f"the wildcard __{pattern}__ has no values"
        places = ", ".join(str(folder) for folder in self.folders) or "no folder of wildcards is set"
        names = self.names()
        nearest = nearest_name(pattern, names) or nearest_name(pattern.rpartition("/")[2], names)
        hint = f": did you mean __{nearest}__?" if nearest else ""
        return f"there is no wildcard __{pattern}__ ({places}){hint} A literal is written \\__"


def pattern_key(pattern: str) -> str:
    """The form in which wildcard names compare."""
    return re.sub(r"[\\/]+", "/", pattern).strip("/").casefold()


def parse_values(text: str) -> WildcardValues:
    """The values of a .txt wildcard: one a row, `3::a` with a weight; empty rows and # comments do not count."""
    rows = (row.strip() for row in normalise_newlines(text).split("\n"))
    return _weighted(row for row in rows if row and not row.startswith("#"))


def read_tree(path: Path) -> dict[str, WildcardValues]:
    """The wildcards of a .yaml or .json file by name. Raises PackError, with line and column where they are known."""
    text = read_text(path)
    data = parse_json(text, path) if path.suffix.lower() == ".json" else _parse_yaml(text, path)
    found: dict[str, list[str]] = {}
    for total, (name, value) in enumerate(_leaves(data, (), path), 1):
        if total > MAX_VALUES:
            raise PackError(f"the file holds more than {MAX_VALUES:,} values", path=path)
        found.setdefault(name or path.stem, []).append(value)
    return {name: _weighted(values) for name, values in found.items()}


def _parse_yaml(text: str, path: Path) -> Any:
    import yaml  # here: a plan without YAML files should not pay for the import

    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        raise PackError(f"not YAML: {exc.problem or exc.context}", path=path, line=line, column=column) from exc
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, OverflowError) as exc:
        # The last three: dates and numbers that YAML's own constructors choke on.
        raise PackError(f"not usable YAML: {str(exc)[:80]}", path=path) from exc


def _leaves(data: Any, name: tuple[str, ...], path: Path) -> Iterator[tuple[str, str]]:
    """(name, value) for every value of the tree; a value with a weight keeps it in front, as `3::a`."""
    if len(name) > MAX_NESTING:
        raise PackError(f"the tree is nested more than {MAX_NESTING} deep", path=path)
    label = "/".join(name)
    if isinstance(data, Mapping):
        for key, inner in data.items():
            yield from _leaves(inner, (*name, str(key)), path)
    elif isinstance(data, list):
        for item in data:
            text = _item_text(item)
            if text is None:
                raise PackError(f"{label or 'the list'} holds something that is neither text nor number", path=path)
            if text:
                yield label, text
    elif data is not None:
        yield label, str(data)


def _item_text(item: Any) -> str | None:
    if isinstance(item, Mapping):
        text = item.get("text") or item.get("content")
        weight = item.get("weight", 1)
        if not isinstance(text, str) or not isinstance(weight, (int, float)):
            return None
        return text if weight == 1 else f"{weight}::{text}"
    if item is None:
        return ""
    return None if isinstance(item, list) else str(item).strip()


def _weighted(rows: Iterable[str]) -> WildcardValues:
    weights: dict[str, float] = {}
    for row in rows:
        found = _WEIGHT.match(row)
        weights.setdefault(found[2] if found else row, float(found[1]) if found else 1.0)
    alike = all(weight == 1.0 for weight in weights.values())
    return WildcardValues(texts=tuple(weights), weights=() if alike else tuple(weights.values()))


def _merged(parts: Sequence[WildcardValues]) -> WildcardValues:
    if len(parts) == 1:
        return parts[0]
    weights: dict[str, float] = {}
    for part in parts:
        for text, weight in zip(part.texts, part.weights or (1.0,) * len(part.texts), strict=True):
            weights.setdefault(text, weight)
    alike = all(weight == 1.0 for weight in weights.values())
    return WildcardValues(texts=tuple(weights), weights=() if alike else tuple(weights.values()))


def _walk(folder: Path) -> list[Path]:
    """The wildcard files under `folder`, in the order of their names on every system; links are not followed."""
    found = []
    for parent, folders, files in os.walk(folder, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in files:
            if not file.startswith(".") and Path(file).suffix.lower() in (".txt", *_TREES):
                found.append(Path(parent) / file)
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _glob(pattern: str) -> re.Pattern[str]:
    """`**` matches across levels, `*` and `?` within one."""
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.split(r"(\*\*/|\*\*|\*|\?)", re.sub(r"\*{3,}", "**", pattern))
    return re.compile("".join(parts.get(token, re.escape(token)) for token in tokens))
