"""A setting under test: its name, its values, and what each value changes.

Names are those of `record_settings.flat_settings`: the declared path without "txt2img.". Two more are known: "size"
("512x768") stands for width and height together, "lora" ("none", "ink:0.8", "ink+paper") for tags added to the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stablenew.config import PipelineConfig, parse_value, resolve_setting, setting_value
from stablenew.errors import InvalidPlan, InvalidSetting

SIZE, LORA = "size", "lora"
_SIZE_PATHS = ("txt2img.width", "txt2img.height")
_NOT_TESTED = {
    "seed": "give seeds instead",
    "images_per_prompt": "give images_per_cell instead",
    "stages": "give stage instead",
    "img2img.init_image": "every cell starts from the same picture",
}
_SIZE = re.compile(r"\s*(\d+)\s*[x×]\s*(\d+)\s*", re.IGNORECASE)
_LORA = re.compile(r"[^<>:+\s][^<>:+]*(:-?\d+(\.\d+)?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSetting:
    """A setting and the values an experiment tries, each once, of the setting's own type."""

    name: str
    values: tuple[Any, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """The declared paths that it changes; none for loras."""
        if self.name == LORA:
            return ()
        return _SIZE_PATHS if self.name == SIZE else (resolve_setting(self.name).path,)

    def changes(self, value: Any) -> dict[str, Any]:
        """By declared path what `value` makes of a config; nothing for loras, which change the prompt."""
        if self.name == SIZE:
            return dict(zip(_SIZE_PATHS, (int(side) for side in str(value).split("x")), strict=True))
        return dict.fromkeys(self.paths, value)

    def value_in(self, config: PipelineConfig) -> Any:
        """The value `config` has; None for a size that it leaves to the model."""
        if self.name == LORA:
            return "none"
        found = [setting_value(config, path) for path in self.paths]
        if self.name != SIZE:
            return found[0]
        return None if None in found else "x".join(map(str, found))


def plan_setting(name: str, values: object) -> PlanSetting:
    """The setting a person means by `name` with typed `values`. Raises InvalidPlan naming `settings.NAME`."""
    known = setting_name(name)
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise InvalidPlan(f"settings.{name}", f"a list of values is needed, not {values!r}")
    typed = tuple(typed_value(known, value, f"settings.{name}") for value in values)
    if not typed:
        raise InvalidPlan(f"settings.{name}", "at least one value is needed")
    twice = next((value for place, value in enumerate(typed) if value in typed[:place]), None)
    if len(set(typed)) != len(typed):
        raise InvalidPlan(f"settings.{name}", f"{twice!r} stands there twice")
    return PlanSetting(name=known, values=typed)


def setting_name(name: str, field: str = "settings") -> str:
    """The name under which a setting is tested. Raises InvalidPlan naming `FIELD.NAME`."""
    plain = name.strip().casefold()
    if plain in (SIZE, LORA):
        return plain
    try:
        path = resolve_setting(name).path
    except InvalidSetting as exc:
        raise InvalidPlan(f"{field}.{name}", str(exc)) from exc
    if path in _NOT_TESTED:
        raise InvalidPlan(f"{field}.{name}", f"{path} is no setting to test: {_NOT_TESTED[path]}")
    return path.removeprefix("txt2img.")


def typed_value(name: str, value: object, field: str) -> Any:
    """`value` (typed, or as a person typed it) as the setting's own type. Raises InvalidPlan naming `field`."""
    if name == SIZE:
        return _typed_size(value, field)
    if name == LORA:
        return _typed_lora(value, field)
    setting = resolve_setting(name)
    try:
        return parse_value(setting, value)
    except InvalidSetting as exc:
        raise InvalidPlan(field, f"{value!r} is not allowed: it takes {setting.allowed}") from exc


def typed_values(values: Mapping[str, object], field: str) -> dict[str, Any]:
    """Setting name -> typed value, as for one cell of a plan. Raises InvalidPlan naming `FIELD.NAME`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        known = setting_name(name, field)
        found[known] = typed_value(known, value, f"{field}.{name}")
    return found


def _typed_size(value: object, field: str) -> str:
    found = _SIZE.fullmatch(str(value))
    if found is None:
        raise InvalidPlan(field, f"{value!r} is no size: write it as 512x768")
    sides = [typed_value(path, side, field) for path, side in zip(_SIZE_PATHS, found.groups(), strict=True)]
    return "x".join(map(str, sides))


def _typed_lora(value: object, field: str) -> str:
    text = str(value).strip()
    if text.casefold() == "none":
        return "none"
    if not all(_LORA.fullmatch(part.strip()) for part in text.split("+")):
        raise InvalidPlan(field, f"{value!r} names no loras: write none, ink:0.8, or ink:0.8+paper")
    return text
