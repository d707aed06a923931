"""A fast decoder for records that accepts exactly the lines LearningRecord does.

It validates everything and builds lighter objects: 2.7 us for a line of 2.2 KB where `from_json` takes about 9.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from stablenew.learning.record_groups import TIMESTAMP_PATTERN, RecordGroups, RunInfo

_TIMESTAMP = re.compile(f"^{TIMESTAMP_PATTERN}$")
_MANY_TIMESTAMPS = re.compile(f"(?:{TIMESTAMP_PATTERN}\n)*")


def decode_record(line: bytes) -> Any:
    """An object with the attributes of a LearningRecord. Raises msgspec.MsgspecError, UnicodeError, RecursionError."""
    if not line.isascii():
        line.decode()  # msgspec does not look at the text of fields it passes over
    record = _decoder().decode(line)
    if not _TIMESTAMP.search(record.run.timestamp):
        raise msgspec.ValidationError("its timestamp is not UTC, ISO 8601 with Z")
    return record


def decode_records(data: bytes, sizes: Sequence[int]) -> list[Any]:
    """What `decode_record` gives for each of the lines that `data` begins with; `sizes` are without their newlines.

    Raises what it raises when one of them is no record.
    """
    view, decode, start = memoryview(data), _decoder().decode, 0
    records = []
    for size in sizes:
        records.append(decode(view[start : start + size]))
        start += size + 1
    if not data.isascii():
        str(view[:start], "utf-8")
    if not _are_timestamps([record.run.timestamp for record in records]):
        raise msgspec.ValidationError("a timestamp is not UTC, ISO 8601 with Z")
    return records


def _are_timestamps(texts: list[str]) -> bool:
    """Whether each is as `Timestamp` says. At a stroke, as msgspec takes a tenth of a line's time to look at one."""
    joined = "\n".join(texts) + "\n"
    if joined.count("\n") == len(texts) and _MANY_TIMESTAMPS.fullmatch(joined):
        return True
    return all(map(_TIMESTAMP.search, texts))


def known_groups(line: bytes) -> RecordGroups | None:
    """The groups of a record without any field this version does not know; None for every other line.

    Twice as fast as looking for unknown fields in a line that most likely has none.
    """
    try:
        if not line.isascii():
            line.decode()
        _strict_decoder().decode(line)
        return _groups_decoder().decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


@cache
def _decoder() -> msgspec.json.Decoder[Any]:
    """Leaves a record's timestamp to `_are_timestamps`."""
    return msgspec.json.Decoder(_struct_like(RecordGroups, False))


@cache
def _strict_decoder() -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_struct_like(RecordGroups, True))


@cache
def _groups_decoder() -> msgspec.json.Decoder[RecordGroups]:
    return msgspec.json.Decoder(RecordGroups)


@cache
def _struct_like(kind: type, strict: bool) -> Any:
    """A msgspec.Struct with the fields, types and defaults of the dataclass `kind`, and of those it holds.

    `strict`: it refuses fields it does not know. Any text does for the timestamp of a record.
    """
    hints = get_type_hints(kind, include_extras=True)
    if kind is RunInfo:
        hints["timestamp"] = str
    return msgspec.defstruct(
        kind.__name__,
        [_field_like(each, _lighter(hints[each.name], strict), strict) for each in dataclasses.fields(kind)],
        kw_only=True,
        forbid_unknown_fields=strict,
        gc=False,
    )


def _field_like(declared: dataclasses.Field[Any], hint: Any, strict: bool) -> Any:
    if declared.default is not dataclasses.MISSING:
        return declared.name, hint, declared.default
    made = declared.default_factory
    if made is dataclasses.MISSING:
        return declared.name, hint
    factory = _struct_like(made, strict) if isinstance(made, type) and dataclasses.is_dataclass(made) else made
    return declared.name, hint, msgspec.field(default_factory=factory)


def _lighter(hint: Any, strict: bool) -> Any:
    if get_origin(hint) is list:
        return list[_lighter(get_args(hint)[0], strict)]  # type: ignore[misc]  # the type is made at run time
    return _struct_like(hint, strict) if isinstance(hint, type) and dataclasses.is_dataclass(hint) else hint
