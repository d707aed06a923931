"""The settings of an experiment as people write them: `steps=10..30:10`, `size=512x768,768x512`, `lora=none,ink`."""

from __future__ import annotations

from typing import Any

from stablenew.errors import InvalidPlan
from stablenew.learning.plan_setting import SIZE
from stablenew.prompts.axes import parse_axis


def values_under_test(text: str) -> tuple[str, list[Any]]:
    """The setting that `NAME=VALUES` names, and its values. Raises InvalidSetting, and InvalidPlan for what is none."""
    name, _, values = text.partition("=")
    if name.strip().casefold() == SIZE:
        return SIZE, [value.strip() for value in values.split(",") if value.strip()]
    axis = parse_axis(text)
    if axis.kinds[0] not in ("setting", "lora"):
        raise InvalidPlan(f"settings.{name}", "an experiment tests settings; choose prompts and seeds instead")
    return axis.names[0], [row[0] for row in axis.values]
