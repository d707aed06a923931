"""A workspace with as many recorded pictures as a test wants, and a small run of the window that makes some."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from stablenew.config import PipelineConfig, apply_settings
from stablenew.learning.learning_feedback import RatingWriter, new_rating, rating_time
from stablenew.learning.learning_record import LearningRecord, LearningRecordWriter
from stablenew.learning.record_groups import ImageInfo, OutcomeInfo, PipelineInfo, PromptInfo, RunInfo
from stablenew.prompts.axes import parse_axis
from stablenew.prompts.randomizer import make_plan
from stablenew.variant import PromptLine
from stablenew.workspace import Workspace

if TYPE_CHECKING:
    from tests.gui_v2.hand import Hand

STEPS = (10, 20, 30, 40)
SAMPLERS = ("Euler", "Euler a", "DDIM")
PROMPTS = ("a red fox in the snow", "a lighthouse at dusk", "a blue teapot", "an old wooden door")
BEGIN = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)


def make_workspace(
    workspace: Workspace, count: int, *, size: tuple[int, int] = (64, 64), rated: int = 0, run_id: str = "night"
) -> list[LearningRecord]:
    """Write `count` records with pictures of `size`; the first `rated` of them get stars. Gives them in order."""
    folder = workspace.runs / run_id / "images"
    folder.mkdir(parents=True, exist_ok=True)
    kinds = [_png(number, size) for number in range(24)]
    records = [_record(workspace, run_id, number, size) for number in range(count)]
    for number, record in enumerate(records):
        (workspace.root / record.outcome.images[0].path).write_bytes(kinds[number % len(kinds)])
    writer = LearningRecordWriter(workspace.records, durability="none")
    for record in records:
        writer.write_record(record)
    writer.close()
    if rated:
        _rate(workspace, records[:rated])
    return records


def start_run(hand: Hand, workspace: Workspace, *, learning: bool, resume: bool = False) -> int:
    """Two prompts by three numbers of steps on the fake backend, or what is missing of them; gives how many that is."""
    hand.wait(lambda: hand.window.controller is not None, "the backend")
    config = apply_settings(PipelineConfig(learning_enabled=learning, run_id="live"), {"width": 64, "height": 64})
    lines = [
        PromptLine(pack_id="p", pack_name="pack", line_number=n, prompt=text) for n, text in enumerate(PROMPTS[:2], 1)
    ]
    plan = make_plan(config, lines, axes=[parse_axis("steps=5,10,15")])
    assert hand.window.controller is not None
    hand.window.controller.start(config, plan, recipe=plan.recipe(), resume=resume)
    return 6


def _record(workspace: Workspace, run_id: str, number: int, size: tuple[int, int]) -> LearningRecord:
    seed, rest = divmod(number, len(PROMPTS) * len(STEPS) * len(SAMPLERS))
    prompt, rest = divmod(rest, len(STEPS) * len(SAMPLERS))
    steps, sampler = divmod(rest, len(SAMPLERS))
    made = rating_time(BEGIN + timedelta(seconds=number))
    image = ImageInfo(
        path=f"runs/{run_id}/images/{number:05d}.png",
        sha256=f"{number:064x}",
        width=size[0],
        height=size[1],
        stage="txt2img",
    )
    axes = {"txt2img.steps": STEPS[steps], "txt2img.sampler": SAMPLERS[sampler]}
    return LearningRecord(
        run=RunInfo(record_id=f"{run_id}-{number:05d}", run_id=run_id, timestamp=made, source="StableNewGUI"),
        prompt=PromptInfo(
            prompt=PROMPTS[prompt], negative_prompt="blurry", seed=1000 + seed, pack_name="animals", pack_id="p1"
        ),
        pipeline=PipelineInfo(
            backend="fake",
            model="dream-v8" if number % 2 else "photon-v1",
            sampler=SAMPLERS[sampler],
            steps=STEPS[steps],
            cfg_scale=7.0,
            width=size[0],
            height=size[1],
            variant_index=number,
            axes=axes,
            settings_key=f"key-{rest}",
        ),
        outcome=OutcomeInfo(status="ok", images=[image], duration_s=0.5 + number % 7),
    )


def _rate(workspace: Workspace, records: list[LearningRecord]) -> None:
    writer = RatingWriter(workspace.ratings, durability="none")
    writer.append(*(new_rating(each.run.record_id, score=1 + i % 5) for i, each in enumerate(records)))
    writer.close()


def _png(number: int, size: tuple[int, int]) -> bytes:
    hue = number * 37 % 360
    picture = Image.new("RGB", size, f"hsl({hue}, 45%, 62%)")
    draw = ImageDraw.Draw(picture)
    width, height = size
    draw.ellipse((width * 0.2, height * 0.25, width * 0.8, height * 0.85), fill=f"hsl({(hue + 160) % 360}, 50%, 40%)")
    draw.line((0, height * 0.7, width, height * 0.6), fill="white", width=max(1, width // 60))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
