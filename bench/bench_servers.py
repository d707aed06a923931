"""What our client costs: a run against stub servers with 50 ms of work per picture, against a bare httpx loop.

    python bench/bench_servers.py [--kind webui] [--count 200] [--work-ms 50] [--rounds 3]

One server: pictures per second of a whole run (verified, saved, recorded) over those of a loop that posts, decodes the
picture and writes it. Three servers: a pool's run over a run on one. The stubs are processes of their own. Ratios
within one process, bare and ours in turn; the medians are printed. See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import gc
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import httpx

from server_stubs import LINE, SIDE, stub_process, variants
from stablenew.backends.base import Backend
from stablenew.backends.pool import PoolBackend
from stablenew.backends.registry import BackendOptions
from stablenew.backends.webui.backend import open_backend
from stablenew.learning.learning_record import LearningRecordWriter
from stablenew.pipeline.pipeline_runner import PipelineRunner
from stablenew.workspace import Workspace


def bare(url: str, folder: Path, count: int) -> float:
    """Pictures per second of a loop that posts, decodes and writes."""
    payload = {"prompt": LINE.prompt, "steps": 1, "width": SIDE, "height": SIDE, "sampler_name": "Euler a"}
    with httpx.Client(timeout=60) as client:
        client.get(f"{url}/sdapi/v1/options")
        began = time.perf_counter()
        for seed in range(count):
            answer = client.post(f"{url}/sdapi/v1/txt2img", json={**payload, "seed": seed}).json()
            (folder / f"{seed}.png").write_bytes(base64.b64decode(answer["images"][0]))
        return count / (time.perf_counter() - began)


def ours(backend: Backend, folder: Path, count: int) -> float:
    """Pictures per second of a whole run, records included, on an opened backend that knows its server."""
    backend.capabilities()
    with contextlib.closing(LearningRecordWriter(folder / "records")) as writer:
        runner = PipelineRunner(backend, writer, workspace=Workspace(root=folder))
        plan = variants(count)
        gc.collect()
        began = time.perf_counter()
        result = runner.run(plan[0].config, plan)
        took = time.perf_counter() - began
    if result.ok != count or result.deviations:
        raise SystemExit(f"{result.ok} of {count} pictures, {result.deviations} deviations")
    return count / took


def server(url: str, name: str) -> Backend:
    """A backend at the stub."""
    return open_backend(BackendOptions(name=name, url=url))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--work-ms", type=float, default=50.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with ExitStack() as stack:
        urls = [stack.enter_context(stub_process("stub_webui", given.work_ms)) for _ in range(3)]
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        measure(urls, folder, given.count, given.rounds)


def measure(urls: Sequence[str], folder: Path, count: int, rounds: int) -> None:
    """The rounds: bare, ours on one server, ours on three."""
    one, pooled = [], []
    for turn in range(rounds):
        place = folder / str(turn)
        (place / "bare").mkdir(parents=True)
        loop = bare(urls[0], place / "bare", count)
        with contextlib.closing(server(urls[0], "one")) as single:
            alone = ours(single, place / "one", count)
        members = [server(url, f"server {index}") for index, url in enumerate(urls)]
        with contextlib.closing(PoolBackend(name="three", members=members)) as pool:
            three = ours(pool, place / "three", count)
        one.append(alone / loop)
        pooled.append(three / alone)
        print(f"bare {loop:6.2f}/s   one {alone:6.2f}/s ({one[-1]:.3f})   three {three:6.2f}/s ({pooled[-1]:.2f}x)")
    print(f"one server over a bare loop: {statistics.median(one):.3f}   (at least 0.98)")
    print(f"three servers over one:      {statistics.median(pooled):.2f}    (at least 2.8)")


if __name__ == "__main__":
    main()
