"""What the Learn tab knows of the experiment under way: a fold over the controller's events."""

from __future__ import annotations

from stablenew.controller.events import ExperimentAdvanced, ExperimentFinished, RunFailed, RunStarted, StateChanged
from stablenew.controller.progress_text import eta_text
from stablenew.gui.tabs.run_fold import RunView
from stablenew.learning.experiments import SOURCES
from stablenew.learning.learning_runner import LearningProgress, LearningResult


class ExperimentView:
    """The experiment under way or the last one; `run` is the run that makes its pictures, or any other run.

    `revision` grows whenever something changed that is worth drawing.
    """

    def __init__(self) -> None:
        self.run = RunView()
        self.progress: LearningProgress | None = None
        self.result: LearningResult | None = None
        self.error: Exception | None = None

    @property
    def revision(self) -> int:
        return self.run.revision

    @property
    def experiment_id(self) -> str:
        """Which experiment is or was last under way; "" where there was none."""
        return self.progress.experiment_id if self.progress is not None else ""

    @property
    def busy(self) -> bool:
        """Whether any run is under way, so that no experiment can start."""
        return self.run.busy

    @property
    def working(self) -> bool:
        """Whether an experiment is under way."""
        return self.busy and self.progress is not None

    @property
    def stopping(self) -> bool:
        """Whether it was asked to end."""
        return self.run.state == "stopping"

    def take(self, event: object) -> None:
        """Go on by one event."""
        self.run.take(event)
        if isinstance(event, StateChanged) and event.state == "running":
            self.result = self.error = None
            self.progress = self.progress if event.run_id == self.experiment_id else None
        elif isinstance(event, ExperimentAdvanced):
            if event.experiment_id != self.experiment_id or event.progress.newest is None:
                self.result = self.error = None
            self.progress = event.progress
            self.run.revision += 1
        elif isinstance(event, ExperimentFinished):
            self.result = event.result
            self.run.revision += 1
        elif isinstance(event, RunStarted) and event.run_id.removesuffix(SOURCES) != self.experiment_id:
            self.progress = self.result = None
        elif isinstance(event, RunFailed) and self.progress is not None:
            self.error = event.error

    @property
    def fraction(self) -> float:
        """0..1: of the pictures of the cells; while the shared ones are made, of those."""
        progress = self.progress
        if progress is None:
            return 0.0
        if self._at_sources:
            return self.run.progress.fraction
        begun = self.run.progress.partial if self.busy else 0.0
        return min(1.0, (progress.done + begun) / progress.total) if progress.total else 0.0

    def text(self, now_s: float) -> str:
        """Where it stands, in a line."""
        progress = self.progress
        if progress is None:
            return ""
        parts = [f"{progress.done} of {progress.total} pictures"]
        if progress.failed:
            parts.append(f"{progress.failed} failed")
        if self.run.progress.lost_records:
            parts.append(f"{self.run.progress.lost_records} records lost")
        if self.working:
            if self._at_sources:
                parts = [f"shared pictures: {self.run.progress.done} of {self.run.progress.total}"]
            parts.append("stopping" if self.stopping else eta_text(self.run.progress, now_s))
        elif self.error is not None:
            parts.append(f"ended: {self.error}")
        elif self.result is not None:
            parts.append("complete" if self.result.complete else "not complete")
        return ", ".join(part for part in parts if part)

    @property
    def _at_sources(self) -> bool:
        return self.busy and self.run.progress.run_id.endswith(SOURCES)
