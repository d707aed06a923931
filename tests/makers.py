"""Plain variants for tests that are not about how variants come about."""

from __future__ import annotations

import dataclasses
from typing import Any

from stablenew.config import PipelineConfig, apply_settings
from stablenew.variant import PromptLine, Variant


def make_config(*, learning: bool = True, run_id: str | None = None, **settings: object) -> PipelineConfig:
    """A config with `settings` (dots written as double underscores) applied."""
    changes = {name.replace("__", "."): value for name, value in settings.items()}
    return apply_settings(PipelineConfig(learning_enabled=learning, run_id=run_id), changes)


def make_variants(config: PipelineConfig, count: int, **fields: Any) -> list[Variant]:
    """`count` variants of one prompt with the seeds 100, 101, ..."""
    line = PromptLine(pack_id="pack-1", pack_name="animals", line_number=3, prompt="a cat on a wall")
    return [
        dataclasses.replace(
            Variant(
                index=index,
                count=count,
                line=line,
                prompt="a cat on a wall",
                negative_prompt="blurry",
                seed=100 + index,
                config=config,
            ),
            **fields,
        )
        for index in range(count)
    ]
