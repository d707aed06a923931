"""The frozen values that travel: PromptLine -> Variant -> StageResult -> VariantResult."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from stablenew.config import SEED_MAX, PipelineConfig, StageName, picture_settings

Status = Literal["ok", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptLine:
    """One prompt of a pack. `line_number` counts from 1 in the pack file; `pack_id` derives from the pack's content.

    `settings` are what this line alone asks for (path, value), as an A1111 prompts file gives them.
    """

    pack_id: str
    pack_name: str
    line_number: int
    prompt: str
    negative_prompt: str = ""
    settings: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One fully resolved thing to execute.

    `index` counts from 0 within the run's plan of `count` variants. `prompt` and `negative_prompt` are what is sent:
    every slot already has its value, listed in `bindings`; the text before that is `line.prompt`. `config` holds this
    variant's own settings, `axes` those that the plan varies (path -> value), for labels and grids.
    """

    index: int
    count: int
    line: PromptLine
    prompt: str
    negative_prompt: str
    seed: int
    config: PipelineConfig
    bindings: Mapping[str, str] = field(default_factory=dict)
    axes: Mapping[str, Any] = field(default_factory=dict)
    matrix_mode: str = "none"
    fanout: int = 1
    experiment_id: str | None = None
    cell: str | None = None

    @property
    def variant_id(self) -> str:
        """16 hex digits of a hash over everything asked for that decides the picture, the seed included."""
        asked = [self.prompt, self.negative_prompt, self.seed, picture_settings(self.config)]
        return content_hash(asked)[:16]

    def record_id(self, run_id: str) -> str:
        """The id of this variant's record in the run: the same after a retry or a resume, another in any other run."""
        return content_hash([run_id, self.index, self.variant_id])[:24]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A setting the backend did otherwise than asked: `asked` and `done` as JSON types, `detail` for a person."""

    setting: str
    asked: Any
    done: Any
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveSettings:
    """What a backend really used for one picture. None: does not apply, or the backend does not say.

    `width` and `height` are the picture's own pixels. `extra` holds JSON types only. `unused` names fields that had no
    part in the picture, or nobody knows which, whatever was asked: records leave them empty.
    """

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
    extra: Mapping[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedImage:
    """A picture on disk: `path` relative to the workspace with forward slashes, `sha256` of the file's bytes."""

    path: str
    sha256: str
    width: int
    height: int
    stage: StageName


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a stage ended without its picture: the error's class name and its text."""

    type: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """What one stage of one variant did. `seconds` is its own share where several were made together.

    `backend` and `backend_version` say who did it: after a resume elsewhere not every stage was done by the same.
    """

    stage: StageName
    status: Status
    seconds: float
    effective: EffectiveSettings | None = None
    image: SavedImage | None = None
    deviations: tuple[Deviation, ...] = ()
    failure: Failure | None = None
    backend: str = ""
    backend_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantResult:
    """What became of one variant that was started. `backend` is that of its first stage."""

    variant: Variant
    record_id: str
    status: Status
    stages: tuple[StageResult, ...]
    started_at: str
    duration_s: float
    seed: int
    backend: str
    backend_version: str = ""

    @property
    def images(self) -> tuple[SavedImage, ...]:
        """Every picture that was saved, in stage order."""
        return tuple(result.image for result in self.stages if result.image is not None)

    @property
    def failure(self) -> Failure | None:
        """The first stage failure, None when all went well."""
        return next((result.failure for result in self.stages if result.failure is not None), None)


def lora_tags(text: str) -> str:
    """`ink:0.8+paper` as the tags a prompt gets: `<lora:ink:0.8> <lora:paper:1>`; "none" is no lora."""
    if text.strip().casefold() == "none":
        return ""
    return " ".join(f"<lora:{part.strip()}>" if ":" in part else f"<lora:{part.strip()}:1>" for part in text.split("+"))


def content_hash(value: object) -> str:
    """64 hex digits of SHA-256 over the canonical JSON of `value`: the same on every machine and Python version."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def derived_seed(*parts: object) -> int:
    """A seed in 0..SEED_MAX decided by `parts` (JSON types) alone."""
    return int(content_hash(list(parts))[:16], 16) % (SEED_MAX + 1)
