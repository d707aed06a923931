"""Where the pictures of Review are seen: one of them large, or all of them small."""

from __future__ import annotations

import time
import tkinter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

from stablenew.gui.culling import needed_next
from stablenew.gui.picture_list import PictureList
from stablenew.gui.pictures.canvas import PictureCanvas
from stablenew.gui.pictures.decode import Size
from stablenew.gui.pictures.layout import Flow
from stablenew.gui.pictures.loader import PictureLoader
from stablenew.gui.pictures.thumbnails import ThumbnailStore
from stablenew.gui.pictures.tiles import Face, TileCanvas
from stablenew.gui.pictures.view import FIT
from stablenew.gui.verdict_bar import in_a_word
from stablenew.learning.recorded_picture import RecordedPicture

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

TILE, TILE_SIZES = 168, (96, 128, 168, 224, 320)
CAPTION = 22
"""Logical pixels below a thumbnail, for what was said."""


class PictureStage(ttk.Frame):
    """Shows the list's current picture, its neighbours decoded ahead. `opened` is told that one was double-clicked.

    `shown_at_once` and `waited_for` count how often a picture was ready when the person came to it, and was not.
    """

    def __init__(
        self, master: tkinter.Misc, window: StableNewGUI, pictures: PictureList, opened: Callable[[], None], tile: int
    ) -> None:
        super().__init__(master)
        self._window, self._list, self.tile = window, pictures, tile
        self.shown_at_once = self.waited_for = 0
        self.small = False
        self._wanted: RecordedPicture | None = None
        self._seen_since: float | None = None
        theme, deliver = window.theme, window.bridge.call
        self.loader = PictureLoader(deliver, self._ready)
        self.rowconfigure(0, weight=1)
        self.columnconfigure(0, weight=1)
        self.large = PictureCanvas(self, theme, deliver, on_room=self._room_changed)
        self.large.configure(takefocus=True)
        self.large.grid(row=0, column=0, sticky="nsew")
        self._holder = ttk.Frame(self)
        self._holder.rowconfigure(0, weight=1)
        self._holder.columnconfigure(0, weight=1)
        self.tiles = TileCanvas(
            self._holder,
            theme,
            ThumbnailStore(window.workspace.thumbnails),
            deliver,
            face=self._face,
            on_cursor=pictures.go,
            on_open=lambda _: opened(),
        )
        self.tiles.grid(row=0, column=0, sticky="nsew")
        bar = ttk.Scrollbar(self._holder, command=self.tiles.scroll_y)
        bar.grid(row=0, column=1, sticky="ns")
        self.tiles.configure(yscrollcommand=bar.set)
        self.tiles.bind("<Configure>", lambda _: self.lay_tiles(), add=True)

    @property
    def seen_ms(self) -> int | None:
        """How long the current picture has been seen; None while it is not there yet."""
        return None if self._seen_since is None else round((time.monotonic() - self._seen_since) * 1000)

    def use_theme(self) -> None:
        """Take on the theme's colours."""
        self.large.use_theme()
        self.tiles.use_theme()

    def focus_pictures(self) -> None:
        """The keyboard to the pictures."""
        (self.tiles if self.small else self.large).focus_set()

    def show_small(self, small: bool) -> None:
        """All of them small, or one large."""
        self.small = small
        shown, hidden = (self._holder, self.large) if small else (self.large, self._holder)
        hidden.grid_remove()
        shown.grid(row=0, column=0, sticky="nsew")
        self.update_idletasks()
        self.tiles.choose(set())
        if small:
            self.lay_tiles()
            self.tiles.go(self._list.state.cursor, tell=False)
        else:
            self._wanted = None  # what is large is from before; the person may have gone on among the small ones
        self.focus_pictures()
        self.show()

    def show(self) -> None:
        """Show where the list is now."""
        picture = self._list.current
        if self.small:
            self._seen_since = time.monotonic() if picture is not self._wanted else self._seen_since
            self._wanted = picture
            if self.tiles.cursor != self._list.state.cursor:
                self.tiles.go(self._list.state.cursor, tell=False)
            return
        if picture is None:
            self._wanted = self._seen_since = None
            self.large.empty(self._why_nothing())
        elif self._wanted is None or picture.record_id != self._wanted.record_id:
            self._come_to(picture)
        self.decode_ahead()

    def decode_ahead(self) -> None:
        """Have the pictures decoded that may be looked at next."""
        if self.small or min(self.large.room) <= 1:
            return
        state = self._list.state
        places = needed_next(state, self._window.ratings.has_verdict)
        self.loader.want([self.path(each) for n in places if (each := state.at(n)) is not None], self.large.room)

    def path(self, picture: RecordedPicture) -> Path:
        """Where its file is."""
        return self._window.workspace.root / picture.path

    def lay_tiles(self) -> None:
        """Tiles for as many as are shown now."""
        if self.small and self.tiles.winfo_width() > 1:
            px = self._window.theme.px
            tile = (px(self.tile), px(self.tile + CAPTION))
            count = len(self._list.state.shown)
            self.tiles.lay(Flow(count=count, width=self.tiles.winfo_width(), tile=tile, gap=px(8)))

    def zoom_tiles(self, way: int) -> None:
        """The next larger (1) or smaller (-1) tiles."""
        sizes = sorted({*TILE_SIZES, self.tile})
        self.tile = sizes[max(0, min(len(sizes) - 1, sizes.index(self.tile) + way))]
        self.lay_tiles()
        self.tiles.see(self.tiles.cursor)

    def destroy(self) -> None:
        """End the decoding threads as well."""
        self.loader.close()
        super().destroy()

    def _come_to(self, picture: RecordedPicture) -> None:
        self._wanted, self._seen_since = picture, None
        self.large.view = FIT
        loaded = self.loader.get(self.path(picture))
        if loaded is not None:
            self.shown_at_once += 1
            self.large.show(loaded.decoded, loaded.fitted if loaded.room == self.large.room else None)
            self._seen_since = time.monotonic()
        else:
            self.waited_for += 1
            self.large.empty()  # not the one before: the next key is about this one

    def _ready(self, path: Path) -> None:
        if self._wanted is not None and self._seen_since is None and self.path(self._wanted) == path:
            loaded = self.loader.get(path)
            if loaded is not None:
                self.large.show(loaded.decoded, loaded.fitted if loaded.room == self.large.room else None)
                self._seen_since = time.monotonic()

    def _room_changed(self, room: Size) -> None:
        self.decode_ahead()

    def _face(self, number: int) -> Face:
        picture = self._list.state.at(number)
        if picture is None:
            return Face(path=None)
        said = self._window.ratings.feedback(picture.record_id)
        return Face(path=self.path(picture), words=in_a_word(said), faded=said.rejected)

    def _why_nothing(self) -> str:
        if self._list.reading:
            return "Reading …"
        if self._list.filter.narrows:
            return "No picture is like this.\nChoose less above."
        return "There are no pictures yet.\nMake some in Run; they come here by themselves."
