"""What a run costs besides the pictures: memory over 10,000 variants, and learning on against learning off.

    python bench/bench_runs.py

Ratios within one process; the fake backend paints at once, so that what is measured is ours. See docs/benchmarks.md.
"""

from __future__ import annotations

import contextlib
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil

from stablenew.config import PipelineConfig
from stablenew.learning.learning_record import LearningRecordWriter
from stablenew.pipeline.pipeline_runner import PipelineRunner, RunObserver
from stablenew.testing.fake_backend import FakeBackend
from stablenew.variant import PromptLine, Variant, VariantResult
from stablenew.workspace import Workspace

LINE = PromptLine(pack_id="bench", pack_name="bench", line_number=1, prompt="a lighthouse in a storm")


class Plan:
    """`count` variants, made when asked for."""

    def __init__(self, config: PipelineConfig, count: int) -> None:
        self._config, self._count = config, count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Variant]:
        for index in range(self._count):
            yield Variant(
                index=index,
                count=self._count,
                line=LINE,
                prompt=LINE.prompt,
                negative_prompt="",
                seed=index,
                config=self._config,
            )


def run(folder: Path, count: int, *, learning: bool, on_result: object = None) -> float:
    """CPU seconds (every thread of this process) for `count` variants of one step each."""
    config = PipelineConfig(learning_enabled=learning)
    config = replace(config, txt2img=replace(config.txt2img, steps=1))
    observer = RunObserver(on_result=on_result) if callable(on_result) else RunObserver()
    with contextlib.closing(LearningRecordWriter(folder / "records")) as writer:
        runner = PipelineRunner(
            FakeBackend(keep_requests=False),
            writer if learning else None,
            workspace=Workspace(root=folder),
            observer=observer,
        )
        started = time.process_time()
        result = runner.run(config, Plan(config, count))
        assert result.ok == count
        return time.process_time() - started


def memory(count: int = 10_000) -> None:
    """Resident memory every 1,000 variants."""
    process, seen = psutil.Process(), list[float]()

    def sample(result: VariantResult) -> None:
        if (result.variant.index + 1) % 1000 == 0:
            gc.collect()
            seen.append(process.memory_info().rss / 2**20)

    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), count, learning=True, on_result=sample)
    print("MiB resident after 1,000, 2,000, ... variants:", " ".join(f"{mib:.1f}" for mib in seen))
    print(f"growth from 1,000 to {count:,}: {seen[-1] - seen[0]:.1f} MiB, ratio {seen[-1] / seen[0]:.3f}")


def learning_cost(count: int = 400, rounds: int = 7) -> None:
    """CPU milliseconds a variant with learning on and off, alternating."""
    on, off = list[float](), list[float]()
    for _ in range(rounds):
        for seconds, learning in ((off, False), (on, True)):
            with tempfile.TemporaryDirectory() as folder:
                seconds.append(run(Path(folder), count, learning=learning) / count * 1000)
    a, b = statistics.median(off), statistics.median(on)
    print(f"CPU a variant: {a:.3f} ms without learning, {b:.3f} ms with, {b - a:.3f} ms more")
    print(f"  beside a picture of 50 ms of CPU, learning on runs at x{(50 + a) / (50 + b):.4f} the speed of off")


if __name__ == "__main__":
    print(f"python {sys.version.split()[0]}")
    memory()
    learning_cost()
