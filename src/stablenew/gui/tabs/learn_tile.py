"""Pictures that are judged beside each other: each in a frame, with stars and "best" below it where it is rated."""

from __future__ import annotations

import tkinter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import ttkbootstrap as ttk
from PIL import ImageTk

from stablenew.gui.pictures.decode import Size
from stablenew.gui.pictures.loader import Loaded
from stablenew.gui.tabs.learn_sitting import STARS_MAX
from stablenew.gui.theme import HEADING

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

FRAME = 3
"""Logical pixels of the line around the marked picture."""


class PictureTile(tkinter.Frame):
    """A picture, and below it what `foot` is filled with. `pressed` is called when the picture is clicked."""

    def __init__(self, master: tkinter.Misc, window: StableNewGUI, pressed: Callable[[], None]) -> None:
        self._window, self._px = window, window.theme.px
        super().__init__(master, highlightthickness=self._px(FRAME), takefocus=False)
        self._photo: ImageTk.PhotoImage | None = None
        self._marked = False
        self.foot = ttk.Frame(self, padding=(self._px(8), self._px(4)))
        self.foot.pack(side="bottom", fill="x")
        self.canvas = tkinter.Canvas(self, highlightthickness=0, borderwidth=0, width=1, height=1, takefocus=False)
        self.canvas.pack(fill="both", expand=True)
        self.canvas.bind("<Button-1>", lambda _: pressed())
        self.canvas.bind("<Configure>", lambda _: self._place_photo())
        self.use_theme()

    @property
    def room(self) -> Size:
        """Pixels the picture has."""
        return self.canvas.winfo_width(), self.canvas.winfo_height()

    def use_theme(self) -> None:
        """Take on the theme's colours."""
        palette = self._window.theme.palette
        self.configure(background=palette.background)
        self.canvas.configure(background=palette.canvas)
        self.mark(self._marked)

    def mark(self, marked: bool) -> None:
        """The next key is about this picture, or not."""
        self._marked = marked
        palette = self._window.theme.palette
        line = palette.accent if marked else palette.background
        self.configure(highlightbackground=line, highlightcolor=line)

    def show_picture(self, loaded: Loaded) -> None:
        """Draw the picture; what cannot be read is said."""
        self.canvas.delete("all")
        self._photo = None
        if loaded.fitted is None:
            middle = self.room[0] // 2, self.room[1] // 2
            self.canvas.create_text(*middle, text=loaded.decoded.problem, fill=self._window.theme.palette.muted)
            return
        self._photo = ImageTk.PhotoImage(loaded.fitted, master=self)
        self._place_photo()

    def clear(self) -> None:
        """Show no picture."""
        self.canvas.delete("all")
        self._photo = None

    def destroy(self) -> None:
        """The image goes while its interpreter is there."""
        self._photo = None
        super().destroy()

    def _place_photo(self) -> None:
        if self._photo is not None:
            self.canvas.delete("all")
            self.canvas.create_image(self.room[0] // 2, self.room[1] // 2, image=self._photo)


class RowTile(PictureTile):
    """Says nothing of settings. `marked`, `starred` and `best` are told what the mouse did to the picture `place`."""

    def __init__(
        self,
        master: tkinter.Misc,
        window: StableNewGUI,
        place: int,
        marked: Callable[[int], None],
        starred: Callable[[int, int], None],
        best: Callable[[int], None],
    ) -> None:
        self._given: int | None = None
        self.stars: list[ttk.Label] = []
        super().__init__(master, window, partial(marked, place))
        ttk.Label(self.foot, text="ABCDEFGHIJKL"[place], style="Muted.TLabel").pack(side="left", padx=(0, self._px(8)))
        self.stars = [self._star(partial(starred, place, number), number) for number in range(1, STARS_MAX + 1)]
        self.best = ttk.Button(self.foot, text="Best  B", padding=(self._px(8), 0), takefocus=False)
        self.best.configure(command=partial(best, place))
        self.best.pack(side="right")

    def use_theme(self) -> None:
        """Take on the theme's colours."""
        super().use_theme()
        palette = self._window.theme.palette
        for number, star in enumerate(self.stars, 1):
            lit = self._given is not None and number <= self._given
            star.configure(text="★" if lit else "☆", foreground=palette.warning if lit else palette.muted)

    def show(self, stars: int | None, *, best: bool, marked: bool) -> None:
        """What was said about the picture, and whether the next key is about it."""
        self._given, self._marked = stars, marked
        self.use_theme()
        self.best.configure(bootstyle="primary" if best else "neutral")

    def _star(self, press: Callable[[], None], number: int) -> ttk.Label:
        star = ttk.Label(self.foot, text="☆", cursor="hand2", font=HEADING, name=f"star{number}")
        star.pack(side="left", padx=(0, self._px(2)))
        star.bind("<Button-1>", lambda _: press())
        return star
