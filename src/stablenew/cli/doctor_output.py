"""What `stablenew records doctor` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click
import msgspec

if TYPE_CHECKING:
    from stablenew.learning.doctor import Examination
    from stablenew.learning.repair import Repaired

SHOWN = 20


def say_repairs(repaired: Sequence[Repaired], *, as_json: bool) -> None:
    """What a repair did, file by file; with `as_json` on stderr, as stdout is for the examination."""
    for each in repaired:
        said = f"repaired {each.path}: {each.saved} records saved, {each.removed} lines without one taken out"
        click.echo(f"{said}; as it was: {each.copy}", err=as_json)
    if not repaired:
        click.echo("nothing to repair", err=as_json)


def say_examination(found: Examination, *, as_json: bool) -> None:
    """What was found."""
    if as_json:
        click.echo(msgspec.json.encode(found, enc_hook=str))
        return
    click.echo(f"{found.records:,} records")
    _say("damaged lines (--repair)", [f"{each.path}:{each.line_number}: {each.reason}" for each in found.damaged])
    _say(
        "pictures that are not there",
        [f"{each.path} (record {each.record_id})" for each in found.missing if not each.altered],
    )
    _say(
        "pictures that were changed",
        [f"{each.path} (record {each.record_id})" for each in found.missing if each.altered],
    )
    _say(
        "pictures without a record (stablenew import makes them)",
        [each.path + (f" (names record {each.record_id})" if each.record_id else "") for each in found.orphans],
    )
    _say("pictures that are the same", [" = ".join(paths) for paths in found.duplicates])
    if found.index_is_wrong:
        click.echo("the index is wrong: --repair makes it anew")
    _say_sizes("room by run", found.bytes_by_run)
    _say_sizes("room by rating", found.bytes_by_rating)
    if found.healthy:
        click.echo("nothing is wrong")


def _say(what: str, lines: Sequence[str]) -> None:
    if lines:
        click.echo(f"{len(lines):,} {what}:")
        for line in lines[:SHOWN]:
            click.echo(f"  {line}")
        if len(lines) > SHOWN:
            click.echo(f"  ... and {len(lines) - SHOWN:,} more; --json lists all")


def _say_sizes(what: str, sizes: Mapping[str, int]) -> None:
    if sizes:
        click.echo(f"{what}:")
        largest = sorted(sizes.items(), key=lambda each: -each[1])
        for name, size in largest[:SHOWN]:
            click.echo(f"  {size / 1e6:10,.1f} MB  {name}")
        if len(largest) > SHOWN:
            click.echo(f"  {sum(size for _, size in largest[SHOWN:]) / 1e6:10,.1f} MB  {len(largest) - SHOWN} more")
