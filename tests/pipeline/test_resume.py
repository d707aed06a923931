"""A run that was interrupted goes on where it ended: nothing twice, nothing lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from stablenew.backends.base import CancelToken, StageRequest
from stablenew.errors import NotFound
from stablenew.learning.learning_reader import read_records
from stablenew.learning.learning_record import LearningRecord, LearningRecordWriter
from stablenew.pipeline.pipeline_runner import PipelineRunner, RunResult
from stablenew.pipeline.run_folder import RunFolder
from stablenew.pipeline.run_list import failed_indices, list_runs, summarise_run
from stablenew.testing.fake_backend import FakeBackend, Script, fail_every
from stablenew.workspace import Workspace
from tests.makers import make_config, make_variants

STAGES = "txt2img,upscale"


def run(
    workspace: Workspace,
    *,
    count: int = 6,
    script: Script | None = None,
    cancel: CancelToken | None = None,
    resume: bool = False,
    learning: bool = True,
    stages: str = STAGES,
) -> tuple[RunResult, FakeBackend]:
    backend = FakeBackend(script=script or Script(window=1))
    config = make_config(run_id="r", learning=learning, stages=stages)
    writer = LearningRecordWriter(workspace.records, durability="none")
    runner = PipelineRunner(backend, writer, workspace=workspace)
    result = runner.run(config, make_variants(config, count), cancel=cancel, resume=resume)
    writer.close()
    return result, backend


def stop_at(seed: int, cancel: CancelToken, stage: str = "txt2img") -> Script:
    def before(request: StageRequest) -> None:
        if request.seed == seed and request.stage == stage:
            cancel.cancel()

    return Script(before=before, window=1)


def successes(workspace: Workspace) -> Counter[int]:
    """How many successful records each variant index has."""
    return Counter(
        record.pipeline.variant_index
        for record in read_records(workspace.records, "r")
        if isinstance(record, LearningRecord) and record.outcome.status == "ok"
    )


@pytest.mark.parametrize("learning", [True, False])
def test_a_resume_makes_only_what_is_missing(workspace: Workspace, learning: bool) -> None:
    """Stopped in the third of six: the resume asks the backend for four, with and without learning."""
    cancel = CancelToken()
    run(workspace, script=stop_at(102, cancel), cancel=cancel, learning=learning)
    result, backend = run(workspace, resume=True, learning=learning)
    assert (result.already_done, result.ok) == (2, 4)
    assert [request.seed for request in backend.calls.requests] == [102, 103, 104, 105]
    if learning:
        assert successes(workspace) == Counter(range(6))


def test_a_stage_that_is_done_is_not_done_again(workspace: Workspace) -> None:
    """Stopped between txt2img and img2img: the resume repaints the very picture that was made."""
    cancel = CancelToken()
    stages = "txt2img,img2img"
    run(workspace, count=1, script=stop_at(100, cancel, "img2img"), cancel=cancel, stages=stages)
    result, backend = run(workspace, count=1, resume=True, stages=stages)
    assert result.ok == 1
    assert [request.stage for request in backend.calls.requests] == ["img2img"]


def test_a_picture_that_was_changed_is_made_again(workspace: Workspace) -> None:
    """A stage counts as done only while its picture is what was saved."""
    cancel = CancelToken()
    stages = "txt2img,img2img"
    run(workspace, count=1, script=stop_at(100, cancel, "img2img"), cancel=cancel, stages=stages)
    next((workspace.runs / "r" / "images").glob("*.png")).write_bytes(b"damaged")
    _, backend = run(workspace, count=1, resume=True, stages=stages)
    assert [request.stage for request in backend.calls.requests] == ["txt2img", "img2img"]


def test_a_record_lost_after_its_pictures_is_written_without_making_them_again(workspace: Workspace) -> None:
    """All stages in the journal, no record: the resume asks the backend for nothing and writes the record."""
    run(workspace, count=3)
    next(workspace.records.glob("r*.jsonl")).unlink()
    result, backend = run(workspace, count=3, resume=True)
    assert (result.ok, backend.calls.pictures) == (3, 0)
    assert successes(workspace) == Counter(range(3))


def test_failed_variants_are_tried_again(workspace: Workspace) -> None:
    """What failed has no successful record, so a resume tries it, and the run knows which failed."""
    first, _ = run(workspace, script=Script(before=fail_every(3), window=1), stages="txt2img")
    assert first.failed == 2
    assert failed_indices(workspace, "r") == {2, 5}
    second, _ = run(workspace, resume=True, stages="txt2img")
    assert (second.already_done, second.ok) == (4, 2)
    assert failed_indices(workspace, "r") == frozenset()
    assert successes(workspace) == Counter(range(6))


def test_a_torn_line_in_the_journal_costs_that_stage_only(workspace: Workspace) -> None:
    """The journal cut in the middle of its last line: the stage is repeated, the lines after it are whole."""
    run(workspace, count=2, learning=False)
    journal = workspace.runs / "r" / "stages.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    result, _ = run(workspace, count=2, learning=False, resume=True)
    assert (result.already_done, result.ok) == (1, 1)
    done = RunFolder(workspace, "r").done_stages()
    assert {index: set(stages) for (index, _), stages in done.items()} == {
        0: {"txt2img", "upscale"},
        1: {"txt2img", "upscale"},
    }


def test_a_journal_line_that_does_not_fit_on_the_disk_leaves_nothing_behind(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short write costs its own stage: the lines after it are whole, and so is the next one's."""
    real, short = os.write, [False, True, False, False]

    def write(descriptor: int, data: bytes) -> int:
        return real(descriptor, data[:100] if short.pop(0) else data)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write)
        run(workspace, count=4, learning=False, stages="txt2img")
    assert short == []
    assert [index for index, _ in RunFolder(workspace, "r").done_stages()] == [0, 2, 3]


def test_the_list_of_runs_says_where_each_stands(workspace: Workspace) -> None:
    """Made, failed and unfinished variants of a run, from its folder alone."""
    cancel = CancelToken()
    run(workspace, script=stop_at(104, cancel), cancel=cancel, learning=False)
    (workspace.runs / "not-a-run").mkdir()
    assert [summary.manifest.run_id for summary in list_runs(workspace)] == ["r"]
    summary = summarise_run(workspace, "r")
    assert (summary.ok, summary.failed, summary.unfinished) == (4, 0, 2)


VARIANTS = 300
KILLS = 100


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_killed_a_hundred_times_every_variant_is_made_and_recorded_exactly_once(tmp_path: Path) -> None:
    """SIGKILL at random moments with resumes in between: 300 variants, 300 successful records, one picture a stage.

    Each kill comes only after the run has got going, so that every one hits a run at work.
    """
    rng = random.Random(20261122)
    workspace = Workspace(root=tmp_path)
    kills = 0
    while kills < KILLS:
        process = _start(tmp_path)
        assert process.stdout is not None
        if process.stdout.readline() == b"":
            assert process.wait() == 0
            break
        time.sleep(rng.random() * 0.012)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process.stdout.close()
    final = _start(tmp_path)
    final.communicate(timeout=240)
    assert final.returncode == 0
    assert kills == KILLS
    assert successes(workspace) == Counter(range(VARIANTS))
    names = sorted(path.name for path in (workspace.runs / "r" / "images").glob("*.png"))
    assert len(names) == 2 * VARIANTS
    assert len({name.split("-")[0] for name in names}) == VARIANTS
    assert list((workspace.runs / "r" / "images").glob("*.tmp")) == []


def _start(root: Path) -> subprocess.Popen[bytes]:
    """A process that resumes the run; it prints a line once the first picture of this start is being made."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.pipeline.killed_run", str(root)], stdout=subprocess.PIPE, env=environment
    )


def test_a_stage_done_elsewhere_is_recorded_with_the_backend_that_did_it(workspace: Workspace) -> None:
    """txt2img on one backend, img2img after a resume on another: the record names both, each at its stage."""
    cancel = CancelToken()
    config = make_config(run_id="r", stages="txt2img,img2img")
    writer = LearningRecordWriter(workspace.records, durability="none")
    first = FakeBackend(name="attic", script=stop_at(100, cancel, "img2img"))
    PipelineRunner(first, writer, workspace=workspace).run(config, make_variants(config, 1), cancel=cancel)
    second = FakeBackend(name="desk")
    PipelineRunner(second, writer, workspace=workspace).run(config, make_variants(config, 1), resume=True)
    writer.close()
    records = [record for record in read_records(workspace.records, "r") if isinstance(record, LearningRecord)]
    assert records[-1].outcome.status == "ok"
    assert records[-1].pipeline.backend == "attic"
    assert [stage.backend for stage in records[-1].pipeline.stages] == ["attic", "desk"]


def test_a_resume_of_a_run_that_is_not_there_makes_nothing(workspace: Workspace) -> None:
    """NotFound, and no folder."""
    with pytest.raises(NotFound):
        run(workspace, resume=True)
    assert not workspace.runs.exists()
