"""The A1111 `parameters` text: read, and written back byte for byte.

    prompt, on as many lines as it has
    Negative prompt: on as many lines as it has
    Steps: 20, Sampler: Euler a, Lora hashes: "a: 1, b: 2", Hashes: {"model": "1"}, ...

Source: modules/infotext_utils.py and processing.py (create_infotext) of AUTOMATIC1111 v1.10.1. What other tools write
in the same form is read too: objects and lists that nobody quoted (Civitai), lines after the settings (old extensions).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice

import msgspec

TEXT_MAX = 4_000_000
"""Characters of one text that are looked at; no tool writes anything like it."""

ITEMS_MAX = 5_000
"""Of one settings line; what follows is kept as one piece. Tools write fifty."""

_NEGATIVE = "Negative prompt:"
_NEEDS_QUOTES = frozenset(",:\n")
_STARTS_SETTINGS = re.compile(r"\s*Steps: *\d+\s*(,|$)")
_PAIR = re.compile(r'\s*\w[\w \-/]{1,100}:\s*(?:"(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_CLOSING = {"{": "}", "[": "]"}
_STOPS = re.compile(r'["{}\[\]]')
_STRING_STOPS = re.compile(r'["\\]')


@dataclass(frozen=True, slots=True)
class InfotextItem:
    """One `Key: value` of the settings line. `text` is what stands there, verbatim; the rest is what it means.

    `value` is without the quotes A1111 puts around it. A key alone has itself as its value, as A1111 means it.
    """

    key: str
    value: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Infotext:
    """The parts of a `parameters` text. `trailer` is what follows the settings line, its line break included."""

    prompt: str
    negative_prompt: str = ""
    items: tuple[InfotextItem, ...] = ()
    trailer: str = ""

    @property
    def settings(self) -> dict[str, str]:
        """The values by key; of a key that comes twice, the last, as A1111 reads it."""
        return {item.key: item.value for item in self.items if item.key}


def infotext(prompt: str, negative_prompt: str, settings: Mapping[str, object]) -> Infotext:
    """The parts of a new text; settings of None are left out."""
    said = ((key, value_text(value)) for key, value in settings.items() if value is not None)
    return Infotext(
        prompt=prompt,
        negative_prompt=negative_prompt,
        items=tuple(
            InfotextItem(key, value, f"{' ' if number else ''}{key}: {quoted(value)}")
            for number, (key, value) in enumerate(said)
        ),
    )


def format_infotext(parts: Infotext) -> str:
    """The text as A1111 would write it; of parts that were read, the very text they were read from."""
    negative = f"\n{_NEGATIVE} {parts.negative_prompt}" if parts.negative_prompt else ""
    settings = "\n" + ",".join(item.text for item in parts.items) if parts.items else ""
    return f"{parts.prompt}{negative}{settings}{parts.trailer}".strip()


def parse_infotext(text: str) -> Infotext:
    """The parts of a `parameters` text. Never fails: what is no settings line is taken as prompt."""
    lines = text[:TEXT_MAX].strip().split("\n")
    where = _settings_line(lines)
    head = lines if where is None else lines[:where]
    prompt, negative = _prompts(head)
    if where is None:
        return Infotext(prompt=prompt, negative_prompt=negative)
    trailer = "".join("\n" + line for line in lines[where + 1 :])
    return Infotext(prompt=prompt, negative_prompt=negative, items=tuple(_items(lines[where])), trailer=trailer)


def value_text(value: object) -> str:
    """`value` as settings lines have it: a whole number without a point."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def quoted(value: str) -> str:
    """`value` in quotes where it holds a comma, a colon or a line break, else as it is."""
    return msgspec.json.encode(value).decode() if _NEEDS_QUOTES & set(value) else value


def _settings_line(lines: list[str]) -> int | None:
    """Which line holds the settings: the lowest that begins with the steps, else the last if it has three pairs."""
    for number in range(len(lines) - 1, -1, -1):
        if _STARTS_SETTINGS.match(lines[number]):
            return number
    last = lines[-1]
    if last.startswith(_NEGATIVE):
        return None
    pairs = list(islice(_PAIR.finditer(last[:20_000]), 3))
    return len(lines) - 1 if len(pairs) == 3 else None


def _prompts(lines: list[str]) -> tuple[str, str]:
    for number, line in enumerate(lines):
        if line.startswith(_NEGATIVE):
            first = line[len(_NEGATIVE) :].removeprefix(" ")
            return "\n".join(lines[:number]), "\n".join([first, *lines[number + 1 :]])
    return "\n".join(lines), ""


def _items(line: str) -> Iterator[InfotextItem]:
    for text in _Splitter(line).parts():
        key, colon, value = text.partition(":")
        key = key.strip()
        yield InfotextItem(key, _unquoted(value.strip()) if colon else key, text)


def _unquoted(value: str) -> str:
    if len(value) < 2 or not (value.startswith('"') and value.endswith('"')):
        return value
    try:
        return msgspec.json.decode(value, type=str)
    except (msgspec.DecodeError, UnicodeError):
        return value


class _Splitter:
    """Cuts a settings line at the commas that stand outside quotes and brackets.

    A bracket or quote counts only at the start of a value and only if it is closed right before a comma or the end.
    What was looked at in vain is limited, so that a hostile line costs no more than a long one.
    """

    def __init__(self, line: str) -> None:
        self._line, self._patience = line, 4 * len(line) + 1000

    def parts(self) -> Iterator[str]:
        """The items, verbatim; joined by commas they are the line."""
        start = 0
        for number in count():
            end = self._end_of_item(start) if number < ITEMS_MAX else len(self._line)
            yield self._line[start:end]
            if end >= len(self._line):
                return
            start = end + 1

    def _end_of_item(self, start: int) -> int:
        line = self._line
        comma = line.find(",", start)
        colon = line.find(":", start, len(line) if comma < 0 else comma)
        if colon >= 0:
            value = colon + 1
            while value < len(line) and line[value] == " ":
                value += 1
            closed = self._closed(value)
            if closed is not None:
                return closed
        return len(line) if comma < 0 else comma

    def _closed(self, start: int) -> int | None:
        """Where a quoted or bracketed value that begins at `start` ends, None when it is neither."""
        line = self._line
        sign = line[start : start + 1]
        if sign == '"':
            end = self._end_of_string(start)
        elif sign in _CLOSING:
            end = self._end_of_brackets(start)
        else:
            return None
        while end is not None and end < len(line) and line[end] == " ":
            end += 1
        return end if end is not None and (end == len(line) or line[end] == ",") else None

    def _end_of_string(self, start: int) -> int | None:
        at = start + 1
        while self._patience > 0:
            found = _STRING_STOPS.search(self._line, at)
            if found is None:
                self._patience -= len(self._line) - at
                return None
            if found[0] == '"':
                return found.end()
            at = found.end() + 1
        return None

    def _end_of_brackets(self, start: int) -> int | None:
        expected: list[str] = []
        at: int | None = start
        while at is not None and self._patience > 0:
            found = _STOPS.search(self._line, at)
            if found is None:
                break
            at = found.end()
            if found[0] == '"':
                at = self._end_of_string(found.start())
            elif found[0] in _CLOSING:
                expected.append(_CLOSING[found[0]])
            elif not expected or expected.pop() != found[0]:
                break
            elif not expected:
                return at
        self._patience -= len(self._line) - start
        return None
