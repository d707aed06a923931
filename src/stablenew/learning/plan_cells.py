"""The cells of a plan: each a combination of values. Where a budget allows only some, a balanced choice of them."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stablenew.errors import InvalidPlan
from stablenew.learning.plan_setting import PlanSetting
from stablenew.variant import derived_seed

if TYPE_CHECKING:
    from stablenew.learning.learning_plan import LearningPlan

CELLS_MAX = 2_000
BASELINE = "baseline"
_CANDIDATES = 24

_Ranks = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One combination: what it sets, by setting name; everything else is as in the baseline.

    `name` is what records carry, such as "cfg_scale=5, steps=20"; a cell that sets nothing is the "baseline".
    """

    name: str
    settings: Mapping[str, Any]


def cell_of(settings: Mapping[str, Any]) -> Cell:
    """The cell that sets `settings`."""
    return Cell(
        name=", ".join(f"{name}={_said(value)}" for name, value in settings.items()) or BASELINE, settings=settings
    )


def count_cells(plan: LearningPlan) -> int:
    """How many cells the plan has without its budget."""
    if plan.design == "crossed":
        return math.prod(len(setting.values) for setting in plan.settings) + bool(_added_baseline(plan))
    return len(_all_cells(plan))


def cells_of(plan: LearningPlan, limit: int | None = None) -> tuple[Cell, ...]:
    """The cells of the plan in its order; `limit` of them are a balanced choice, with the baseline where it is one.

    Balanced: every value of every setting about equally often. Raises InvalidPlan for more than anyone compares.
    """
    every = count_cells(plan)
    wanted = every if limit is None else min(limit, every)
    if wanted > CELLS_MAX:
        raise InvalidPlan("settings", f"{wanted:,} cells are more than {CELLS_MAX:,}: give a budget, or fewer values")
    if plan.design != "crossed" or wanted == every:
        return _all_cells(plan)[:wanted]
    added = _added_baseline(plan)
    chosen = balanced_ranks([len(setting.values) for setting in plan.settings], wanted - len(added), _first(plan))
    return (*added, *(_crossed_cell(plan.settings, ranks) for ranks in sorted(chosen)))


def balanced_ranks(sizes: Sequence[int], count: int, first: _Ranks | None = None) -> list[_Ranks]:
    """`count` different combinations of ranks below `sizes`, `first` among them, every rank about equally often.

    Each next one is the best of some candidates: made of the ranks used least, in pairs seen least. The same for the
    same arguments, on every machine; any prefix is balanced too.
    """
    chance = random.Random(derived_seed("cells", list(sizes), count))
    used, pairs = Counter[tuple[int, int]](), Counter[tuple[tuple[int, int], tuple[int, int]]]()
    chosen: dict[_Ranks, None] = {}
    while len(chosen) < count:
        ranks = first if first is not None and not chosen else _next_ranks(sizes, chosen, used, pairs, chance)
        chosen[ranks] = None
        places = list(enumerate(ranks))
        used.update(places)
        pairs.update(itertools.combinations(places, 2))
    return list(chosen)


def _next_ranks(
    sizes: Sequence[int], chosen: Mapping[_Ranks, None], used: Counter[Any], pairs: Counter[Any], chance: random.Random
) -> _Ranks:
    least = [_least_used(place, size, used) for place, size in enumerate(sizes)]
    drawn = (tuple(ranks[int(chance.random() * len(ranks))] for ranks in least) for _ in range(_CANDIDATES))
    candidates = set(drawn) - chosen.keys()
    if not candidates:
        candidates = set(itertools.islice(_unused(sizes, chosen, chance), _CANDIDATES))

    def cost(ranks: _Ranks) -> tuple[int, int, _Ranks]:
        places = list(enumerate(ranks))
        seen = sum(pairs[pair] for pair in itertools.combinations(places, 2))
        return sum(used[place] for place in places), seen, ranks

    return min(candidates, key=cost)


def _least_used(place: int, size: int, used: Counter[Any]) -> list[int]:
    """The ranks of one setting that were used least."""
    counts = [used[place, rank] for rank in range(size)]
    least = min(counts)
    return [rank for rank, count in enumerate(counts) if count == least]


def _unused(sizes: Sequence[int], chosen: Mapping[_Ranks, None], chance: random.Random) -> Iterator[_Ranks]:
    """Combinations not chosen yet, from a random one on: for when those of the least used ranks are all taken."""
    start = [int(chance.random() * size) for size in sizes]
    for steps in itertools.product(*map(range, sizes)):
        ranks = tuple((at + step) % size for at, step, size in zip(start, steps, sizes, strict=True))
        if ranks not in chosen:
            yield ranks


def _all_cells(plan: LearningPlan) -> tuple[Cell, ...]:
    added = _added_baseline(plan)
    if plan.design == "listed":
        return (*added, *(cell_of(_in_order(plan.tested, cell)) for cell in plan.cells))
    if plan.design == "one-at-a-time":
        return tuple(map(cell_of, ({}, *_one_at_a_time(plan))))
    ranks = itertools.product(*(range(len(setting.values)) for setting in plan.settings))
    return (*added, *(_crossed_cell(plan.settings, each) for each in ranks))


def _in_order(tested: Sequence[PlanSetting], cell: Mapping[str, Any]) -> dict[str, Any]:
    return {setting.name: cell[setting.name] for setting in tested if setting.name in cell}


def _one_at_a_time(plan: LearningPlan) -> Iterator[dict[str, Any]]:
    """Each value but the baseline's own, the settings taking turns, so that any prefix has some of each."""
    others = [
        [{setting.name: value} for value in setting.values if value != setting.value_in(plan.baseline)]
        for setting in plan.settings
    ]
    for turn in itertools.zip_longest(*others):
        yield from (each for each in turn if each is not None)


def _crossed_cell(settings: Sequence[PlanSetting], ranks: _Ranks) -> Cell:
    return cell_of({setting.name: setting.values[rank] for setting, rank in zip(settings, ranks, strict=True)})


def _first(plan: LearningPlan) -> _Ranks | None:
    """The ranks of the baseline's own values, None where it is not among the combinations."""
    own = [(setting.values, setting.value_in(plan.baseline)) for setting in plan.settings]
    if any(value not in values for values, value in own):
        return None
    return tuple(values.index(value) for values, value in own)


def _added_baseline(plan: LearningPlan) -> tuple[Cell, ...]:
    """The baseline as a cell of its own, where it is asked for and not among the combinations."""
    if not plan.with_baseline or (plan.design == "crossed" and _first(plan) is not None):
        return ()
    return (cell_of({}),)


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
