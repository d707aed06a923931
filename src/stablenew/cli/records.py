"""`stablenew records`: what was recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stablenew.cli.options import workspace_option

if TYPE_CHECKING:
    from pathlib import Path

    from stablenew.learning.record_filter import Condition
    from stablenew.learning.record_index import RecordIndex
    from stablenew.workspace import Workspace

F = TypeVar("F", bound=Callable[..., Any])
BY_DEFAULT = "model,sampler,scheduler,cfg_scale,steps"


def _parse_where(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> tuple[Condition, ...]:
    from stablenew.learning.record_filter import parse_condition

    return tuple(parse_condition(each) for each in value)


def form_option(command: F) -> F:
    """`--json` and `--csv`, handed on as `form`: "table", "json" or "csv"."""
    command = click.option("--csv", "form", flag_value="csv", help="Print CSV.")(command)
    return click.option(
        "--json", "form", flag_value="json", default="table", help="Print JSON lines instead of a table."
    )(command)


def where_option(command: F) -> F:
    """`--where CONDITION`, handed on as `where`: a tuple of Condition."""
    return click.option(
        "-w",
        "--where",
        multiple=True,
        metavar="CONDITION",
        callback=_parse_where,
        help='Only these, such as steps>=20, "sampler=Euler a", model~dream, tag=hands, vae=none. May be repeated.',
    )(command)


def columns_option(command: F) -> F:
    """`--columns`, handed on as `columns`: a tuple of names."""
    return click.option(
        "--columns",
        metavar="A,B,...",
        default="",
        callback=lambda _, __, value: tuple(each.strip() for each in value.split(",") if each.strip()),
        help="Show these fields.",
    )(command)


def run_option(command: F) -> F:
    """`--run RUN_ID`, handed on as `run_id`."""
    return click.option("--run", "run_id", metavar="RUN_ID", help="Only of this run.")(command)


@click.group()
def records() -> None:
    """Show, search and look after the learning records."""


@records.command("list")
@run_option
@where_option
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="At most N.")
@click.option("--all", "everything", is_flag=True, help="All of them, whatever --limit says.")
@click.option("--sort", type=click.Choice(["time", "rating", "seconds"]), default="time", help="Order [default: time].")
@click.option("--reverse", is_flag=True, help="Oldest, worst or fastest first.")
@columns_option
@form_option
@workspace_option
def list_records(
    run_id: str | None,
    where: tuple[Condition, ...],
    limit: int,
    everything: bool,
    sort: Any,
    reverse: bool,
    columns: tuple[str, ...],
    form: str,
    workspace: Workspace,
) -> None:
    """List the newest records, one a line."""
    from stablenew.learning.record_index import Query

    query = Query(where=of_run(where, run_id), sort=sort, descending=not reverse, limit=None if everything else limit)
    _list(query, columns, form, workspace)


@records.command()
@click.argument("words", nargs=-1, required=True)
@run_option
@where_option
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="At most N.")
@columns_option
@form_option
@workspace_option
def search(
    words: tuple[str, ...],
    run_id: str | None,
    where: tuple[Condition, ...],
    limit: int,
    columns: tuple[str, ...],
    form: str,
    workspace: Workspace,
) -> None:
    """Find records by the words of their prompts, newest first.

    All WORDS must stand in the prompt; "two words" next to each other; word* any ending; -word must not (after --).
    """
    from stablenew.learning.record_index import Query

    quoted = (f'"{word}"' if " " in word and '"' not in word else word for word in words)
    _list(Query(where=of_run(where, run_id), words=" ".join(quoted), limit=limit), columns, form, workspace)


@records.command()
@click.option("-n", "limit", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@run_option
@where_option
@columns_option
@form_option
@workspace_option
def top(
    limit: int,
    run_id: str | None,
    where: tuple[Condition, ...],
    columns: tuple[str, ...],
    form: str,
    workspace: Workspace,
) -> None:
    """List the best rated records."""
    from stablenew.learning.record_index import Query

    shown = columns or (
        () if form != "table" else ("record_id", "rating", "tag", "model", "sampler", "steps", "prompt")
    )
    query = Query(where=of_run(where, run_id), sort="rating", limit=limit)
    _list(query, shown, form, workspace, "nothing is rated yet: stablenew rate RECORD_ID 4")


@records.command()
@click.option("--by", metavar="A,B,...", default=BY_DEFAULT, show_default=True, help="Group by these fields.")
@run_option
@where_option
@form_option
@workspace_option
def stats(by: str, run_id: str | None, where: tuple[Condition, ...], form: str, workspace: Workspace) -> None:
    """Show per group of records how many there are, their mean rating, and how long they took."""
    from stablenew.cli.record_output import print_groups

    names = [name.strip() for name in by.split(",") if name.strip()]
    with _open_index(workspace) as index:
        groups = index.groups(names, of_run(where, run_id))
        print_groups(groups, names, form)
        if form == "table":
            whole = index.overview()
            said = f"{whole.records.n:,} records in {whole.files:,} files, {whole.records.rated:,} of them rated"
            damaged = f"; {whole.damaged:,} damaged lines: stablenew records doctor" if whole.damaged else ""
            click.echo(said + damaged)


@records.command()
@click.argument("record_id")
@workspace_option
def show(record_id: str, workspace: Workspace) -> None:
    """Show one record in full, with its ratings; the first digits of its id are enough."""
    import msgspec

    with _open_index(workspace) as index:
        click.echo(msgspec.json.format(index.get(record_id).to_json(), indent=2))


@records.command()
@click.option("-n", "last", type=click.IntRange(min=0), default=10, show_default=True, help="Start with the last N.")
@click.option("-f", "--follow", is_flag=True, help="Go on and print records as they are appended, until Ctrl-C.")
@click.option("--pack", "pack_name", metavar="NAME", help="Only of this pack.")
@click.option("--preset", metavar="NAME", help="Only of runs with this preset.")
@run_option
@where_option
@workspace_option
def tail(
    last: int,
    follow: bool,
    pack_name: str | None,
    preset: str | None,
    run_id: str | None,
    where: tuple[Condition, ...],
    workspace: Workspace,
) -> None:
    """Print the last records as JSON lines; with --follow, also those to come, for a program beside StableNew."""
    import time

    from stablenew.learning.learning_record import LearningRecord
    from stablenew.learning.record_index import Query
    from stablenew.learning.record_tail import RecordTail

    wanted = _of_stream(of_run(where, run_id), pack_name, preset)
    appended = RecordTail(workspace.records, wanted)
    if last:
        with _open_index(workspace) as index:
            newest = list(index.records(Query(where=wanted, limit=last)))
        for record in reversed(newest):
            if isinstance(record, LearningRecord):
                click.echo(record.to_json())
    while follow:
        for line in appended.look():
            click.echo(line)
        time.sleep(0.2)


@records.command()
@click.argument("run_ids", nargs=-1, metavar="[RUN_ID]...")
@click.option("--older-than", type=click.IntRange(min=0), metavar="DAYS", help="All runs not written to for DAYS days.")
@workspace_option
def pack(run_ids: tuple[str, ...], older_than: int | None, workspace: Workspace) -> None:
    """Pack the records of finished runs into Parquet, a fraction of the room; nothing is lost.

    Everything goes on as before, as long as DuckDB is installed: pip install 'stablenew[analytics]'.
    """
    import time

    from stablenew.learning.record_packs import pack_file

    if not run_ids and older_than is None:
        raise click.UsageError("name runs, or give --older-than DAYS")
    packed = 0
    for file in _chosen_files(workspace, run_ids, packs=False):
        if older_than is None or time.time() - file.stat().st_mtime >= older_than * 86400:
            before = file.stat().st_size
            after = pack_file(file).stat().st_size
            packed += 1
            click.echo(f"{file.name}: {before / 1e6:,.1f} MB packed into {after / 1e6:,.1f} MB")
    click.echo(f"{packed} packed")


@records.command()
@click.argument("run_ids", nargs=-1, metavar="[RUN_ID]...")
@click.option("--all", "everything", is_flag=True, help="Unpack everything.")
@workspace_option
def unpack(run_ids: tuple[str, ...], everything: bool, workspace: Workspace) -> None:
    """Unpack records: the same lines as before, byte for byte."""
    from stablenew.learning.record_packs import unpack_file

    if not run_ids and not everything:
        raise click.UsageError("name runs, or give --all")
    files = _chosen_files(workspace, run_ids, packs=True)
    for file in files:
        unpack_file(file)
    click.echo(f"{len(files)} unpacked")


@records.command()
@click.argument("query")
@form_option
@workspace_option
def sql(query: str, form: str, workspace: Workspace) -> None:
    """Ask all records with SQL (DuckDB), such as: select sampler, avg(rating) from records group by all.

    The table records has a column for each common setting, rating and tags, and the whole record as JSON in record.
    """
    from stablenew.cli.record_output import print_rows
    from stablenew.learning.record_sql import query_records

    answer = query_records(workspace, query)
    print_rows(answer.names, answer.rows, form)


@records.command()
@click.option("--repair", is_flag=True, help="Take out unreadable lines, save whole ones inside them; keeps a copy.")
@click.option("--check-files", is_flag=True, help="Also compare every picture with the hash in its record.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@workspace_option
@click.pass_context
def doctor(context: click.Context, repair: bool, check_files: bool, as_json: bool, workspace: Workspace) -> None:
    """Look for damage, lost and unknown pictures, and duplicates; show what takes how much room.

    The exit code is 1 when something is wrong.
    """
    from stablenew.cli.doctor_output import say_examination, say_repairs
    from stablenew.learning.doctor import examine
    from stablenew.learning.repair import repair_workspace

    if repair:
        say_repairs(repair_workspace(workspace), as_json=as_json)
    found = examine(workspace, check_files=check_files)
    say_examination(found, as_json=as_json)
    context.exit(0 if found.healthy else 1)


@records.command()
@workspace_option
def path(workspace: Workspace) -> None:
    """Print the folder of the records."""
    click.echo(workspace.records)


def _list(query: Any, columns: tuple[str, ...], form: str, workspace: Workspace, nothing: str = "") -> None:
    from stablenew.cli.record_output import print_records

    nothing = nothing or f"no such records in {workspace.records}: stablenew demo makes some"
    with _open_index(workspace) as index:
        print_records(index.records(query), form, columns, nothing)


def _open_index(workspace: Workspace) -> RecordIndex:
    """The index; on a terminal, says how far it is when it has much to read."""
    import sys

    from stablenew.learning.record_index import RecordIndex

    def say(lines: int) -> None:
        if lines >= 100_000:
            click.echo(f"\rindexing: {lines:,} lines", nl=False, err=True)

    return RecordIndex.of(workspace, progress=say if sys.stderr.isatty() else None)


def _chosen_files(workspace: Workspace, run_ids: tuple[str, ...], *, packs: bool) -> list[Path]:
    """The files of the runs named, of all where none is; packs or plain files."""
    from stablenew.errors import NotFound
    from stablenew.learning.learning_reader import record_files
    from stablenew.learning.record_packs import is_pack

    found: list[Path] = []
    for run_id in run_ids or (None,):
        files = [file for file in record_files(workspace.records, run_id) if is_pack(file) is packs]
        if run_id is not None and not files:
            raise NotFound("pack of the run" if packs else "unpacked run", run_id, workspace.records)
        found += files
    return found


def _of_stream(where: tuple[Condition, ...], pack_name: str | None, preset: str | None) -> tuple[Condition, ...]:
    """`where`, and of this pack and this preset where they are named."""
    from stablenew.learning.record_filter import Condition

    if pack_name is not None:
        where = (*where, Condition(field="prompt.pack_name", operator="=", value=pack_name))
    if preset is not None:
        where = (*where, Condition(field="run.learning_tags", operator="=", value=f"preset:{preset}"))
    return where


def of_run(where: tuple[Condition, ...], run_id: str | None) -> tuple[Condition, ...]:
    """`where`, and of this run where one is named."""
    from stablenew.learning.record_filter import Condition

    return where if run_id is None else (*where, Condition(field="run.run_id", operator="=", value=run_id))
