"""A canvas with one picture on it: fitted, zoomed, panned. What is drawn is made in a worker thread."""

from __future__ import annotations

import tkinter
from collections.abc import Callable

from PIL import Image, ImageTk

from stablenew.gui.pictures.ahead import Ahead, Deliver
from stablenew.gui.pictures.decode import Decoded, Size
from stablenew.gui.pictures.view import FIT, STEP, Placement, View, full_size, panned, placed, rendered, zoomed
from stablenew.gui.theme import Theme

PAN_KEYS = {"Left": (1, 0), "Right": (-1, 0), "Up": (0, 1), "Down": (0, -1)}


class PictureCanvas(tkinter.Canvas):
    """Shows a picture by its name. The wheel zooms where the pointer is, dragging pans.

    `on_view` is told when the person changed the view, `on_room` when the canvas got another size.
    """

    def __init__(
        self,
        master: tkinter.Misc,
        theme: Theme,
        deliver: Deliver,
        *,
        on_view: Callable[[View], None] | None = None,
        on_room: Callable[[Size], None] | None = None,
    ) -> None:
        super().__init__(
            master, highlightthickness=theme.px(1), borderwidth=0, width=theme.px(160), height=theme.px(120)
        )
        self._theme, self._on_view, self._on_room = theme, on_view, on_room
        self.view, self.room = FIT, (0, 0)
        self._decoded: Decoded | None = None
        self._image: ImageTk.PhotoImage | None = None
        self._item = self.create_image(0, 0, anchor="nw")
        self._words = self.create_text(0, 0, justify="center")
        self._drag: tuple[int, int] | None = None
        self._number = 0
        self._drawer: Ahead[tuple[int, View, Size], tuple[Image.Image, Placement] | None] = Ahead(
            self._render, self._arrived, deliver, threads=1, name="zoom"
        )
        self._listen()
        self.use_theme()

    def use_theme(self) -> None:
        """Take on the theme's colours."""
        palette = self._theme.palette
        self.configure(background=palette.canvas, highlightbackground=palette.canvas, highlightcolor=palette.accent)
        self.itemconfigure(self._words, fill=palette.muted, font="TkDefaultFont")

    def show(self, decoded: Decoded, fitted: Image.Image | None) -> None:
        """Show that picture; `fitted`, made ahead for this room, is drawn at once."""
        self._number += 1
        self._decoded = decoded
        self._say(decoded.problem)
        if decoded.pixels is None:
            self.itemconfigure(self._item, image="")
        elif self.view == FIT and fitted is not None:
            self._draw(fitted, placed(FIT, decoded.size, self.room))
        else:
            self._want()

    def empty(self, words: str = "") -> None:
        """Show no picture but these words."""
        self._number += 1
        self._decoded = None
        self.itemconfigure(self._item, image="")
        self._say(words)

    def look(self, view: View) -> None:
        """See that part of the picture; `on_view` is not told."""
        if view != self.view:
            self.view = view
            self._want()

    def zoom(self, factor: float, at: tuple[float, float] | None = None) -> None:
        """Zoom by `factor` at a point of the canvas (None: its middle)."""
        if self._decoded is not None and self._decoded.pixels is not None:
            middle = (self.room[0] / 2, self.room[1] / 2)
            self._change(zoomed(self.view, factor, at or middle, self._decoded.size, self.room))

    def zoom_full(self) -> None:
        """To one screen pixel for each of the picture's, or back."""
        if self._decoded is not None and self._decoded.pixels is not None:
            self._change(full_size(self.view, self._decoded.size, self.room))

    def pan(self, dx: float, dy: float) -> None:
        """Move the picture by so many pixels."""
        if self._decoded is not None and self._decoded.pixels is not None:
            self._change(panned(self.view, dx, dy, self._decoded.size, self.room))

    def destroy(self) -> None:
        """End the thread as well; the image goes while its interpreter is there."""
        self._drawer.close()
        self._image = None
        super().destroy()

    def _listen(self) -> None:
        self.bind("<Configure>", self._resized)
        self.bind("<MouseWheel>", lambda event: self.zoom(STEP if event.delta > 0 else 1 / STEP, (event.x, event.y)))
        self.bind("<Button-4>", lambda event: self.zoom(STEP, (event.x, event.y)))
        self.bind("<Button-5>", lambda event: self.zoom(1 / STEP, (event.x, event.y)))
        self.bind("<ButtonPress-1>", self._grab, add=True)
        self.bind("<B1-Motion>", self._dragged)

    def _grab(self, event: tkinter.Event[tkinter.Misc]) -> None:
        self._drag = (event.x, event.y)

    def _dragged(self, event: tkinter.Event[tkinter.Misc]) -> None:
        if self._drag is not None:
            dx, dy = event.x - self._drag[0], event.y - self._drag[1]
            self._drag = (event.x, event.y)
            self.pan(dx, dy)

    def _resized(self, event: tkinter.Event[tkinter.Misc]) -> None:
        if (event.width, event.height) == self.room:
            return
        self.room = (event.width, event.height)
        self.coords(self._words, event.width / 2, event.height / 2)
        self.itemconfigure(self._words, width=max(1, event.width - self._theme.px(32)))
        self._want()
        if self._on_room is not None:
            self._on_room(self.room)

    def _change(self, view: View) -> None:
        if view != self.view:
            self.look(view)
            if self._on_view is not None:
                self._on_view(view)

    def _want(self) -> None:
        if self._decoded is not None and self._decoded.pixels is not None and min(self.room) > 1:
            self._drawer.want([(self._number, self.view, self.room)])

    def _render(self, wish: tuple[int, View, Size]) -> tuple[Image.Image, Placement] | None:
        """On the drawer's thread."""
        decoded = self._decoded
        if decoded is None or decoded.pixels is None or wish[0] != self._number:
            return None
        placement = placed(wish[1], decoded.size, wish[2])
        return rendered(decoded.pixels, placement, enlarged=wish[1].zoom >= 4), placement

    def _arrived(self, wish: tuple[int, View, Size], made: tuple[Image.Image, Placement] | None) -> None:
        # Also one of a view that is past by now: it is nearer to what is wanted than what is there.
        if made is not None and wish[0] == self._number and wish[2] == self.room:
            self._draw(*made)

    def _draw(self, picture: Image.Image, placement: Placement) -> None:
        if self._image is not None and (self._image.width(), self._image.height()) == picture.size:
            self._image.paste(picture)
        else:
            self._image = ImageTk.PhotoImage(picture, master=self)
        self.itemconfigure(self._item, image=self._image)
        self.coords(self._item, placement.left, placement.top)

    def _say(self, words: str) -> None:
        self.itemconfigure(self._words, text=words)
