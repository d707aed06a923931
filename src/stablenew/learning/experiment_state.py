"""Where an experiment stands, cell by cell: what was made, what failed, and what people said. No judgement."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stablenew.learning.experiments import Experiment
from stablenew.learning.learning_adapter import variants_of
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.learning_runner import CellResult, summarise
from stablenew.learning.plan_cells import Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class CellState:
    """One cell. `mean` and `sd` are of its pictures' stars, `seconds` the mean time of one; None: nothing to say."""

    cell: Cell
    made: int
    failed: int
    missing: int
    rated: int
    mean: float | None
    sd: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentState:
    """An experiment and its cells in the plan's order; `rows` is how many prompts with seeds each cell gets."""

    experiment: Experiment
    cells: tuple[CellState, ...]
    rows: int

    @property
    def made(self) -> int:
        return sum(each.made for each in self.cells)

    @property
    def failed(self) -> int:
        return sum(each.failed for each in self.cells)

    @property
    def missing(self) -> int:
        return sum(each.missing for each in self.cells)

    @property
    def rated(self) -> int:
        return sum(each.rated for each in self.cells)


def experiment_state(experiment: Experiment, records: Iterable[LearningRecord]) -> ExperimentState:
    """The state that `records`, with what people said about them, amount to. Raises InvalidPlan."""
    whole = variants_of(experiment.plan, experiment.experiment_id)
    known = {record.run.record_id: record for record in records}
    result = summarise(whole, known.values())
    cells = tuple(_cell_state(each, [known[record_id] for record_id in each.records]) for each in result.cells)
    return ExperimentState(experiment=experiment, cells=cells, rows=len(whole.rows))


def _cell_state(result: CellResult, records: Sequence[LearningRecord]) -> CellState:
    stars = [record.feedback.rating for record in records if record.feedback.rating is not None]
    seconds = [record.outcome.duration_s for record in records if record.outcome.duration_s is not None]
    return CellState(
        cell=result.cell,
        made=len(records),
        failed=len(result.failures),
        missing=result.missing,
        rated=len(stars),
        mean=math.fsum(stars) / len(stars) if stars else None,
        sd=statistics.stdev(stars) if len(stars) > 1 else None,
        seconds=math.fsum(seconds) / len(seconds) if seconds else None,
    )
