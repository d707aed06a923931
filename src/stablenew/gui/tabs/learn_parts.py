"""Small parts of Learn's pages: headings, texts that wrap, pages of two halves, the line above a sitting."""

from __future__ import annotations

import tkinter
from collections.abc import Callable
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
    label.bind("<Configure>", lambda event: label.configure(wraplength=max(theme.px(120), event.width - theme.px(8))))
    return label


class Halves(ttk.Panedwindow):
    """Two panes side by side. The left one has `share` of the width, or what the person gave it."""

    def __init__(self, master: tkinter.Misc, share: float) -> None:
        super().__init__(master, orient="horizontal")
        self._share = share
        for sequence in ("<Map>", "<Configure>"):
            self.bind(sequence, lambda _: self.after_idle(self._divide))
        self.bind("<ButtonRelease-1>", lambda _: self._moved())

    def _moved(self) -> None:
        self._share = self.sashpos(0) / max(1, self.winfo_width())

    def _divide(self) -> None:
        # Tk sizes the panes anew by their contents when those changed while nobody saw them.
        if self.winfo_exists() and self.winfo_width() > 1 and len(self.panes()) > 1:
            self.sashpos(0, round(self.winfo_width() * self._share))


def sitting_head(
    master: tkinter.Misc, theme: Theme, leaving: str, leave: Callable[[], None]
) -> tuple[ttk.Label, ttk.Label]:
    """The line above pictures being judged: a button that ends it, and the labels of the prompt and the counts."""
    px = theme.px
    head = ttk.Frame(master)
    head.pack(fill="x", pady=(0, px(8)))
    ttk.Button(head, text=leaving, command=leave, padding=(px(8), px(2))).pack(side="left")
    counts = ttk.Label(head, style="Muted.TLabel")
    counts.pack(side="right")
    prompt = ttk.Label(head, anchor="w")
    prompt.pack(side="left", fill="x", expand=True, padx=px(12))
    return prompt, counts
