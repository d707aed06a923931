"""`stablenew rate --pairs`: two pictures of one prompt at a time, settings hidden; which is better?"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stablenew.cli.terminal_picture import Protocol, encode_picture, show, side_by_side, terminal_protocol
from stablenew.learning.learning_feedback import RatedPicture, Rating, new_rating, undo_of
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.record_filter import parse_condition
from stablenew.learning.record_index import Query

if TYPE_CHECKING:
    from stablenew.learning.learning_feedback import RatingWriter
    from stablenew.learning.record_index import RecordIndex
    from stablenew.workspace import Workspace

NEWEST = 2000
"""Pairs are made among so many of the newest records."""

_KEYS = "a, b: the better one   s: skip   u: undo   q: quit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A picture that can be compared: those of one `prompt` with each other, those of one seed first."""

    record_id: str
    image: Path
    sha256: str
    prompt: str
    seed: int | None
    settings_key: str


def rate_pairs(
    index: RecordIndex, writer: RatingWriter, workspace: Workspace, *, run_id: str | None, who: str | None
) -> None:
    """Ask until there are no more pairs or the person quits; each answer is stored at once."""
    found = candidates(index, workspace.root, run_id)
    chance = random.Random()
    protocol = terminal_protocol(os.environ, is_terminal=sys.stdout.isatty())
    given: list[Rating] = []
    asked = 0
    for left, right in pairs_to_ask(found, compared_before(index, found, who), chance):
        asked += 1
        _show(left, right, protocol)
        started = time.monotonic()
        answer = _answer()
        while answer == "u":
            if given:
                writer.append(undo_of(given.pop(), surface="pairs"))
            click.echo("took back the last answer" if given or asked > 1 else "nothing to undo")
            answer = _answer()
        if answer == "q":
            break
        if answer in ("a", "b"):
            better, worse = (left, right) if answer == "a" else (right, left)
            decided_ms = round((time.monotonic() - started) * 1000)
            given.append(_rating(better, worse, who, decided_ms))
            writer.append(given[-1])
    click.echo(f"{len(given)} comparisons stored" if asked else "there is no pair of pictures left to compare")


def candidates(index: RecordIndex, root: Path, run_id: str | None) -> list[Candidate]:
    """The pictures of the newest good records that are still where they were made."""
    where = [parse_condition("status=ok")] + ([parse_condition(f"run_id={run_id}")] if run_id else [])
    found = []
    for record in index.records(Query(where=tuple(where), limit=NEWEST)):
        if isinstance(record, LearningRecord) and record.outcome.images:
            image = record.outcome.images[-1]
            if (root / image.path).is_file():
                found.append(
                    Candidate(
                        record_id=record.run.record_id,
                        image=root / image.path,
                        sha256=image.sha256,
                        prompt=f"{record.prompt.prompt}\0{record.prompt.negative_prompt}",
                        seed=record.prompt.seed,
                        settings_key=record.pipeline.settings_key,
                    )
                )
    return found


def pairs_to_ask(
    found: list[Candidate], compared: set[frozenset[str]], chance: random.Random
) -> Iterator[tuple[Candidate, Candidate]]:
    """Pairs of one prompt with different settings, not compared before, same seed first, in random order and sides."""
    by_prompt: dict[str, list[Candidate]] = {}
    for each in found:
        by_prompt.setdefault(each.prompt, []).append(each)
    pairs = [
        pair
        for group in by_prompt.values()
        for pair in combinations(group[:50], 2)
        if pair[0].settings_key != pair[1].settings_key
        and frozenset((pair[0].record_id, pair[1].record_id)) not in compared
    ]
    chance.shuffle(pairs)
    for left, right in sorted(pairs, key=lambda pair: pair[0].seed != pair[1].seed):
        yield (left, right) if chance.random() < 0.5 else (right, left)


def compared_before(index: RecordIndex, found: list[Candidate], who: str | None) -> set[frozenset[str]]:
    """The pairs the person has compared already."""
    from stablenew.learning.learning_feedback import in_order
    from stablenew.learning.rating_fold import valid

    return {
        frozenset((rating.record_id, other.record_id))
        for each in found
        for rating in valid(in_order(index.ratings_of(each.record_id)))
        if rating.who == who
        for other in rating.better_than
    }


def _rating(better: Candidate, worse: Candidate, who: str | None, decided_ms: int) -> Rating:
    return new_rating(
        better.record_id,
        image_sha256=better.sha256,
        better_than=[RatedPicture(record_id=worse.record_id, image_sha256=worse.sha256)],
        who=who,
        blind=True,
        surface="pairs",
        decided_ms=decided_ms,
    )


def _show(left: Candidate, right: Candidate, protocol: Protocol) -> None:
    click.echo(f"\n{left.prompt.partition(chr(0))[0]}")
    if protocol == "none":
        click.echo(f"  a  {left.image}\n  b  {right.image}")
        return
    from PIL import Image

    try:
        with Image.open(left.image) as first, Image.open(right.image) as second:
            show(encode_picture(side_by_side(first, second), protocol))
    except OSError as exc:
        click.echo(f"  a  {left.image}\n  b  {right.image}\n  (cannot be shown: {exc})")


def _answer() -> str:
    """One of a, b, s, u, q; the end of the input quits."""
    click.echo(f"{_KEYS}  > ", nl=False)
    while True:
        key = click.getchar() if sys.stdin.isatty() else (sys.stdin.readline().strip()[:1] or "q")
        if key.casefold() in tuple("absuq"):
            click.echo(key)
            return key.casefold()
