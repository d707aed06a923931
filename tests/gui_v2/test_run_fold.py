"""What the Run tab shows of a run, as folds over its events."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from stablenew.controller.events import (
    ExperimentAdvanced,
    ExperimentFinished,
    RecordLost,
    RunFailed,
    RunFinished,
    RunStarted,
    StateChanged,
    StepDone,
    VariantFinished,
)
from stablenew.errors import BackendUnavailable
from stablenew.gui.tabs.run_fold import CellState, LogLine, RunLog, RunView, passes
from stablenew.learning.learning_runner import LearningProgress, LearningResult
from stablenew.pipeline.run_values import RunResult
from stablenew.variant import Deviation, Failure, SavedImage, StageResult, VariantResult
from tests.makers import make_config, make_variants

VARIANTS = make_variants(make_config(), 4)


def started(done: int = 0) -> RunStarted:
    return RunStarted(run_id="r", folder=Path("r"), variant_count=4, already_done=done, at_s=0.0)


def finished(index: int, status: str = "ok", deviates: bool = False) -> VariantFinished:
    stage = StageResult(
        stage="txt2img",
        status=status,  # type: ignore[arg-type]
        seconds=1.0,
        image=SavedImage(path=f"runs/r/images/{index}.png", sha256="0", width=8, height=8, stage="txt2img"),
        deviations=(Deviation(setting="steps", asked=20, done=10),) if deviates else (),
        failure=Failure(type="GenerationFailed", message="out of memory") if status == "failed" else None,
    )
    result = VariantResult(
        variant=VARIANTS[index],
        record_id=f"record-{index}",
        status=status,  # type: ignore[arg-type]
        stages=(stage,),
        started_at="2026-01-01T00:00:00.000Z",
        duration_s=1.0,
        seed=1,
        backend="fake",
    )
    return VariantFinished(run_id="r", result=result, at_s=1.0)


def result(**fields: Any) -> RunResult:
    base = RunResult(
        run_id="r", folder=Path("r"), status="done", variant_count=4, ok=4, failed=0, cancelled=0, already_done=0,
        records_written=4, lost_records=0, deviations=0, duration_s=2.0,
    )  # fmt: skip
    return dataclasses.replace(base, **fields)


def view_of(*events: object) -> RunView:
    view = RunView()
    for event in events:
        view.take(event)
    return view


def test_every_variant_has_its_cell() -> None:
    """Waiting, working, made, made otherwise than asked, failed: each variant shows where it stands."""
    step = StepDone(run_id="r", fractions={3: 0.5}, step=1, steps=2, preview=b"p", at_s=1.0)
    view = view_of(started(), finished(0), finished(1, deviates=True), finished(2, "failed"), step)
    assert list(view.cells) == [CellState.OK, CellState.DEVIATES, CellState.FAILED, CellState.WORKING]
    assert view.progress.under_way == {3: 0.5}
    assert (view.progress.failed, view.progress.deviations) == (1, 1)


def test_the_newest_picture_takes_the_place_of_a_preview() -> None:
    """A step's preview shows until the next picture is finished."""
    step = StepDone(run_id="r", fractions={0: 0.5}, step=1, steps=2, preview=b"p", at_s=1.0)
    view = view_of(started(), step)
    assert view.preview == b"p"
    view.take(finished(0))
    assert (view.preview, view.newest_image) == (None, "runs/r/images/0.png")


def test_what_was_begun_and_not_finished_is_not_under_way_after_the_run() -> None:
    """After a stop no cell goes on working."""
    step = StepDone(run_id="r", fractions={1: 0.5}, step=1, steps=2, preview=None, at_s=1.0)
    view = view_of(started(), step, RunFinished(run_id="r", result=result(status="stopped", ok=0)))
    assert list(view.cells) == [CellState.WAITING] * 4
    assert not view.progress.under_way


def test_what_an_earlier_start_made_shows_as_made() -> None:
    """After a resume the cells of finished variants are filled, and those that ran since are left alone."""
    view = view_of(started(done=2), finished(2, "failed"))
    view.mark_done([0, 1, 2])
    assert list(view.cells) == [CellState.OK, CellState.OK, CellState.FAILED, CellState.WAITING]


def test_a_run_is_busy_until_its_state_says_otherwise() -> None:
    """running and stopping are busy; idle and error are not."""
    states = ("running", "stopping", "idle", "error")
    assert [view_of(StateChanged(state=state)).busy for state in states] == [True, True, False, False]  # type: ignore[arg-type]


def test_only_what_changes_something_asks_for_drawing() -> None:
    """An event of no concern leaves the revision alone."""
    view = view_of(started())
    before = view.revision
    view.take(object())
    assert view.revision == before
    view.take(finished(0))
    assert view.revision == before + 1


def test_the_log_hides_nothing_that_went_wrong() -> None:
    """Failures, deviations, lost records and a run that could not go on are lines of their own."""
    log = RunLog(now=lambda: "12:00:00")
    for event in (
        started(),
        finished(0),
        finished(1, deviates=True),
        finished(2, "failed"),
        RecordLost(run_id="r", result=finished(0).result),
        RunFinished(run_id="r", result=result(ok=3, failed=1, lost_records=1)),
        RunFailed(run_id="r", error=BackendUnavailable("webui", "nothing answers")),
        StateChanged(state="idle"),
    ):
        log.take(event)
    assert [line.severity for line in log.lines] == ["info", "info", "warning", "bad", "bad", "bad", "bad"]
    texts = [line.text for line in log.lines]
    assert "asked 20, done 10" in texts[2]
    assert "out of memory" in texts[3]
    assert "record of variant 1 was lost" in texts[4]
    assert texts[5] == "run r done: 3 made, 1 failed, 1 records lost in 2.0 s"
    assert texts[6] == "nothing answers"


def test_an_experiment_is_named_while_it_runs() -> None:
    """The experiment under way is known until its run is over, and its end is a line of the log."""
    progress = LearningProgress(experiment_id="samplers", total=4, done=1)
    advanced = ExperimentAdvanced(experiment_id="samplers", progress=progress)
    view = view_of(StateChanged(state="running"), advanced, started(), advanced, finished(0))
    assert view.experiment == "samplers"
    view.take(StateChanged(state="idle"))
    assert view.experiment == ""
    over = ExperimentFinished(experiment_id="samplers", result=LearningResult(experiment_id="samplers", cells=()))
    line = RunLog(now=lambda: "12:00:00").take(over)
    assert line is not None
    assert line.text == "experiment samplers: 0 pictures"


def test_the_filter_lets_lines_through_that_have_every_word() -> None:
    """Words are looked for in any order and case; problems only leaves plain lines out."""
    line = LogLine("12:00:00", "info", "variant 3 ok in 0.2 s (cfg_scale 7)")
    assert passes(line, False, "CFG variant")
    assert not passes(line, False, "cfg steps")
    assert not passes(line, True, "")
    assert passes(LogLine("12:00:00", "warning", "variant 3"), True, "")
