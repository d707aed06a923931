"""Where tiles lie: pure geometry, in pixels of the whole area, of which a canvas shows a part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from stablenew.gui.pictures.decode import Size

Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""


class Layout(Protocol):
    """Places for tiles 0 .. count - 1, all of one size."""

    @property
    def size(self) -> Size:
        """Of the whole area."""

    @property
    def tile(self) -> Size:
        """Of one tile."""

    def place(self, number: int) -> tuple[int, int] | None:
        """The left and top of a tile; None for one that has no place."""

    def within(self, box: Box) -> Sequence[int]:
        """The tiles that `box` shows some of."""

    def neighbour(self, number: int, dx: int, dy: int) -> int:
        """The tile so many to the right and down; the same where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Tile after tile, as many side by side as fit `width`."""

    count: int
    width: int
    tile: Size
    gap: int

    @property
    def columns(self) -> int:
        """Tiles side by side."""
        return max(1, (self.width - self.gap) // (self.tile[0] + self.gap))

    @property
    def size(self) -> Size:
        rows = -(-self.count // self.columns)
        return self.width, self.gap + rows * (self.tile[1] + self.gap)

    def place(self, number: int) -> tuple[int, int] | None:
        row, column = divmod(number, self.columns)
        # What a row leaves over is shared out, so that tiles fill the width evenly.
        spare = self.width - self.gap - self.columns * (self.tile[0] + self.gap)
        left = self.gap + column * (self.tile[0] + self.gap) + spare * (2 * column + 1) // (2 * self.columns)
        return left, self.gap + row * (self.tile[1] + self.gap)

    def within(self, box: Box) -> Sequence[int]:
        high = self.tile[1] + self.gap
        first, last = max(0, (box[1] - self.gap) // high), max(0, (box[3] - self.gap) // high + 1)
        return range(min(self.count, first * self.columns), min(self.count, last * self.columns))

    def neighbour(self, number: int, dx: int, dy: int) -> int:
        wanted = number + dx + dy * self.columns
        return wanted if 0 <= wanted < self.count else number


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Tiles in the cells of a table of `rows` x `columns`; `cells` has the tiles of each (row, column).

    `left` and `top` are kept free for labels. Every cell has room for the fullest one, `across` tiles side by side.
    """

    rows: int
    columns: int
    cells: Mapping[tuple[int, int], Sequence[int]]
    tile: Size
    gap: int
    left: int
    top: int

    @cached_property
    def fullest(self) -> int:
        """Tiles in the fullest cell."""
        return max((len(cell) for cell in self.cells.values()), default=1)

    @cached_property
    def across(self) -> int:
        """Tiles side by side in a cell."""
        return max(1, next((n for n in range(1, 9) if n * n >= self.fullest), 8))

    @cached_property
    def cell(self) -> Size:
        """Of one cell, without the gap around it."""
        down = max(1, -(-self.fullest // self.across))
        near = self.near
        return self.across * (self.tile[0] + near) - near, down * (self.tile[1] + near) - near

    @property
    def near(self) -> int:
        """Between tiles of one cell."""
        return max(2, self.gap // 3)

    @property
    def size(self) -> Size:
        width, height = self.cell
        return self.left + self.columns * (width + self.gap), self.top + self.rows * (height + self.gap)

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """The left and top of a cell."""
        width, height = self.cell
        return self.left + column * (width + self.gap), self.top + row * (height + self.gap)

    def place(self, number: int) -> tuple[int, int] | None:
        if number not in self._places:
            return None
        row, column, position = self._places[number]
        x, y = self.corner(row, column)
        down, across = divmod(position, self.across)
        return x + across * (self.tile[0] + self.near), y + down * (self.tile[1] + self.near)

    def cells_within(self, box: Box) -> list[tuple[int, int]]:
        """The cells that `box` shows some of."""
        width, height = self.cell[0] + self.gap, self.cell[1] + self.gap
        columns = range(max(0, (box[0] - self.left) // width), min(self.columns, (box[2] - self.left) // width + 1))
        rows = range(max(0, (box[1] - self.top) // height), min(self.rows, (box[3] - self.top) // height + 1))
        return [(row, column) for row in rows for column in columns]

    def within(self, box: Box) -> Sequence[int]:
        found: list[int] = []
        for cell in self.cells_within(box):
            for number in self.cells.get(cell, ()):
                place = self.place(number)
                if place is not None and place[1] < box[3] and place[1] + self.tile[1] > box[1]:
                    found.append(number)
        return found

    def neighbour(self, number: int, dx: int, dy: int) -> int:
        """Within the cell first; out of it, to the nearest cell in that direction that has a tile."""
        if number not in self._places:
            return number
        row, column, position = self._places[number]
        down, across = divmod(position, self.across)
        inside = (down + dy) * self.across + across + dx
        if 0 <= across + dx < self.across and 0 <= inside < len(self.cells[row, column]) and down + dy >= 0:
            return self.cells[row, column][inside]
        while 0 <= (row := row + dy) < self.rows and 0 <= (column := column + dx) < self.columns:
            beside = self.cells.get((row, column), ())
            if beside:
                return beside[0 if dx > 0 or dy > 0 else -1]
        return number

    @cached_property
    def _places(self) -> dict[int, tuple[int, int, int]]:
        return {
            number: (row, column, position)
            for (row, column), numbers in self.cells.items()
            for position, number in enumerate(numbers)
        }
