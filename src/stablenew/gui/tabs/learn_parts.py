"""Small parts of Learn's pages: headings, texts that wrap, and pages of two halves."""

from __future__ import annotations

import tkinter
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

if TYPE_CHECKING:
    from stablenew.gui.theme import Theme


def add_heading(master: tkinter.Misc, theme: Theme, text: str, *, aside: str = "", first: bool = False) -> None:
    """A heading below what is there, and in muted letters beside it what it is about."""
    row = ttk.Frame(master)
    row.pack(fill="x", pady=(0 if first else theme.px(16), theme.px(6)))
    ttk.Label(row, text=text, style="Heading.TLabel").pack(side="left")
    if aside:
        ttk.Label(row, text=aside, style="SmallMuted.TLabel").pack(side="left", padx=(theme.px(8), 0))


def add_text(master: tkinter.Misc, theme: Theme, text: str = "", style: str = "TLabel") -> ttk.Label:
    """A text below what is there, in as many lines as the width asks for."""
    label = ttk.Label(master, text=text, style=style, justify="left", anchor="w")
    label.pack(fill="x", pady=theme.px(1))
    label.bind("<Configure>", lambda event: label.configure(wraplength=max(theme.px(120), event.width)))
    return label


class Halves(ttk.Panedwindow):
    """Two panes side by side, the left one with `share` of the width when they are first seen."""

    def __init__(self, master: tkinter.Misc, share: float) -> None:
        super().__init__(master, orient="horizontal")
        self._share = share
        self.bind("<Map>", lambda _: self.after_idle(self._divide))

    def _divide(self) -> None:
        width = self.winfo_width()
        if width > 1:
            self.unbind("<Map>")
            self.sashpos(0, round(width * self._share))
