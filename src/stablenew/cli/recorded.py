"""The small table of what a run recorded."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.table import Table

from stablenew.cli.output import table_console
from stablenew.learning.learning_reader import read_records
from stablenew.learning.learning_record import LearningRecord

if TYPE_CHECKING:
    from stablenew.workspace import Workspace

ROWS = 8


def print_recorded(workspace: Workspace, run_id: str, limit: int = ROWS) -> None:
    """A table of the first `limit` records of the run."""
    found = [record for record in read_records(workspace.records, run_id) if isinstance(record, LearningRecord)]
    table_console().print(record_table(found[:limit], more=len(found) - limit))


def record_table(records: list[LearningRecord], more: int = 0) -> Table:
    """`records` one a row: what was asked, what was done, how long it took."""
    table = Table(
        box=None,
        pad_edge=False,
        expand=sys.stdout.isatty(),
        header_style="bold",
        caption=f"and {more} more" if more > 0 else None,
        caption_justify="left",
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
