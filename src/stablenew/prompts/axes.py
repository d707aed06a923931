"""What a plan varies: axes over settings, slots, lines, loras and seeds, linked axes, and rules that skip cells.

cfg_scale=3,5,7                     a setting by any name `resolve_setting` takes
steps=10..40:5                      a range with its step; both ends are included when the step meets them
sampler="Euler a","DPM++ 2M"        quotes hold a value together that has a comma in it
[[mood]]=calm,stormy                a slot of the pack
line=1,4                            only these lines (their rows in the pack file)
lora=none,ink:0.8                   loras added to the prompt
seed=1..5                           these seeds in every cell
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from stablenew.config import SEED_MAX, parse_value, resolve_setting
from stablenew.errors import InvalidSetting, nearest_name

AxisKind = Literal["setting", "slot", "line", "lora", "seed"]
MAX_VALUES = 100_000

_RANGE = re.compile(r"\s*(-?[\d.]+)\s*\.\.\s*(-?[\d.]+)\s*(?::\s*(-?[\d.]+)\s*)?$")
_SLOT = re.compile(r"\[\[(.+)\]\]$|slot:(.+)$")
_NAME = re.compile(r'\s*(\[\[[^\]]*\]\]|[^=<>!"]+?)\s*(!=|<=|>=|==|=|<|>)')
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One thing that a plan varies. Linked axes are one Axis with several `names`; each of `values` has one per name.

    A name is a setting's path, a slot's key, "line", "lora" or "seed", as `kinds` says.
    """

    names: tuple[str, ...]
    kinds: tuple[AxisKind, ...]
    values: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`name` (as in Axis, with its `kind`) compared by `sign` with `value`."""

    name: str
    kind: AxisKind
    sign: str
    value: Any

    def holds(self, actual: Any) -> bool:
        """Whether the condition is met by `actual`; what cannot be compared does not meet it."""
        try:
            return bool(_OPERATORS[self.sign](actual, self.value))
        except TypeError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipRule:
    """A cell of the plan is left out when all `conditions` hold. `text` is the rule as written."""

    conditions: tuple[Condition, ...]
    text: str = ""


def slot_key(name: str) -> str:
    """`name` without case, white space, `-` and `_`: how slots are compared."""
    return re.sub(r"[\s_-]+", "", name).casefold()


def parse_axis(text: str) -> Axis:
    """The axis that `name=value,value,...` or `name=first..last:step` describes. Raises InvalidSetting."""
    name, sign, rest = _split_assignment(text)
    if sign != "=":
        raise InvalidSetting(name, text, "name=value,value,... or name=first..last:step")
    path, kind = _resolve(name)
    if kind == "slot" or kind == "lora":
        typed: list[Any] = _split_values(rest, path)
    elif (spanned := _parse_range(rest, path, kind)) is not None:
        typed = spanned
    else:
        typed = [_typed(path, kind, value) for value in _split_values(rest, path)]
    return make_axis([path], [kind], [(value,) for value in typed])


def parse_linked(text: str) -> Axis:
    """The axes of `width=512,768 height=768,512` as one, whose values move together. Raises InvalidSetting."""
    parts = [parse_axis(part) for part in _split_parts(text)]
    if len({len(part.values) for part in parts}) != 1:
        counts = ", ".join(f"{part.names[0]} has {len(part.values)}" for part in parts)
        raise InvalidSetting("--vary-together", text, f"as many values for each ({counts})")
    rows = [tuple(part.values[i][0] for part in parts) for i in range(len(parts[0].values))]
    return make_axis([part.names[0] for part in parts], [part.kinds[0] for part in parts], rows)


def make_axis(names: Sequence[str], kinds: Sequence[AxisKind], values: Iterable[Sequence[Any]]) -> Axis:
    """An axis of typed `values`; refuses (InvalidSetting) none, too many, or one given twice."""
    rows = tuple(tuple(row) for row in values)
    label = "+".join(names)
    if not rows:
        raise InvalidSetting(label, "", "at least one value")
    if len(rows) > MAX_VALUES:
        raise InvalidSetting(label, f"{len(rows):,} values", f"at most {MAX_VALUES:,} values")
    seen: set[str] = set()
    for row in rows:
        if repr(row) in seen:
            raise InvalidSetting(label, row[0] if len(row) == 1 else row, "each value once")
        seen.add(repr(row))
    return Axis(names=tuple(names), kinds=tuple(kinds), values=rows)


def parse_skip(text: str, axes: Sequence[Axis] = ()) -> SkipRule:
    """The rule in `sampler=Euler a,steps<15`: a cell is skipped when every condition holds.

    With `axes` given, a condition on something that none of them varies raises InvalidSetting.
    """
    known = [name for axis in axes for name in axis.names]
    conditions = []
    for part in _split_values(text, "--skip"):
        name, sign, value = _split_assignment(part)
        path, kind = _resolve(name)
        if axes and path not in known:
            nearest = nearest_name(path, known)
            hint = f"; did you mean {nearest}?" if nearest else ""
            raise InvalidSetting(f"--skip {path}", part, f"something that the plan varies ({', '.join(known)}){hint}")
        conditions.append(Condition(name=path, kind=kind, sign=sign, value=_typed(path, kind, _unquote(value))))
    if not conditions:
        raise InvalidSetting("--skip", text, 'conditions such as "sampler=Euler a,steps<15"')
    return SkipRule(conditions=tuple(conditions), text=text)


def axis_to_dict(axis: Axis) -> dict[str, Any]:
    """`axis` as JSON types, which `axis_from_dict` reads."""
    return {"names": list(axis.names), "kinds": list(axis.kinds), "values": [_json_row(row) for row in axis.values]}


def axis_from_dict(data: Mapping[str, Any]) -> Axis:
    """The axis that `axis_to_dict` wrote. Raises InvalidSetting."""
    names, kinds = data["names"], data["kinds"]
    rows = [[_typed(n, k, value) for n, k, value in zip(names, kinds, row, strict=True)] for row in data["values"]]
    return make_axis(names, kinds, rows)


def _json_row(row: tuple[Any, ...]) -> list[Any]:
    return [list(value) if isinstance(value, tuple) else value for value in row]


def _resolve(name: str) -> tuple[str, AxisKind]:
    found = _SLOT.match(name.strip())
    if found:
        return slot_key(found[1] or found[2]), "slot"
    plain = name.strip().casefold()
    if plain in ("line", "lines"):
        return "line", "line"
    if plain in ("lora", "loras"):
        return "lora", "lora"
    if plain in ("seed", "seeds"):
        return "seed", "seed"
    path = resolve_setting(name).path
    if path == "images_per_prompt":
        raise InvalidSetting(path, name, "no axis: give seeds instead")
    return path, "setting"


def _typed(path: str, kind: AxisKind, value: Any) -> Any:
    if kind == "setting":
        return parse_value(resolve_setting(path), value)
    if kind in ("slot", "lora"):
        return str(value)
    try:
        number = int(value)
    except (TypeError, ValueError) as exc:
        raise InvalidSetting(path, value, "whole numbers") from exc
    if not 0 <= number <= SEED_MAX:
        raise InvalidSetting(path, value, f"a whole number from 0 to {SEED_MAX}")
    return number


def _parse_range(text: str, path: str, kind: AxisKind) -> list[Any] | None:
    """The values of `first..last:step`, None where `text` is not a range."""
    found = _RANGE.match(text)
    if not found:
        return None
    try:
        first, last = Decimal(found[1]), Decimal(found[2])
        step = Decimal(found[3]) if found[3] else None
    except InvalidOperation as exc:
        raise InvalidSetting(path, text, "numbers as first..last:step") from exc
    whole = kind != "setting" or resolve_setting(path).kind == "integer"
    if step is None:
        if not whole:
            raise InvalidSetting(path, text, "a range with its step, such as 3..9:0.5")
        step = Decimal(1 if last >= first else -1)
    if step == 0 or (last - first) / step < 0:
        raise InvalidSetting(path, text, "a step that leads from the first value to the last")
    count = int((last - first) / step) + 1
    if count > MAX_VALUES:
        raise InvalidSetting(path, text, f"at most {MAX_VALUES:,} values (this range has {count:,})")
    return [_typed(path, kind, str(first + i * step)) for i in range(count)]


def _split_assignment(text: str) -> tuple[str, str, str]:
    found = _NAME.match(text)
    if not found:
        raise InvalidSetting("axis", text, "name=value,value,...")
    return found[1].strip(), found[2], text[found.end() :]


def _split_values(text: str, name: str) -> list[str]:
    """The parts of `text` at its commas; quotes hold a part together."""
    parts, start, quote = [], 0, ""
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'" and not text[start:i].rpartition("=")[2].strip():
            quote = char
        elif char == ",":
            parts.append(text[start:i])
            start = i + 1
    if quote:
        raise InvalidSetting(name, text, f"a closing {quote}")
    parts.append(text[start:])
    if any(not part.strip() for part in parts):
        raise InvalidSetting(name, text, 'values between the commas ("" is the empty one)')
    return [part.strip() if name == "--skip" else _unquote(part) for part in parts]


def _split_parts(text: str) -> list[str]:
    """`a=1,2 b=3,4` at the white space before each name."""
    starts = [found.start() for found in re.finditer(r"(?:(?<=\s)|^)(?:\[\[[^\]]*\]\]|[\w.:-]+)\s*=", text)]
    if not starts or text[: starts[0]].strip():
        raise InvalidSetting("--vary-together", text, "name=values name=values, such as width=512,768 height=768,512")
    return [text[a:b].strip() for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]


def _unquote(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) >= 2 and text[0] in "\"'" and text[-1] == text[0] else text
