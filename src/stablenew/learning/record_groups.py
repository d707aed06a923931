"""The groups of a learning record: its schema, field by field.

The format only grows: a new field has a default, none is renamed or reused, and `SCHEMA_VERSION` goes up with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta

from stablenew.variant import Status

SCHEMA_VERSION = 1

TIMESTAMP_PATTERN = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z"
Timestamp = Annotated[str, Meta(pattern=f"^{TIMESTAMP_PATTERN}$", description="UTC, ISO 8601 with Z")]
Identifier = Annotated[str, Meta(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """Which run this belongs to, when and where it happened. `user_id` is what the person configured, never guessed."""

    record_id: Identifier
    run_id: Identifier
    timestamp: Timestamp
    schema_version: Annotated[int, Meta(ge=1)] = SCHEMA_VERSION
    user_id: str | None = None
    host_id: str = ""
    source: str = ""
    software: dict[str, str] = field(default_factory=dict)
    learning_tags: list[str] = field(default_factory=list)
    experiment_id: str | None = None
    cell: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptInfo:
    """What was asked in words. `prompt` and `negative_prompt` as sent, the templates as the pack has them.

    `seed` is the one really used, None when none is known. `variant_id` hashes everything asked for, seed included.
    """

    prompt: str
    negative_prompt: str = ""
    template: str = ""
    negative_template: str = ""
    bindings: dict[str, str] = field(default_factory=dict)
    pack_id: str = ""
    pack_name: str = ""
    line_number: int | None = None
    seed: int | None = None
    one_click_action: str | None = None
    variant_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageInfo:
    """What one stage did with which settings. None: does not apply, or nobody says. `seconds` None: not measured."""

    stage: Identifier
    status: Status
    seconds: float | None = None
    model: str | None = None
    model_hash: str | None = None
    vae: str | None = None
    sampler: str | None = None
    scheduler: str | None = None
    cfg_scale: float | None = None
    steps: int | None = None
    width: int | None = None
    height: int | None = None
    clip_skip: int | None = None
    denoise: float | None = None
    upscaler: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    error_type: str | None = None
    error_message: str | None = None
    backend: str | None = None
    backend_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineInfo:
    """With which settings it was done.

    `backend` is the first stage's; after a resume elsewhere a later stage may have another. `sampler` to `vae` are
    those of the txt2img stage (of the first stage where txt2img did not run), sizes in pixels; every stage's own stand
    in `stages`. `stage_flags` says which stages were enabled, also those that never started. `settings_key` hashes all
    that decides the picture but the seed. `axes` are the settings the plan varies.
    """

    backend: str = ""
    backend_version: str = ""
    model: str | None = None
    model_hash: str | None = None
    vae: str | None = None
    sampler: str | None = None
    scheduler: str | None = None
    cfg_scale: float | None = None
    steps: int | None = None
    width: int | None = None
    height: int | None = None
    stage_flags: dict[str, bool] = field(default_factory=dict)
    stages: list[StageInfo] = field(default_factory=list)
    variant_index: int = 0
    variant_count: int = 1
    matrix_mode: str = "none"
    fanout: int = 1
    axes: dict[str, Any] = field(default_factory=dict)
    settings_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """A picture that was saved: `path` relative to the workspace with forward slashes, `sha256` of the file's bytes."""

    path: str
    sha256: str = ""
    width: int | None = None
    height: int | None = None
    stage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviationInfo:
    """A setting of `stage` that the backend did otherwise than asked."""

    setting: str
    asked: Any = None
    done: Any = None
    detail: str = ""
    stage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeInfo:
    """What became of it. `error` is true exactly when `status` is failed; `duration_s` None: not measured."""

    status: Status
    images: list[ImageInfo] = field(default_factory=list)
    error: bool = False
    error_type: str | None = None
    error_message: str | None = None
    duration_s: float | None = None
    deviations: list[DeviationInfo] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackInfo:
    """What people said about it: empty when written, filled by the reader from ratings. `rating` is 1 to 5."""

    rating: Annotated[float, Meta(ge=1, le=5)] | None = None
    tags: list[str] = field(default_factory=list)
    notes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordGroups:
    """One learning record: what happened to one executed variant."""

    run: RunInfo
    prompt: PromptInfo
    pipeline: PipelineInfo
    outcome: OutcomeInfo
    feedback: FeedbackInfo = field(default_factory=FeedbackInfo)
