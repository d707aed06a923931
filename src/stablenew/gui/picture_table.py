"""Two to four pictures that zoom and pan together: side by side, one over the other with a divider, or in turns."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import ttkbootstrap as ttk

from stablenew.gui.pictures.ahead import Deliver
from stablenew.gui.pictures.canvas import PictureCanvas
from stablenew.gui.pictures.decode import Size
from stablenew.gui.pictures.loader import PictureLoader
from stablenew.gui.pictures.view import FIT, View
from stablenew.gui.theme import Theme

Way = Literal["side", "slider", "flicker"]
WAYS: tuple[Way, ...] = ("side", "slider", "flicker")
MOST = 4
FLICKER_MS = 700
STRIP = 30
"""Logical pixels above a picture, for its number and what may be said of it."""


class PictureTable(ttk.Frame):
    """`show` puts pictures on it; `best` is called with the place of the one whose button was pressed."""

    def __init__(self, master: tkinter.Misc, theme: Theme, deliver: Deliver, *, best: Callable[[int], None]) -> None:
        # A size of its own: grid forgets to lay out again what asks for no height.
        super().__init__(master, width=theme.px(320), height=theme.px(240), takefocus=True)
        self._theme = theme
        self.way: Way = "side"
        self.front = 0
        self.divider = 0.5
        self.view = FIT
        self._paths: list[Path] = []
        self._drawn: set[int] = set()
        self._ahead: list[Path] = []
        self._turn: str | None = None
        self.loader = PictureLoader(deliver, self._ready)
        self._holders = [ttk.Frame(self) for _ in range(MOST)]
        self._strips = [self._strip(holder, number, best) for number, holder in enumerate(self._holders)]
        self.panes = [self._pane(holder, number, deliver) for number, holder in enumerate(self._holders)]
        self._line = ttk.Frame(self, bootstyle="primary", cursor="sb_h_double_arrow")
        self._line.bind("<B1-Motion>", lambda event: self.divide_at(event.x_root - self.winfo_rootx()))
        self.bind("<Configure>", lambda _: self._arrange())

    @property
    def complete(self) -> bool:
        """Whether every picture is seen (or it is seen why it cannot be)."""
        return len(self._drawn) == len(self._paths) > 0

    def use_theme(self) -> None:
        """Take on the theme's colours."""
        for pane in self.panes:
            pane.use_theme()

    def show(self, paths: Sequence[Path], ahead: Sequence[Path] = ()) -> None:
        """Show these, whole; decode `ahead` before they are needed."""
        self._paths, self._ahead = list(paths), list(ahead)
        self._drawn.clear()
        self.front = min(self.front, max(0, len(paths) - 1))
        self.view = FIT
        for pane in self.panes:
            pane.view = FIT
            pane.empty()
        self._arrange()
        for number in range(len(paths)):
            self._draw(number)

    def say(self, captions: Sequence[str]) -> None:
        """What stands above each picture."""
        for (label, _), text in zip(self._strips, captions, strict=False):
            label.configure(text=text)

    def use_way(self, way: Way) -> None:
        """Side by side, with a divider, or in turns."""
        self.way, self.front = way, 0
        self._arrange()
        if self._turn is not None:
            self.after_cancel(self._turn)
            self._turn = None
        if way == "flicker":
            self._turn = self.after(FLICKER_MS, self._next_turn)

    def flip(self, by: int) -> None:
        """Bring the next picture (or the one before) to the front; it stays there."""
        if self._turn is not None:
            self.after_cancel(self._turn)
            self._turn = None
        self._bring(by)

    def divide_at(self, x: float) -> None:
        """Put the divider so many pixels from the left."""
        self.divider = min(1.0, max(0.0, x / max(1, self.winfo_width())))
        self._arrange()

    def divide(self, by: float) -> None:
        """Move the divider by a part of the width."""
        self.divide_at((self.divider + by) * self.winfo_width())

    def zoom(self, factor: float) -> None:
        """Zoom all of them."""
        self.panes[self.front].zoom(factor)

    def zoom_full(self) -> None:
        """All to one screen pixel for each of theirs, or back."""
        self.panes[self.front].zoom_full()

    def destroy(self) -> None:
        """End the decoding threads as well."""
        if self._turn is not None:
            self.after_cancel(self._turn)
        self.loader.close()
        super().destroy()

    def _strip(self, holder: ttk.Frame, number: int, best: Callable[[int], None]) -> tuple[ttk.Label, ttk.Frame]:
        px = self._theme.px
        strip = ttk.Frame(holder)
        button = ttk.Button(
            strip, text=f"Best  {number + 1}", bootstyle="ghost", command=lambda: best(number), name=f"best{number + 1}"
        )
        button.pack(side="right")
        label = ttk.Label(strip)
        label.pack(side="left", fill="x", expand=True, padx=(px(2), 0))
        return label, strip

    def _pane(self, holder: ttk.Frame, number: int, deliver: Deliver) -> PictureCanvas:
        def follow(view: View) -> None:
            self.view = view
            for other in self.panes:
                other.look(view)

        def room_changed(_: Size) -> None:
            if number == 0:
                self._want()

        pane = PictureCanvas(holder, self._theme, deliver, on_view=follow, on_room=room_changed)
        pane.configure(takefocus=True)
        pane.bind("<Button-1>", lambda _: pane.focus_set(), add=True)
        return pane

    def _arrange(self) -> None:
        count, (width, height) = len(self._paths), (self.winfo_width(), self.winfo_height())
        self._line.place_forget()
        if width <= 1:
            return
        for number, holder in enumerate(self._holders):
            if number >= count:
                holder.place_forget()
            elif self.way == "side":
                self._place(number, *self._cell(number, count, width, height))
            else:
                self._place(number, 0, 0, width, height)
        if self.way == "slider" and count > 1:
            self._put_divider(width, height)
        elif self.way == "flicker" and count:
            self._holders[self.front].lift()

    def _put_divider(self, width: int, height: int) -> None:
        """The second picture (or whichever is in front) lies over the first, to the right of the divider."""
        over, at = self.front or 1, round(self.divider * width)
        self._place(over, at, 0, max(1, width - at), height, hidden=at, whole=width)
        self._holders[0].lift()
        self._holders[over].lift()
        thick = self._theme.px(3)
        self._line.place(x=at - thick // 2, y=0, width=thick, height=height)
        self._line.lift()

    def _cell(self, number: int, count: int, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, width and height of a picture among `count`."""
        gap = self._theme.px(8)
        across = 2 if count in (2, 4) else max(1, count)
        down = 2 if count == 4 else 1
        wide, high = (width - (across - 1) * gap) // across, (height - (down - 1) * gap) // down
        row, column = divmod(number, across)
        return column * (wide + gap), row * (high + gap), wide, high

    def _place(
        self, number: int, x: int, y: int, width: int, height: int, *, hidden: int = 0, whole: int | None = None
    ) -> None:
        """Show a pane there. The `hidden` pixels at its left are cut off; as a `whole` it is so wide."""
        strip, label = self._theme.px(STRIP), self._strips[number][1]
        self._holders[number].place(x=x, y=y, width=width, height=height)
        label.place(x=0, y=0, width=width, height=strip)
        self.panes[number].place(x=-hidden, y=strip, width=whole or width, height=max(1, height - strip))

    def _want(self) -> None:
        room = self.panes[0].room
        if min(room) > 1 and self._paths:
            self.loader.want([*self._paths, *self._ahead], room)

    def _draw(self, number: int) -> None:
        loaded, pane = self.loader.get(self._paths[number]), self.panes[number]
        if loaded is not None:
            pane.show(loaded.decoded, loaded.fitted if loaded.room == pane.room else None)
            self._drawn.add(number)
        self._want()

    def _ready(self, path: Path) -> None:
        for number, each in enumerate(self._paths):
            if each == path and number not in self._drawn:
                self._draw(number)

    def _bring(self, by: int) -> None:
        if self._paths:
            self.front = (self.front + by) % len(self._paths)
            self._arrange()

    def _next_turn(self) -> None:
        self._bring(1)
        self._turn = self.after(FLICKER_MS, self._next_turn)
