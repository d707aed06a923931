"""What was said about the pictures at hand: everything from disk and of this sitting, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stablenew.learning.learning_feedback import Rating, new_rating, undo_of
from stablenew.learning.rating_fold import Feedback, fold, taking_back_verdict
from stablenew.learning.recorded_picture import RecordedPicture

NOTHING = Feedback()


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The lines of one key press on one surface."""

    surface: str
    lines: tuple[Rating, ...]

    @property
    def record_ids(self) -> tuple[str, ...]:
        """The records the lines are about."""
        return tuple(dict.fromkeys(line.record_id for line in self.lines))


class RatingBook:
    """For one person, `who`; on Tk's thread. `save` is handed every new line, `changed` the records it is about."""

    def __init__(
        self,
        who: str | None,
        save: Callable[..., None],
        changed: Callable[[tuple[str, ...]], None],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.who = who
        self._save, self._changed, self._clock = save, changed, clock
        self._lines: dict[str, list[Rating]] = {}
        self._mine: dict[str, Feedback] = {}
        self._given: list[Said] = []

    def learn(self, pictures: Iterable[RecordedPicture]) -> None:
        """Take in what was said about `pictures` before; nothing of this sitting is forgotten by it."""
        for picture in pictures:
            if picture.ratings:
                here = self._lines.get(picture.record_id, [])
                known = {line.rating_id for line in picture.ratings}
                self._lines[picture.record_id] = [
                    *picture.ratings,
                    *(line for line in here if line.rating_id not in known),
                ]
                self._mine.pop(picture.record_id, None)
                self.feedback(picture.record_id)  # now, while few are read, and not when ten thousand are asked for

    def feedback(self, record_id: str) -> Feedback:
        """What this person's words about a record come to."""
        if record_id not in self._lines:
            return NOTHING
        if record_id not in self._mine:
            mine = [line for line in self._lines[record_id] if line.who == self.who]
            self._mine[record_id] = fold(mine) or NOTHING
        return self._mine[record_id]

    def has_verdict(self, record_id: str) -> bool:
        """Whether the person gave it stars or rejected it."""
        found = self.feedback(record_id)
        return found.score is not None or found.rejected

    def tags(self) -> list[str]:
        """Every tag that was ever given to a picture at hand."""
        return sorted({tag for lines in self._lines.values() for line in lines for tag in line.add_tags})

    def say(self, picture: RecordedPicture, surface: str, **said: Any) -> Said:
        """Say it: fields of Rating. Saved at once, in a worker."""
        line = new_rating(
            picture.record_id,
            moment=self._clock(),
            image_sha256=picture.sha256,
            who=self.who,
            surface=surface,
            **said,
        )
        return self.give(Said(surface=surface, lines=(line,)))

    def clear(self, picture: RecordedPicture, surface: str) -> Said | None:
        """Take back stars and rejection; None where there are none."""
        lines = taking_back_verdict(
            self._lines.get(picture.record_id, ()), self.who, moment=self._clock(), surface=surface
        )
        return self.give(Said(surface=surface, lines=tuple(lines))) if lines else None

    def give(self, said: Said) -> Said:
        """Save lines made elsewhere, as one thing that can be undone."""
        self._given.append(said)
        self._add(said.lines)
        return said

    def given(self, surface: str) -> list[Rating]:
        """What was said on that surface in this sitting and not taken back, oldest first."""
        return [line for said in self._given if said.surface == surface for line in said.lines]

    def undo(self, surface: str) -> Said | None:
        """Take back what was said last on that surface in this sitting, and give it; None when there is nothing."""
        place = next((n for n in range(len(self._given) - 1, -1, -1) if self._given[n].surface == surface), None)
        if place is None:
            return None
        said = self._given.pop(place)
        moment = self._clock()
        self._add([undo_of(line, moment=moment, surface=surface) for line in reversed(said.lines)])
        return said

    def _add(self, lines: Iterable[Rating]) -> None:
        lines = tuple(lines)
        for line in lines:
            self._lines.setdefault(line.record_id, []).append(line)
            self._mine.pop(line.record_id, None)
        self._save(*lines)
        self._changed(tuple(dict.fromkeys(line.record_id for line in lines)))
