"""`stablenew runs`: the runs of the workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stablenew.cli.options import json_option, workspace_option

if TYPE_CHECKING:
    from stablenew.pipeline.run_list import RunSummary
    from stablenew.workspace import Workspace


@click.group()
def runs() -> None:
    """List, show, repair and delete runs."""


@runs.command("list")
@workspace_option
@json_option
def list_command(workspace: Workspace, as_json: bool) -> None:
    """List the runs, oldest first, with what each has done."""
    from stablenew.pipeline.run_list import list_runs

    found = list(list_runs(workspace))
    if as_json:
        for summary in found:
            _print_json(summary)
    elif found:
        _print_table(found)
    else:
        click.echo(f"no runs in {workspace.runs} yet: stablenew demo makes one")


@runs.command()
@click.argument("run_id")
@workspace_option
@json_option
def show(run_id: str, workspace: Workspace, as_json: bool) -> None:
    """Show one run: its settings, what is done, and where its pictures are."""
    import msgspec

    from stablenew.pipeline.run_list import summarise_run

    summary = summarise_run(workspace, run_id)
    if as_json:
        _print_json(summary)
        return
    _print_table([summary])
    click.echo(f"\nfolder    {summary.folder}")
    click.echo(f"backend   {summary.manifest.backend}")
    settings = msgspec.json.format(msgspec.json.encode(summary.manifest.config), indent=2).decode()
    click.echo(f"settings  {settings}")
    if summary.unfinished:
        click.echo(f"\ngo on with:  stablenew run --resume {run_id}")


@runs.command("retry-failed")
@click.argument("run_id")
@click.option("--backend", metavar="NAME", help="Another backend than the run's own.")
@click.option("--url", metavar="URL", help="Address of the server [default: the run's own].")
@workspace_option
@json_option
def retry_failed(run_id: str, backend: str | None, url: str | None, workspace: Workspace, as_json: bool) -> int:
    """Try the variants of a run again that failed, and no others."""
    import msgspec

    from stablenew.cli.session import exit_code, resume_run
    from stablenew.pipeline.run_list import failed_indices

    failed = failed_indices(workspace, run_id)
    if not failed:
        nothing = msgspec.json.encode({"event": "nothing_failed", "run_id": run_id}).decode()
        click.echo(nothing if as_json else f"nothing failed in run {run_id}")
        return 0
    return exit_code(resume_run(workspace, run_id, backend=backend, url=url, as_json=as_json, only=failed))


@runs.command()
@click.argument("run_id")
@click.option("--variants", metavar="LIST", help="Their numbers, such as 3,7 (as on the sheet: the first is 1).")
@click.option("--min-rating", type=float, metavar="N", help="All that are rated N or better.")
@click.option("--stages", metavar="LIST", help="Stages to go on with [default: those the run paused at].")
@click.option("--run-id", "new_run_id", metavar="ID", help="Name of the new run [default: RUN_ID-promoted].")
@click.option("--backend", metavar="NAME", help="Another backend than the run's own.")
@click.option("--url", metavar="URL", help="Address of the server [default: the run's own].")
@click.option("--sheet", is_flag=True, help="Write a labelled contact sheet into the new run's folder.")
@workspace_option
@json_option
def promote(
    run_id: str,
    variants: str | None,
    min_rating: float | None,
    stages: str | None,
    new_run_id: str | None,
    backend: str | None,
    url: str | None,
    sheet: bool,
    workspace: Workspace,
    as_json: bool,
) -> int:
    """Take the chosen pictures of a run through its remaining stages, with their own prompts and seeds."""
    from stablenew.cli.promote import chosen_indices, named_stages
    from stablenew.cli.session import exit_code, resume_run
    from stablenew.pipeline.promotion import promote_run

    indices = chosen_indices(workspace, run_id, variants, min_rating)
    promoted = promote_run(workspace, run_id, indices, named_stages(stages), new_run_id)
    return exit_code(resume_run(workspace, promoted, backend=backend, url=url, as_json=as_json, sheet=sheet))


@runs.command()
@click.argument("run_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@workspace_option
def delete(run_id: str, yes: bool, workspace: Workspace) -> None:
    """Delete a run's folder and its pictures; its learning records stay."""
    from stablenew.pipeline.run_list import delete_run, summarise_run

    summary = summarise_run(workspace, run_id)
    pictures = len(list((summary.folder / "images").glob("*")))
    losers = _promoted_from(workspace, run_id)
    if losers:
        click.echo(
            f"{', '.join(losers)} went on with pictures of this run: their earlier stages are deleted too", err=True
        )
    if not yes:
        click.confirm(f"delete {summary.folder} with its {pictures} pictures?", abort=True)
    delete_run(workspace, run_id)
    click.echo(f"deleted run {run_id} ({pictures} pictures); its records stay in {workspace.records}")


def _promoted_from(workspace: Workspace, run_id: str) -> list[str]:
    """The runs whose earlier pictures lie in the folder of this run: promoted from it, or from one of those."""
    from stablenew.pipeline.run_list import list_runs

    found = [run_id]
    parents = {summary.manifest.run_id: summary.manifest.promoted_from for summary in list_runs(workspace)}
    for ancestor in found:  # grows while it is gone through
        found += [child for child, parent in parents.items() if parent == ancestor and child not in found]
    return found[1:]


def _print_json(summary: RunSummary) -> None:
    import msgspec

    fields = {"ok": summary.ok, "failed": summary.failed, "unfinished": summary.unfinished}
    said = msgspec.to_builtins(summary.manifest) | fields | {"folder": str(summary.folder)}
    click.echo(msgspec.json.encode(said).decode())


def _print_table(summaries: list[RunSummary]) -> None:
    from rich.table import Table

    from stablenew.cli.output import table_console

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("run", "created", "backend"):
        table.add_column(heading, no_wrap=True)
    for heading in ("variants", "made", "failed", "open"):
        table.add_column(heading, justify="right", no_wrap=True)
    for summary in summaries:
        manifest = summary.manifest
        numbers = (manifest.variant_count, summary.ok, summary.failed, summary.unfinished)
        created = manifest.created_at[:19].replace("T", " ")
        table.add_row(manifest.run_id, created, manifest.backend, *(str(number) for number in numbers))
    table_console().print(table)
