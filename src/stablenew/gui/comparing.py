"""Which row of pictures is compared, and what comes after an answer: a value, without widgets and disk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from stablenew.learning.rating_pairs import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparing:
    """`rows` are asked one after another, the one at `place` now. `answered` are the places of answers, oldest first.

    `blind`: the rows were picked and their settings are hidden; not blind: a person asked to see this one row.
    `seen`: the settings of the present row were shown all the same.
    """

    rows: tuple[Row, ...] = ()
    place: int = 0
    answered: tuple[int, ...] = ()
    blind: bool = False
    seen: bool = False

    @property
    def row(self) -> Row | None:
        """The pictures to compare now; None when there are none (any more)."""
        return self.rows[self.place] if self.place < len(self.rows) else None

    @property
    def following(self) -> Row:
        """Those that come next, to be decoded ahead."""
        return self.rows[self.place + 1] if self.place + 1 < len(self.rows) else ()

    @property
    def left(self) -> int:
        """Rows after this one."""
        return max(0, len(self.rows) - self.place - 1)

    @property
    def hidden(self) -> bool:
        """Whether the settings are hidden now."""
        return self.blind and not self.seen


def looking_at(row: Row) -> Comparing:
    """A row a person asked to see."""
    return Comparing(rows=(row,))


def asking(rows: Iterable[Row]) -> Comparing:
    """Rows to be asked blind."""
    return Comparing(rows=tuple(rows), blind=True)


def after_answer(state: Comparing) -> Comparing:
    """The next row, its settings hidden; one that a person asked to see stays."""
    answered = (*state.answered, state.place)
    if not state.blind:
        return replace(state, answered=answered)
    return replace(state, answered=answered, place=min(len(state.rows), state.place + 1), seen=False)


def after_undo(state: Comparing) -> Comparing:
    """Back at the row whose answer was taken back; its settings count as seen where they were shown since."""
    if not state.answered:
        return state
    *answered, place = state.answered
    return replace(state, answered=tuple(answered), place=place, seen=state.seen and place == state.place)


def after_reveal(state: Comparing) -> Comparing:
    """The settings of this row are shown."""
    return replace(state, seen=True)
