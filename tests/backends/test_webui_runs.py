"""A whole run against failing servers: exactly one record and, where it was made, one picture for every variant."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from stablenew.backends.base import Backend, GeneratedImage, Watch
from stablenew.backends.diffusers_local.backend import open_backend as open_local
from stablenew.backends.picture import read_pixels
from stablenew.backends.pool import PoolBackend
from stablenew.backends.registry import BackendOptions
from stablenew.learning.learning_record import LearningRecordWriter
from stablenew.pipeline.pipeline_runner import PipelineRunner
from stablenew.pipeline.run_values import RunResult
from stablenew.testing.fake_backend import FakeBackend, Script
from stablenew.testing.stub_server import Answer, Fault
from stablenew.testing.stub_webui import StubWebUI
from stablenew.testing.stub_webui_painter import painted_by
from stablenew.workspace import Workspace
from tests.makers import make_config, make_variants

from .webui_desk import asked, desk, picture

TXT2IMG = "/sdapi/v1/txt2img"
COUNT = 12


@pytest.fixture
def stubs() -> Iterator[list[StubWebUI]]:
    with ExitStack() as stack:
        yield [stack.enter_context(stub) for stub in (StubWebUI(), StubWebUI(flavour="Forge"))]  # type: ignore[misc]  # a StubServer that is a StubWebUI


def run(backend: Backend, folder: Path, **settings: Any) -> tuple[RunResult, list[dict[str, Any]], list[Path]]:
    """A run of COUNT variants: its result, the records, and the pictures on disk."""
    config = make_config(steps=2, width=64, height=64, **settings)
    writer = LearningRecordWriter(folder / "records")
    runner = PipelineRunner(backend, writer, workspace=Workspace(root=folder / "workspace"))
    result = runner.run(config, make_variants(config, COUNT))
    writer.close()
    lines = [
        json.loads(line) for file in (folder / "records").glob("*.jsonl") for line in file.read_text().splitlines()
    ]
    return result, lines, sorted((folder / "workspace").rglob("*.png"))


def assert_one_each(records: Sequence[dict[str, Any]]) -> None:
    ids = [record["run"]["record_id"] if "run" in record else record["record_id"] for record in records]
    assert len(ids) == len(set(ids)) == COUNT


@pytest.mark.parametrize(
    ("kind", "how", "failed"),
    [
        ("reset", {}, 0),
        ("drop", {}, 0),
        ("reset", {"times": 2}, 1),
        ("truncate", {}, 1),
        ("garbage", {"answer": Answer(body=b'{"images":["?"]}')}, 1),
        ("status", {"answer": Answer(status=500, body=b'{"error":"X","errors":"boom"}')}, 1),
        ("status", {"answer": Answer(status=500, body=b'{"error":"X","message":"boom"}')}, 1),
        ("status", {"answer": Answer(status=429, headers={"Retry-After": "0.05"})}, 0),
        ("drip", {"seconds": 0.01}, 1),
        ("hang", {"seconds": 0.6}, 1),
    ],
)
def test_every_fault_leaves_one_record_a_variant(
    tmp_path: Path, stubs: list[StubWebUI], kind: Any, how: dict[str, Any], failed: int
) -> None:
    """A fault in the middle of a run costs at most its own variant, which is recorded as failed."""
    stubs[0].faults.append(Fault(path=TXT2IMG, kind=kind, after=3, **how))
    result, records, pictures = run(desk(stubs[0], timeout_s=0.4), tmp_path)
    assert (result.ok, result.failed) == (COUNT - failed, failed)
    assert_one_each(records)
    assert len(pictures) == COUNT - failed


def test_a_pool_with_a_dying_member_leaves_one_record_a_variant(tmp_path: Path, stubs: list[StubWebUI]) -> None:
    """One of two servers dies in the middle of a picture: all are made, each recorded and saved once."""
    stubs[1].faults.append(Fault(path=TXT2IMG, kind="die", after=2))
    pool = PoolBackend(name="both", members=[desk(stub, reconnect_s=0.0) for stub in stubs], retry_s=60.0)
    result, records, pictures = run(pool, tmp_path)
    assert (result.ok, result.failed) == (COUNT, 0)
    assert_one_each(records)
    assert len(pictures) == COUNT


def test_deviations_reach_the_record(tmp_path: Path, stubs: list[StubWebUI]) -> None:
    """What the server did otherwise stands in every record of the run, and is counted."""
    stubs[0].mind.twist = {"sampler_name": "Nope"}
    result, records, _ = run(desk(stubs[0]), tmp_path)
    assert result.deviations >= COUNT
    for record in records:
        assert any(found["setting"] == "sampler" for found in record["outcome"]["deviations"])


def test_a_stub_can_paint_with_any_backend(tmp_path: Path, stubs: list[StubWebUI]) -> None:
    """Behind the stub any backend of ours can paint, so that what comes over the wire is a real picture."""
    stubs[0].mind.paint = painted_by(FakeBackend(script=Script()))
    result, _, pictures = run(desk(stubs[0]), tmp_path)
    assert result.ok == COUNT
    with Image.open(pictures[0]) as opened:
        assert opened.size == (64, 64)
        assert "Steps: 2" in opened.info["parameters"]


def test_real_pictures_come_through_the_stub(stubs: list[StubWebUI]) -> None:
    """With the embedded model behind the stub, a run over the wire gives the pictures that model paints by itself."""
    pytest.importorskip("torch")
    local = open_local(BackendOptions(name="local"))
    stubs[0].mind.paint = painted_by(local)
    request = asked("a red circle", seed=7, steps=4, sampler="Euler")
    over_the_wire = picture(desk(stubs[0]), request)
    by_itself = next(outcome for _, outcome in local.generate([request], Watch()))
    local.close()
    assert isinstance(by_itself, GeneratedImage)
    assert over_the_wire.deviations == ()
    pixels = [read_pixels(made.picture, "test") for made in (over_the_wire, by_itself)]
    assert max(high for _, high in ImageChops.difference(*pixels).getextrema()) <= 2
