"""`stablenew report`: one file to look at a run with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stablenew.cli.options import json_option, workspace_option

if TYPE_CHECKING:
    from stablenew.workspace import Workspace


@click.command()
@click.argument("name", metavar="RUN_OR_EXPERIMENT")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Where [default: in the run's folder].")
@click.option("--limit", type=click.IntRange(min=1), default=5000, show_default=True, help="Show at most so many.")
@click.option(
    "--thumbnail", type=click.IntRange(64, 1024), default=256, show_default=True, help="Pixels of the pictures inside."
)
@click.option("--open", "open_it", is_flag=True, help="Show it in the browser.")
@workspace_option
@json_option
def report(
    name: str, output: Path | None, limit: int, thumbnail: int, open_it: bool, workspace: Workspace, as_json: bool
) -> None:
    """Write a run or an experiment as one HTML file: pictures, filters, grid, heat map, side by side.

    The file needs no server and no network. Thumbnails are inside it; the originals are linked from where they are.
    """
    from stablenew.report.html_report import write_report

    written = write_report(
        workspace, name, output and output.absolute(), limit=limit, thumbnail_side=thumbnail, on_progress=_say_progress
    )
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(written, enc_hook=str).decode())
    else:
        click.echo(f"{written.path} ({written.records:,} records)")
        if written.without_picture:
            click.echo(f"{written.without_picture:,} of them have no picture that can be read", err=True)
        if written.left_out:
            click.echo(f"{written.left_out:,} more were left out: raise --limit", err=True)
    if open_it:
        click.launch(written.path.as_uri())


def _say_progress(done: int) -> None:
    if done % 500 == 0:
        click.echo(f"{done:,} pictures", err=True)
