"""From a plan to variants: the same rows in every cell, row by row, so that any prefix is a smaller experiment.

A row is a prompt with a seed. All cells of a row come before the next row; rows go through the prompts before they
come to the next seed. Within a row the order of the cells is shuffled, models apart: those stay together, and turn
round from row to row, so that a row begins with the model that the one before ended with.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stablenew.config import SEED_MAX, PipelineConfig, check_config, picture_settings, replace_settings, setting_value
from stablenew.errors import InvalidPlan, InvalidSetting
from stablenew.learning.learning_plan import PICTURES_MAX, LearningPlan, PlanLayout, PlanPrompt
from stablenew.learning.plan_cells import Cell, cell_of, cells_of, count_cells
from stablenew.learning.plan_setting import LORA, PlanSetting
from stablenew.variant import Variant, content_hash, derived_seed, lora_tags

ROWS_KEPT = 4
"""So many rows a cell keeps where a budget is small: fewer say little about any cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What every cell is tried on: a prompt and a seed."""

    prompt: PlanPrompt
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanVariants:
    """The variants of an experiment in the order in which they are made. Sized, and may be gone through again.

    `sources` are the pictures that the cells of a row share, one a row in the order of the rows; none where the cells
    share no stage. Built by `variants_of`.
    """

    plan: LearningPlan
    experiment_id: str
    cells: tuple[Cell, ...]
    rows: tuple[Row, ...]

    def __len__(self) -> int:
        return len(self.cells) * len(self.rows)

    def __iter__(self) -> Iterator[Variant]:
        tested = self.plan.tested
        configs = [_cell_config(self.plan.baseline, (), tested, cell) for cell in self.cells]
        for number, row in enumerate(self.rows):
            own = row.prompt.line.settings
            for place, cell in enumerate(self._order(number)):
                settings = self.cells[cell].settings
                config = configs[cell] if not own else _cell_config(self.plan.baseline, own, tested, self.cells[cell])
                yield dataclasses.replace(
                    self._variant(row, config, _with_loras(row.prompt.prompt, settings)),
                    index=number * len(self.cells) + place,
                    count=len(self),
                    axes=_axes(tested, config, settings),
                    cell=self.cells[cell].name,
                )

    @property
    def sources(self) -> tuple[Variant, ...]:
        """The shared pictures as variants of a run of their own."""
        if not self.plan.shared_stages:
            return ()
        return tuple(self._source(number, row) for number, row in enumerate(self.rows))

    def row_of(self, variant: Variant) -> int:
        """The row (from 0) that a variant belongs to."""
        return variant.index // len(self.cells)

    def _source(self, number: int, row: Row) -> Variant:
        config = replace_settings(self.plan.baseline, dict(row.prompt.line.settings))
        config = dataclasses.replace(config, stages=self.plan.shared_stages)
        source = self._variant(row, check_config(config), row.prompt.prompt)
        return dataclasses.replace(source, index=number, count=len(self.rows))

    def _variant(self, row: Row, config: PipelineConfig, prompt: str) -> Variant:
        return Variant(
            index=0,
            count=1,
            line=row.prompt.line,
            prompt=prompt,
            negative_prompt=row.prompt.negative_prompt,
            seed=row.seed,
            config=config,
            bindings=row.prompt.bindings,
            matrix_mode=self.plan.design,
            experiment_id=self.experiment_id,
        )

    def _order(self, number: int) -> list[int]:
        """The cells of a row, by their place in `cells`: shuffled, and by model, whose order turns with every row."""
        models: dict[tuple[Any, ...], int] = {}
        for cell in self.cells:
            models.setdefault(_model(cell), len(models))
        turn = 1 if number % 2 == 0 else -1

        def key(place: int) -> tuple[int, int]:
            return turn * models[_model(self.cells[place])], derived_seed("order", number, place)

        return sorted(range(len(self.cells)), key=key)


def variants_of(plan: LearningPlan, experiment_id: str) -> PlanVariants:
    """The variants of the plan, within its budget. Raises InvalidPlan where it allows no comparison."""
    cells, rows = _within_budget(plan) if plan.layout is None else _as_stored(plan, plan.layout)
    if len(cells) < 2:
        raise InvalidPlan("settings", "there is only one cell: an experiment compares at least two")
    if len(cells) * len(rows) > PICTURES_MAX:
        raise InvalidPlan("budget", f"{len(cells) * len(rows):,} pictures are more than {PICTURES_MAX:,}: give one")
    _check_cells(plan, cells)
    return PlanVariants(plan=plan, experiment_id=experiment_id, cells=cells, rows=rows)


def with_layout(plan: LearningPlan) -> LearningPlan:
    """The plan with its cells and rows fixed, as it is stored. Raises InvalidPlan."""
    whole = variants_of(plan, "")
    layout = PlanLayout(cells=tuple(cell.settings for cell in whole.cells), rows=len(whole.rows))
    return dataclasses.replace(plan, layout=layout)


def _as_stored(plan: LearningPlan, layout: PlanLayout) -> tuple[tuple[Cell, ...], tuple[Row, ...]]:
    return tuple(map(cell_of, layout.cells)), tuple(_rows(plan, layout.rows))


def _check_cells(plan: LearningPlan, cells: tuple[Cell, ...]) -> None:
    """Raises InvalidPlan where a cell contradicts itself, or two would make the same pictures."""
    seen: dict[str, Cell] = {}
    for cell in cells:
        try:
            config = _cell_config(plan.baseline, (), plan.tested, cell)
        except InvalidSetting as exc:
            raise InvalidPlan("settings", f"the cell {cell.name} cannot be made: {exc}") from exc
        same = seen.setdefault(content_hash([picture_settings(config), cell.settings.get(LORA, "none")]), cell)
        if same is not cell:
            raise InvalidPlan("settings", f"the cells {same.name} and {cell.name} would make the same pictures")


def _within_budget(plan: LearningPlan) -> tuple[tuple[Cell, ...], tuple[Row, ...]]:
    """Cells and rows. A budget leaves out rows first, last seeds before prompts, and below `ROWS_KEPT` rows cells."""
    prompts, seeds = len(plan.prompts), len(plan.seeds) if isinstance(plan.seeds, tuple) else plan.seeds
    count, rows, budget = count_cells(plan), plan.images_per_cell or prompts * seeds, plan.budget
    if budget is not None and count * rows > budget:
        if plan.images_per_cell is None:
            rows = min(max(budget // count, min(rows, ROWS_KEPT)), budget // 2)
        count = min(count, budget // rows) if rows else 0
        if count < 2:
            raise InvalidPlan("budget", f"{budget} pictures are too few to compare two cells")
    return cells_of(plan, count), tuple(_rows(plan, rows))


def _rows(plan: LearningPlan, count: int) -> Iterator[Row]:
    """All prompts with their first seed, then with their second, and so on."""
    for number in range(count):
        prompt = plan.prompts[number % len(plan.prompts)]
        yield Row(prompt=prompt, seed=_seed(plan, prompt, number // len(plan.prompts)))


def _seed(plan: LearningPlan, prompt: PlanPrompt, image: int) -> int:
    """The seed that a plain run gives the same line, so that its pictures are the same."""
    if isinstance(plan.seeds, tuple):
        if image >= len(plan.seeds):
            raise InvalidPlan("layout.rows", "there are more rows than prompts with seeds")
        return plan.seeds[image]
    if plan.baseline.seed is not None:
        return (plan.baseline.seed + image) % (SEED_MAX + 1)
    return derived_seed(prompt.line.prompt, prompt.line.negative_prompt, image)


def _cell_config(
    baseline: PipelineConfig, own: tuple[tuple[str, Any], ...], tested: tuple[PlanSetting, ...], cell: Cell
) -> PipelineConfig:
    """The baseline, then what the line asks for itself, then what the cell sets. Raises InvalidSetting."""
    changes = dict(own)
    for setting in tested:
        if setting.name in cell.settings:
            changes |= setting.changes(cell.settings[setting.name])
    return check_config(replace_settings(baseline, changes))


def _axes(tested: tuple[PlanSetting, ...], config: PipelineConfig, settings: Mapping[str, Any]) -> dict[str, Any]:
    """By path what the variant has of every setting under test, the baseline's own values included."""
    found: dict[str, Any] = {}
    for setting in tested:
        found |= {path: setting_value(config, path) for path in setting.paths}
        if setting.name == LORA:
            found[LORA] = settings.get(LORA, "none")
    return found


def _with_loras(prompt: str, settings: Mapping[str, Any]) -> str:
    return f"{prompt} {lora_tags(settings[LORA])}".strip() if LORA in settings else prompt


def _model(cell: Cell) -> tuple[Any, ...]:
    return cell.settings.get("model"), cell.settings.get("vae")
