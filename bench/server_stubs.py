"""What the benchmarks of servers share: stub servers as processes of their own, and the variants they are asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from stablenew.config import PipelineConfig
from stablenew.variant import PromptLine, Variant

LINE = PromptLine(pack_id="bench", pack_name="bench", line_number=1, prompt="a lighthouse in a storm")
SIDE = 128


@contextmanager
def stub_process(module: str, work_ms: float) -> Iterator[str]:
    """The stub server `stablenew.testing.MODULE` in a process of its own; gives its address."""
    command = [sys.executable, "-m", f"stablenew.testing.{module}", "--step-s", str(work_ms / 1000)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def variants(count: int) -> list[Variant]:
    """One-step variants of one prompt, each with its own seed."""
    base = PipelineConfig(learning_enabled=True)
    config = replace(base, txt2img=replace(base.txt2img, steps=1, width=SIDE, height=SIDE))
    return [
        Variant(index=i, count=count, line=LINE, prompt=LINE.prompt, negative_prompt="", seed=i, config=config)
        for i in range(count)
    ]
