"""`stablenew rate` and `stablenew ratings`: say what you think of a picture."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stablenew.cli.options import workspace_option
from stablenew.cli.records import run_option, where_option
from stablenew.workspace import USER_VARIABLE

if TYPE_CHECKING:
    from stablenew.learning.record_filter import Condition
    from stablenew.learning.record_index import RecordIndex
    from stablenew.workspace import Workspace


who_option = click.option(
    "--who",
    metavar="NAME",
    default=lambda: os.environ.get(USER_VARIABLE),
    help=f"Who rates [default: ${USER_VARIABLE}].",
)


@click.command()
@click.argument("record", required=False, metavar="RECORD_ID")
@click.argument("score", required=False, type=click.IntRange(1, 5), metavar="[1-5]")
@click.option(
    "--tag", "add_tags", multiple=True, metavar="TAG", help='Add a tag, such as "good hands". May be repeated.'
)
@click.option("--untag", "remove_tags", multiple=True, metavar="TAG", help="Remove a tag. May be repeated.")
@click.option("--note", "notes", metavar="TEXT", help='Replace your notes; "" removes them.')
@click.option("--reject/--no-reject", "rejected", default=None, help="Of no use, or of use after all.")
@click.option("--favourite/--no-favourite", default=None, help="One of the best, or not after all.")
@click.option("--better-than", multiple=True, metavar="RECORD_ID", help="Preferred to that one. May be repeated.")
@click.option("--undo", is_flag=True, help="Take back what you said about it last.")
@click.option("--blind", is_flag=True, default=None, help="You did not see the settings.")
@click.option("--pairs", is_flag=True, help="Show two pictures of a prompt at a time and ask which is better.")
@run_option
@who_option
@workspace_option
def rate(
    record: str | None,
    score: int | None,
    better_than: tuple[str, ...],
    undo: bool,
    pairs: bool,
    run_id: str | None,
    who: str | None,
    workspace: Workspace,
    **said: Any,
) -> None:
    """Rate a picture, named by its record's id (the first digits are enough) or by its file.

    Nothing is overwritten: what you say last counts, and --undo takes it back.
    """
    from stablenew.learning.learning_feedback import RatingWriter
    from stablenew.learning.record_index import RecordIndex

    writer = RatingWriter(workspace.ratings)
    try:
        with RecordIndex.of(workspace) as index:
            if pairs:
                from stablenew.cli.rate_pairs import rate_pairs

                rate_pairs(index, writer, workspace, run_id=run_id, who=who)
            elif record is None:
                raise click.UsageError("name a record, as in: stablenew rate RECORD_ID 4; or give --pairs")
            elif undo:
                _undo(index, writer, record, who)
            else:
                values = {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}
                _rate(index, writer, record, score=score, better_than=better_than, who=who, **values)
    finally:
        writer.close()


@click.group()
def ratings() -> None:
    """Take ratings to other programs and back."""


@ratings.command()
@click.option("--xmp", is_flag=True, help="Write XMP beside the pictures, for photo tools.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="With --xmp: put the XMP into copies of the pictures in this folder instead.",
)
@run_option
@where_option
@workspace_option
def export(
    xmp: bool, into: Path | None, run_id: str | None, where: tuple[Condition, ...], workspace: Workspace
) -> None:
    """Write ratings as XMP (xmp:Rating, dc:subject, dc:description), or print every rating line as JSON."""
    import msgspec

    from stablenew.cli.records import of_run
    from stablenew.learning.learning_feedback import read_ratings
    from stablenew.learning.rating_exchange import export_xmp
    from stablenew.learning.record_index import RecordIndex

    if not xmp:
        for rating in read_ratings(workspace.ratings):
            click.echo(msgspec.json.encode(rating))
        return
    with RecordIndex.of(workspace) as index:
        _say_all(export_xmp(index, workspace.root, of_run(where, run_id), into), "written")


@ratings.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@who_option
@workspace_option
def import_ratings(paths: tuple[Path, ...], who: str | None, workspace: Workspace) -> None:
    """Read ratings from the XMP in pictures and beside them. PATHS are pictures and folders of them."""
    from stablenew.learning.learning_feedback import RatingWriter
    from stablenew.learning.rating_exchange import import_xmp
    from stablenew.learning.record_index import RecordIndex

    writer = RatingWriter(workspace.ratings)
    try:
        with RecordIndex.of(workspace) as index:
            _say_all(import_xmp(index, writer, paths, who), "rated")
    finally:
        writer.close()


def _rate(
    index: RecordIndex, writer: Any, record: str, *, better_than: tuple[str, ...], who: str | None, **said: Any
) -> None:
    from stablenew.learning.learning_feedback import RatedPicture, new_rating

    rated, digest = _find(index, record)
    others = [_find(index, other) for other in better_than]
    if all(value in (None, []) for name, value in said.items() if name != "blind") and not others:
        raise click.UsageError(
            "say something: a score from 1 to 5, --tag, --note, --reject, --favourite, --better-than"
        )
    losers = [RatedPicture(record_id=other.run.record_id, image_sha256=sha) for other, sha in others]
    writer.append(
        new_rating(rated.run.record_id, image_sha256=digest, who=who, surface="cli", better_than=losers, **said)
    )
    click.echo(_said(index.get(rated.run.record_id)))


def _undo(index: RecordIndex, writer: Any, record: str, who: str | None) -> None:
    from stablenew.learning.learning_feedback import undo_of
    from stablenew.learning.rating_fold import last_said

    rated, _ = _find(index, record)
    last = last_said(index.ratings_of(rated.run.record_id), who)
    if last is None:
        raise click.UsageError(f"nothing to undo: {who or 'nobody'} has said nothing about {rated.run.record_id}")
    writer.append(undo_of(last, surface="cli"))
    click.echo(_said(index.get(rated.run.record_id)))


def _find(index: RecordIndex, name: str) -> tuple[Any, str]:
    """The record a person means, and the hash of its picture ("" where it has none)."""
    from stablenew.learning.rating_exchange import record_of_picture

    if Path(name).is_file():
        return record_of_picture(index, Path(name))
    record = index.get(name)
    images = record.outcome.images
    return record, images[-1].sha256 if images else ""


def _said(record: Any) -> str:
    feedback = record.feedback
    parts = [f"rating {feedback.rating:g}" if feedback.rating is not None else "not rated"]
    parts += [f"tags {', '.join(feedback.tags)}"] if feedback.tags else []
    parts += [f"notes {feedback.notes!r}"] if feedback.notes else []
    return f"{record.run.record_id}: {'; '.join(parts)}"


def _say_all(results: Any, verb: str) -> None:
    done = 0
    for each in results:
        if each.problem is None:
            done += 1
        else:
            click.echo(f"{each.path}: passed over: {each.problem}", err=True)
    click.echo(f"{done} {verb}")
