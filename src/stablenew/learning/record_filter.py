"""Which records are meant: conditions on any field, and the value of any field of a record.

A field is meant by its own name (`sampler`, `seed`), by where it stands (`prompt.bindings.light`,
`pipeline.axes.txt2img.steps`), or by one of the names in DERIVED. The index answers for some fields without reading a
record, and gives the same answers.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, get_type_hints

from stablenew.errors import InputError, nearest_name
from stablenew.learning.learning_reader import time_ms
from stablenew.learning.record_groups import RecordGroups

OPERATORS = ("!=", ">=", "<=", "=", ">", "<", "~")
_FORM = re.compile(r"\s*([\w.+ -]+?)\s*(!=|>=|<=|=|>|<|~)\s*(.*?)\s*", re.DOTALL)
_GROUPS = ("run", "prompt", "pipeline", "outcome", "feedback")

Fields = Mapping[str, Any]
"""A record as `LearningRecord.to_dict` gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`field operator value`: `~` means that the text contains the value, whatever its case.

    `value` is text as a person typed it, None for "none".
    """

    field: str
    operator: str
    value: str | None


def parse_condition(text: str) -> Condition:
    """`steps>=20`, `sampler=Euler a`, `model~dream`, `vae=none` as a condition. Raises InputError."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise InputError(f"{text!r} is no condition: write FIELD=VALUE, or one of != >= <= > < ~ in place of =")
    name, operator, value = found.groups()
    field = field_name(name)
    if field in ("time", "day") and value.casefold() != "none":
        value = _moment_text(field, value)
    return Condition(field=field, operator=operator, value=None if value.casefold() in ("none", "null") else value)


def field_name(name: str) -> str:
    """The field a person means by `name`, dotted unless it is derived. Raises InputError naming the nearest."""
    wanted = name.strip().replace("-", "_")
    if wanted in DERIVED:
        return wanted
    if wanted in _OTHER_NAMES:
        return _OTHER_NAMES[wanted]
    head, _, rest = wanted.partition(".")
    if head in _GROUPS and rest.partition(".")[0] in _group_fields(head):
        return wanted
    for group in _GROUPS:
        if head in _group_fields(group):
            return f"{group}.{wanted}"
    known = [*DERIVED, *(field for group in _GROUPS for field in _group_fields(group))]
    nearest = nearest_name(wanted, known)
    raise InputError(
        f"records have no field {name!r}: "
        + (f"did you mean {nearest}?" if nearest else f"some are {', '.join(DERIVED)}")
    )


def value_of(record: Fields, field: str) -> Any:
    """What `record` holds at a field, as `field_name` gives it; None where it holds nothing."""
    derived = DERIVED.get(field)
    if derived is not None:
        return derived(record)
    return _dig(record, field.split("."))


def matches(record: Fields, conditions: Iterable[Condition]) -> bool:
    """Whether `record` fulfils every condition."""
    return all(holds(value_of(record, each.field), each.operator, each.value) for each in conditions)


def holds(actual: Any, operator: str, wanted: str | None) -> bool:
    """Whether a value fulfils `operator wanted`; a list fulfils it when one of its elements does."""
    if isinstance(actual, list):
        # A list has the value or has not; it is none when it is empty.
        found = not actual if wanted is None else any(holds(each, "=", wanted) for each in actual)
        if operator in ("=", "!="):
            return found is (operator == "=")
        return any(holds(each, operator, wanted) for each in actual)
    if operator == "!=":
        return not holds(actual, "=", wanted)
    if actual is None or wanted is None:
        return operator == "=" and actual is None and wanted is None
    if operator == "~":
        return contains(actual, wanted)
    return _compares(actual, operator, wanted)


def day_of(time: int) -> str:
    """The UTC day of a time in milliseconds since 1970, as 2026-11-22."""
    return datetime.fromtimestamp(time / 1000, UTC).date().isoformat()


def contains(text: object, wanted: str) -> bool:
    """Whether `text` contains `wanted`, whatever the case."""
    return text is not None and wanted.casefold() in str(text).casefold()


def number(text: str | None) -> float | None:
    """`text` as a number; None where it is none."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _thousandths(value: float | None) -> float | None:
    return None if value is None else round(value * 1000) / 1000


# Times, scores and seconds are compared as the index holds them: in thousandths.
DERIVED: dict[str, Callable[[Fields], Any]] = {
    "time": lambda record: time_ms(record["run"]["timestamp"]),
    "day": lambda record: day_of(time_ms(record["run"]["timestamp"])),
    "rating": lambda record: _thousandths(record["feedback"]["rating"]),
    "seconds": lambda record: _thousandths(record["outcome"]["duration_s"]),
    "tag": lambda record: record["feedback"]["tags"],
    "image": lambda record: [image["sha256"] for image in record["outcome"]["images"]],
}
_OTHER_NAMES = {
    "timestamp": "time",
    "date": "day",
    "duration_s": "seconds",
    "tags": "tag",
    "feedback.rating": "rating",
    "feedback.tags": "tag",
    "run.timestamp": "time",
    "outcome.duration_s": "seconds",
    "cfg": "pipeline.cfg_scale",
    "run": "run.run_id",
    "pack": "prompt.pack_name",
    "prompt": "prompt.prompt",
    "negative": "prompt.negative_prompt",
    "checkpoint": "pipeline.model",
}


@cache
def _group_fields(group: str) -> frozenset[str]:
    return frozenset(declared.name for declared in dataclasses.fields(get_type_hints(RecordGroups)[group]))


def _dig(value: Any, parts: list[str]) -> Any:
    """What stands at `parts`; a name may itself hold dots, as those of `axes` do; a number is a place in a list."""
    if not parts:
        return value
    if isinstance(value, list) and parts[0].isdigit():
        return _dig(value[int(parts[0])], parts[1:]) if int(parts[0]) < len(value) else None
    if isinstance(value, Mapping):
        for end in range(len(parts), 0, -1):
            name = ".".join(parts[:end])
            if name in value:
                return _dig(value[name], parts[end:])
    return None


def _compares(actual: Any, operator: str, wanted: str) -> bool:
    left: Any = str(actual)
    right: Any = wanted
    if isinstance(actual, bool):
        left, right = str(actual).casefold(), wanted.casefold()
    elif isinstance(actual, (int, float)):
        left, right = float(actual), number(wanted)
        if right is None:
            return False
    return bool(
        {"=": left == right, ">": left > right, "<": left < right, ">=": left >= right, "<=": left <= right}[operator]
    )


def _moment_text(field: str, text: str) -> str:
    """A day or moment a person typed as the text that is compared: milliseconds for `time`, the day for `day`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise InputError(f"{text!r} is no day or time: write 2026-11-22 or 2026-11-22T23:50") from exc
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.date().isoformat() if field == "day" else str(round(moment.timestamp() * 1000))
