"""Plans for tests, short to write."""

from __future__ import annotations

from typing import Any

from stablenew.config import PipelineConfig, apply_settings
from stablenew.learning.learning_plan import LearningPlan, make_learning_plan


def make_plan(baseline: dict[str, Any] | None = None, **fields: Any) -> LearningPlan:
    """A checked plan over steps, unless `fields` say otherwise."""
    asked: dict[str, Any] = {"prompts": ["a red fox", "a blue boat"]}
    if "settings" not in fields and "cells" not in fields:
        asked["settings"] = {"steps": [10, 20]}
    return make_learning_plan(baseline=apply_settings(PipelineConfig(), baseline or {}), **(asked | fields))
