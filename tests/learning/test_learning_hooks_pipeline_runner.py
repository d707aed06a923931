"""What the pipeline runner owes to learning, and learning to the pipeline runner."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.makers import make_config, make_variants

from stablenew.backends.base import CancelToken, StageRequest
from stablenew.errors import GenerationFailed, RecordNotWritten
from stablenew.learning.learning_record import LearningRecord, LearningRecordWriter
from stablenew.pipeline.pipeline_runner import PipelineConfig, PipelineRunner, RunResult
from stablenew.pipeline.run_values import RunObserver
from stablenew.testing.fake_backend import FakeBackend, Script
from stablenew.testing.memory_writer import InMemoryLearningRecordWriter
from stablenew.variant import VariantResult
from stablenew.workspace import Workspace


class FailingWriter:
    """A writer whose disk is full."""

    def __init__(self) -> None:
        self.tried = 0

    def write_record(self, record: LearningRecord) -> None:
        self.tried += 1
        raise RecordNotWritten("records.jsonl", "no space left on device")


def failing_at(*positions: int) -> Script:
    """A script that fails the pictures begun at these positions, counted from 0."""
    begun = -1

    def before(_: StageRequest) -> None:
        nonlocal begun
        begun += 1
        if begun in positions:
            raise GenerationFailed("fake", f"picture {begun} failed")

    return Script(before=before)


def run(
    workspace: Workspace,
    config: PipelineConfig,
    count: int = 3,
    *,
    backend: FakeBackend | None = None,
    writer: object = None,
    callback: Callable[[LearningRecord], None] | None = None,
    results: list[VariantResult] | None = None,
    cancel: CancelToken | None = None,
) -> RunResult:
    observer = RunObserver(on_result=(results if results is not None else []).append)
    runner = PipelineRunner(
        backend or FakeBackend(),
        writer,  # type: ignore[arg-type]
        callback,
        workspace=workspace,
        observer=observer,
        source="StableNewTest",
    )
    return runner.run(config, make_variants(config, count), cancel=cancel)


def test_every_executed_variant_leaves_exactly_one_record(workspace: Workspace) -> None:
    """The number of records equals the number of variants executed."""
    writer = InMemoryLearningRecordWriter()
    result = run(workspace, make_config(), 5, writer=writer)
    assert [record.pipeline.variant_index for record in writer.records] == [0, 1, 2, 3, 4]
    assert len({record.run.record_id for record in writer.records}) == 5
    assert (result.ok, result.records_written, result.lost_records) == (5, 5, 0)


def test_a_record_states_what_was_executed(workspace: Workspace) -> None:
    """Model, sampler, CFG, steps, prompt, seed, size, run and pack in the record are those of the variant."""
    writer = InMemoryLearningRecordWriter()
    config = make_config(steps=31, cfg_scale=4.5, sampler="DPM++ 2M", scheduler="Karras", model="fake-model-b")
    config = dataclasses.replace(config, run_id="run-7", one_click_action="heroic", learning_tags=["t1", "t2"])
    run(workspace, config, 1, writer=writer)
    record = writer.records[0]
    pipeline = record.pipeline
    assert (pipeline.model, pipeline.sampler, pipeline.scheduler) == ("fake-model-b", "DPM++ 2M", "Karras")
    assert (pipeline.cfg_scale, pipeline.steps, pipeline.width, pipeline.height) == (4.5, 31, 64, 64)
    assert (record.prompt.prompt, record.prompt.negative_prompt, record.prompt.seed) == (
        "a cat on a wall",
        "blurry",
        100,
    )
    assert (record.prompt.pack_id, record.prompt.pack_name, record.prompt.line_number) == ("pack-1", "animals", 3)
    assert (record.run.run_id, record.run.source, record.run.learning_tags) == ("run-7", "StableNewTest", ["t1", "t2"])
    assert record.prompt.one_click_action == "heroic"
    assert record.outcome.status == "ok"


def test_settings_that_a_variant_has_of_its_own_are_in_its_record(workspace: Workspace) -> None:
    """A sweep's records differ where its variants differ, not where the run's config stands."""
    writer = InMemoryLearningRecordWriter()
    config = make_config(cfg_scale=7)
    variants = [
        dataclasses.replace(variant, config=make_config(cfg_scale=cfg), axes={"txt2img.cfg_scale": cfg})
        for variant, cfg in zip(make_variants(config, 3), (1.0, 2.0, 3.0), strict=True)
    ]
    PipelineRunner(FakeBackend(), writer, workspace=workspace).run(config, variants)
    assert [record.pipeline.cfg_scale for record in writer.records] == [1.0, 2.0, 3.0]
    assert [record.pipeline.axes for record in writer.records] == [{"txt2img.cfg_scale": v} for v in (1.0, 2.0, 3.0)]


def test_every_stage_is_in_the_record_with_its_picture(workspace: Workspace) -> None:
    """A variant through three stages has three stages, three pictures and their hashes in one record."""
    writer = InMemoryLearningRecordWriter()
    run(workspace, make_config(stages="txt2img,img2img,upscale", img2img__denoise=0.4), 1, writer=writer)
    record = writer.records[0]
    assert [stage.stage for stage in record.pipeline.stages] == ["txt2img", "img2img", "upscale"]
    assert record.pipeline.stages[1].denoise == 0.4
    assert [(image.stage, image.width) for image in record.outcome.images] == [
        ("txt2img", 64),
        ("img2img", 64),
        ("upscale", 128),
    ]
    for image in record.outcome.images:
        assert (workspace.root / image.path).is_file()


def test_a_failing_writer_does_not_break_the_run(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """Pictures are made although no record can be stored, and the loss is counted and logged with its traceback."""
    writer = FailingWriter()
    result = run(workspace, make_config(run_id="full-disk"), 4, writer=writer)
    assert (result.ok, result.lost_records, result.records_written, writer.tried) == (4, 4, 0, 4)
    assert len(list((workspace.runs / "full-disk" / "images").glob("*.png"))) == 4
    lines = [json.loads(line) for line in (workspace.runs / "full-disk" / "log.jsonl").read_text().splitlines()]
    lost = [line for line in lines if line["event"] == "a learning record was lost"]
    assert len(lost) == 4
    assert all("no space left on device" in line["traceback"] and line["run_id"] == "full-disk" for line in lost)


def test_a_failing_callback_does_not_break_the_run(workspace: Workspace) -> None:
    """A callback that raises costs nothing but is counted; the writer still gets every record."""

    def callback(_: LearningRecord) -> None:
        raise RuntimeError("the dashboard is down")

    writer = InMemoryLearningRecordWriter()
    result = run(workspace, make_config(), 3, writer=writer, callback=callback)
    assert (result.ok, result.lost_records, len(writer.records)) == (3, 3, 3)


def test_a_callback_is_called_although_the_writer_failed(workspace: Workspace) -> None:
    """Writer and callback stand on their own."""
    seen: list[LearningRecord] = []
    result = run(workspace, make_config(), 2, writer=FailingWriter(), callback=seen.append)
    assert len(seen) == 2
    assert result.lost_records == 2


def test_the_callback_gets_the_instance_that_was_written(workspace: Workspace) -> None:
    """The writer and the callback see the same object, the writer first."""
    order: list[tuple[str, int]] = []

    class Writer:
        def write_record(self, record: LearningRecord) -> None:
            order.append(("written", id(record)))

    kept: list[LearningRecord] = []

    def callback(record: LearningRecord) -> None:
        kept.append(record)
        order.append(("called", id(record)))

    run(workspace, make_config(), 2, writer=Writer(), callback=callback)
    assert order == [step for record in kept for step in (("written", id(record)), ("called", id(record)))]


def test_a_record_that_cannot_be_assembled_is_a_lost_record(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a mistake in the record's own code costs no picture."""

    def broken(*_: object) -> LearningRecord:
        raise KeyError("a mistake of ours")

    monkeypatch.setattr(LearningRecord, "from_pipeline_context", broken)
    result = run(workspace, make_config(), 2, writer=InMemoryLearningRecordWriter())
    assert (result.ok, result.lost_records) == (2, 2)


def test_a_failed_variant_is_recorded_with_its_error_and_the_others_go_on(workspace: Workspace) -> None:
    """One failure in the middle: it has a record with the error, the rest have pictures."""
    writer = InMemoryLearningRecordWriter()
    result = run(workspace, make_config(), 4, backend=FakeBackend(script=failing_at(1)), writer=writer)
    assert (result.ok, result.failed) == (3, 1)
    by_index = {record.pipeline.variant_index: record.outcome for record in writer.records}
    assert [by_index[index].status for index in range(4)] == ["ok", "failed", "ok", "ok"]
    assert by_index[1].error is True
    assert by_index[1].error_type == "GenerationFailed"
    assert by_index[1].error_message == "picture 1 failed"
    assert by_index[1].images == []


def test_a_plug_in_that_breaks_its_promises_costs_its_picture_only(workspace: Workspace) -> None:
    """An exception that no honest backend raises becomes the variants' error, and the run goes on."""

    def before(request: StageRequest) -> None:
        if request.seed == 101:
            raise ZeroDivisionError("division by zero")

    writer = InMemoryLearningRecordWriter()
    backend = FakeBackend(script=Script(before=before, window=1))
    result = run(workspace, make_config(), 3, backend=backend, writer=writer)
    assert (result.ok, result.failed) == (2, 1)
    assert writer.records[1].outcome.error_message == "ZeroDivisionError: division by zero"


def test_with_learning_off_nothing_is_recorded(workspace: Workspace) -> None:
    """`learning_enabled` is False by default, and then neither writer nor callback is called."""
    writer, seen = InMemoryLearningRecordWriter(), list[LearningRecord]()
    result = run(workspace, make_config(learning=False), 3, writer=writer, callback=seen.append)
    assert PipelineConfig().learning_enabled is False
    assert (result.ok, len(writer.records), len(seen)) == (3, 0, 0)


def test_without_writer_and_callback_the_run_is_a_plain_run(workspace: Workspace) -> None:
    """Learning enabled with nobody to tell is no error."""
    result = run(workspace, make_config(), 2)
    assert (result.ok, result.records_written, result.lost_records) == (2, 0, 0)


@pytest.mark.parametrize("learning", [False, True])
def test_learning_changes_nothing_for_the_backend(workspace: Workspace, tmp_path: Path, learning: bool) -> None:
    """The backend gets the same requests in the same batches, and the results are the same but for their times."""

    def one_run(root: Path, enabled: bool) -> tuple[object, object]:
        backend = FakeBackend(script=failing_at(2))
        results: list[VariantResult] = []
        config = make_config(learning=enabled, stages="txt2img,upscale", run_id="same")
        run(
            Workspace(root=root),
            config,
            5,
            backend=backend,
            writer=InMemoryLearningRecordWriter() if enabled else None,
            results=results,
        )
        said = [
            (result.variant.variant_id, result.status, [image.sha256 for image in result.images], result.failure)
            for result in results
        ]
        return (backend.calls.requests, backend.calls.batches, backend.calls.generate), said

    plain = one_run(tmp_path / "plain", False)
    other = one_run(tmp_path / "other", learning)
    assert repr(plain[0]).split(" at 0x")[0] == repr(other[0]).split(" at 0x")[0]
    assert plain[1] == other[1]


def test_records_reach_the_disk_one_line_each(workspace: Workspace) -> None:
    """With the real writer there is one file per run, whose lines are the records."""
    with contextlib.closing(LearningRecordWriter(workspace.records)) as writer:
        run(workspace, make_config(run_id="on-disk"), 3, writer=writer)
    lines = (workspace.records / "on-disk.jsonl").read_text().splitlines()
    read = [LearningRecord.from_json(line) for line in lines]
    assert [record.pipeline.variant_index for record in read] == [0, 1, 2]


def test_a_stopped_variant_is_recorded_as_cancelled_and_one_never_started_is_not(workspace: Workspace) -> None:
    """Cancelling inside the second picture: one ok, one cancelled, and no word of the rest."""
    cancel = CancelToken()

    def before(request: StageRequest) -> None:
        if request.seed == 101:
            cancel.cancel()

    writer = InMemoryLearningRecordWriter()
    backend = FakeBackend(script=Script(before=before, window=1))
    result = run(workspace, make_config(), 4, backend=backend, writer=writer, cancel=cancel)
    assert [record.outcome.status for record in writer.records] == ["ok", "cancelled"]
    assert (result.status, result.ok, result.cancelled, result.not_started) == ("stopped", 1, 1, 2)


def test_the_program_that_runs_us_keeps_its_own_logging(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    """What we log goes to stderr and the run's file, not through the host's logging."""
    with caplog.at_level(logging.INFO):
        run(workspace, make_config(), 1, writer=FailingWriter())
    assert caplog.records == []
