"""A table of pictures with labels that stay in sight; or its cells coloured by how they were rated."""

from __future__ import annotations

import tkinter
from collections.abc import Mapping
from typing import Any, Literal

from stablenew.gui.axis_grid import Arrangement, Cell, Heat
from stablenew.gui.colours import readable_on, warmth
from stablenew.gui.pictures.layout import Box, Matrix
from stablenew.gui.pictures.tiles import TileCanvas
from stablenew.gui.theme import HEADING, SMALL

LEFT, TOP = 148, 44
"""Logical pixels for labels."""


class AxisCanvas(TileCanvas):
    """`arrange` says what stands where; with `heat` its cells are coloured instead of showing pictures."""

    def __init__(self, master: tkinter.Misc, *settings: Any, **more: Any) -> None:
        self.table = Arrangement()
        self.heat: Mapping[Cell, Heat] | None = None
        super().__init__(master, *settings, **more)

    def arrange(self, table: Arrangement, tile: int, caption: int) -> None:
        """Lay the pictures of `table` out in tiles of that side, with room for words below."""
        px = self._theme.px
        self.table = table
        self.lay(
            Matrix(
                rows=len(table.rows),
                columns=len(table.columns),
                cells=table.cells,
                tile=(px(tile), px(tile + caption)),
                gap=px(8),
                left=px(LEFT) if any(table.rows) else px(8),
                top=px(TOP) if any(table.columns) else px(8),
            )
        )

    def show_heat(self, heat: Mapping[Cell, Heat] | None) -> None:
        """Colour the cells so; None shows the pictures."""
        self.heat = heat
        self.redraw()

    def margins(self) -> tuple[int, int]:
        layout = self.layout
        return (layout.left, layout.top) if isinstance(layout, Matrix) else (0, 0)

    def tiles_within(self, box: Box) -> set[int]:
        return set() if self.heat is not None else super().tiles_within(box)

    def cell_at(self, event: tkinter.Event[tkinter.Misc]) -> Cell | None:
        """The cell under the pointer."""
        layout = self.layout
        x, y = int(self.canvasx(event.x)), int(self.canvasy(event.y))
        if not isinstance(layout, Matrix) or x < layout.left or y < layout.top:
            return None
        found = layout.cells_within((x, y, x, y))
        return found[0] if found else None

    def draw_around(self, box: Box) -> None:
        """Cells where they are coloured or empty, then the labels over everything."""
        self.delete("around")
        layout = self.layout
        if not isinstance(layout, Matrix):
            return
        cells = layout.cells_within(box)
        for cell in cells:
            if self.heat is not None:
                self._draw_heat(layout, cell, self.heat.get(cell))
            elif cell not in self.table.cells:
                self._rectangle(layout, cell, outline=self._theme.palette.border)
        self._draw_labels(layout, box, cells)

    def _draw_heat(self, layout: Matrix, cell: Cell, heat: Heat | None) -> None:
        palette, (x, y), (width, height) = self._theme.palette, layout.corner(*cell), layout.cell
        held = self.table.cells.get(cell, [])
        here = self.cursor in held
        fill = "" if heat is None else warmth(heat.mean, palette.field, palette.accent)
        self._rectangle(layout, cell, outline=palette.foreground if here else palette.border, fill=fill)
        if not held:
            return
        ink = palette.muted if heat is None else readable_on(fill)
        middle, small = x + width / 2, len(held) > 1 and height >= self._theme.px(56)
        up = self._theme.px(8) if small else 0
        said = "–" if heat is None else f"{heat.mean:.1f}"
        self.create_text(middle, y + height / 2 - up, text=said, fill=ink, font=HEADING, tags="around")
        if small:
            rated = f"{0 if heat is None else heat.rated} of {len(held)}"
            self.create_text(middle, y + height / 2 + up, text=rated, fill=ink, font=SMALL, tags="around")

    def _draw_labels(self, layout: Matrix, box: Box, cells: list[Cell]) -> None:
        """In the part of their cells that is seen, over a strip of ground; the corner between the strips is empty."""
        px, (left, top) = self._theme.px, (box[0] + layout.left, box[1] + layout.top)
        width, height = layout.cell
        if any(self.table.rows):
            self._ground((box[0], box[1], left - px(4), box[3]))
            for row in sorted({row for row, _ in cells}):
                y = layout.corner(row, 0)[1]
                begin, end = max(y, top), min(y + height, box[3])
                at, wide = (float(box[0] + px(4)), float(begin + px(4))), layout.left - px(16)
                self._words(at, self.table.rows[row], wide=wide, high=end - begin - px(4), anchor="nw")
        if any(self.table.columns):
            self._ground((box[0], box[1], box[2], top - px(4)))
            for column in sorted({column for _, column in cells}):
                x = layout.corner(0, column)[0]
                begin, end = max(x, left), min(x + width, box[2])
                at, wide = ((begin + end) / 2, top - px(8)), end - begin
                self._words(at, self.table.columns[column], wide=wide, high=px(36), anchor="s")
            if any(self.table.rows):
                self._ground((box[0], box[1], left - px(4), top - px(4)))

    def _ground(self, box: Box) -> None:
        self.create_rectangle(*box, fill=self._theme.palette.background, outline="", tags="around")

    def _words(
        self, at: tuple[float, float], text: str, *, wide: float, high: float, anchor: Literal["nw", "s"]
    ) -> None:
        """`text` at `at`, cut to what fits `wide` x `high`; nothing where next to nothing does."""
        if wide < self._theme.px(12) or high < self._theme.px(12):
            return
        lines = max(1, int(high) // self._theme.px(18))
        most = max(4, lines * int(wide) // self._theme.px(8))
        shown = text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
        self.create_text(
            *at,
            text=shown,
            width=wide,
            anchor=anchor,
            justify="center" if anchor == "s" else "left",
            fill=self._theme.palette.foreground,
            tags="around",
        )

    def _rectangle(self, layout: Matrix, cell: Cell, *, outline: str, fill: str = "") -> None:
        (x, y), (width, height) = layout.corner(*cell), layout.cell
        self.create_rectangle(x, y, x + width, y + height, tags="around", outline=outline, fill=fill)
