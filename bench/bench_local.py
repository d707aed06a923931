"""What the local backend makes of the embedded model, as ratios against a bare diffusers loop, measured in one run.

    python bench/bench_local.py [--model FOLDER] [--images 16] [--rounds 5] [--threads N]

All three draw the same pictures and save them as PNG: a loop over `StableDiffusionPipeline`, a whole StableNew run
(records, image metadata, hashes) that draws one at a time, and one that draws as many at once as it likes. They take
turns, and medians are compared: of wall time, and of CPU time over all threads, which a busy machine disturbs less.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageChops

from stablenew.backends.diffusers_local.backend import LocalBackend, open_backend
from stablenew.backends.diffusers_local.models import EMBEDDED, find_model
from stablenew.backends.diffusers_local.quiet import be_quiet
from stablenew.backends.registry import BackendOptions
from stablenew.config import PipelineConfig, Txt2ImgSettings
from stablenew.learning.learning_record import LearningRecordWriter
from stablenew.pipeline.pipeline_runner import PipelineRunner
from stablenew.variant import PromptLine, Variant
from stablenew.workspace import Workspace

PROMPTS = ("a red circle", "a small blue square", "a green triangle left of a red circle", "two yellow stars")
NEGATIVE = "blurry"
SETTINGS = Txt2ImgSettings(sampler="Euler", steps=20, cfg_scale=5.0)
CONFIG = PipelineConfig(learning_enabled=True, txt2img=SETTINGS)
Measured = tuple[float, float]


def bare_pipeline(folder: str) -> Any:
    """Diffusers' own pipeline with the model's own Euler."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32, safety_checker=None)
    pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def bare_loop(pipe: Any, count: int, folder: Path) -> None:
    """One picture after another, saved."""
    for seed in range(count):
        image = pipe(
            PROMPTS[seed % len(PROMPTS)],
            negative_prompt=NEGATIVE,
            num_inference_steps=SETTINGS.steps,
            guidance_scale=SETTINGS.cfg_scale,
            generator=torch.Generator().manual_seed(seed),
        ).images[0]
        image.save(folder / f"{seed:05d}.png")


def variants(count: int) -> list[Variant]:
    """The same pictures as variants of a run."""
    made = []
    for seed in range(count):
        prompt = PROMPTS[seed % len(PROMPTS)]
        line = PromptLine(pack_id="bench", pack_name="bench", line_number=seed + 1, prompt=prompt)
        asked = {"prompt": prompt, "negative_prompt": NEGATIVE, "seed": seed, "config": CONFIG}
        made.append(Variant(index=seed, count=count, line=line, **asked))
    return made


def stablenew_run(backend: LocalBackend, count: int, folder: Path) -> None:
    """A whole run, records included."""
    with contextlib.closing(LearningRecordWriter(folder / "records")) as writer:
        result = PipelineRunner(backend, writer, workspace=Workspace(root=folder)).run(CONFIG, variants(count))
    assert result.ok == count


def measure(work: Callable[[Path], None], count: int) -> Measured:
    """Wall and CPU seconds a picture."""
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        work(Path(folder))
        return (time.perf_counter() - wall) / count, (time.process_time() - cpu) / count


def same_pictures(pipe: Any, backend: LocalBackend, count: int) -> int:
    """The largest difference of a channel between the pictures of the loop and of the run."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        bare_loop(pipe, count, Path(one))
        stablenew_run(backend, count, Path(other))
        pairs = zip(sorted(Path(one).rglob("*.png")), sorted(Path(other).rglob("*.png")), strict=True)
        return max(difference(a, b) for a, b in pairs)


def difference(first: Path, second: Path) -> int:
    with Image.open(first) as a, Image.open(second) as b:
        extrema = ImageChops.difference(a.convert("RGB"), b.convert("RGB")).getextrema()
    return max(int(high) for _, high in extrema)  # type: ignore[misc]  # RGB has a pair per band


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=EMBEDDED)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    asked = parser.parse_args()
    be_quiet()
    if asked.threads:
        torch.set_num_threads(asked.threads)
    model = find_model(asked.model, backend="local")
    pipe = bare_pipeline(model.location)
    opened = [
        open_backend(BackendOptions(name="local", model=asked.model, settings={"device": "cpu", **settings}))
        for settings in ({"max_batch": 1}, {})
    ]
    print(
        f"python {sys.version.split()[0]}, torch {torch.__version__}, {torch.get_num_threads()} threads, {model.name}"
    )
    print(f"largest difference between the pictures of loop and run: {same_pictures(pipe, opened[1], 4)} of 255")
    works: dict[str, Callable[[Path], None]] = {
        "bare diffusers loop": lambda folder: bare_loop(pipe, asked.images, folder),
        "StableNew, one at a time": lambda folder: stablenew_run(opened[0], asked.images, folder),
        "StableNew, batched": lambda folder: stablenew_run(opened[1], asked.images, folder),
    }
    for work in works.values():
        measure(work, asked.images)
    seen: dict[str, list[Measured]] = {name: [] for name in works}
    for _ in range(asked.rounds):
        for name, work in works.items():
            seen[name].append(measure(work, asked.images))
    bare = [statistics.median(column) for column in zip(*seen["bare diffusers loop"], strict=True)]
    for name, measured in seen.items():
        wall, cpu = (statistics.median(column) for column in zip(*measured, strict=True))
        ratios = f"x{bare[0] / wall:.2f} by wall, x{bare[1] / cpu:.2f} by CPU"
        print(f"{name:26} {wall * 1000:7.1f} ms wall, {cpu * 1000:7.1f} ms CPU a picture   {ratios}")


if __name__ == "__main__":
    main()
