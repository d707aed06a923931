"""`stablenew export`: records and pictures for other programs and other people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stablenew.cli import EXIT_OK, EXIT_SOME_FAILED
from stablenew.cli.options import workspace_option
from stablenew.cli.records import run_option, where_option

if TYPE_CHECKING:
    from stablenew.learning.export import Form
    from stablenew.learning.learning_record import LearningRecord
    from stablenew.learning.record_filter import Condition
    from stablenew.learning.share import Share
    from stablenew.workspace import Workspace

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@run_option
@where_option
@click.option("--csv", "csv_path", type=_FILE, metavar="FILE", help="A table; lists and objects in it are JSON.")
@click.option("--jsonl", "jsonl_path", type=_FILE, metavar="FILE", help="Whole records with their ratings, one a line.")
@click.option("--parquet", "parquet_path", type=_FILE, metavar="FILE", help="A table as Parquet; needs DuckDB.")
@click.option("--html", "html_path", type=_FILE, metavar="FILE", help="A report to look at, as stablenew report.")
@click.option(
    "--images", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Copies of the pictures."
)
@click.option(
    "--share",
    type=click.Choice(["full", "settings", "none"]),
    default="full",
    show_default=True,
    help="What copies say: everything; settings without prompts; nothing (pictures only).",
)
@workspace_option
def export(
    run_id: str | None,
    where: tuple[Condition, ...],
    csv_path: Path | None,
    jsonl_path: Path | None,
    parquet_path: Path | None,
    html_path: Path | None,
    images: Path | None,
    share: Share,
    workspace: Workspace,
) -> int:
    """Write records as tables, lines or a report, and copies of their pictures, oldest first.

    With --share settings, prompts, notes and names of people and machines are left out of everything written here;
    the records in the workspace keep them.
    """
    if share == "none" and (csv_path or jsonl_path or parquet_path or html_path):
        raise click.UsageError("with --share none nothing of a record is left to write: it is for --images alone")
    tables: list[tuple[Form, Path | None]] = [("csv", csv_path), ("jsonl", jsonl_path), ("parquet", parquet_path)]
    written = [(form, path) for form, path in tables if path is not None]
    if not written and html_path is None and images is None:
        raise click.UsageError("say what to write: --csv, --jsonl, --parquet, --html or --images")
    for form, path in written:
        _export_table(_chosen(workspace, where, run_id), path, form, share)
    if html_path is not None:
        _export_html(list(_chosen(workspace, where, run_id)), html_path.absolute(), workspace, share)
    return EXIT_OK if images is None else _export_images(_chosen(workspace, where, run_id), workspace, images, share)


def _chosen(workspace: Workspace, where: tuple[Condition, ...], run_id: str | None) -> Iterator[LearningRecord]:
    from stablenew.cli.records import of_run
    from stablenew.learning.learning_record import LearningRecord
    from stablenew.learning.record_index import Query, RecordIndex

    with RecordIndex.of(workspace) as index:
        for found in index.records(Query(where=of_run(where, run_id), descending=False)):
            if isinstance(found, LearningRecord):
                yield found
            else:
                click.echo(f"{found.path}:{found.line_number}: passed over: {found.reason}", err=True)


def _export_table(records: Iterator[LearningRecord], path: Path, form: Form, share: Share) -> None:
    from stablenew.learning.export import export_records
    from stablenew.learning.share import without_words

    if share == "settings":
        records = map(without_words, records)
    click.echo(f"{path}: {export_records(records, path, form):,} records")


def _export_html(records: list[LearningRecord], path: Path, workspace: Workspace, share: Share) -> None:
    from stablenew.report.html_report import write_records_report

    written = write_records_report(records, path, workspace.root, "Records", share=share)
    click.echo(f"{path}: {written.records:,} records")
    if written.left_out:
        click.echo(f"{written.left_out:,} more were left out", err=True)


def _export_images(records: Iterator[LearningRecord], workspace: Workspace, folder: Path, share: Share) -> int:
    from stablenew.learning.share import share_pictures

    copied = problems = 0
    for each in share_pictures(records, workspace.root, folder, share):
        copied += each.path is not None
        if each.problem is not None:
            problems += 1
            click.echo(f"not copied: {each.problem}", err=True)
    click.echo(f"{folder}: {copied:,} pictures")
    return EXIT_SOME_FAILED if problems else EXIT_OK
