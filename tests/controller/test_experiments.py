"""Experiments through the controller: the same face as a run's, with their own events."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import pytest
from tests.learning.plans import make_plan

from stablenew.backends.base import StageRequest
from stablenew.controller.events import (
    Event,
    ExperimentAdvanced,
    ExperimentFinished,
    RunFailed,
    RunStarted,
    StateChanged,
)
from stablenew.controller.pipeline_controller import PipelineController, RunnerParts
from stablenew.errors import InputError, NotFound, UnknownChoice
from stablenew.learning.experiment_state import experiment_state
from stablenew.learning.experiments import (
    list_experiments,
    new_experiment,
    read_experiment,
    records_of_experiment,
    save_experiment,
)
from stablenew.learning.learning_adapter import variants_of, with_layout
from stablenew.learning.learning_feedback import RatingWriter, new_rating
from stablenew.learning.learning_plan import LearningPlan
from stablenew.learning.learning_record import LearningRecord, LearningRecordWriter
from stablenew.learning.record_index import RecordIndex
from stablenew.pipeline.pipeline_runner import PipelineRunner
from stablenew.report.run_sheet import write_run_sheet
from stablenew.testing.fake_backend import FakeBackend, Script, fail_every
from stablenew.workspace import Workspace


class House:
    """A workspace with one experiment "e" and a controller on a fake backend."""

    def __init__(self, workspace: Workspace, plan: LearningPlan, script: Script | None = None) -> None:
        self.workspace, self.script = workspace, script
        self.backend = FakeBackend(script=script)
        self.events: list[Event] = []
        save_experiment(workspace, new_experiment(plan, experiment_id="e", backend="fake"))

    def controller(self) -> PipelineController:
        self.backend = FakeBackend(script=self.script)

        def factory(parts: RunnerParts) -> PipelineRunner:
            return PipelineRunner(
                self.backend,
                parts.learning_writer,
                parts.on_learning_record,
                workspace=self.workspace,
                observer=parts.observer,
            )

        writer = LearningRecordWriter(self.workspace.records, durability="none")
        controller = PipelineController(factory, learning_writer=writer)
        controller.watch(self.events.append)
        return controller

    def records(self) -> list[LearningRecord]:
        with RecordIndex.of(self.workspace) as index:
            return records_of_experiment(index, "e")

    def of(self, kind: type) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


def stop_after(count: int, stop: Callable[[], None]) -> Script:
    made = Counter[str]()

    def before(_: StageRequest) -> None:
        made["all"] += 1
        if made["all"] == count:
            stop()

    return Script(before=before, window=1)


def test_an_experiment_is_a_run_with_its_name_and_progress_of_its_own(workspace: Workspace) -> None:
    """Every record carries experiment and cell, is found by them, and is counted in an event; the result comes last."""
    house = House(workspace, make_plan(settings={"steps": [10, 20], "cfg_scale": [3, 7]}))
    controller = house.controller()
    called: list[LearningRecord] = []
    controller.register_learning_record_callback(called.append)
    assert controller.start_experiment(workspace, "e").wait(30).ok == 8
    records = house.records()
    assert Counter(record.run.cell for record in records) == Counter(
        {f"steps={steps}, cfg_scale={scale}": 2 for steps in (10, 20) for scale in (3, 7)}
    )
    assert {record.run.run_id for record in records} == {record.run.experiment_id for record in records} == {"e"}
    assert records[0].pipeline.axes.keys() == {"txt2img.steps", "txt2img.cfg_scale"}
    assert len(called) == 8
    advanced = [event.progress for event in house.events if isinstance(event, ExperimentAdvanced)]
    assert [each.done for each in advanced] == list(range(9))
    assert (advanced[0].total, advanced[0].cells) == (8, 4)
    assert advanced[-1].newest is called[-1]
    finished = [event for event in house.events if isinstance(event, ExperimentFinished)]
    assert len(finished) == 1
    assert finished[0].result.complete
    assert isinstance(house.events[-1], StateChanged)


def test_a_stopped_experiment_goes_on_with_what_is_missing(workspace: Workspace) -> None:
    """A stop after three pictures; the next start makes the other five; one more makes nothing and asks no backend."""
    house = House(workspace, make_plan(seeds=2))
    controller = house.controller()
    house.backend = FakeBackend(script=stop_after(3, controller.stop))
    assert controller.start_experiment(workspace, "e").wait(30).status == "stopped"
    made = len(house.records())
    assert 0 < made < 8
    assert house.controller().start_experiment(workspace, "e").wait(30).ok == 8 - made
    assert house.backend.calls.pictures == 8 - made
    over = house.controller().start_experiment(workspace, "e").wait(30)
    assert (over.status, over.ok, house.backend.calls.checked) == ("done", 0, 0)
    state = experiment_state(read_experiment(workspace, "e"), house.records())
    assert (state.made, state.missing, state.rows) == (8, 0, 4)


def test_failures_are_listed_by_cell_and_tried_again(workspace: Workspace) -> None:
    """Every third picture fails: the result says which; the next start tries those alone."""
    house = House(workspace, make_plan(seeds=3), Script(before=fail_every(3), window=1))
    house.controller().start_experiment(workspace, "e").wait(30)
    result = next(event.result for event in house.events if isinstance(event, ExperimentFinished))
    assert (len(result.records), len(result.failures), result.missing) == (8, 4, 0)
    state = experiment_state(read_experiment(workspace, "e"), house.records())
    assert (state.made, state.failed) == (8, 4)
    house.script = None
    assert house.controller().start_experiment(workspace, "e").wait(30).ok == 4
    assert experiment_state(read_experiment(workspace, "e"), house.records()).failed == 0


def test_shared_sources_are_made_once_a_row(workspace: Workspace) -> None:
    """Three cells of two rows on an upscale: two txt2img pictures, six upscales, one source for all cells of a row."""
    plan = make_plan(
        {"stages": "txt2img,upscale", "upscale.method": "img2img"}, settings={"upscale.denoise": [0.1, 0.2, 0.3]}
    )
    house = House(workspace, plan)
    house.controller().start_experiment(workspace, "e").wait(30)
    assert house.backend.calls.made == {"txt2img": 2, "upscale": 6}
    assert [event.run_id for event in house.events if isinstance(event, RunStarted)] == ["e-sources", "e"]
    first = {(record.prompt.prompt, record.outcome.images[0].sha256) for record in house.records()}
    assert len(first) == 2
    for run_id in ("e", "e-sources"):
        sheet = write_run_sheet(workspace, run_id)
        assert sheet is not None
        assert sheet.stat().st_size > 1000


def test_what_the_backend_cannot_do_is_said_before_anything_is_made(workspace: Workspace) -> None:
    """An unknown sampler ends the start; the plan stays, and no record is written."""
    house = House(workspace, make_plan(settings={"sampler": ["Euler", "Eulr"]}))
    with pytest.raises(UnknownChoice, match="Euler"):
        house.controller().start_experiment(workspace, "e").wait(30)
    assert len(house.of(RunFailed)) == 1
    assert house.records() == []


def test_a_name_is_given_once(workspace: Workspace) -> None:
    """Neither an experiment nor a run of that name is overwritten; what is not there is not found."""
    house = House(workspace, make_plan())
    plan = (workspace.experiments / "e" / "plan.json").read_bytes()
    with pytest.raises(InputError, match="choose another name"):
        save_experiment(workspace, new_experiment(make_plan(seeds=9), experiment_id="e"))
    (workspace.runs / "r").mkdir(parents=True)
    with pytest.raises(InputError, match="choose another name"):
        save_experiment(workspace, new_experiment(make_plan(), experiment_id="r"))
    assert (workspace.experiments / "e" / "plan.json").read_bytes() == plan
    with pytest.raises(NotFound, match="experiment list"):
        house.controller().start_experiment(workspace, "x")
    assert [each.experiment_id for each in list_experiments(workspace)] == ["e"]
    assert read_experiment(workspace, "e").plan == with_layout(make_plan())
    (workspace.experiments / "e" / "plan.json").write_text("{")
    with pytest.raises(InputError, match="not the plan"):
        read_experiment(workspace, "e")


def test_a_stored_plan_keeps_its_cells_and_rows(workspace: Workspace) -> None:
    """Whatever a later version would choose for the same budget: what was made still belongs to it."""
    plan = make_plan(settings={"steps": list(range(1, 11)), "cfg_scale": [2, 4, 6]}, budget=20)
    House(workspace, plan)
    path = workspace.experiments / "e" / "plan.json"
    data = json.loads(path.read_bytes())
    data["plan"]["budget"] = 59
    path.write_text(json.dumps(data))
    stored = variants_of(read_experiment(workspace, "e").plan, "e")
    assert (len(stored.cells), len(stored.rows)) == (10, 2)
    assert list(stored) == list(variants_of(plan, "e"))
    data["plan"]["layout"]["rows"] = 0
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"layout\.rows"):
        read_experiment(workspace, "e")


def test_the_state_has_what_people_said(workspace: Workspace) -> None:
    """Mean and spread of a cell's stars, from the ratings as they hold now."""
    house = House(workspace, make_plan())
    house.controller().start_experiment(workspace, "e").wait(30)
    writer = RatingWriter(workspace.ratings)
    for record in house.records():
        if record.run.cell == "steps=10":
            writer.append(new_rating(record.run.record_id, score=2 if record.prompt.prompt == "a red fox" else 5))
    writer.close()
    first, second = experiment_state(read_experiment(workspace, "e"), house.records()).cells
    assert (first.rated, first.mean, round(first.sd or 0, 3)) == (2, 3.5, 2.121)
    assert (second.made, second.rated, second.mean) == (2, 0, None)
