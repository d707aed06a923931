"""Runs on a worker thread: states, events, stopping, and one at a time."""

from __future__ import annotations

import threading

import pytest
from tests.makers import make_config, make_variants

from stablenew.backends.base import StageRequest
from stablenew.controller.events import (
    Event,
    Progress,
    RunFailed,
    RunFinished,
    RunStarted,
    StateChanged,
    StepDone,
    VariantFinished,
    advance,
)
from stablenew.controller.pipeline_controller import PipelineController, RunnerParts
from stablenew.errors import RunBusy, StableNewError, UnknownChoice
from stablenew.pipeline.pipeline_runner import PipelineRunner
from stablenew.testing.fake_backend import FakeBackend, Script
from stablenew.workspace import Workspace

WAIT_S = 180.0


class Gate:
    """A backend script that holds each picture until it is let through."""

    def __init__(self) -> None:
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, _: StageRequest) -> None:
        self.reached.set()
        assert self.open.wait(WAIT_S)


def controller_of(workspace: Workspace, script: Script | None = None, parallel_runs: int = 1) -> PipelineController:
    def factory(parts: RunnerParts) -> PipelineRunner:
        return PipelineRunner(
            FakeBackend(script=script),
            parts.learning_writer,
            parts.on_learning_record,
            workspace=workspace,
            observer=parts.observer,
        )

    return PipelineController(factory, parallel_runs=parallel_runs)


def test_start_returns_at_once_and_the_state_says_what_goes_on(workspace: Workspace) -> None:
    """idle, running while pictures are made, idle again."""
    gate = Gate()
    controller = controller_of(workspace, Script(before=gate))
    assert controller.state == "idle"
    handle = controller.start(make_config(), make_variants(make_config(), 1))
    assert gate.reached.wait(WAIT_S)
    assert (controller.state, handle.running) == ("running", True)
    gate.open.set()
    assert handle.wait(WAIT_S).ok == 1
    assert (controller.state, handle.running) == ("idle", False)


def test_a_second_run_is_refused_while_one_is_under_way(workspace: Workspace) -> None:
    """One run at a time unless told otherwise."""
    gate = Gate()
    controller = controller_of(workspace, Script(before=gate))
    first = controller.start(make_config(run_id="first"), make_variants(make_config(), 1))
    assert gate.reached.wait(WAIT_S)
    with pytest.raises(RunBusy, match="first"):
        controller.start(make_config(), make_variants(make_config(), 1))
    gate.open.set()
    first.wait(WAIT_S)
    assert controller.start(make_config(), make_variants(make_config(), 1)).wait(WAIT_S).ok == 1


def test_told_so_two_runs_go_on_side_by_side(workspace: Workspace) -> None:
    """parallel_runs=2 lets two through and refuses the third."""
    gate = Gate()
    controller = controller_of(workspace, Script(before=gate), parallel_runs=2)
    variants = make_variants(make_config(), 1)
    handles = [controller.start(make_config(run_id=name), variants) for name in ("one", "two")]
    with pytest.raises(RunBusy):
        controller.start(make_config(run_id="three"), variants)
    gate.open.set()
    assert [handle.wait(WAIT_S).ok for handle in handles] == [1, 1]


def test_stop_keeps_what_is_finished(workspace: Workspace) -> None:
    """A gentle stop finishes the picture being made, keeps it, and starts no other."""
    gate = Gate()
    controller = controller_of(workspace, Script(before=gate, window=1))
    handle = controller.start(make_config(), make_variants(make_config(), 5))
    assert gate.reached.wait(WAIT_S)
    controller.stop()
    assert controller.state == "stopping"
    gate.open.set()
    result = handle.wait(WAIT_S)
    assert (result.status, result.ok, result.not_started) == ("stopped", 1, 4)
    assert controller.state == "idle"


def test_stop_now_ends_inside_the_picture(workspace: Workspace) -> None:
    """A hard stop leaves the picture being made as cancelled."""
    gate = Gate()
    controller = controller_of(workspace, Script(before=gate, window=1))
    handle = controller.start(make_config(), make_variants(make_config(), 3))
    assert gate.reached.wait(WAIT_S)
    controller.stop(now=True)
    gate.open.set()
    result = handle.wait(WAIT_S)
    assert (result.ok, result.cancelled, result.not_started) == (0, 1, 2)


def test_events_tell_the_whole_story_in_order(workspace: Workspace) -> None:
    """State, start, steps, each variant, the end; a watcher and the handle hear the same."""
    controller = controller_of(workspace)
    watched: list[Event] = []
    controller.watch(watched.append)
    handle = controller.start(make_config(steps=4), make_variants(make_config(steps=4), 3))
    events = list(handle.events())
    assert events == watched
    kinds = [type(event) for event in events]
    assert kinds[:2] == [StateChanged, RunStarted]
    assert kinds[-2:] == [RunFinished, StateChanged]
    assert kinds.count(VariantFinished) == 3
    assert kinds.count(StepDone) == 12


def test_a_watcher_that_raises_does_not_starve_the_others_nor_the_run(workspace: Workspace) -> None:
    """Observers are let in, their mistakes are not."""
    controller = controller_of(workspace)
    heard: list[Event] = []

    def broken(_: Event) -> None:
        raise RuntimeError("no")

    controller.watch(broken)
    unwatch = controller.watch(heard.append)
    assert controller.start(make_config(), make_variants(make_config(), 1)).wait(WAIT_S).ok == 1
    assert heard
    unwatch()
    heard.clear()
    controller.start(make_config(), make_variants(make_config(), 1)).wait(WAIT_S)
    assert heard == []


def test_a_run_that_cannot_start_ends_in_error_and_says_why(workspace: Workspace) -> None:
    """An unknown sampler is an error before the first image: wait() raises it and the state is error."""
    controller = controller_of(workspace)
    config = make_config(sampler="Eular a")
    handle = controller.start(config, make_variants(config, 2))
    with pytest.raises(UnknownChoice, match="Euler a"):
        handle.wait(WAIT_S)
    assert controller.state == "error"
    assert any(isinstance(event, RunFailed) for event in handle.events())
    assert not workspace.runs.exists()


def test_wait_gives_up_after_its_time(workspace: Workspace) -> None:
    """wait(timeout) raises TimeoutError while the run goes on."""
    gate = Gate()
    handle = controller_of(workspace, Script(before=gate)).start(make_config(), make_variants(make_config(), 1))
    with pytest.raises(TimeoutError):
        handle.wait(0.01)
    gate.open.set()
    handle.wait(WAIT_S)


def test_progress_is_a_fold_over_events(workspace: Workspace) -> None:
    """From the events alone: how many are done, how far the next is, and when it will be over."""
    started = RunStarted(run_id="r", folder=workspace.root, variant_count=4, already_done=1, at_s=100.0)
    progress = advance(Progress(), started)
    assert (progress.total, progress.done, progress.fraction, progress.eta_s(100.0)) == (4, 1, 0.25, None)
    step = StepDone(run_id="r", fractions={1: 0.5, 2: 0.5}, step=5, steps=10, preview=None, at_s=110.0)
    progress = advance(progress, step)
    assert progress.fraction == pytest.approx((1 + 1.0) / 4)
    assert progress.eta_s(110.0) == pytest.approx(20.0)


def test_a_stop_that_comes_as_the_run_ends_leaves_the_controller_idle(workspace: Workspace) -> None:
    """However late the stop, the state after the run is idle."""
    controller = controller_of(workspace)
    for _ in range(40):
        handle = controller.start(make_config(), make_variants(make_config(), 1))
        while handle.running:
            controller.stop()
        assert controller.state == "idle"


def test_changes_of_the_state_are_told_in_their_order(workspace: Workspace) -> None:
    """A stop is being told while the run ends: idle comes after stopping, and whoever shows the last one is right."""
    gate, told, idle = Gate(), list[str](), threading.Event()
    controller = controller_of(workspace, Script(before=gate))

    def slow(event: Event) -> None:
        if isinstance(event, StateChanged) and event.state == "stopping":
            gate.open.set()
            idle.wait(1)  # told meanwhile where the order is not kept

    def listen(event: Event) -> None:
        if isinstance(event, StateChanged):
            told.append(event.state)
            if event.state == "idle":
                idle.set()

    controller.watch(slow)
    controller.watch(listen)
    handle = controller.start(make_config(), make_variants(make_config(), 1))
    assert gate.reached.wait(WAIT_S)
    controller.stop()
    handle.wait(WAIT_S)
    assert told == ["running", "stopping", "idle"]


def test_a_watcher_may_start_the_next_run_when_the_last_one_is_over(workspace: Workspace) -> None:
    """On idle the controller is free: no RunBusy."""
    controller = controller_of(workspace)
    started = threading.Event()
    second: list[object] = []

    def start_next(event: Event) -> None:
        if isinstance(event, StateChanged) and event.state == "idle" and not started.is_set():
            started.set()
            second.append(controller.start(make_config(), make_variants(make_config(), 1)))

    controller.watch(start_next)
    controller.start(make_config(), make_variants(make_config(), 1)).wait(WAIT_S)
    assert started.wait(WAIT_S)
    assert second[0].wait(WAIT_S).ok == 1  # type: ignore[attr-defined]


def test_a_plug_in_that_ends_the_program_does_not_leave_anybody_waiting(workspace: Workspace) -> None:
    """sys.exit inside a backend is the run's error, and wait() returns."""

    def leave(_: StageRequest) -> None:
        raise SystemExit(3)

    handle = controller_of(workspace, Script(before=leave)).start(make_config(), make_variants(make_config(), 1))
    with pytest.raises(StableNewError, match="end the program"):
        handle.wait(WAIT_S)


def test_steps_nobody_reads_are_not_kept(workspace: Workspace) -> None:
    """With no reader of events the queue stays small, and what matters is still in it."""
    controller = controller_of(workspace)
    config = make_config(steps=100)
    handle = controller.start(config, make_variants(config, 40))
    handle.wait(30)
    kinds = [type(event) for event in handle.events()]
    assert len(kinds) < 1200
    assert kinds.count(VariantFinished) == 40
    assert list(handle.events()) == []


def test_progress_never_goes_back_over_stages_and_batches(workspace: Workspace) -> None:
    """Two stages in batches of four: the fraction only grows, up to one."""
    controller = controller_of(workspace)
    config = make_config(stages="txt2img,img2img", steps=5)
    progress, seen = Progress(), list[float]()
    for event in controller.start(config, make_variants(config, 10)).events():
        progress = advance(progress, event)
        seen.append(progress.fraction)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
