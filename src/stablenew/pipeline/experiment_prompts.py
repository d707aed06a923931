"""The prompts of an experiment out of packs: every slot and wildcard gets its value before anything is compared."""

from __future__ import annotations

from collections.abc import Sequence

from stablenew.config import PipelineConfig
from stablenew.errors import InvalidPlan
from stablenew.learning.learning_plan import PlanPrompt
from stablenew.prompts.joined import plan_packs
from stablenew.prompts.pack import Pack
from stablenew.prompts.template import Mode
from stablenew.prompts.wildcards import Wildcards

MANY = 1_000


def prompts_of_packs(
    packs: Sequence[Pack], *, wildcards: Wildcards | None = None, limit: int | None = None, mode: Mode | None = None
) -> tuple[PlanPrompt, ...]:
    """Every text of the packs' lines, or a balanced choice of `limit`. Raises InvalidPlan for more than 1,000.

    Raises as `plan_packs` does where a template cannot be read.
    """
    plan = plan_packs(PipelineConfig(), packs, wildcards=wildcards, limit=limit, mode=mode)
    if plan.count > MANY:
        raise InvalidPlan(
            "prompts", f"the packs give {plan.count:,} prompts, more than {MANY:,}: choose some by number"
        )
    return tuple(
        PlanPrompt(
            line=variant.line,
            prompt=variant.prompt,
            negative_prompt=variant.negative_prompt,
            bindings=variant.bindings,
        )
        for variant in plan
    )
