"""A record of a picture that another tool made: it says what the picture says, and nothing that nobody said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stablenew.learning.execution_context import software_versions, this_host, utc_text
from stablenew.learning.importing.found import Found, FoundStage
from stablenew.learning.json_safe import json_safe, text_safe
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.record_assembly import settings_key
from stablenew.learning.record_groups import (
    ImageInfo,
    OutcomeInfo,
    PipelineInfo,
    PromptInfo,
    RunInfo,
    StageInfo,
)
from stablenew.variant import content_hash

OBSERVATIONAL = "observational"
"""Tag of records nobody planned: their settings were chosen by whoever liked them, so they prove little."""
IMPORTED = "imported"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFile:
    """A picture on disk: its absolute path, when it was written (seconds since 1970), its hash and its pixels."""

    path: Path
    modified_s: float
    sha256: str
    width: int
    height: int


def import_record_id(sha256: str) -> str:
    """The id of the record of a picture with this content: the same from whatever folder it is imported."""
    return content_hash(["import", sha256])[:24]


def as_record(found: Found, file: PictureFile, run_id: str) -> LearningRecord:
    """The record of `file`, which says `found` of itself. What it does not say is None, never a default."""
    prompt = PromptInfo(
        prompt=text_safe(found.prompt),
        negative_prompt=text_safe(found.negative_prompt),
        template=text_safe(found.prompt),
        negative_template=text_safe(found.negative_prompt),
        seed=found.seed,
    )
    stages = [_stage(each) for each in found.stages]
    last = stages[-1].stage if stages else "txt2img"
    path = text_safe(file.path.as_posix())
    image = ImageInfo(path=path, sha256=file.sha256, width=file.width, height=file.height, stage=last)
    return LearningRecord(
        run=_run(found, file, run_id),
        prompt=prompt,
        pipeline=_pipeline(found, stages, prompt),
        outcome=OutcomeInfo(status="ok", images=[image]),
    )


def _run(found: Found, file: PictureFile, run_id: str) -> RunInfo:
    moment = datetime.fromtimestamp(max(0.0, min(file.modified_s, 4e9)), UTC)
    return RunInfo(
        record_id=import_record_id(file.sha256),
        run_id=run_id,
        timestamp=utc_text(moment),
        host_id=this_host(),
        source=f"import:{found.tool}",
        software={**software_versions(), found.tool: text_safe(found.version)},
        learning_tags=[IMPORTED, OBSERVATIONAL],
    )


def _pipeline(found: Found, stages: list[StageInfo], prompt: PromptInfo) -> PipelineInfo:
    first = stages[0] if stages else StageInfo(stage="txt2img", status="ok")
    done = {stage.stage for stage in stages}
    return PipelineInfo(
        backend=found.tool,
        backend_version=text_safe(found.version),
        model=first.model,
        model_hash=first.model_hash,
        vae=first.vae,
        sampler=first.sampler,
        scheduler=first.scheduler,
        cfg_scale=first.cfg_scale,
        steps=first.steps,
        width=first.width,
        height=first.height,
        stage_flags={name: name in done for name in ("txt2img", "img2img", "upscale")},
        stages=stages,
        settings_key=settings_key(found.tool, prompt, stages),
    )


def _stage(found: FoundStage) -> StageInfo:
    said = found.settings
    return StageInfo(
        stage=found.stage,
        status="ok",
        model=_text(said.model),
        model_hash=_text(said.model_hash),
        vae=_text(said.vae),
        sampler=_text(said.sampler),
        scheduler=_text(said.scheduler),
        cfg_scale=said.cfg_scale,
        steps=said.steps,
        width=said.width,
        height=said.height,
        clip_skip=said.clip_skip,
        denoise=said.denoise,
        upscaler=_text(said.upscaler),
        extra=json_safe(said.extra) if said.extra else {},
    )


def _text(text: str | None) -> str | None:
    return None if text is None else text_safe(text)
