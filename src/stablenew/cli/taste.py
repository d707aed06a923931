"""`stablenew taste`: old ratings that fade, and statistics that travel without prompts and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stablenew.cli.options import workspace_option
from stablenew.cli.rate import who_option

if TYPE_CHECKING:
    from stablenew.workspace import Workspace

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def taste() -> None:
    """Let old ratings fade, check how steady yours are, and take statistics of taste to other places."""


@taste.command()
@click.option("--before", metavar="DAY", help="Ratings from before this day (2026-11-22, UTC) count less.")
@click.option("--factor", type=float, default=0.3, show_default=True, help="How much they count.")
@click.option("--undo", is_flag=True, help="Take back the newest fading that holds.")
@workspace_option
def fade(before: str | None, factor: float, undo: bool, workspace: Workspace) -> None:
    """Let ratings from before a change of taste count less; without options, show what fades now."""
    from stablenew.learning.fading import fade as fade_ratings
    from stablenew.learning.fading import fadings, unfade

    if undo:
        taken = unfade(workspace)
        if taken is None:
            raise click.UsageError("nothing fades: there is nothing to take back")
        click.echo(f"ratings from before {(taken.before or '')[:16]} count in full again, as far as nothing else fades")
    elif before is not None:
        made = fade_ratings(workspace, before, factor)
        click.echo(f"ratings from before {(made.before or '')[:16]} count {made.factor:g}; --undo takes it back")
    else:
        for each in fadings(workspace):
            click.echo(f"before {(each.before or '')[:16]}: {each.factor:g} (since {each.made_at[:10]})")


@taste.command()
@who_option
@workspace_option
def check(who: str | None, workspace: Workspace) -> None:
    """Say how steady your ratings are: repeats, sides, drift."""
    from stablenew.pipeline.proof_outcome import checks_of

    statements = checks_of(workspace, who).statements
    for line in statements or ("too few ratings to say anything",):
        click.echo(line)


@taste.command()
@click.argument("file", type=_FILE)
@click.option("--with-others", is_flag=True, help="Pass on the statistics that were imported here, too.")
@click.option("--replace", is_flag=True, help="Replace the file.")
@who_option
@workspace_option
def export(file: Path, with_others: bool, replace: bool, who: str | None, workspace: Workspace) -> None:
    """Write statistics of taste: settings, sums of stars, choices; no prompt, picture, path or name of a person.

    Names of models are in it.
    """
    from stablenew.learning.taste_store import export_taste, write_taste_file

    found = export_taste(workspace, who=who, with_others=with_others)
    write_taste_file(file, found, replace=replace)
    rated = sum(source.ratings for source in found.sources.values())
    click.echo(f"wrote {file}: {rated:,} rated pictures of {len(found.sources)} source(s)")


@taste.command()
@click.argument("first", type=_FILE)
@click.argument("second", type=_FILE)
@click.option("--output", "-o", type=_FILE, required=True, metavar="FILE", help="A new file.")
@click.option("--replace", is_flag=True, help="Replace the file.")
def merge(first: Path, second: Path, output: Path, replace: bool) -> None:
    """Put two taste files together; the same source is never counted twice."""
    from stablenew.learning.taste_file import merge_taste, read_taste_file
    from stablenew.learning.taste_store import write_taste_file

    merged = merge_taste(read_taste_file(first), read_taste_file(second))
    write_taste_file(output, merged, replace=replace)
    rated = sum(source.ratings for source in merged.sources.values())
    click.echo(f"wrote {output}: {rated:,} rated pictures of {len(merged.sources)} source(s)")


@taste.command("import")
@click.argument("file", type=_FILE)
@click.option("--dry-run", is_flag=True, help="Say what it would add, and add nothing.")
@workspace_option
def import_command(file: Path, dry_run: bool, workspace: Workspace) -> None:
    """Take in the statistics of others as weak evidence; your own ratings always count more."""
    from stablenew.learning.taste_store import import_taste, would_import

    for each in (would_import if dry_run else import_taste)(workspace, file):
        click.echo(f"{each.source_id[:8]}: {each.ratings:,} rated pictures, {each.said}")


@taste.command("list")
@workspace_option
def list_command(workspace: Workspace) -> None:
    """List the statistics that were imported."""
    from stablenew.learning.taste_store import imported_taste

    for source_id, source in imported_taste(workspace).sources.items():
        click.echo(f"{source_id[:8]}: {source.ratings:,} rated pictures, as of {source.as_of[:10]}")


@taste.command()
@click.argument("source")
@workspace_option
def forget(source: str, workspace: Workspace) -> None:
    """Remove statistics that were imported, named by the first digits of their source."""
    from stablenew.learning.taste_store import forget_taste

    forget_taste(workspace, source)
    click.echo("forgotten")
