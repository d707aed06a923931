"""All keys of a tab, laid over it; any key puts it away."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Sequence

import ttkbootstrap as ttk

from stablenew.gui.theme import Theme

Keys = Sequence[tuple[str, Sequence[tuple[str, str]]]]
"""Headings, and below each the keys and what they do."""


class KeySheet(ttk.Frame):
    """Shown with `open`; `closed` is called when it was put away."""

    def __init__(self, master: tkinter.Misc, theme: Theme, keys: Keys, closed: Callable[[], None]) -> None:
        super().__init__(master, padding=theme.px(24), relief="solid", borderwidth=1, takefocus=True)
        self._closed = closed
        for column, (heading, rows) in enumerate(keys):
            block = ttk.Frame(self)
            block.grid(row=0, column=column, sticky="n", padx=theme.px(16))
            ttk.Label(block, text=heading, style="Heading.TLabel").grid(
                row=0, column=0, columnspan=2, sticky="w", pady=(0, theme.px(8))
            )
            for number, (key, does) in enumerate(rows, 1):
                ttk.Label(block, text=key, style="Accent.TLabel").grid(
                    row=number, column=0, sticky="w", padx=(0, theme.px(16)), pady=theme.px(2)
                )
                ttk.Label(block, text=does).grid(row=number, column=1, sticky="w")
        self.bind("<Key>", lambda _: self.close())
        self.bind("<Button-1>", lambda _: self.close())
        self.bind("<FocusOut>", lambda _: self.close())

    @property
    def is_open(self) -> bool:
        """Whether it is shown."""
        return bool(self.winfo_ismapped())

    def open(self) -> None:
        """Lay it over the middle."""
        self.place(relx=0.5, rely=0.5, anchor="center")
        self.lift()
        self.focus_set()

    def close(self) -> str:
        """Put it away."""
        if self.place_info():
            self.place_forget()
            self._closed()
        return "break"
