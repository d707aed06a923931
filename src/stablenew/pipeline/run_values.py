"""What a run says while it goes on, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from stablenew.backends.base import StepProgress
from stablenew.variant import VariantResult

RunStatus = Literal["done", "stopped", "aborted"]


def _nothing(*_: Any) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStart:
    """A run whose manifest is on disk: `already_done` of its `variant_count` variants were made by an earlier start."""

    run_id: str
    folder: Path
    variant_count: int
    already_done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunObserver:
    """Who is told what while a run goes on; none of these may raise or block.

    `on_start` once, before the first image; `on_steps(fractions, progress)` from the run's thread, with how far each
    variant is by its index (0..1, all its stages counted); from its desk `on_result` once per executed variant, and
    `on_lost` when that variant's learning record was lost.
    """

    on_start: Callable[[RunStart], None] = _nothing
    on_steps: Callable[[Mapping[int, float], StepProgress], None] = _nothing
    on_result: Callable[[VariantResult], None] = _nothing
    on_lost: Callable[[VariantResult], None] = _nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What became of a run. `already_done` were made by an earlier start; `not_started` have no picture and no record.

    `status`: "stopped" on request, "aborted" when the backend went away or pictures can no longer be saved
    (`abort_reason` says how). `records_durable` is False when the writer could not confirm that they are on disk.
    """

    run_id: str
    folder: Path
    status: RunStatus
    variant_count: int
    ok: int
    failed: int
    cancelled: int
    already_done: int
    records_written: int
    lost_records: int
    deviations: int
    duration_s: float
    abort_reason: str = ""
    records_durable: bool = True

    @property
    def not_started(self) -> int:
        return self.variant_count - self.ok - self.failed - self.cancelled - self.already_done


def timestamp(moment: datetime) -> str:
    """`moment` (UTC) as records carry it: ISO 8601 with milliseconds and Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
