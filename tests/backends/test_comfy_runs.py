"""Whole runs on a ComfyUI server: one record and one picture per variant, whatever the server does in between."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from stablenew.backends.comfyui.graph import ModelParts, Sampling, Texts, graph_to_json, text_to_image
from stablenew.backends.pool import PoolBackend
from stablenew.learning.learning_record import LearningRecordWriter
from stablenew.pipeline.pipeline_runner import PipelineRunner
from stablenew.pipeline.run_values import RunResult
from stablenew.testing.stub_comfy import StubComfy, StubJob
from stablenew.testing.stub_comfy_http import Fault
from stablenew.workspace import Workspace
from tests.backends.comfy_requests import open_comfy
from tests.makers import make_config, make_variants

COUNT = 8


@pytest.fixture
def stub() -> Iterator[StubComfy]:
    with StubComfy() as running:
        yield running


def run(stub: StubComfy, workspace: Workspace, count: int = COUNT, **settings: Any) -> RunResult:
    """A small run of `count` variants."""
    config = make_config(txt2img__steps=2, txt2img__width=64, txt2img__height=64, **settings)
    backend, writer = open_comfy(stub), LearningRecordWriter(workspace.records)
    with contextlib.closing(backend), contextlib.closing(writer):
        return PipelineRunner(backend, writer, workspace=workspace).run(config, make_variants(config, count))


def records(workspace: Workspace) -> list[dict[str, Any]]:
    """Every record on disk."""
    lines = [line for path in sorted(workspace.records.rglob("*.jsonl")) for line in path.read_bytes().splitlines()]
    return [msgspec.json.decode(line) for line in lines if line.strip()]


def pictures(workspace: Workspace) -> list[Path]:
    """Every picture on disk."""
    return sorted(workspace.runs.rglob("*.png"))


def test_pictures_carry_our_text_beside_the_servers_graph(stub: StubComfy, workspace: Workspace) -> None:
    """A saved picture has ComfyUI's own chunk, the text other tools read, and our record id; its own bytes stay."""
    assert run(stub, workspace, 1).ok == 1
    (path,) = pictures(workspace)
    with Image.open(path) as image:
        text = dict(image.text)  # type: ignore[attr-defined]  # PNG images have it
    graph = json.loads(text["prompt"])
    assert {node["class_type"] for node in graph.values()} >= {"KSampler", "SaveImage"}
    assert "Sampler: Euler a, Schedule type: Normal" in text["parameters"]
    (record,) = records(workspace)
    assert json.loads(text["stablenew"])["record_id"] == record["run"]["record_id"]
    (sent,) = stub.saved.values()
    header, rest = sent[:33], sent[33:]
    assert path.read_bytes().startswith(header)
    assert path.read_bytes().endswith(rest)


def test_what_a_workflow_decides_is_empty_in_the_record(stub: StubComfy, workspace: Workspace) -> None:
    """A setting that has no place in the person's workflow is not recorded as if it had been used."""
    config = make_config(txt2img__width=64, txt2img__height=64)
    flow = graph_to_json(
        text_to_image(
            ModelParts(checkpoint="stub-model.safetensors"),
            Texts(positive="", negative=""),
            Sampling(seed=1, sampler="euler", scheduler="normal", steps=4, cfg=3.0),
            (64, 64),
            prefix="x",
        )
    )
    workspace.root.mkdir()
    (workspace.root / "flow.json").write_text(json.dumps(flow))
    own = {"file": "flow.json", "mapping": {"cfg_scale": "ignore"}}
    backend = open_comfy(stub, workspace=workspace.root, workflows={"txt2img": own})
    writer = LearningRecordWriter(workspace.records)
    with contextlib.closing(backend), contextlib.closing(writer):
        assert PipelineRunner(backend, writer, workspace=workspace).run(config, make_variants(config, 1)).ok == 1
    (record,) = records(workspace)
    shown = record["pipeline"]
    assert (shown["steps"], shown["cfg_scale"], shown["stages"][0]["clip_skip"]) == (20, 3.0, None)


def test_two_stages_on_the_server(stub: StubComfy, workspace: Workspace) -> None:
    """txt2img, img2img and an upscale by the server's model follow each other, each recorded as it was done."""
    made = run(
        stub,
        workspace,
        2,
        stages="txt2img,img2img,upscale",
        upscale__method="upscaler",
        upscale__upscaler="Stub-2x.pth",
    )
    assert (made.ok, made.deviations) == (2, 0)
    for record in records(workspace):
        sizes = [(image["stage"], image["width"]) for image in record["outcome"]["images"]]
        assert sizes == [("txt2img", 64), ("img2img", 64), ("upscale", 128)]


@pytest.mark.parametrize("disaster", ["restart", "reset", "lost answer", "cut", "nonsense", "interrupt"])
def test_one_record_and_one_picture_per_variant(stub: StubComfy, workspace: Workspace, disaster: str) -> None:
    """Whatever breaks in the middle of a run, each variant has one record, and a picture exactly when it says so."""
    stub.step_s = 0.01
    begun: list[str] = []

    def strike(job: StubJob, node_id: str) -> None:
        if job.graph[node_id]["class_type"] != "KSampler":
            return
        begun.append(job.prompt_id)
        if len(begun) == 3:
            disasters[disaster]()

    disasters = {
        "restart": lambda: threading.Thread(target=lambda: stub.restart(away_s=0.2)).start(),
        "reset": lambda: stub.faults.append(Fault(path="/", kind="reset", times=3)),
        "lost answer": lambda: stub.faults.append(Fault(path="/prompt", kind="act_and_reset", times=2)),
        "cut": lambda: stub.faults.append(Fault(path="/view", kind="cut", times=2)),
        "nonsense": lambda: stub.faults.append(Fault(path="/history", kind="answer", body=b'{"a', times=2)),
        "interrupt": lambda: stub.post_interrupt(None),
    }
    stub.before_node = strike
    result = run(stub, workspace)
    assert len(begun) >= COUNT
    expected = COUNT - 1 if disaster == "interrupt" else COUNT
    assert (result.ok, result.failed, result.lost_records) == (expected, COUNT - expected, 0)
    written = records(workspace)
    assert len({record["run"]["record_id"] for record in written}) == len(written) == COUNT
    named = [image["path"] for record in written for image in record["outcome"]["images"]]
    assert sorted(named) == [workspace.relative(path) for path in pictures(workspace)]
    assert len(named) == expected


def test_a_pool_of_servers_goes_on_when_one_dies(stub: StubComfy, workspace: Workspace) -> None:
    """Of two servers one dies in the middle: the other makes what it held, one record and one picture per variant."""
    config = make_config(txt2img__steps=2, txt2img__width=64, txt2img__height=64)
    begun: list[str] = []
    with StubComfy(step_s=0.01) as other:

        def die(job: StubJob, node_id: str) -> None:
            if job.graph[node_id]["class_type"] == "KSampler":
                begun.append(job.prompt_id)
                if len(begun) == 2:
                    threading.Thread(target=stub.stop).start()
                    threading.Event().wait(0.2)

        stub.before_node = die
        members = [open_comfy(each, restart_wait_s=0.2) for each in (stub, other)]
        pool, writer = PoolBackend(name="both", members=members), LearningRecordWriter(workspace.records)
        with contextlib.closing(pool), contextlib.closing(writer):
            result = PipelineRunner(pool, writer, workspace=workspace).run(config, make_variants(config, 16))
    assert len(begun) >= 2
    assert (result.ok, result.lost_records) == (16, 0)
    written = records(workspace)
    assert len({record["run"]["record_id"] for record in written}) == len(written) == 16
    assert len(pictures(workspace)) == 16


def test_the_server_gone_for_good_ends_the_run_with_what_was_made(stub: StubComfy, workspace: Workspace) -> None:
    """A server that dies and stays away ends the run; every picture made before is there with its record."""
    begun: list[str] = []

    def die(job: StubJob, node_id: str) -> None:
        if job.graph[node_id]["class_type"] == "KSampler":
            begun.append(job.prompt_id)
            if len(begun) == 4:
                threading.Thread(target=stub.stop).start()
                threading.Event().wait(0.2)

    stub.before_node = die
    result = run(stub, workspace)
    assert result.status == "aborted"
    assert result.ok >= 2
    assert "no server answers" in (result.abort_reason or "")
    made = [record for record in records(workspace) if record["outcome"]["status"] == "ok"]
    assert len(made) == result.ok == len(pictures(workspace))
