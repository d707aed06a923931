"""What a plan will cost before it starts: images, minutes, room on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from stablenew.config import STAGES, PipelineConfig
from stablenew.variant import Variant

SAMPLE = 64
DEFAULT_SIDE = 512
# Uncompressed 8-bit RGB: a PNG of a photo-like picture is smaller, so the room is an upper bound.
BYTES_PER_PIXEL = 3.0


class Countable(Protocol):
    """What can be estimated: a `Plan`, or anything else that has its variants by number."""

    @property
    def count(self) -> int: ...

    def variant(self, index: int, /) -> Variant: ...

    def __iter__(self) -> Iterator[Variant]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """`images` counts every stage's picture. `minutes` is None where this machine has no recorded durations.

    `gigabytes` (10^9 bytes) is an upper bound unless measured bytes per pixel were given. `model_changes` counts how
    often the model is loaded anew, None for plans too long to walk through.
    """

    variants: int
    images: int
    gigabytes: float
    minutes: float | None = None
    model_changes: int | None = None


def estimate_plan(
    plan: Countable,
    *,
    seconds_per_work: Mapping[str, float] | None = None,
    bytes_per_pixel: float = BYTES_PER_PIXEL,
    side: int = DEFAULT_SIDE,
) -> Estimate:
    """The estimate from at most 64 variants spread over the plan.

    `seconds_per_work` has, for each stage this machine has recorded, its seconds per unit of `stage_work`. `side` is
    the model's own size where the config leaves it open.
    """
    sample = [plan.variant(i * plan.count // n).config for n in [min(SAMPLE, plan.count)] for i in range(n)]
    scale = plan.count / len(sample)
    pixels = sum(work[1] for config in sample for work in _stages(config, side)) * scale
    seconds = None
    if seconds_per_work is not None and all(stage in seconds_per_work for config in sample for stage in config.stages):
        per_stage = ((stage, work) for config in sample for stage, _, work in _stages(config, side))
        seconds = sum(seconds_per_work[stage] * work for stage, work in per_stage) * scale
    return Estimate(
        variants=plan.count,
        images=round(sum(len(config.stages) for config in sample) * scale),
        gigabytes=pixels * bytes_per_pixel / 1e9,
        minutes=None if seconds is None else seconds / 60,
        model_changes=_model_changes(plan) if plan.count <= 2_000 else None,
    )


def stage_work(config: PipelineConfig, stage: str, side: int = DEFAULT_SIDE) -> float:
    """The work of one stage of a variant: megapixels times steps; for plain resampling, megapixels."""
    return next(work for name, _, work in _stages(config, side) if name == stage)


def _stages(config: PipelineConfig, side: int) -> Iterator[tuple[str, int, float]]:
    """(stage, pixels of its picture, its work) for each enabled stage."""
    width, height = config.txt2img.width or side, config.txt2img.height or side
    for stage in (stage for stage in STAGES if stage in config.stages):
        steps = float(config.txt2img.steps)
        if stage == "img2img":
            steps = (config.img2img.steps or steps) * config.img2img.denoise
        elif stage == "upscale":
            width, height = int(width * config.upscale.scale), int(height * config.upscale.scale)
            steps = steps * config.upscale.denoise if config.upscale.method == "img2img" else 1.0
        yield stage, width * height, width * height / 1e6 * steps


def _model_changes(plan: Countable) -> int:
    models = [variant.config.model for variant in plan]
    return sum(1 for before, after in pairwise(models) if before != after)
