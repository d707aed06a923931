"""`stablenew records`: what was recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stablenew.cli.options import json_option, workspace_option

if TYPE_CHECKING:
    from stablenew.workspace import Workspace


@click.group()
def records() -> None:
    """Show the learning records."""


@records.command("list")
@click.option("--run", "run_id", metavar="RUN_ID", help="Only of this run.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="At most N.")
@workspace_option
@json_option
def list_records(run_id: str | None, limit: int, workspace: Workspace, as_json: bool) -> None:
    """List the newest records, one a line."""
    from collections import deque

    from rich.console import Console

    from stablenew.cli.recorded import record_table
    from stablenew.learning.learning_reader import read_records
    from stablenew.learning.learning_record import LearningRecord

    newest: deque[LearningRecord] = deque(maxlen=limit)
    for found in read_records(workspace.records, run_id):
        if isinstance(found, LearningRecord):
            newest.append(found)
        else:
            click.echo(f"{found.path}:{found.line_number}: passed over: {found.reason}", err=True)
    if as_json:
        for record in newest:
            click.echo(record.to_json())
    elif newest:
        Console().print(record_table(list(newest)))
    else:
        click.echo(f"no records in {workspace.records} yet: stablenew demo makes some")


@records.command()
@click.argument("record_id")
@workspace_option
def show(record_id: str, workspace: Workspace) -> None:
    """Show one record in full; the first digits of its id are enough."""
    import msgspec

    from stablenew.errors import NotFound
    from stablenew.learning.learning_reader import read_records
    from stablenew.learning.learning_record import LearningRecord

    for found in read_records(workspace.records):
        if isinstance(found, LearningRecord) and found.run.record_id.startswith(record_id):
            click.echo(msgspec.json.format(found.to_json(), indent=2))
            return
    raise NotFound("record", record_id, workspace.records, "stablenew records list shows those there are")


@records.command()
@workspace_option
def path(workspace: Workspace) -> None:
    """Print the folder of the records."""
    click.echo(workspace.records)
