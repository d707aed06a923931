"""From all that was ever said about a record to what holds now.

Per person the last word on each thing counts; a score is the mean over people. A line that was taken back counts for
nothing. What is only concluded (`weak`) counts where nobody said anything.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from stablenew.learning.learning_feedback import Rating, in_order, read_ratings, undo_of
from stablenew.learning.record_groups import FeedbackInfo

if TYPE_CHECKING:
    from stablenew.learning.learning_record import LearningRecord

REJECTED, FAVOURITE = "rejected", "favourite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What holds now about one record. `score` is the mean of what people gave, None when nobody did.

    `rejected` and `favourite` hold when one person says so; `people` is how many said anything.
    """

    score: float | None = None
    rejected: bool = False
    favourite: bool = False
    tags: tuple[str, ...] = ()
    notes: str = ""
    people: int = 0

    def as_info(self) -> FeedbackInfo:
        """As a record carries it: rejected and favourite are tags there."""
        marks = [word for word, holds in ((REJECTED, self.rejected), (FAVOURITE, self.favourite)) if holds]
        return FeedbackInfo(rating=self.score, tags=sorted({*self.tags, *marks}), notes=self.notes)


@dataclass(slots=True)
class _Said:
    """One person's last words."""

    score: int | None = None
    rejected: bool | None = None
    favourite: bool | None = None
    tags: dict[str, bool] = dataclasses.field(default_factory=dict)
    notes: str | None = None

    def hear(self, rating: Rating) -> None:
        """Take in the person's next line."""
        for name in ("score", "rejected", "favourite", "notes"):
            if (value := getattr(rating, name)) is not None:
                setattr(self, name, value)
        self.tags |= dict.fromkeys(rating.add_tags, True)
        self.tags |= dict.fromkeys(rating.remove_tags, False)


def fold(ratings: Iterable[Rating]) -> Feedback | None:
    """What holds now, out of every rating of one record in file order; None when nothing holds."""
    counting = [rating for rating in valid(in_order(ratings)) if rating.undoes is None]
    if not counting:
        return None
    people: dict[str, _Said] = {}
    # Weak lines first: whatever a person really said overrides them, however early it was said.
    for rating in sorted(counting, key=lambda rating: not rating.weak):
        people.setdefault(rating.who or "", _Said()).hear(rating)
    said = [people[who] for who in sorted(people)]
    strong = {rating.who or "" for rating in counting if rating.score is not None and not rating.weak}
    scores = [each.score for who, each in people.items() if each.score is not None and (not strong or who in strong)]
    return Feedback(
        score=sum(scores) / len(scores) if scores else None,
        rejected=any(each.rejected for each in said),
        favourite=any(each.favourite for each in said),
        tags=tuple(sorted({tag for each in said for tag, holds in each.tags.items() if holds})),
        notes="\n".join(each.notes for each in said if each.notes),
        people=len(people),
    )


def valid(ordered: Sequence[Rating]) -> Iterator[Rating]:
    """Those of `ordered` (all about one record, in the order they were made) that were not taken back."""
    places = {rating.rating_id: place for place, rating in enumerate(ordered)}
    undone: set[int] = set()
    for place in range(len(ordered) - 1, -1, -1):
        rating = ordered[place]
        target = places.get(rating.undoes or "")
        if place not in undone and target is not None and target < place and ordered[target].who == rating.who:
            undone.add(target)
    return (rating for place, rating in enumerate(ordered) if place not in undone)


def last_said(ratings: Iterable[Rating], who: str | None) -> Rating | None:
    """The person's last line that still counts and is no undo: what an undo takes back."""
    counting = [rating for rating in valid(in_order(ratings)) if rating.undoes is None and rating.who == who]
    return counting[-1] if counting else None


def taking_back_verdict(
    ratings: Iterable[Rating], who: str | None, *, moment: datetime | None = None, surface: str = ""
) -> list[Rating]:
    """The lines after which the person's stars and rejection of a record no longer count, and all else they said does.

    `ratings` are all lines about the record. What was said along with the stars is said again, with its old time, so
    that what came after it still does. Empty where there is nothing to take back.
    """
    lines: list[Rating] = []
    for rating in valid(in_order(ratings)):
        if rating.who != who or rating.undoes is not None or (rating.score is None and not rating.rejected):
            continue
        lines.append(undo_of(rating, moment=moment, surface=surface))
        rest = dataclasses.replace(rating, rating_id=uuid.uuid4().hex, score=None, rejected=None)
        if _says_something(rest):
            lines.append(rest)
    return lines


def _says_something(rating: Rating) -> bool:
    lists = (rating.add_tags, rating.remove_tags, rating.better_than, rating.equal_to)
    return rating.favourite is not None or rating.notes is not None or any(lists)


def read_feedback(folder: Path) -> dict[str, Feedback]:
    """By record id what holds now, from every rating below `folder`. Holds all ratings in memory: see RecordIndex."""
    found: dict[str, list[Rating]] = {}
    for read in read_ratings(folder):
        if isinstance(read, Rating):
            found.setdefault(read.record_id, []).append(read)
    folded = {record_id: fold(ratings) for record_id, ratings in found.items()}
    return {record_id: feedback for record_id, feedback in folded.items() if feedback is not None}


def with_feedback(record: LearningRecord, feedback: Feedback | None) -> LearningRecord:
    """`record` with what people said about it; as it was written where nobody said anything."""
    return record if feedback is None else dataclasses.replace(record, feedback=feedback.as_info())
