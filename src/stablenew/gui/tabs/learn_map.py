"""Two settings together, as a quiet table: a chooser of the two, and colour for how far a cell lies from the mean."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Sequence
from functools import partial
from tkinter import font as tkfont

import ttkbootstrap as ttk

from stablenew.gui.colours import mixed, readable_on
from stablenew.gui.tabs.learn_charts import Chart
from stablenew.gui.tabs.learn_pairs import PairCell, PairTable, cell_lines, pair_after, pair_table
from stablenew.gui.tabs.learn_parts import add_text
from stablenew.gui.theme import HEADING, SMALL, Theme
from stablenew.learning.card_text import value_text
from stablenew.learning.settings_map import SettingsMap

MAP_READ = (
    "Stars above the mean of matched pictures, with 95 %: same prompt and seed, nothing else different. "
    "Bold: 0 is outside."
)
ROW, HEAD, LEAST, ROOMY, LABEL, GAP = 40, 24, 76, 96, 110, 2
"""Logical pixels: a row, the values above, the least width of a column, that with its spread, the values beside."""
ROWS_MAX = 16
TINT = 0.5
"""How much of the full colour the strongest cell has: words must be read on it."""


def cut(text: str, room: int, measure: Callable[[str], int]) -> str:
    """`text`, or its two ends as far as they fit into `room` pixels: names of models often differ at the end alone."""
    kept = len(text)
    shown = text
    while measure(shown) > room and kept > 1:
        kept -= 1
        shown = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
    return shown


class HeatTable(Chart):
    """The map of two settings. It takes the height that its rows need, and shows as many columns as fit."""

    def __init__(self, master: tkinter.Misc, theme: Theme, narrowed: Callable[[str], None]) -> None:
        super().__init__(master, theme)
        self.configure(height=1)
        self._narrowed = narrowed
        self.found: SettingsMap | None = None
        self.table = PairTable()

    def show(self, found: SettingsMap | None) -> None:
        """Draw this one; None: nothing."""
        self.found, self.table = found, PairTable()
        self._draw()

    def _draw(self) -> None:
        super()._draw()
        palette, px = self._theme.palette, self._theme.px
        if self.found is None or self.winfo_width() < px(LABEL + LEAST):
            self.configure(height=1)
            return
        font = tkfont.nametofont("TkDefaultFont", root=self)
        longest = max((font.measure(value_text(value)) for value in self.found.firsts), default=0)
        left = min(longest + px(12), max(px(LABEL), self.winfo_width() // 3))
        self.table = pair_table(self.found, ROWS_MAX, max(1, (self.winfo_width() - left) // px(LEAST)))
        self._narrowed(self.table.left_out)
        columns = max(1, len(self.table.columns))
        width = min((self.winfo_width() - left) / columns, px(2 * ROOMY))
        self.configure(height=px(HEAD) + px(ROW) * len(self.table.rows))
        for at, value in enumerate(self.table.columns):
            text = cut(value_text(value), round(width) - px(8), font.measure)
            self._text(left + (at + 0.5) * width, px(HEAD) / 2, text, palette.foreground)
        for row, value in enumerate(self.table.rows):
            top = px(HEAD) + px(ROW) * row
            text = cut(value_text(value), left - px(8), font.measure)
            self.create_text(0, top + px(ROW) / 2, anchor="w", text=text, fill=palette.foreground)
            for column, cell in enumerate(self.table.cells[row]):
                self._cell(cell, left + column * width, top, width)

    def _cell(self, cell: PairCell, x: float, y: float, width: float) -> None:
        palette, px = self._theme.palette, self._theme.px
        ground, ink = palette.background, palette.muted
        if cell.tint is not None:
            towards = palette.accent if cell.tint > 0 else palette.warning
            ground = mixed(palette.field, towards, TINT * min(1.0, abs(cell.tint)))
            ink = readable_on(ground)
        line = palette.border if cell.tint is None else ""
        self.create_rectangle(x, y, x + width - px(GAP), y + px(ROW - GAP), fill=ground, outline=line)
        middle, centre = x + (width - px(GAP)) / 2, y + px(ROW - GAP) / 2
        small = tkfont.nametofont(SMALL, root=self)
        above, below = cell_lines(cell, lambda text: small.measure(text) <= width - px(4), wide=width >= px(ROOMY))
        font = SMALL if cell.tint is None else HEADING if cell.sure else "TkDefaultFont"
        self._text(middle, centre - (px(7) if below else 0), above, ink, font)
        self._text(middle, centre + px(9), below, ink, SMALL)

    def _text(self, x: float, y: float, text: str, ink: str, font: str = "TkDefaultFont") -> None:
        self.create_text(x, y, text=text, fill=ink, font=font)


class MapPanel(ttk.Frame):
    """Two fields that choose the settings, and their map below. `ask` is called with the two that are wanted.

    `picked` are those that the person chose.
    """

    def __init__(
        self, master: tkinter.Misc, theme: Theme, names: Sequence[str], ask: Callable[[tuple[str, str]], None]
    ) -> None:
        super().__init__(master)
        px = theme.px
        self._ask = ask
        self.pair = ("", "")
        self.picked: tuple[str, str] | None = None
        row = ttk.Frame(self)
        row.pack(fill="x", pady=(0, px(4)))
        self.fields: list[ttk.Combobox] = []
        for place, before in enumerate(("", "by")):
            if before:
                ttk.Label(row, text=before, style="Muted.TLabel").pack(side="left", padx=px(8))
            field = ttk.Combobox(row, values=list(names), state="readonly", width=16)
            field.pack(side="left")
            field.bind("<<ComboboxSelected>>", partial(self._chosen, place))
            self.fields.append(field)
        self.said = ttk.Label(row, style="SmallMuted.TLabel")
        self.said.pack(side="left", padx=px(12))
        add_text(self, theme, MAP_READ, "SmallMuted.TLabel")
        self.table = HeatTable(self, theme, self._note)
        self.table.pack(fill="x", pady=(px(4), 0))
        self.note = add_text(self, theme, "", "SmallMuted.TLabel")

    def choose(self, pair: tuple[str, str]) -> None:
        """Ask for the map of these two."""
        self.pair = pair
        for field, name in zip(self.fields, pair, strict=True):
            field.set(name)
            field.selection_clear()
        self.said.configure(text="Working it out …")
        self._ask(pair)

    def show(self, found: SettingsMap) -> None:
        """Show the map that was asked for."""
        self.said.configure(text="")
        self.table.show(found)

    def fail(self, why: str) -> None:
        """Say why there is none."""
        self.said.configure(text="")
        self.table.show(None)
        self._note(why)

    def use_theme(self) -> None:
        """Take on the theme's colours."""
        self.table.use_theme()

    def _chosen(self, place: int, _: object) -> None:
        self.picked = pair_after(self.pair, place, self.fields[place].get())
        self.choose(self.picked)

    def _note(self, text: str) -> None:
        self.note.configure(text=text)
