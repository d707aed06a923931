"""What our ComfyUI client costs: a run against stub servers with 50 ms of work per picture, against a bare loop.

    python bench/bench_comfyui.py [--count 200] [--work-ms 50] [--rounds 3]

One server: pictures per second of a whole run (verified, saved, recorded) over those of a loop that posts a job, asks
for its history every 5 ms, fetches the picture and writes it; and over the same loop with two jobs on the server, as
ours has. Three servers: a pool's run over a run on one. The stubs are processes of their own. Ratios within one
process, in turn; the medians are printed. See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from server_stubs import LINE, SIDE, stub_process, variants
from stablenew.backends.base import Backend
from stablenew.backends.comfyui import open_backend
from stablenew.backends.comfyui.graph import ModelParts, Sampling, Texts, graph_to_json, text_to_image
from stablenew.backends.pool import PoolBackend
from stablenew.backends.registry import BackendOptions
from stablenew.learning.learning_record import LearningRecordWriter
from stablenew.pipeline.pipeline_runner import PipelineRunner
from stablenew.workspace import Workspace


def job(seed: int) -> dict[str, Any]:
    """The graph a bare loop posts."""
    graph = text_to_image(
        ModelParts(checkpoint="stub-model.safetensors"),
        Texts(positive=LINE.prompt, negative=""),
        Sampling(seed=seed, sampler="euler_ancestral", scheduler="normal", steps=1, cfg=7.0),
        (SIDE, SIDE),
        prefix=f"bare/{time.perf_counter_ns()}",
    )
    return graph_to_json(graph)


def bare(url: str, folder: Path, count: int, depth: int) -> float:
    """Pictures per second of a loop that keeps `depth` jobs on the server."""
    folder.mkdir(parents=True)
    waiting: deque[str] = deque()
    posted = done = 0
    with httpx.Client(timeout=60, trust_env=False) as client:
        client.get(f"{url}/queue")
        began = time.perf_counter()
        while done < count:
            while posted < count and len(waiting) < depth:
                answer = client.post(f"{url}/prompt", json={"prompt": job(posted), "client_id": "bare"})
                waiting.append(answer.json()["prompt_id"])
                posted += 1
            prompt_id = waiting.popleft()
            while not (entry := client.get(f"{url}/history/{prompt_id}").json()):
                time.sleep(0.005)
            ((image,),) = (output["images"] for output in entry[prompt_id]["outputs"].values())
            (folder / f"{done}.png").write_bytes(client.get(f"{url}/view", params=image).content)
            done += 1
        return count / (time.perf_counter() - began)


def ours(backend: Backend, folder: Path, count: int) -> float:
    """Pictures per second of a whole run, records included, on an opened backend that knows its server."""
    backend.capabilities()
    with contextlib.closing(LearningRecordWriter(folder / "records")) as writer:
        runner = PipelineRunner(backend, writer, workspace=Workspace(root=folder))
        plan = variants(count)
        began = time.perf_counter()
        result = runner.run(plan[0].config, plan)
        took = time.perf_counter() - began
    if result.ok != count or result.deviations:
        raise SystemExit(f"{result.ok} of {count} pictures, {result.deviations} deviations")
    return count / took


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--work-ms", type=float, default=50.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with ExitStack() as stack:
        urls = [stack.enter_context(stub_process("stub_comfy", given.work_ms)) for _ in range(3)]
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        measure(urls, folder, given.count, given.rounds)


def measure(urls: Sequence[str], folder: Path, count: int, rounds: int) -> None:
    """The rounds: bare with one job and with two, ours on one server, ours on three."""
    ratios: list[tuple[float, float, float]] = []
    for turn in range(rounds):
        place = folder / str(turn)
        single, double = (bare(urls[0], place / f"bare{depth}", count, depth) for depth in (1, 2))
        with contextlib.closing(open_backend(BackendOptions(name="one", url=urls[0]))) as backend:
            alone = ours(backend, place / "one", count)
        members = [open_backend(BackendOptions(name=f"server {i}", url=url)) for i, url in enumerate(urls)]
        with contextlib.closing(PoolBackend(name="three", members=members)) as pool:
            three = ours(pool, place / "three", count)
        ratios.append((alone / single, alone / double, three / alone))
        print(f"bare {single:5.2f}/s  two ahead {double:5.2f}/s  one {alone:5.2f}/s  three {three:5.2f}/s")
    over_single, over_double, over_one = (statistics.median(each) for each in zip(*ratios, strict=True))
    print(f"one server over a bare loop:       {over_single:.3f}   (at least 0.98)")
    print(f"one server over a loop two ahead:  {over_double:.3f}")
    print(f"three servers over one:            {over_one:.2f}    (at least 2.8)")


if __name__ == "__main__":
    main()
