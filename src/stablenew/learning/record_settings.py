"""A record's settings as one flat map, and as the A1111 text: what tables, reports and exports show."""

from __future__ import annotations

from typing import Any

import msgspec

from stablenew.learning.infotext import format_infotext, infotext
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.record_groups import StageInfo

_FIRST = ("model", "vae", "sampler", "scheduler", "steps", "cfg_scale", "width", "height")
_PER_STAGE = ("sampler", "scheduler", "steps", "cfg_scale", "clip_skip", "denoise", "upscaler")


def flat_settings(record: LearningRecord) -> dict[str, Any]:
    """Every setting used by the name it is set by: "steps", "img2img.denoise", "upscale.scale".

    Those of the first stage stand without its name. What nobody says is left out; prompts and seed are not settings.
    """
    pipeline = record.pipeline
    found = {name: getattr(pipeline, name) for name in _FIRST}
    done = [name for name, enabled in pipeline.stage_flags.items() if enabled]
    if done and done != ["txt2img"]:
        found["stages"] = ",".join(done)
    for number, stage in enumerate(pipeline.stages):
        found |= _stage_settings(stage, "" if number == 0 else f"{stage.stage}.", found)
    for path, value in pipeline.axes.items():
        name = path.removeprefix("txt2img.")
        if found.get(name) is None:  # the backend did not say what it used: it was what was asked for
            found[name] = value
    return {name: _plain(value) for name, value in found.items() if value is not None}


def record_infotext(record: LearningRecord, *, with_prompts: bool = True) -> str:
    """What A1111 would have written into the picture of `record`, as far as the record knows."""
    pipeline, prompt = record.pipeline, record.prompt
    stages = {stage.stage: stage for stage in pipeline.stages}
    first = pipeline.stages[0] if pipeline.stages else None
    size = f"{pipeline.width}x{pipeline.height}" if pipeline.width and pipeline.height else None
    repaint = stages.get("img2img")
    upscale = stages.get("upscale")
    clip_skip = first.clip_skip if first else None
    settings = {
        "Steps": pipeline.steps,
        "Sampler": pipeline.sampler,
        "Schedule type": pipeline.scheduler,
        "CFG scale": pipeline.cfg_scale,
        "Seed": prompt.seed,
        "Size": size,
        "Model hash": pipeline.model_hash,
        "Model": pipeline.model,
        "VAE": pipeline.vae,
        "Denoising strength": repaint.denoise if repaint else None,
        "Clip skip": clip_skip if (clip_skip or 1) > 1 else None,
        "Upscaler": upscale.upscaler if upscale else None,
        "Version": f"StableNew {record.run.software['stablenew']}" if "stablenew" in record.run.software else None,
    }
    words = (prompt.prompt, prompt.negative_prompt) if with_prompts else ("", "")
    return format_infotext(infotext(*words, settings))


def _stage_settings(stage: StageInfo, prefix: str, before: dict[str, Any]) -> dict[str, Any]:
    """A stage's own settings; a later one's only where they are not simply those of the first."""
    found: dict[str, Any] = {}
    for name in _PER_STAGE:
        value = getattr(stage, name)
        if value is None or (prefix and before.get(name) == value):
            continue
        if name == "clip_skip" and value == 1:
            continue
        found[prefix + name] = value
    return found | {prefix + name: value for name, value in stage.extra.items() if value is not None}


def _plain(value: Any) -> Any:
    """`value` where it is one value; a list or object as its JSON."""
    return value if isinstance(value, (str, int, float, bool)) else msgspec.json.encode(value).decode()
