"""Records and groups of records as a table, as JSON lines, or as CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from stablenew.learning.index_query import Group
    from stablenew.learning.learning_reader import UnreadableLine
    from stablenew.learning.learning_record import LearningRecord

COLUMNS = (
    "record_id", "time", "status", "rating", "tag", "model", "sampler", "scheduler", "cfg_scale", "steps", "width",
    "height", "seed", "seconds", "run_id", "pack_name", "prompt", "negative_prompt",
)  # fmt: skip
"""The columns of CSV; `--columns` names others."""


def print_records(
    found: Iterable[LearningRecord | UnreadableLine], form: str, columns: Sequence[str], nothing: str
) -> None:
    """Print what was found in the form asked for (table, json, csv); what cannot be read is said on stderr."""
    readable = _readable(found)
    if form == "json":
        for record in readable:
            click.echo(record.to_json())
    elif form == "csv":
        _print_csv(readable, columns or COLUMNS)
    else:
        _print_table(list(readable), columns, nothing)


def print_groups(groups: Sequence[Group], by: Sequence[str], form: str) -> None:
    """Print the groups, one a row."""
    rows = [(*group.values, *_group_numbers(group)) for group in groups]
    print_rows([*by, *_GROUP_NUMBERS], rows, form, left=by)


def print_rows(
    names: Sequence[str], rows: Sequence[Sequence[Any]], form: str, left: Sequence[str] | None = None
) -> None:
    """Print rows under their names; in a table, columns not in `left` (None: none) stand to the right."""
    if form == "json":
        import msgspec

        for row in rows:
            click.echo(msgspec.json.encode(dict(zip(names, row, strict=True)), enc_hook=str))
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
    else:
        from rich.table import Table

        from stablenew.cli.output import table_console

        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in names:
            table.add_column(name, justify="left" if left is None or name in left else "right", overflow="fold")
        for row in rows:
            table.add_row(*(_cell(value) for value in row))
        table_console().print(table)


_GROUP_NUMBERS = ("n", "ok", "failed", "rated", "mean_rating", "rating_sd", "mean_seconds")


def _group_numbers(group: Group) -> tuple[Any, ...]:
    return group.n, group.ok, group.failed, group.rated, group.mean_rating, group.rating_sd, group.mean_seconds


def _readable(found: Iterable[LearningRecord | UnreadableLine]) -> Iterable[LearningRecord]:
    from stablenew.learning.learning_record import LearningRecord

    for read in found:
        if isinstance(read, LearningRecord):
            yield read
        else:
            click.echo(f"{read.path}:{read.line_number}: passed over: {read.reason}", err=True)


def _print_csv(records: Iterable[LearningRecord], columns: Sequence[str]) -> None:
    from stablenew.learning.record_filter import field_name, value_of

    writer = csv.writer(sys.stdout, lineterminator="\n")
    fields = [field_name(column) for column in columns]
    writer.writerow(columns)
    for record in records:
        data = record.to_dict()
        writer.writerow(
            _plain(column, data, value_of(data, field)) for column, field in zip(columns, fields, strict=True)
        )


def _plain(column: str, data: dict[str, Any], value: Any) -> Any:
    if column == "time":
        return data["run"]["timestamp"]
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _print_table(records: list[LearningRecord], columns: Sequence[str], nothing: str) -> None:
    from stablenew.cli.output import table_console
    from stablenew.cli.recorded import record_table

    if not records:
        click.echo(nothing)
    elif columns:
        table_console().print(_chosen_table(records, columns))
    else:
        table_console().print(record_table(records))


def _chosen_table(records: list[LearningRecord], columns: Sequence[str]) -> Any:
    from rich.table import Table

    from stablenew.learning.record_filter import field_name, value_of

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    fields = [field_name(column) for column in columns]
    for record in records:
        data = record.to_dict()
        cells = zip(columns, fields, strict=True)
        table.add_row(*(_cell(_plain(column, data, value_of(data, field))) for column, field in cells))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
