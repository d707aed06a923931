"""A card: a heading that folds its body away, with a switch where the thing it stands for can be off."""

from __future__ import annotations

import tkinter
from collections.abc import Callable

import ttkbootstrap as ttk

from stablenew.gui.theme import HEADING, Theme

BODY_INDENT = 24
"""Logical pixels by which a body stands further in than its heading."""


def bold(widget: ttk.Checkbutton) -> str:
    """The widget's own style with the font of headings."""
    style = f"Heading.{widget.cget('style')}"
    ttk.Style.get_instance().configure(style, font=HEADING)
    return style


class Card(ttk.Frame):
    """Put what belongs into it into `body`. With `toggled` it has a switch, and its body shows only while it is on."""

    def __init__(
        self,
        master: tkinter.Misc,
        theme: Theme,
        title: str,
        *,
        toggled: Callable[[], None] | None = None,
        opened: bool = True,
        heading: str = "Heading.TLabel",
    ) -> None:
        px = theme.px
        super().__init__(master)
        self._open = opened
        self._told = toggled
        self.on = tkinter.BooleanVar(self, value=toggled is None)
        head = ttk.Frame(self)
        head.pack(fill="x")
        self._fold = ttk.Button(head, bootstyle="ghost", width=2, padding=0, command=self._turn)
        self._fold.pack(side="left", padx=(0, px(4)))
        if toggled is not None:
            self.switch = ttk.Checkbutton(
                head, text=title, variable=self.on, command=self._switched, bootstyle="round toggle"
            )
            self.switch.configure(style=bold(self.switch))
            self.switch.pack(side="left")
        else:
            title_label = ttk.Label(head, text=title, style=heading)
            title_label.pack(side="left")
            title_label.bind("<Button-1>", lambda _: self._turn())
        self._summary = ttk.Label(head, style="SmallMuted.TLabel", anchor="e")
        self._summary.pack(side="right", fill="x", expand=True)
        self.body = ttk.Frame(self, padding=(px(BODY_INDENT), px(4), 0, px(8)))
        self._arrange()

    @property
    def opened(self) -> bool:
        """Whether the body is unfolded (it shows only while the card is on)."""
        return self._open

    def unfold(self, opened: bool = True) -> None:
        """Fold or unfold the body."""
        self._open = opened
        self._arrange()

    def turn(self, on: bool) -> None:
        """Switch the card on or off without telling anybody."""
        self.on.set(on)
        self._arrange()

    def summarise(self, text: str) -> None:
        """Say in the heading what is in the body."""
        self._summary.configure(text=text)

    def _switched(self) -> None:
        self._open = self.on.get() or self._open
        self._arrange()
        if self._told is not None:
            self._told()

    def _turn(self) -> None:
        self.unfold(not self._open)

    def _arrange(self) -> None:
        self._fold.configure(text="▾" if self._open and self.on.get() else "▸")
        if self._open and self.on.get():
            self.body.pack(fill="x")
        else:
            self.body.pack_forget()
