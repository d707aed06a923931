"""What is known about one picture, beside it: prompt, settings, how it came about."""

from __future__ import annotations

import tkinter
from collections.abc import Iterable

import ttkbootstrap as ttk

from stablenew.gui.facts import Row, facts_of
from stablenew.gui.theme import Theme
from stablenew.learning.recorded_picture import RecordedPicture


class InfoPanel(ttk.Frame):
    """The prompt, and a table of facts. `show` is for Tk's thread."""

    def __init__(self, master: tkinter.Misc, theme: Theme, *, width: int = 300) -> None:
        super().__init__(master, width=theme.px(width), padding=(theme.px(16), 0, 0, 0))
        self.pack_propagate(False)
        self._theme = theme
        self.text = tkinter.Text(self, wrap="word", borderwidth=0, highlightthickness=0, state="disabled", cursor="")
        bar = ttk.Scrollbar(self, command=self.text.yview)
        self.text.configure(yscrollcommand=bar.set)
        bar.pack(side="right", fill="y")
        self.text.pack(side="left", fill="both", expand=True)
        self.use_theme()

    def use_theme(self) -> None:
        """Take on the theme's colours."""
        palette, px = self._theme.palette, self._theme.px
        self.text.configure(
            background=palette.background,
            foreground=palette.foreground,
            font="TkDefaultFont",
            spacing1=px(2),
            spacing3=px(2),
            tabs=(px(104),),
            padx=0,
            pady=0,
        )
        self.text.tag_configure("heading", font="StableNewHeading", spacing1=px(8))
        self.text.tag_configure("name", foreground=palette.muted)
        self.text.tag_configure("row", lmargin2=px(104), wrap="char")

    def show(self, picture: RecordedPicture | None) -> None:
        """The facts of `picture`."""
        self.text.configure(state="normal")
        self.text.delete("1.0", "end")
        if picture is not None:
            self._words("Prompt", picture.prompt)
            if picture.negative_prompt:
                self._words("Negative prompt", picture.negative_prompt)
            self._rows("Settings", facts_of(picture))
        self.text.configure(state="disabled")

    def _words(self, heading: str, words: str) -> None:
        self.text.insert("end", f"{heading}\n", "heading", f"{words}\n")

    def _rows(self, heading: str, rows: Iterable[Row]) -> None:
        self.text.insert("end", f"{heading}\n", "heading")
        for name, value in rows:
            self.text.insert("end", name, ("name", "row"), f"\t{value}\n", "row")
