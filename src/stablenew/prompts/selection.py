"""Chosen variants of a plan, taken further: the same prompts and seeds through other stages."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stablenew.config import STAGES, StageName, check_config
from stablenew.errors import InputError, InvalidSetting
from stablenew.prompts.randomizer import Plan, plan_from_recipe
from stablenew.variant import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The variants of `plan` at `indices`, through `stages`. They keep their index, prompt and seed."""

    plan: Plan
    indices: tuple[int, ...]
    stages: tuple[StageName, ...]

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Variant]:
        for index in self.indices:
            variant = self.plan.variant(index)
            config = check_config(dataclasses.replace(variant.config, stages=self.stages))
            yield dataclasses.replace(variant, config=config)

    def recipe(self) -> dict[str, Any]:
        """JSON types from which `variants_from_recipe` gives the same variants."""
        return {"selection": list(self.indices), "stages": list(self.stages), "plan": self.plan.recipe()}


def select(plan: Plan, indices: frozenset[int], stages: tuple[StageName, ...]) -> Selection:
    """The chosen variants in the plan's order. Raises InvalidSetting for an index that the plan does not have."""
    unknown = sorted(index for index in indices if not 0 <= index < plan.count)
    if unknown or not indices:
        asked = ", ".join(str(index + 1) for index in unknown)
        raise InvalidSetting("variants", asked or "none", f"numbers from 1 to {plan.count}")
    return Selection(plan=plan, indices=tuple(sorted(indices)), stages=tuple(s for s in STAGES if s in stages))


def variants_from_recipe(recipe: Mapping[str, Any]) -> Plan | Selection:
    """What a run's manifest describes: a plan, or chosen variants of one. Raises InputError for an experiment's run."""
    if "experiment" in recipe:
        name = recipe["experiment"]
        raise InputError(f"that run is the experiment {name}: stablenew experiment run {name} goes on with it")
    if "selection" not in recipe:
        return plan_from_recipe(recipe)
    return select(plan_from_recipe(recipe["plan"]), frozenset(recipe["selection"]), tuple(recipe["stages"]))
