"""Lines and axes become a plan; a plan gives its variants, each computable alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import msgspec

from stablenew.config import PipelineConfig, check_config, config_from_dict, config_to_dict, replace_settings
from stablenew.errors import InvalidSetting, PlanTooLarge
from stablenew.prompts.axes import Axis, SkipRule, axis_from_dict, axis_to_dict
from stablenew.variant import PromptLine, Variant, derived_seed

RECIPE_VERSION = 1
MAX_COUNT = 10**7


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Every variant of a run, described and not yet expanded."""

    config: PipelineConfig
    lines: tuple[PromptLine, ...]
    axes: tuple[Axis, ...] = ()
    seeds: tuple[int, ...] | int = 1
    limit: int | None = None

    @cached_property
    def count(self) -> int:
        """How many variants there are."""
        total = len(self.lines) * prod(len(axis.values) for axis in self.axes) * self._seed_count
        return total if self.limit is None else min(total, self.limit)

    def variant(self, k: int) -> Variant:
        """Variant `k`, in the order of execution."""
        if not 0 <= k < self.count:
            raise IndexError(k)
        rest, image = divmod(k, self._seed_count)
        rest, line_index = divmod(rest, len(self.lines))
        settings: dict[str, Any] = {}
        for axis in reversed(self.axes):
            rest, chosen = divmod(rest, len(axis.values))
            settings |= zip(axis.names, axis.values[chosen], strict=True)
        line = self.lines[line_index]
        config = check_config(replace_settings(self.config, dict(line.settings) | settings))
        return Variant(
            index=k,
            count=self.count,
            line=line,
            prompt=line.prompt,
            negative_prompt=line.negative_prompt,
            seed=self._seed(line, image),
            config=config,
            axes=settings,
            matrix_mode="grid",
        )

    def variants(self) -> Iterator[Variant]:
        """The variants in the order of execution, made one at a time."""
        return (self.variant(k) for k in range(self.count))

    def __iter__(self) -> Iterator[Variant]:
        return self.variants()

    def __len__(self) -> int:
        return self.count

    def recipe(self) -> dict[str, Any]:
        """JSON types from which `plan_from_recipe` gives the same variants without reading any file."""
        return {
            "version": RECIPE_VERSION,
            "config": config_to_dict(self.config),
            "lines": msgspec.to_builtins(self.lines),
            "axes": [axis_to_dict(axis) for axis in self.axes],
            "seeds": list(self.seeds) if isinstance(self.seeds, tuple) else self.seeds,
            "limit": self.limit,
        }

    @property
    def _seed_count(self) -> int:
        return len(self.seeds) if isinstance(self.seeds, tuple) else self.seeds

    def _seed(self, line: PromptLine, image: int) -> int:
        if isinstance(self.seeds, tuple):
            return self.seeds[image]
        if self.config.seed is not None:
            return (self.config.seed + image) % 2**32
        return derived_seed(line.prompt, line.negative_prompt, image)


def make_plan(
    config: PipelineConfig,
    lines: Sequence[PromptLine],
    *,
    axes: Sequence[Axis] = (),
    seeds: int | Sequence[int] | None = None,
    limit: int | None = None,
    skip: Sequence[SkipRule] = (),
) -> Plan:
    """The plan of every line crossed with every axis and seed. Raises InvalidSetting or PlanTooLarge."""
    if not lines:
        raise InvalidSetting("lines", 0, "at least one line")
    wanted = config.images_per_prompt if seeds is None else seeds
    plan = Plan(
        config=config,
        lines=tuple(lines),
        axes=tuple(axes),
        seeds=wanted if isinstance(wanted, int) else tuple(wanted),
        limit=limit,
    )
    if plan.count > MAX_COUNT:
        raise PlanTooLarge(plan.count, MAX_COUNT)
    plan.variant(0)
    return plan


def plan_from_recipe(recipe: Mapping[str, Any]) -> Plan:
    """The plan whose `recipe()` this is."""
    seeds = recipe["seeds"]
    return make_plan(
        config_from_dict(recipe["config"]),
        msgspec.convert(recipe["lines"], tuple[PromptLine, ...]),
        axes=[axis_from_dict(axis) for axis in recipe["axes"]],
        seeds=seeds,
        limit=recipe["limit"],
    )
