"""Anything as JSON types that every reader can read back."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Set
from datetime import date, datetime
from enum import Enum
from pathlib import PurePath
from typing import Any, SupportsFloat, SupportsIndex

_DEEPEST = 32
_LARGEST_INT = 10**40


def json_safe(value: Any, _depth: int = 0) -> Any:
    """`value` as JSON types: NaN and infinity are None, a path has forward slashes, other things are their text.

    Text that UTF-8 cannot hold (half a surrogate pair) has those characters as escapes.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return json_safe(value.value, _depth)
    if isinstance(value, str):
        return text_safe(value)
    if isinstance(value, int):
        return int(value) if abs(value) < _LARGEST_INT else hex(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if _depth >= _DEEPEST:
        return text_safe(repr(type(value)))
    return _composite(value, _depth + 1)


def text_safe(text: str) -> str:
    """`text` as UTF-8 can hold it: half a surrogate pair becomes its escape, \\udc80; no text becomes text."""
    if type(text) is str and text.isascii():
        return text
    return str(text).encode("utf-8", "backslashreplace").decode()


def _composite(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return {text_safe(str(key)): json_safe(inner, depth) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_safe(inner, depth) for inner in value]
    if isinstance(value, Set):
        return sorted((json_safe(inner, depth) for inner in value), key=repr)
    if isinstance(value, PurePath):
        return text_safe(value.as_posix())
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: json_safe(getattr(value, each.name), depth) for each in dataclasses.fields(value)}
    if isinstance(value, SupportsIndex):  # numbers of other libraries, such as numpy's
        return json_safe(value.__index__(), depth)
    return json_safe(float(value), depth) if isinstance(value, SupportsFloat) else text_safe(str(value))
