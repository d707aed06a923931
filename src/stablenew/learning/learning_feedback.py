"""Ratings: what people say about pictures, one appended line each, pointing at a record and at the picture's content.

A line says only what its person said then: a score, reject, favourite, tags, notes, or that this picture is better than
others or as good as they are. What it leaves None it leaves as it was. Taking something back is another line
(`undoes`). Nothing already written is ever rewritten; `rating_fold` makes of all lines what holds now.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from stablenew.errors import InputError
from stablenew.learning.append_file import AppendFile, Durability
from stablenew.learning.learning_reader import UnreadableLine, lines_files
from stablenew.learning.line_scan import ScannedLine, scan_lines
from stablenew.learning.record_groups import Identifier, Timestamp

if TYPE_CHECKING:
    from stablenew.learning.experiments import Experiment
    from stablenew.learning.learning_record import LearningRecord

RATING_SCHEMA_VERSION = 2
FILE_NAME = "ratings.jsonl"

Score = Annotated[int, Meta(ge=1, le=5)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedPicture:
    """A picture that was compared with another: its record, and the hash of its file where it is known."""

    record_id: Identifier
    image_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """One thing a person said about one picture. None, and an empty list, say nothing and change nothing.

    `who` is what the person configured, never guessed. `image_sha256` is the hash of the picture's file, so that a
    moved or renamed picture keeps its rating. `notes` replaces the person's earlier notes; "" removes them.
    `better_than`: this picture was preferred to those; `equal_to`: neither it nor one of those was preferred. `shown`:
    the record ids of what was looked at together, left to right; a line that says nothing else was passed over.
    `undoes`: the `rating_id` of an earlier line, of the same person about the same record, that no longer counts.
    `blind`: whether the settings were hidden, None unknown. `weak`: not said but concluded, such as from a folder of
    favourites; a weak line never outweighs one that is not.
    """

    rating_id: Identifier
    record_id: Identifier
    timestamp: Timestamp
    schema_version: Annotated[int, Meta(ge=1)] = RATING_SCHEMA_VERSION
    image_sha256: str = ""
    who: str | None = None
    score: Score | None = None
    rejected: bool | None = None
    favourite: bool | None = None
    add_tags: list[str] = field(default_factory=list)
    remove_tags: list[str] = field(default_factory=list)
    notes: str | None = None
    better_than: list[RatedPicture] = field(default_factory=list)
    equal_to: list[RatedPicture] = field(default_factory=list)
    undoes: str | None = None
    blind: bool | None = None
    surface: str = ""
    decided_ms: Annotated[int, Meta(ge=0)] | None = None
    weak: bool = False
    shown: list[Identifier] = field(default_factory=list)


class RatingWriter:
    """Appends ratings to `folder`/ratings.jsonl with the guarantees of AppendFile. Any thread may call.

    With the default durability a rating is on the disk when `append` returns: a person's click is worth the wait.
    """

    def __init__(self, folder: Path, *, durability: Durability = "record") -> None:
        self._file = AppendFile(folder / FILE_NAME, durability=durability)

    def append(self, *ratings: Rating) -> None:
        """Store `ratings`: all of them or, with RecordNotWritten, none."""
        self._file.append_lines([msgspec.json.encode(rating) for rating in ratings])

    def close(self) -> None:
        """Free the file; may be called twice."""
        self._file.close()


def new_rating(record_id: str, *, moment: datetime | None = None, **said: object) -> Rating:
    """A rating of `record_id` with an id of its own, made at `moment` (None: now). `said` are fields of Rating.

    Raises InputError naming what cannot be said, such as a score of 6.
    """
    timestamp = rating_time(moment or datetime.now(UTC))
    values = {"rating_id": uuid.uuid4().hex, "record_id": record_id, "timestamp": timestamp, **said}
    try:
        return msgspec.convert(values, Rating)
    except msgspec.ValidationError as exc:
        raise InputError(f"that rating cannot be given: {exc}") from exc


def undo_of(rating: Rating, *, moment: datetime | None = None, surface: str = "") -> Rating:
    """The line that takes `rating` back; undoing an undo brings back what it took."""
    return new_rating(
        rating.record_id,
        moment=moment,
        undoes=rating.rating_id,
        who=rating.who,
        image_sha256=rating.image_sha256,
        surface=surface,
    )


def rating_time(moment: datetime) -> str:
    """`moment` to the microsecond, so that two clicks in a row keep their order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_rating(path: Path, number: int, line: ScannedLine) -> Rating | UnreadableLine | None:
    """What `line` holds; None for an empty line."""
    if line.data is None:
        return UnreadableLine(path, number, f"the line has {line.size:,} bytes, more than any rating")
    if not line.data.strip():
        return None
    try:
        return _decoder.decode(line.data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        unfinished = "" if line.ended else "unfinished last line (a write was cut off, or is under way): "
        return UnreadableLine(path, number, f"{unfinished}not a rating: {exc}")


def read_ratings(folder: Path) -> Iterator[Rating | UnreadableLine]:
    """Every rating below `folder` in file order, undone ones included; a line that is none comes as UnreadableLine."""
    for path in lines_files(folder):
        try:
            with path.open("rb") as file:
                for number, line in enumerate(scan_lines(file), 1):
                    read = parse_rating(path, number, line)
                    if read is not None:
                        yield read
        except OSError as exc:
            yield UnreadableLine(path, 0, f"the file cannot be read: {exc.strerror or exc}")


def in_order(ratings: Iterable[Rating]) -> list[Rating]:
    """`ratings` (in file order) in the order they were made, each id once."""
    once: dict[str, Rating] = {}
    for rating in ratings:
        once.setdefault(rating.rating_id, rating)
    return sorted(once.values(), key=lambda rating: _comparable(rating.timestamp))


def package_ratings(
    experiment: Experiment, records: Iterable[LearningRecord], ratings: Iterable[Rating]
) -> dict[str, Any]:
    """An experiment's plan with everything people said about its pictures, as JSON types for a person or an LLM.

    The same for the same records and ratings, in any order; see rating_package.py. Raises InvalidPlan.
    """
    from stablenew.learning.rating_package import package

    return package(experiment, records, ratings)


def _comparable(timestamp: str) -> str:
    """A text that sorts as the moment does: "...05Z" and "...05.000000Z" are the same one."""
    whole, _, fraction = timestamp.rstrip("Z").partition(".")
    return f"{whole}.{fraction.ljust(9, '0')}"


_decoder = msgspec.json.Decoder(Rating)
