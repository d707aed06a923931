"""Fields of a newer schema: kept when a record is read, written back in place."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints


def take_unknown(data: dict[str, Any], kind: type) -> dict[str, Any]:
    """Those parts of `data` that the dataclass `kind` does not declare, by where they stand; list places as text."""
    found: dict[str, Any] = {}
    known = _nested(kind)
    for name, value in data.items():
        if name not in known:
            found[name] = value
            continue
        below, many = known[name]
        if below is not None and value is not None:
            inner = _of_list(value, below) if many else take_unknown(value, below)
            if inner:
                found[name] = inner
    return found


def put_unknown_back(data: Any, unknown: dict[str, Any]) -> Any:
    """`data` with `unknown` merged in where it stood; what stood in a list element that is gone stays out."""
    for name, value in unknown.items():
        if isinstance(data, list):
            if int(name) < len(data):
                put_unknown_back(data[int(name)], value)
        elif name in data:
            put_unknown_back(data[name], value)
        else:
            data[name] = value
    return data


def _of_list(values: list[Any], kind: type) -> dict[str, Any]:
    found = {str(place): take_unknown(value, kind) for place, value in enumerate(values)}
    return {place: inner for place, inner in found.items() if inner}


@cache
def _nested(kind: type) -> dict[str, tuple[type | None, bool]]:
    """Each declared field of `kind`: the dataclass it holds, None for anything else, and whether it is a list of it."""
    found: dict[str, tuple[type | None, bool]] = {}
    for name, hint in get_type_hints(kind).items():
        many = get_origin(hint) is list
        inner = get_args(hint)[0] if many else hint
        is_group = isinstance(inner, type) and dataclasses.is_dataclass(inner)
        found[name] = (inner if is_group else None, many)
    return found
