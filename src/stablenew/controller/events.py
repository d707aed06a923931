"""What a run tells its watchers: frozen events, in order, and the fold that turns them into progress with an ETA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from stablenew.pipeline.run_values import RunResult
from stablenew.variant import VariantResult

if TYPE_CHECKING:
    from stablenew.learning.learning_runner import LearningProgress, LearningResult

State = Literal["idle", "running", "stopping", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged:
    """The controller's state is now `state`."""

    state: State
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """The run's manifest is on disk; `already_done` of `variant_count` were made by an earlier start."""

    run_id: str
    folder: Path
    variant_count: int
    already_done: int
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """`step` of `steps` sampling steps are done for the variants in `fractions`: by index how far each is, 0..1.

    A fraction counts every stage of its variant. `preview` is JPEG or PNG bytes, or None.
    """

    run_id: str
    fractions: Mapping[int, float]
    step: int
    steps: int
    preview: bytes | None
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFinished:
    """A variant was executed and its pictures are on disk."""

    run_id: str
    result: VariantResult
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLost:
    """The learning record of a variant was lost; its pictures are safe. The run's log says why."""

    run_id: str
    result: VariantResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The run is over and its files are closed."""

    run_id: str
    result: RunResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed:
    """The run could not go on; what was finished is kept. `error` is for a person, `handle.wait()` raises it."""

    run_id: str | None
    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentAdvanced:
    """An experiment stands where `progress` says: told when it starts and after every record."""

    experiment_id: str
    progress: LearningProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentFinished:
    """This start of an experiment is over, because all was tried or a stop was asked for; its `result` so far.

    The run's own end follows.
    """

    experiment_id: str
    result: LearningResult


Event: TypeAlias = (
    StateChanged
    | RunStarted
    | StepDone
    | VariantFinished
    | RecordLost
    | RunFinished
    | RunFailed
    | ExperimentAdvanced
    | ExperimentFinished
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run stands: a fold over its events. Times are seconds of one monotonic clock."""

    run_id: str = ""
    total: int = 0
    already_done: int = 0
    finished: int = 0
    failed: int = 0
    lost_records: int = 0
    deviations: int = 0
    started_s: float = 0.0
    last_s: float = 0.0
    under_way: Mapping[int, float] = field(default_factory=dict)
    newest: VariantResult | None = field(default=None, compare=False)

    @property
    def partial(self) -> float:
        """How many variants' worth is done of those under way."""
        return sum(self.under_way.values())

    @property
    def done(self) -> int:
        """Variants that need nothing more, those of an earlier start included."""
        return self.already_done + self.finished

    @property
    def fraction(self) -> float:
        """0..1, steps inside unfinished variants included."""
        return min(1.0, (self.done + self.partial) / self.total) if self.total else 0.0

    def eta_s(self, now_s: float) -> float | None:
        """Seconds still to go at the mean pace so far (variants come in bursts where a backend batches them).

        None before anything can be said.
        """
        worked = self.finished + self.partial
        if worked <= 0 or self.total == 0:
            return None
        each = (max(now_s, self.last_s) - self.started_s) / worked
        return max(0.0, each * (self.total - self.done - self.partial))


def advance(progress: Progress, event: Event) -> Progress:
    """`progress` after `event`."""
    if isinstance(event, RunStarted):
        return Progress(
            run_id=event.run_id,
            total=event.variant_count,
            already_done=event.already_done,
            started_s=event.at_s,
            last_s=event.at_s,
        )
    if isinstance(event, StepDone):
        return replace(progress, under_way={**progress.under_way, **event.fractions})
    if isinstance(event, VariantFinished):
        return _after_variant(progress, event)
    if isinstance(event, RecordLost):
        return replace(progress, lost_records=progress.lost_records + 1)
    return progress


def _after_variant(progress: Progress, event: VariantFinished) -> Progress:
    return replace(
        progress,
        finished=progress.finished + 1,
        failed=progress.failed + (event.result.status == "failed"),
        deviations=progress.deviations + sum(len(stage.deviations) for stage in event.result.stages),
        last_s=event.at_s,
        under_way={index: part for index, part in progress.under_way.items() if index != event.result.variant.index},
        newest=event.result,
    )
