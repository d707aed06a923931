"""A fast decoder for records that accepts exactly the lines LearningRecord does.

It validates everything and builds lighter objects: 2.7 us for a line of 2.2 KB where `from_json` takes about 9.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from stablenew.learning.record_groups import RecordGroups


def decode_record(line: bytes) -> Any:
    """An object with the attributes of a LearningRecord. Raises msgspec.MsgspecError, UnicodeError, RecursionError."""
    if not line.isascii():
        line.decode()  # msgspec does not look at the text of fields it passes over
    return _decoder().decode(line)


@cache
def _decoder() -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_struct_like(RecordGroups))


@cache
def _struct_like(kind: type) -> Any:
    """A msgspec.Struct with the fields, types and defaults of the dataclass `kind`, and of those it holds."""
    hints = get_type_hints(kind, include_extras=True)
    return msgspec.defstruct(
        kind.__name__,
        [_field_like(each, _lighter(hints[each.name])) for each in dataclasses.fields(kind)],
        kw_only=True,
        gc=False,
    )


def _field_like(declared: dataclasses.Field[Any], hint: Any) -> Any:
    if declared.default is not dataclasses.MISSING:
        return declared.name, hint, declared.default
    made = declared.default_factory
    if made is dataclasses.MISSING:
        return declared.name, hint
    factory = _struct_like(made) if isinstance(made, type) and dataclasses.is_dataclass(made) else made
    return declared.name, hint, msgspec.field(default_factory=factory)


def _lighter(hint: Any) -> Any:
    if get_origin(hint) is list:
        return list[_lighter(get_args(hint)[0])]  # type: ignore[misc]  # the type is made at run time
    return _struct_like(hint) if isinstance(hint, type) and dataclasses.is_dataclass(hint) else hint
