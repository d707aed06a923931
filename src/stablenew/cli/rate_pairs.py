"""`stablenew rate --pairs`: two pictures of one prompt at a time, settings hidden; which is better?"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stablenew.cli.terminal_picture import Protocol, encode_picture, show, side_by_side, terminal_protocol
from stablenew.learning.learning_feedback import Rating, undo_of
from stablenew.learning.rating_pairs import Row, candidates, compared_before, passed_over, preference, rows_to_ask, tie
from stablenew.learning.record_filter import parse_condition

if TYPE_CHECKING:
    from stablenew.learning.learning_feedback import RatingWriter
    from stablenew.learning.record_index import RecordIndex
    from stablenew.learning.recorded_picture import RecordedPicture
    from stablenew.workspace import Workspace

_KEYS = "a, b: the better one   t: as good   s: skip   u: undo   q: quit"


def rate_pairs(
    index: RecordIndex, writer: RatingWriter, workspace: Workspace, *, run_id: str | None, who: str | None
) -> None:
    """Ask until there are no more pairs or the person quits; each answer is stored at once."""
    where = [parse_condition(f"run_id={run_id}")] if run_id else []
    found = [picture for picture in candidates(index, where) if (workspace.root / picture.path).is_file()]
    protocol = terminal_protocol(os.environ, is_terminal=sys.stdout.isatty())
    given: list[Rating] = []
    asked = 0
    for row in rows_to_ask(found, compared_before(index, found, who), random.Random()):
        asked += 1
        _show(row, workspace.root, protocol)
        started = time.monotonic()
        answer = _answer()
        while answer == "u":
            if given:
                writer.append(undo_of(given.pop(), surface="pairs"))
            click.echo("took back the last answer" if given or asked > 1 else "nothing to undo")
            answer = _answer()
        if answer == "q":
            break
        given.append(_rating(row, answer, who, round((time.monotonic() - started) * 1000)))
        writer.append(given[-1])
    compared = sum(bool(line.better_than or line.equal_to) for line in given)
    click.echo(f"{compared} comparisons stored" if asked else "there is no pair of pictures left to compare")


def _rating(row: Row, answer: str, who: str | None, decided_ms: int) -> Rating:
    how: dict[str, Any] = {"who": who, "blind": True, "surface": "pairs", "decided_ms": decided_ms}
    if answer == "t":
        return tie(row, **how)
    return passed_over(row, **how) if answer == "s" else preference(row, "ab".index(answer), **how)


def _show(row: Row, root: Path, protocol: Protocol) -> None:
    click.echo(f"\n{row[0].prompt}")
    left, right = (_path(picture, root) for picture in row)
    if protocol == "none":
        click.echo(f"  a  {left}\n  b  {right}")
        return
    from PIL import Image

    try:
        with Image.open(left) as first, Image.open(right) as second:
            show(encode_picture(side_by_side(first, second), protocol))
    except OSError as exc:
        click.echo(f"  a  {left}\n  b  {right}\n  (cannot be shown: {exc})")


def _path(picture: RecordedPicture, root: Path) -> Path:
    return root / picture.path


def read_key(prompt: str, keys: str) -> str:
    """One of `keys`, the last of which is also what the end of the input means."""
    click.echo(prompt, nl=False)
    while True:
        key = click.getchar() if sys.stdin.isatty() else (sys.stdin.readline().strip()[:1] or keys[-1])
        if key.casefold() in tuple(keys):
            click.echo(key)
            return key.casefold()


def _answer() -> str:
    """One of a, b, t, s, u, q; the end of the input quits."""
    return read_key(f"{_KEYS}  > ", "abtsuq")
