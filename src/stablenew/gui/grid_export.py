"""A grid taken out of the window: as one picture with labels, or its run as the HTML report. In a worker; may wait."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stablenew.atomic_file import write_atomically
from stablenew.gui.axis_grid import NO_AXIS, Table, label_of

if TYPE_CHECKING:
    from stablenew.learning.recorded_picture import RecordedPicture
    from stablenew.workspace import Workspace


def write_grid_picture(table: Table, root: Path, path: Path, title: str, caption: Callable[[str], str]) -> Path:
    """Write the table as a picture to `path` (PNG) and return it. `caption` gives the words below each, by record id.

    Raises OSError when it cannot be written.
    """
    from stablenew.report.contact_sheet import SheetEntry, contact_sheet

    entries = [
        SheetEntry(
            path=root / picture.path if picture.path else None,
            caption=caption(picture.record_id),
            row=_named(table.rows_by, label_of(picture, table.rows_by)),
            column=_named(table.columns_by, label_of(picture, table.columns_by)),
            note=picture.problem or ("" if picture.path else "not made"),
        )
        for picture in _row_by_row(table)
    ]
    buffer = io.BytesIO()
    contact_sheet(entries, title=title).save(buffer, "PNG", compress_level=4)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())
    return path


def write_html(workspace: Workspace, run_id: str) -> Path:
    """Write the run's HTML report into its folder and return where. Raises InputError, NotFound."""
    from stablenew.report.html_report import write_report

    return write_report(workspace, run_id).path


def _row_by_row(table: Table) -> list[RecordedPicture]:
    """In the order of cells, as a sheet shows rows and columns in the order in which they first come up."""
    cells = table.arrangement.cells
    return [table.pictures[number] for cell in _corner_first(table) for number in cells.get(cell, ())]


def _corner_first(table: Table) -> list[tuple[int, int]]:
    arrangement = table.arrangement
    return [(row, column) for row in range(len(arrangement.rows)) for column in range(len(arrangement.columns))]


def _named(axis: str, label: str) -> str:
    return label if axis in (NO_AXIS, "prompt") else f"{axis} {label}"
