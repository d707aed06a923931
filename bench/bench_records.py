"""What recording costs, as ratios against the bare system calls, measured in one run.

    python bench/bench_records.py [--json FILE] [--folder FOLDER]

Each pair is measured in turns (A B A B ...), and the median of each is compared, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from stablenew.config import PipelineConfig, Txt2ImgSettings
from stablenew.learning.append_file import AppendFile
from stablenew.learning.learning_record import ExecutionContext, LearningRecord, LearningRecordWriter
from stablenew.variant import EffectiveSettings, PromptLine, SavedImage, StageResult, Variant, VariantResult

PROMPT = "a portrait of a red fox on a mossy stone, morning light, shallow depth of field, highly detailed, " * 2
FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def a_result() -> VariantResult:
    """A variant of one stage, as most are."""
    config = PipelineConfig(txt2img=Txt2ImgSettings(steps=30, cfg_scale=5.0), learning_tags=["bench"])
    line = PromptLine(pack_id="0123456789abcdef", pack_name="animals", line_number=7, prompt=PROMPT)
    variant = Variant(
        index=3,
        count=100,
        line=line,
        prompt=PROMPT,
        negative_prompt="blurry, low quality",
        seed=123456,
        config=config,
        bindings={"animal": "fox"},
        axes={"txt2img.steps": 30, "txt2img.cfg_scale": 5.0},
        matrix_mode="grid",
    )
    done = EffectiveSettings(
        model="stablenew-tiny", model_hash="9f86d081884c7d65", sampler="Euler a", scheduler="Karras", cfg_scale=5.0,
        steps=30, width=512, height=512, clip_skip=1,
    )  # fmt: skip
    image = SavedImage(path="images/run/00003.png", sha256="0" * 64, width=512, height=512, stage="txt2img")
    stage = StageResult(stage="txt2img", status="ok", seconds=1.25, effective=done, image=image)
    return VariantResult(
        variant=variant,
        record_id=variant.record_id("run"),
        status="ok",
        stages=(stage,),
        started_at="2026-11-22T23:50:00.123Z",
        duration_s=1.3,
        seed=123456,
        backend="local",
        backend_version="1.0",
    )


def build(result: VariantResult) -> LearningRecord:
    context = ExecutionContext.from_result(
        result, run_id="run", source="bench", host_id="host", software={"stablenew": "0.1.0"}
    )
    return LearningRecord.from_pipeline_context(result.variant.config, context)


def seconds_each(action: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        action()
    return (time.perf_counter() - start) / count


def in_turns(actions: dict[str, Callable[[], object]], *, count: int, rounds: int) -> dict[str, float]:
    """Median microseconds of each."""
    found: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            found[name].append(seconds_each(action, count))
    return {name: 1e6 * statistics.median(times) for name, times in found.items()}


def undurable(folder: Path) -> dict[str, float]:
    """A record's way to the file, with the background sync, against one bare write of a ready line."""
    result = a_result()
    record = build(result)
    line = record.to_line() + b"\n"
    bare = os.open(folder / "bare", FLAGS)
    appending = AppendFile(folder / "append", durability="background")
    writing = LearningRecordWriter(folder / "write")
    whole = LearningRecordWriter(folder / "whole")
    found = in_turns(
        {
            "bare": lambda: os.write(bare, line),
            "append": lambda: appending.append(line[:-1]),
            "write_record": lambda: writing.write_record(record),
            "build and write_record": lambda: whole.write_record(build(result)),
            "encode": record.to_line,
        },
        count=10,
        rounds=1001,
    )
    os.close(bare)
    appending.close()
    writing.close()
    whole.close()
    return found | {"line bytes": len(line)}


def durable(folder: Path) -> dict[str, float]:
    """A line that is on the disk on return, against a bare write and fdatasync."""
    line = build(a_result()).to_line()
    bare = os.open(folder / "bare", FLAGS)
    file = AppendFile(folder / "append", durability="record")
    sync = getattr(os, "fdatasync", os.fsync)
    found = in_turns(
        {
            "bare": lambda: (os.write(bare, line + b"\n"), sync(bare)),
            "append": lambda: file.append(line),
        },
        count=1,
        rounds=400,
    )
    os.close(bare)
    file.close()
    return found


def several_writers(folder: Path, writers: int, lines_each: int = 15) -> dict[str, float]:
    """Threads whose lines are on the disk on return: sharing syncs, against fsync under the lock."""
    line = build(a_result()).to_line()
    bare = os.open(folder / f"bare{writers}", FLAGS)
    lock = threading.Lock()
    file = AppendFile(folder / f"append{writers}", durability="record")

    def under_the_lock() -> None:
        with lock:
            os.write(bare, line + b"\n")
            os.fsync(bare)

    def together(action: Callable[[], None]) -> None:
        threads = [threading.Thread(target=lambda: seconds_each(action, lines_each)) for _ in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    found = in_turns(
        {
            "fsync under the lock": lambda: together(under_the_lock),
            "append": lambda: together(lambda: file.append(line)),
        },
        count=1,
        rounds=21,
    )
    os.close(bare)
    file.close()
    return {name: each / (writers * lines_each) for name, each in found.items()}


def lines_per_sync(folder: Path, writers: int, lines_each: int = 60) -> float:
    """How many lines share a sync that takes 3 ms, whatever the disk is busy with."""
    syncs: list[int] = []

    def slow_sync(fd: int) -> None:
        syncs.append(fd)
        time.sleep(0.003)

    file = AppendFile(folder / f"sync{writers}", durability="record", sync=slow_sync)
    threads = [
        threading.Thread(target=lambda: seconds_each(lambda: file.append(b"{}"), lines_each)) for _ in range(writers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return writers * lines_each / len(syncs)


def _shared(figures: dict[str, float]) -> float:
    return figures["fsync under the lock"] / figures["append"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--folder", type=Path, help="measure on the disk of this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        for part in ("undurable", "durable", "several"):
            (folder / part).mkdir()
        parts = {
            "undurable": undurable(folder / "undurable"),
            "durable": durable(folder / "durable"),
            "4 writers": several_writers(folder / "several", 4),
            "16 writers": several_writers(folder / "several", 16),
        }
        sharing = {
            f"lines per sync of 3 ms, {writers} writers": lines_per_sync(folder / "several", writers)
            for writers in (1, 4, 16)
        }
    fast, slow = parts["undurable"], parts["durable"]
    ratios = {
        "append / bare write": fast["append"] / fast["bare"],
        "write_record / bare write": fast["write_record"] / fast["bare"],
        "build and write_record / bare write": fast["build and write_record"] / fast["bare"],
        "durable append / bare write and fdatasync": slow["append"] / slow["bare"],
        "fsync under the lock / 4 durable writers": _shared(parts["4 writers"]),
        "fsync under the lock / 16 durable writers": _shared(parts["16 writers"]),
        **sharing,
    }
    machine = {"python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count()}
    for part_name, figures in parts.items():
        print(part_name, {name: round(value, 2) for name, value in figures.items()}, "microseconds")
    for ratio_name, ratio in ratios.items():
        print(f"{ratio_name}: {ratio:.2f}")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "microseconds": parts, "ratios": ratios}, indent=2))


if __name__ == "__main__":
    main()
