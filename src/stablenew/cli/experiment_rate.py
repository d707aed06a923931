"""`stablenew experiment rate`: rows of pictures, settings hidden; stars for each, and which is the best."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stablenew.cli.terminal_picture import Protocol, encode_picture, show, side_by_side, terminal_protocol
from stablenew.learning.experiments import read_experiment, records_of_experiment
from stablenew.learning.learning_feedback import Rating, RatingWriter, read_ratings, undo_of
from stablenew.learning.rater_checks import RECENT, break_hint, check_rater, standing
from stablenew.learning.rating_rows import SURFACE, RatingRow, rated_by, row_ratings, rows_to_rate
from stablenew.learning.record_index import RecordIndex

if TYPE_CHECKING:
    from stablenew.workspace import Workspace

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SKIP, _UNDO, _QUIT = "s", "u", "q"

_Answer = tuple[list[int | None], int | None]


def rate_rows(workspace: Workspace, experiment_id: str, *, who: str | None, repeats: int) -> None:
    """Ask row by row until all are rated or the person quits; each row's answer is stored at once. Raises NotFound."""
    read_experiment(workspace, experiment_id)
    with RecordIndex.of(workspace) as index:
        records = [
            each
            for each in records_of_experiment(index, experiment_id)
            if each.outcome.images and (workspace.root / each.outcome.images[-1].path).is_file()
        ]
    ratings = [each for each in read_ratings(workspace.ratings) if isinstance(each, Rating)]
    rows = rows_to_rate(records, rated_by(ratings, who), random.Random(), repeats=repeats)
    if not rows:
        click.echo("there is no row left to rate: every picture has your stars, or has nothing to be compared with")
        return
    writer = RatingWriter(workspace.ratings)
    try:
        mine = [rating for rating in ratings if rating.who == who]
        _Session(rows, writer, workspace.root, who, mine).ask_all()
    finally:
        writer.close()


class _Session:
    """One sitting. `given` holds what was said per row, so that it can be taken back; `said` all that was ever said."""

    def __init__(
        self, rows: list[RatingRow], writer: RatingWriter, root: Path, who: str | None, said: list[Rating]
    ) -> None:
        self._rows, self._writer, self._root, self._who = rows, writer, root, who
        self._said, self._hint = said, ""
        self._protocol = terminal_protocol(os.environ, is_terminal=sys.stdout.isatty())
        self._given: dict[int, list[Rating]] = {}

    def ask_all(self) -> None:
        """Go through the rows, back by one on undo; say at the end what was stored."""
        place = 0
        while place < len(self._rows):
            row = self._rows[place]
            _show(row, place, len(self._rows), self._root, self._protocol)
            started = time.monotonic()
            answer = _ask(row)
            if answer == _QUIT:
                break
            if answer == _UNDO:
                place = self._back(place)
                continue
            if not isinstance(answer, str):
                decided_ms = round((time.monotonic() - started) * 1000)
                said = row_ratings(row, answer[0], answer[1], who=self._who, decided_ms=decided_ms)
                self._store(said)
                self._given[place] = said
            place += 1
        click.echo(f"{len(self._given)} rows rated, {sum(map(_stars_in, self._given.values()))} pictures")
        if agreement := self._agreement():
            click.echo(agreement)
        for line in check_rater(self._said).statements:
            click.echo(line)

    def _store(self, said: list[Rating]) -> None:
        """Store ratings or undo lines, and propose a break, once, when there is a reason for one."""
        self._writer.append(*said)
        self._said += said
        before, self._hint = self._hint, break_hint(standing(self._said[-RECENT:]))
        if self._hint and not before:
            click.echo(self._hint)

    def _back(self, place: int) -> int:
        """Take back the newest answer; the place of its row."""
        before = max((each for each in self._given if each < place), default=None)
        if before is None:
            click.echo("nothing to undo")
            return place
        self._store([undo_of(rating, surface=SURFACE) for rating in self._given.pop(before)])
        click.echo("took back the last row")
        return before

    def _agreement(self) -> str:
        """How near the stars of rows shown twice were, empty where there were none."""
        first: dict[str, int] = {}
        gaps = []
        for place, said in sorted(self._given.items()):
            for rating in said:
                if rating.score is None:
                    continue
                if self._rows[place].repeat and rating.record_id in first:
                    gaps.append(abs(first[rating.record_id] - rating.score))
                first.setdefault(rating.record_id, rating.score)
        if not gaps:
            return ""
        same, mean = sum(gap == 0 for gap in gaps), sum(gaps) / len(gaps)
        return f"{len(gaps)} pictures came twice: the same stars {same} times, {mean:.1f} apart on average"


def _stars_in(said: list[Rating]) -> int:
    return sum(rating.score is not None for rating in said)


def _show(row: RatingRow, place: int, count: int, root: Path, protocol: Protocol) -> None:
    click.echo(f"\nrow {place + 1} of {count}: {row.prompt}")
    paths = [root / picture.path for picture in row.pictures]
    if protocol != "none":
        from PIL import Image

        try:
            with contextlib.ExitStack() as files:
                opened = [files.enter_context(Image.open(path)) for path in paths]
                show(encode_picture(side_by_side(*opened, height=384 if len(paths) < 4 else 256), protocol))
        except OSError as exc:
            click.echo(f"  (cannot be shown: {exc})")
        else:
            click.echo("  " + "  ".join(f"{letter}" for letter in _LETTERS[: len(paths)]) + "  from left to right")
            return
    for letter, path in zip(_LETTERS, paths, strict=False):
        click.echo(f"  {letter}  {path}")


def _ask(row: RatingRow) -> _Answer | str:
    """Stars and the best of the row, or one of s, u, q; the end of the input quits."""
    letters = _LETTERS[: len(row.pictures)]
    while True:
        stars = _ask_stars(letters)
        if isinstance(stars, str):
            return stars
        best = _ask_best(letters)
        if best == _QUIT:
            return best
        if best != _UNDO:
            return stars, letters.index(best) if best else None


def _ask_stars(letters: str) -> list[int | None] | str:
    example = "3 " * len(letters)
    while True:
        click.echo(
            f"stars for {letters[0]}..{letters[-1]}, as {example}(0: none; s: skip, u: undo, q: quit) > ", nl=False
        )
        said = _line(at_end=_QUIT)
        if said in (_SKIP, _UNDO, _QUIT):
            return said
        digits = [sign for sign in said if not sign.isspace() and sign != ","]
        if len(digits) == len(letters) and all(sign in "012345" for sign in digits):
            return [int(sign) or None for sign in digits]
        click.echo(f"type {len(letters)} numbers from 1 to 5, one for each picture")


def _ask_best(letters: str) -> str:
    """A letter, "" for none, u to give the stars again, or q."""
    while True:
        click.echo(f"best of the row, {letters[0]}..{letters[-1]} (enter: none; u: stars again, q: quit) > ", nl=False)
        said = _line(at_end="")
        if said in ("", _UNDO, _QUIT) or (len(said) == 1 and said in letters):
            return said
        click.echo(f"type one letter from {letters[0]} to {letters[-1]}")


def _line(at_end: str) -> str:
    read = sys.stdin.readline()
    if not read:
        click.echo("")
        return at_end
    return read.strip().casefold()
