"""Only what differs between pictures: a table of settings, a column for each picture."""

from __future__ import annotations

import tkinter
from collections.abc import Sequence

import ttkbootstrap as ttk

from stablenew.gui.facts import differing
from stablenew.gui.theme import Theme
from stablenew.learning.recorded_picture import RecordedPicture

NAME_WIDE = 100
NARROWEST, WIDEST = 60, 96
LETTER = 8
"""Pixels at the usual density: of the names' column, of a picture's column at least and at most, and of a letter."""


class DifferenceList(ttk.Frame):
    """`show` is for Tk's thread; hidden settings are shown as such."""

    def __init__(self, master: tkinter.Misc, theme: Theme) -> None:
        super().__init__(master, padding=(theme.px(16), 0, 0, 0), width=theme.px(280))
        self.pack_propagate(False)
        self._theme = theme
        self._heading = ttk.Label(self, text="What differs", style="Heading.TLabel")
        self._heading.pack(anchor="w", pady=(theme.px(4), theme.px(8)))
        self.table = ttk.Treeview(self, show="headings", selectmode="browse", height=8)
        self.table.pack(fill="both", expand=True)
        self._words = ttk.Label(self, style="Muted.TLabel", justify="left", wraplength=theme.px(240))

    def show(self, pictures: Sequence[RecordedPicture], *, hidden: bool) -> None:
        """What differs between `pictures`; with `hidden` only that it is hidden."""
        self.table.delete(*self.table.get_children())
        columns = ["setting", *(str(number + 1) for number in range(len(pictures)))]
        self.table.configure(columns=columns)
        rows = [] if hidden else differing(pictures)
        longest = max((len(str(value)) for _, values in rows for value in values), default=0)
        value_wide = min(WIDEST, max(NARROWEST, LETTER * longest + 16))
        self.configure(width=self._theme.px(max(280, NAME_WIDE + 24 + value_wide * len(pictures))))
        for number, name in enumerate(columns):
            wide = self._theme.px(NAME_WIDE if number == 0 else value_wide)
            self.table.heading(name, text=name, anchor="w")
            self.table.column(name, width=wide, minwidth=wide, anchor="w", stretch=True)
        for name, values in rows:
            self.table.insert("", "end", values=(name, *(value or "–" for value in values)))
        said = self._said(pictures, rows, hidden)
        self._words.configure(text=said)
        if said:
            self._words.pack(side="bottom", anchor="w", pady=self._theme.px(8), before=self.table)
        else:
            self._words.pack_forget()

    def _said(self, pictures: Sequence[RecordedPicture], rows: Sequence[object], hidden: bool) -> str:
        if hidden:
            return "Hidden while you judge. D shows it; the answer then counts as not blind."
        if pictures and not rows:
            return "Their settings are the same."
        return ""


def short_difference(pictures: Sequence[RecordedPicture], number: int) -> str:
    """What is special about one of them, for above it: "cfg_scale 4, seed 7"."""
    parts = [
        f"{name} {values[number]}"
        for name, values in differing(pictures)
        if values[number] and name not in ("prompt", "negative prompt")
    ]
    return ", ".join(parts[:3])
