"""What a run will cost on this machine: the plan's estimate at the pace its own runs had."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from stablenew.learning.learning_adapter import PlanVariants
from stablenew.pipeline.pace import recorded_pace
from stablenew.prompts.estimate import BYTES_PER_PIXEL, DEFAULT_SIDE, Countable, Estimate, estimate_plan
from stablenew.variant import Variant
from stablenew.workspace import Workspace

MANY_IMAGES, MANY_MINUTES, MANY_GIGABYTES = 500, 60.0, 5.0
"""Above these a run is not started without asking; see `is_large`."""


_EXPERIMENT_SAMPLE = 2_000
"""So many pictures of an experiment stand for all of them: its rows are alike but for what a line itself asks for."""


def estimate_run(plan: Countable, workspace: Workspace, backend: str, native_size: tuple[int, int] | None) -> Estimate:
    """The estimate of `plan` on that backend, whose model makes pictures of `native_size` where nothing else is asked.

    Reads the journals of the newest runs.
    """
    pace = recorded_pace(workspace, backend)
    return estimate_plan(
        plan,
        seconds_per_work=pace.seconds_per_work or None,
        bytes_per_pixel=pace.bytes_per_pixel or BYTES_PER_PIXEL,
        side=native_size[0] if native_size else DEFAULT_SIDE,
    )


def estimate_experiment(
    whole: PlanVariants, workspace: Workspace, backend: str, native_size: tuple[int, int] | None
) -> Estimate:
    """The estimate of an experiment: the pictures that cells share are counted once a row."""
    cells = estimate_run(_cells_alone(whole), workspace, backend, native_size)
    if not whole.plan.shared_stages:
        return cells
    sources = estimate_run(_Listed(whole.sources, len(whole.sources)), workspace, backend, native_size)
    known = cells.minutes is not None and sources.minutes is not None
    return dataclasses.replace(
        cells,
        images=cells.images + sources.images,
        gigabytes=cells.gigabytes + sources.gigabytes,
        minutes=(cells.minutes or 0) + (sources.minutes or 0) if known else None,
    )


def is_large(estimate: Estimate) -> bool:
    """Whether a person should be asked first; the number of images counts only while their time is not known."""
    long = estimate.images > MANY_IMAGES if estimate.minutes is None else estimate.minutes > MANY_MINUTES
    return long or estimate.gigabytes > MANY_GIGABYTES


def describe(estimate: Estimate) -> str:
    """The estimate in one line; what is not known is said to be so."""
    time = "time not known yet on this backend" if estimate.minutes is None else _minutes(estimate.minutes)
    room = f"{estimate.gigabytes:.1f} GB" if estimate.gigabytes >= 0.1 else f"{estimate.gigabytes * 1000:.0f} MB"
    plural = "" if estimate.images == 1 else "s"
    said = f"{estimate.images:,} image{plural}, {time}, up to {room}"
    changes = estimate.model_changes or 0
    return said + (f", {changes} model changes" if changes > 1 else "")


def _minutes(minutes: float) -> str:
    if minutes < 1:
        return "under a minute"
    return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.1f} h"


@dataclass(frozen=True, slots=True)
class _Listed:
    """`kept` variants that stand for `count`."""

    kept: tuple[Variant, ...]
    count: int

    def variant(self, index: int, /) -> Variant:
        return self.kept[index * len(self.kept) // self.count]

    def __iter__(self) -> Iterator[Variant]:
        return iter(self.kept)


def _cells_alone(whole: PlanVariants) -> _Listed:
    """The cells' pictures without the stages they share."""
    later = tuple(stage for stage in whole.plan.baseline.stages if stage not in whole.plan.shared_stages)
    kept = tuple(
        dataclasses.replace(variant, config=dataclasses.replace(variant.config, stages=later))
        for variant in islice(whole, _EXPERIMENT_SAMPLE)
    )
    return _Listed(kept, len(whole))
