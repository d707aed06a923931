"""Drives an experiment: hands what is missing to whoever makes pictures, follows the records, and says what came of it.

It knows no pipeline. `execute` is handed a `LearningJob` and a callback for records; it makes the variants in any way
it likes, calls back with the record of each (from any one thread), and returns when it is done or was stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from stablenew.learning.learning_adapter import PlanVariants, variants_of
from stablenew.learning.learning_plan import LearningPlan
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.plan_cells import Cell
from stablenew.variant import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningJob:
    """What is to be made: the `missing` variants of an experiment, which are all of them when it begins.

    `whole` has every variant, and the sources that cells share.
    """

    experiment_id: str
    whole: PlanVariants
    missing: tuple[Variant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningProgress:
    """Where an experiment stands: variants with a good record, and those that failed in this start, of `total`."""

    experiment_id: str
    total: int
    done: int
    failed: int = 0
    cells: int = 0
    newest: LearningRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedVariant:
    """A variant whose newest try failed: its record and why."""

    record_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """What there is of one cell: the ids of its good records, in the order of the rows, and its failures.

    `missing` variants have neither.
    """

    cell: Cell
    records: tuple[str, ...]
    failures: tuple[FailedVariant, ...]
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningResult:
    """What came of an experiment so far, earlier starts included."""

    experiment_id: str
    cells: tuple[CellResult, ...]

    @property
    def records(self) -> tuple[str, ...]:
        """The ids of all good records, cell by cell."""
        return tuple(record for each in self.cells for record in each.records)

    @property
    def failures(self) -> tuple[FailedVariant, ...]:
        """Every failure, cell by cell."""
        return tuple(failure for each in self.cells for failure in each.failures)

    @property
    def missing(self) -> int:
        """How many variants were not tried yet, or were stopped."""
        return sum(each.missing for each in self.cells)

    @property
    def complete(self) -> bool:
        """Whether every cell has every picture."""
        return not self.failures and not self.missing


RecordCallback = Callable[[LearningRecord], None]
Execute = Callable[[LearningJob, RecordCallback], Any]


def _nothing(_: LearningProgress) -> None:
    """Nobody listens."""


class LearningRunner:
    """Runs experiments through `execute`, one at a time. `on_progress` is told at the start and after every record."""

    def __init__(self, execute: Execute, *, on_progress: Callable[[LearningProgress], None] = _nothing) -> None:
        self._execute, self._on_progress = execute, on_progress

    def run(self, plan: LearningPlan, experiment_id: str, *, recorded: Iterable[LearningRecord] = ()) -> LearningResult:
        """Make what is missing and return what there is then. Blocks until `execute` returns.

        `recorded`: the records of earlier starts; a variant with a good one is not made again, one that failed is.
        Raises InvalidPlan, and whatever `execute` raises.
        """
        whole = variants_of(plan, experiment_id)
        found = _Found(recorded)
        job = LearningJob(
            experiment_id=experiment_id,
            whole=whole,
            missing=tuple(variant for variant in whole if variant.variant_id not in found.good),
        )
        progress = LearningProgress(
            experiment_id=experiment_id, total=len(whole), done=len(whole) - len(job.missing), cells=len(whole.cells)
        )
        self._on_progress(progress)

        def on_record(record: LearningRecord) -> None:
            nonlocal progress
            if record.run.experiment_id != experiment_id:
                return
            counted = record.prompt.variant_id in found.good
            found.add(record)
            status = record.outcome.status
            progress = replace(
                progress,
                done=progress.done + (status == "ok" and not counted),
                failed=progress.failed + (status == "failed"),
                newest=record,
            )
            self._on_progress(progress)

        if job.missing:
            self._execute(job, on_record)
        return _result(whole, found)


class _Found:
    """By variant id the good record, and the newest failure where there is no good one."""

    def __init__(self, records: Iterable[LearningRecord]) -> None:
        self.good: dict[str, str] = {}
        self.failed: dict[str, FailedVariant] = {}
        for record in records:
            self.add(record)

    def add(self, record: LearningRecord) -> None:
        variant, record_id = record.prompt.variant_id, record.run.record_id
        if record.outcome.status == "ok":
            self.good[variant] = record_id
            self.failed.pop(variant, None)
        elif record.outcome.status == "failed" and variant not in self.good:
            reason = record.outcome.error_message or record.outcome.error_type or "failed"
            self.failed[variant] = FailedVariant(record_id=record_id, reason=reason)


def summarise(whole: PlanVariants, records: Iterable[LearningRecord]) -> LearningResult:
    """What `records` have of an experiment, each variant's good record before its failures."""
    return _result(whole, _Found(records))


def _result(whole: PlanVariants, found: _Found) -> LearningResult:
    """The result, cell by cell in the plan's order."""
    variants: dict[str, list[str]] = {cell.name: [] for cell in whole.cells}
    for variant in whole:
        variants[variant.cell or ""].append(variant.variant_id)
    cells = []
    for cell in whole.cells:
        own = variants[cell.name]
        good = tuple(found.good[each] for each in own if each in found.good)
        failures = tuple(found.failed[each] for each in own if each in found.failed)
        cells.append(
            CellResult(cell=cell, records=good, failures=failures, missing=len(own) - len(good) - len(failures))
        )
    return LearningResult(experiment_id=whole.experiment_id, cells=tuple(cells))
