"""What the Run tab shows of a run: folds over its events, without a widget in them."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Literal

from stablenew.controller.events import (
    ExperimentAdvanced,
    ExperimentFinished,
    Progress,
    RecordLost,
    RunFailed,
    RunFinished,
    RunStarted,
    State,
    StateChanged,
    StepDone,
    VariantFinished,
    advance,
)
from stablenew.controller.progress_text import lost_text, trouble_text
from stablenew.gui.events import BackendChanged
from stablenew.learning.infotext import value_text
from stablenew.pipeline.run_values import RunResult

Severity = Literal["info", "warning", "bad"]
LINES_KEPT = 5_000


class CellState(IntEnum):
    """Where a variant stands."""

    WAITING, WORKING, OK, DEVIATES, FAILED, CANCELLED = range(6)


class RunView:
    """The run under way or the last one. `revision` grows whenever something changed that is worth drawing."""

    def __init__(self) -> None:
        self.progress = Progress()
        self.state: State = "idle"
        self.folder: Path | None = None
        self.cells = bytearray()
        self.records: dict[int, str] = {}
        self.newest_image: str | None = None
        self.preview: bytes | None = None
        self.experiment = ""
        self.result: RunResult | None = None
        self.error: Exception | None = None
        self.revision = 0

    @property
    def busy(self) -> bool:
        """Whether a run is under way."""
        return self.state in ("running", "stopping")

    def take(self, event: object) -> None:
        """Go on by one event."""
        self.revision += 1
        if isinstance(event, StateChanged):
            self.state = event.state
            self.experiment = self.experiment if self.busy else ""
        elif isinstance(event, RunStarted):
            self._begin(event)
        elif isinstance(event, StepDone):
            self._step(event)
        elif isinstance(event, VariantFinished):
            self._finish(event)
        elif isinstance(event, ExperimentAdvanced):
            self.experiment = event.experiment_id
        elif isinstance(event, RecordLost):
            self.progress = advance(self.progress, event)
        elif isinstance(event, RunFinished):
            self._end()
            self.result = event.result
        elif isinstance(event, RunFailed):
            self._end()
            self.error = event.error
        else:
            self.revision -= 1

    def mark_done(self, indices: Iterable[int]) -> None:
        """Show these variants as made: an earlier start did."""
        for index in indices:
            if index < len(self.cells) and self.cells[index] == CellState.WAITING:
                self.cells[index] = CellState.OK
        self.revision += 1

    def _begin(self, event: RunStarted) -> None:
        self.progress = advance(Progress(), event)
        self.folder = event.folder
        self.cells = bytearray(event.variant_count)
        self.records, self.result, self.error = {}, None, None
        self.preview = self.newest_image = None

    def _step(self, event: StepDone) -> None:
        self.progress = advance(self.progress, event)
        for index in event.fractions:
            if index < len(self.cells) and self.cells[index] == CellState.WAITING:
                self.cells[index] = CellState.WORKING
        self.preview = event.preview or self.preview

    def _finish(self, event: VariantFinished) -> None:
        self.progress = advance(self.progress, event)
        result, index = event.result, event.result.variant.index
        deviates = any(stage.deviations for stage in result.stages)
        states = {"ok": CellState.DEVIATES if deviates else CellState.OK, "failed": CellState.FAILED}
        if index < len(self.cells):
            self.cells[index] = states.get(result.status, CellState.CANCELLED)
        self.records[index] = result.record_id
        if result.images:
            self.newest_image, self.preview = result.images[-1].path, None

    def _end(self) -> None:
        """What was begun and not finished is not under way any more."""
        self.progress = dataclasses.replace(self.progress, under_way={})
        self.cells = self.cells.replace(bytes([CellState.WORKING]), bytes([CellState.WAITING]))


@dataclass(frozen=True, slots=True)
class LogLine:
    """One thing that happened, at `clock` ("14:03:22")."""

    clock: str
    severity: Severity
    text: str


class RunLog:
    """The lines so far, the oldest dropped beyond LINES_KEPT."""

    def __init__(self, now: Callable[[], str] = lambda: time.strftime("%H:%M:%S")) -> None:
        self.lines: deque[LogLine] = deque(maxlen=LINES_KEPT)
        self._now = now

    def take(self, event: object) -> LogLine | None:
        """The line that `event` made, None where it makes none."""
        said = said_of(event)
        if said is None:
            return None
        line = LogLine(self._now(), *said)
        self.lines.append(line)
        return line

    def say(self, severity: Severity, text: str) -> LogLine:
        """Add a line of one's own."""
        line = LogLine(self._now(), severity, text)
        self.lines.append(line)
        return line


def passes(line: LogLine, problems_only: bool, words: str) -> bool:
    """Whether the filter lets the line through: all `words` are in it, case ignored."""
    if problems_only and line.severity == "info":
        return False
    text = line.text.casefold()
    return all(word in text for word in words.casefold().split())


def said_of(event: object) -> tuple[Severity, str] | None:
    """What the log says of an event."""
    if isinstance(event, BackendChanged):
        if event.state == "unavailable":
            return "bad", f"{event.choice.name}: {event.problem}"
        can = event.capabilities
        return "info", f"{event.choice.name}: {event.state}" + (f" ({can.version})" if can and can.version else "")
    if isinstance(event, RunStarted):
        before = f", {event.already_done} made before" if event.already_done else ""
        return "info", f"run {event.run_id}: {event.variant_count} variants{before}"
    if isinstance(event, VariantFinished):
        return _said_of_variant(event)
    if isinstance(event, RecordLost):
        return "bad", lost_text(event)
    if isinstance(event, RunFinished):
        return _said_of_result(event.result)
    if isinstance(event, ExperimentFinished):
        missing = f", {event.result.missing} not tried" if event.result.missing else ""
        return "info", f"experiment {event.experiment_id}: {len(event.result.records)} pictures{missing}"
    if isinstance(event, RunFailed):
        return "bad", str(event.error) or type(event.error).__name__
    return None


def _said_of_variant(event: VariantFinished) -> tuple[Severity, str]:
    result = event.result
    trouble = trouble_text(result)
    if trouble:
        return ("bad" if result.status == "failed" else "warning"), trouble
    axes = ", ".join(f"{name.rpartition('.')[2]} {value_text(value)}" for name, value in result.variant.axes.items())
    shown = f" ({axes})" if axes else ""
    return "info", f"variant {result.variant.index + 1} {result.status} in {result.duration_s:.1f} s{shown}"


def _said_of_result(result: RunResult) -> tuple[Severity, str]:
    counts: Mapping[str, int] = {
        "made": result.ok,
        "made before": result.already_done,
        "failed": result.failed,
        "cancelled": result.cancelled,
        "not started": result.not_started,
        "deviations": result.deviations,
        "records lost": result.lost_records,
    }
    said = ", ".join(f"{number} {word}" for word, number in counts.items() if number or word == "made")
    text = f"run {result.run_id} {result.status}: {said} in {result.duration_s:.1f} s"
    if result.abort_reason:
        text += f"; ended early: {result.abort_reason}"
    if not result.records_durable:
        text += "; the last records are perhaps not on disk yet"
    bad = result.failed or result.lost_records or result.status == "aborted" or not result.records_durable
    return ("bad" if bad else "info"), text
