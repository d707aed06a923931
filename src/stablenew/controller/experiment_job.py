"""An experiment on a run's thread: the learning runner, with the pipeline's runner in its hands."""

from __future__ import annotations

from collections.abc import Callable

from stablenew.backends.base import CancelToken
from stablenew.controller.events import Event, ExperimentAdvanced, ExperimentFinished
from stablenew.learning.experiments import Experiment
from stablenew.learning.learning_reader import read_current_records
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.learning_runner import LearningJob, LearningProgress, LearningRunner, RecordCallback
from stablenew.pipeline.experiment_run import VariantRunner, run_experiment
from stablenew.pipeline.run_values import RunResult
from stablenew.workspace import Workspace


class ExperimentJob:
    """One start of an experiment. `emit` is told how it goes on; `on_record` is to be called with every record."""

    def __init__(self, workspace: Workspace, experiment: Experiment, emit: Callable[[Event], None]) -> None:
        self._workspace, self._experiment, self._emit = workspace, experiment, emit
        self._listener: RecordCallback | None = None

    def on_record(self, record: LearningRecord) -> None:
        """Count `record`. From the thread that records are made on."""
        if self._listener is not None:
            self._listener(record)

    def run(self, runner: VariantRunner, cancel: CancelToken) -> RunResult:
        """Make what is missing; blocks. Raises as the runner's `run` does, and InvalidPlan."""
        experiment = self._experiment
        over = self._nothing_missing()

        def execute(job: LearningJob, on_record: RecordCallback) -> None:
            nonlocal over
            self._listener = on_record
            over = run_experiment(runner, self._workspace, job, cancel)

        learning = LearningRunner(execute, on_progress=self._say)
        recorded = read_current_records(self._workspace.records, experiment.experiment_id)
        result = learning.run(experiment.plan, experiment.experiment_id, recorded=recorded)
        self._emit(ExperimentFinished(experiment_id=experiment.experiment_id, result=result))
        return over

    def _say(self, progress: LearningProgress) -> None:
        self._emit(ExperimentAdvanced(experiment_id=progress.experiment_id, progress=progress))

    def _nothing_missing(self) -> RunResult:
        run_id = self._experiment.experiment_id
        return RunResult(
            run_id=run_id,
            folder=self._workspace.runs / run_id,
            status="done",
            variant_count=0,
            ok=0,
            failed=0,
            cancelled=0,
            already_done=0,
            records_written=0,
            lost_records=0,
            deviations=0,
            duration_s=0.0,
        )
