"""The small table of what was recorded last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from stablenew.learning.learning_reader import read_records, record_files
from stablenew.learning.learning_record import LearningRecord

if TYPE_CHECKING:
    from stablenew.workspace import Workspace

ROWS = 8


def print_recorded(workspace: Workspace, run_id: str | None = None, limit: int = ROWS) -> None:
    """A table of the first `limit` records of the run, of the newest run where none is named."""
    if run_id is None:
        newest = max(record_files(workspace.records), key=lambda path: path.stat().st_mtime, default=None)
        run_id = newest.stem if newest else None
    found = [record for record in read_records(workspace.records, run_id) if isinstance(record, LearningRecord)]
    Console().print(record_table(found[:limit], more=len(found) - limit))


def record_table(records: list[LearningRecord], more: int = 0) -> Table:
    """`records` one a row: what was asked, what was done, how long it took."""
    table = Table(
        box=None, pad_edge=False, expand=True, header_style="bold", caption=f"and {more} more" if more > 0 else None
    )
    for heading in ("record", "status"):
        table.add_column(heading, no_wrap=True)
    table.add_column("prompt", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("sampler", no_wrap=True)
    for heading in ("steps", "cfg", "seed", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for record in records:
        pipeline = record.pipeline
        table.add_row(
            record.run.record_id[:8],
            record.outcome.status,
            record.prompt.prompt,
            pipeline.sampler or "",
            "" if pipeline.steps is None else str(pipeline.steps),
            "" if pipeline.cfg_scale is None else f"{pipeline.cfg_scale:g}",
            "" if record.prompt.seed is None else str(record.prompt.seed),
            "" if record.outcome.duration_s is None else f"{record.outcome.duration_s:.2f}",
        )
    return table
