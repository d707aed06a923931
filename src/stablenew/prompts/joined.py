"""Several packs in one plan."""

from __future__ import annotations

from collections.abc import Sequence

from stablenew.config import PipelineConfig
from stablenew.errors import InputError
from stablenew.prompts.axes import Axis, SkipRule, slot_key
from stablenew.prompts.expansion import SlotValues
from stablenew.prompts.pack import Pack
from stablenew.prompts.randomizer import Plan, make_plan, plan_pack
from stablenew.prompts.sidecar import Matrix
from stablenew.prompts.template import Mode
from stablenew.prompts.wildcards import Wildcards


def plan_packs(
    config: PipelineConfig,
    packs: Sequence[Pack],
    *,
    axes: Sequence[Axis] = (),
    skip: Sequence[SkipRule] = (),
    seeds: int | Sequence[int] | None = None,
    limit: int | None = None,
    wildcards: Wildcards | None = None,
    mode: Mode | None = None,
) -> Plan:
    """One plan of all `packs`. Raises InputError where two of them cannot be crossed the same way.

    Slots of the same name must have the same values, and matrices the same mode and rules; a pack's own limit counts
    only when it is alone.
    """
    if len(packs) == 1:
        return plan_pack(
            config, packs[0], axes=axes, skip=skip, seeds=seeds, limit=limit, wildcards=wildcards, mode=mode
        )
    matrices = [(pack.name, pack.matrix) for pack in packs if pack.matrix.enabled and pack.matrix.slots]
    shared = matrices[0][1] if matrices else Matrix()
    for name, matrix in matrices[1:]:
        if (matrix.mode, matrix.rules) != (shared.mode, shared.rules) and mode is None:
            raise InputError(f"packs {matrices[0][0]} and {name} cross their slots differently: run them one by one")
    return make_plan(
        config,
        [line for pack in packs for line in pack.prompt_lines()],
        axes=axes,
        skip=skip,
        seeds=seeds,
        limit=limit,
        slots=_merged_slots(matrices),
        wildcards=wildcards,
        rules=shared.rules,
        mode=mode or shared.mode,
    )


def _merged_slots(matrices: Sequence[tuple[str, Matrix]]) -> list[SlotValues]:
    found: dict[str, tuple[str, SlotValues]] = {}
    for name, matrix in matrices:
        for slot in matrix.slots:
            before = found.setdefault(slot_key(slot.name), (name, slot))
            if before[1].values != slot.values:
                raise InputError(
                    f"the slot [[{slot.name}]] has other values in pack {before[0]} than in pack {name}: "
                    "run them one by one, or rename it in one of them"
                )
    return [slot for _, slot in found.values()]
