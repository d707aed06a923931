"""What the controller owes to those who want learning records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.makers import make_config, make_variants

from stablenew.backends.base import Backend, CancelToken
from stablenew.config import PipelineConfig, StageName
from stablenew.controller.pipeline_controller import PipelineController, RunnerParts
from stablenew.learning.learning_record import LearningRecord
from stablenew.pipeline.pipeline_runner import PipelineRunner
from stablenew.pipeline.run_values import RunResult
from stablenew.testing.fake_backend import FakeBackend
from stablenew.testing.memory_writer import InMemoryLearningRecordWriter
from stablenew.variant import Variant
from stablenew.workspace import Workspace

RECORDS = [
    LearningRecord.from_pipeline_context({"run_id": "fake"}, {"variant_index": index, "prompt": "a cat"})
    for index in range(3)
]


class FakeRunner:
    """Stands in for the runner: makes no picture and hands out the three records above."""

    def __init__(self, parts: RunnerParts) -> None:
        self.parts = parts

    def run(
        self,
        config: PipelineConfig,
        variants: Iterable[Variant],
        *,
        recipe: Mapping[str, Any] | None = None,
        cancel: CancelToken | None = None,
        resume: bool = False,
        paused_stages: tuple[StageName, ...] = (),
    ) -> RunResult:
        for record in RECORDS:
            if self.parts.learning_writer is not None:
                self.parts.learning_writer.write_record(record)
            self.parts.on_learning_record(record)
        return RunResult(
            run_id="fake",
            folder=Path("fake"),
            status="done",
            variant_count=3,
            ok=3,
            failed=0,
            cancelled=0,
            already_done=0,
            records_written=3,
            lost_records=0,
            deviations=0,
            duration_s=0.0,
        )


def real_controller(workspace: Workspace, backend: Backend | None = None, writer: Any = None) -> PipelineController:
    def factory(parts: RunnerParts) -> PipelineRunner:
        return PipelineRunner(
            backend or FakeBackend(),
            parts.learning_writer,
            parts.on_learning_record,
            workspace=workspace,
            observer=parts.observer,
        )

    return PipelineController(factory, learning_writer=writer)


def test_every_callback_gets_the_very_instances_the_runner_produced() -> None:
    """Two callbacks, three records: both see the same three objects, in order."""
    controller = PipelineController(FakeRunner)
    first, second = list[LearningRecord](), list[LearningRecord]()
    controller.register_learning_record_callback(first.append)
    controller.register_learning_record_callback(second.append)
    controller.start(PipelineConfig(), []).wait(10)
    assert [id(record) for record in first] == [id(record) for record in RECORDS]
    assert [id(record) for record in second] == [id(record) for record in RECORDS]


def test_with_the_real_runner_callbacks_get_what_the_writer_got(workspace: Workspace) -> None:
    """The instance in the callback is the instance that was written."""
    writer, seen = InMemoryLearningRecordWriter(), list[LearningRecord]()
    controller = real_controller(workspace, writer=writer)
    controller.register_learning_record_callback(seen.append)
    config = make_config()
    controller.start(config, make_variants(config, 4)).wait(30)
    assert len(seen) == 4
    assert all(given is written for given, written in zip(seen, writer.records, strict=True))


def test_one_callback_that_raises_does_not_starve_the_others(workspace: Workspace) -> None:
    """The second callback is called although the first failed, and the failure is counted."""
    seen: list[LearningRecord] = []

    def broken(_: LearningRecord) -> None:
        raise RuntimeError("no")

    controller = real_controller(workspace)
    controller.register_learning_record_callback(broken)
    controller.register_learning_record_callback(seen.append)
    config = make_config()
    result = controller.start(config, make_variants(config, 2)).wait(30)
    assert len(seen) == 2
    assert (result.ok, result.lost_records) == (2, 2)


def test_cleared_callbacks_are_not_called() -> None:
    """After clear_learning_record_callbacks nobody is told."""
    controller = PipelineController(FakeRunner)
    seen: list[LearningRecord] = []
    controller.register_learning_record_callback(seen.append)
    controller.clear_learning_record_callbacks()
    controller.start(PipelineConfig(), []).wait(10)
    assert seen == []


def test_a_callback_registered_during_a_run_hears_the_rest_of_it() -> None:
    """Registering is allowed at any time, even from within a callback."""
    controller = PipelineController(FakeRunner)
    late: list[LearningRecord] = []

    def early(_: LearningRecord) -> None:
        if not late:
            controller.register_learning_record_callback(late.append)

    controller.register_learning_record_callback(early)
    controller.start(PipelineConfig(), []).wait(10)
    assert late
    assert late[0] is RECORDS[1]


def test_the_configured_writer_reaches_the_runner() -> None:
    """The factory is handed the controller's writer and one aggregate callback."""
    writer = InMemoryLearningRecordWriter()
    controller = PipelineController(FakeRunner, learning_writer=writer)
    controller.start(PipelineConfig(), []).wait(10)
    assert [id(record) for record in writer.records] == [id(record) for record in RECORDS]


def test_the_runner_can_be_inspected_in_tests(workspace: Workspace) -> None:
    """get_learning_runner_for_tests gives a wired runner before a run, and that run's own after it."""
    writer = InMemoryLearningRecordWriter()
    controller = real_controller(workspace, writer=writer)
    before = controller.get_learning_runner_for_tests()
    assert isinstance(before, PipelineRunner)
    assert before.learning_writer is writer
    assert before.on_learning_record is not None
    seen: list[LearningRecord] = []
    controller.register_learning_record_callback(seen.append)
    before.on_learning_record(RECORDS[0])
    assert seen == [RECORDS[0]]
    config = make_config()
    controller.start(config, make_variants(config, 1)).wait(30)
    assert controller.get_learning_runner_for_tests() is not before


@pytest.mark.parametrize("with_learning", [True, False])
def test_learning_off_means_no_callback(workspace: Workspace, with_learning: bool) -> None:
    """A config without learning_enabled tells no callback."""
    seen: list[LearningRecord] = []
    controller = real_controller(workspace)
    controller.register_learning_record_callback(seen.append)
    config = make_config(learning=with_learning)
    controller.start(config, make_variants(config, 2)).wait(30)
    assert len(seen) == (2 if with_learning else 0)
