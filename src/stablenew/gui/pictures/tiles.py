"""A canvas with thousands of small pictures, of which only those in sight exist."""

from __future__ import annotations

import tkinter
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import ImageTk

from stablenew.gui.pictures.ahead import Ahead, Deliver
from stablenew.gui.pictures.decode import Decoded, enlarged_to
from stablenew.gui.pictures.layout import Box, Flow, Layout
from stablenew.gui.pictures.thumbnails import ThumbnailStore
from stablenew.gui.theme import SMALL, Theme

IMAGES_MAX, IMAGES_BYTES = 600, 48 * 1024 * 1024
"""Thumbnails held as images at most, those out of sight included: as many, and as much memory."""

_CONTROL, _SHIFT = 0x4, 0x1


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """What a tile shows: the picture at `path` (None: none was made), and words below it."""

    path: Path | None
    words: str = ""
    faded: bool = False
    marked: bool = False


@dataclass(slots=True)
class _Shown:
    """The canvas items of one tile."""

    frame: int
    image: int
    words: int
    face: Face
    drawn: bool = False


class TileCanvas(tkinter.Canvas):
    """Shows `face(n)` of every tile in sight. Arrow keys and clicks move the cursor; Control and Shift choose several.

    `on_cursor` is told where the cursor went, `on_open` that Return was pressed, `on_double` that a tile was
    double-clicked (None: the same as Return).
    """

    def __init__(
        self,
        master: tkinter.Misc,
        theme: Theme,
        store: ThumbnailStore,
        deliver: Deliver,
        *,
        face: Callable[[int], Face],
        on_cursor: Callable[[int], None],
        on_open: Callable[[int], None],
        on_double: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(master, highlightthickness=0, borderwidth=0, takefocus=True, width=320, height=240)
        self._theme, self._store = theme, store
        self._face, self._on_cursor, self._on_open = face, on_cursor, on_open
        self._on_double = on_double or on_open
        self.layout: Layout = Flow(count=0, width=1, tile=(1, 1), gap=1)
        self.cursor = 0
        self.chosen: set[int] = set()
        self._shown: dict[int, _Shown] = {}
        self._images: OrderedDict[tuple[Path, int], ImageTk.PhotoImage | str] = OrderedDict()
        self._refresh: str | None = None
        self._ahead: Ahead[tuple[Path, int], Decoded] = Ahead(
            lambda wish: store.get(*wish), self._arrived, deliver, name="thumbnails"
        )
        self._listen()
        self.use_theme()

    @property
    def live_tiles(self) -> int:
        """Tiles that exist now."""
        return len(self._shown)

    @property
    def live_images(self) -> int:
        """Thumbnails held as images now."""
        return len(self._images)

    def use_theme(self) -> None:
        """Take on the theme's colours."""
        self.configure(background=self._theme.palette.canvas)
        self.redraw()

    def lay(self, layout: Layout) -> None:
        """Put the tiles where `layout` says."""
        self.layout = layout
        self.configure(scrollregion=(0, 0, *layout.size))
        self.redraw()

    def redraw(self) -> None:
        """Everything anew, soon."""
        for number in list(self._shown):
            self._remove(number)
        self.delete("tile")
        self._soon()

    def renew(self, numbers: set[int] | None = None) -> None:
        """What these tiles say changed (None: any of them may have)."""
        for number in list(self._shown) if numbers is None else numbers & set(self._shown):
            face = self._face(number)
            if face != self._shown[number].face:
                self._remove(number)
        self._soon()

    def go(self, number: int, *, tell: bool = True) -> None:
        """Put the cursor there and bring it into sight."""
        before, self.cursor = self.cursor, number
        for each in {before, number}:
            self._outline(each)
        self._soon()
        self.see(number)
        if tell:
            self._on_cursor(number)

    def see(self, number: int) -> None:
        """Scroll so far that the tile is in sight."""
        place = self.layout.place(number)
        if place is not None:
            self._scroll_to(place)
        self._soon()

    def choose(self, numbers: set[int]) -> None:
        """Choose exactly these."""
        changed = numbers ^ self.chosen
        self.chosen = numbers
        for number in changed:
            self._outline(number)

    def destroy(self) -> None:
        """End the threads as well; the images go while their interpreter is there."""
        self._ahead.close()
        self._images.clear()
        super().destroy()

    # What is kept free at the left and the top, for labels that stay in sight.
    def margins(self) -> tuple[int, int]:
        """Pixels at the left and the top where no tile is seen."""
        return 0, 0

    def in_sight(self) -> Box:
        """The part of the area that is seen."""
        left, top = int(self.canvasx(0)), int(self.canvasy(0))
        return left, top, left + self.winfo_width(), top + self.winfo_height()

    def tiles_within(self, box: Box) -> set[int]:
        """The tiles to be shown of those in `box`."""
        return set(self.layout.within(box))

    def draw_around(self, box: Box) -> None:
        """Draw what is not a tile; for subclasses."""

    def tile_at(self, event: tkinter.Event[tkinter.Misc]) -> int | None:
        """The tile under the pointer."""
        x, y = int(self.canvasx(event.x)), int(self.canvasy(event.y))
        width, height = self.layout.tile
        for number in self.layout.within((x, y, x + 1, y + 1)):
            place = self.layout.place(number)
            if place is not None and place[0] <= x < place[0] + width and place[1] <= y < place[1] + height:
                return number
        return None

    def _listen(self) -> None:
        self.bind("<Configure>", lambda event: self._soon())
        self.bind("<Button-1>", self._clicked)
        self.bind("<Double-Button-1>", self._double_clicked)
        self.bind("<Return>", lambda event: self._on_open(self.cursor))
        for name, (dx, dy) in {"Left": (-1, 0), "Right": (1, 0), "Up": (0, -1), "Down": (0, 1)}.items():
            self.bind(f"<{name}>", partial(self._arrow, dx=dx, dy=dy))
        for name, sign in {"Prior": -1, "Next": 1}.items():
            self.bind(f"<{name}>", partial(self._page, sign))
        self.bind("<MouseWheel>", lambda event: self._wheel(event, -1 if event.delta > 0 else 1))
        self.bind("<Button-4>", lambda event: self._wheel(event, -1))
        self.bind("<Button-5>", lambda event: self._wheel(event, 1))
        for change in ("<FocusIn>", "<FocusOut>"):
            self.bind(change, lambda event: self._outline(self.cursor))

    def _arrow(self, event: tkinter.Event[tkinter.Misc], *, dx: int, dy: int) -> str:
        if int(event.state) & _SHIFT:
            self.choose(self.chosen | {self.cursor, self.layout.neighbour(self.cursor, dx, dy)})
        self.go(self.layout.neighbour(self.cursor, dx, dy))
        return "break"

    def _page(self, sign: int, _: object) -> str:
        rows = max(1, self.winfo_height() // max(1, self.layout.tile[1]))
        number = self.cursor
        for _ in range(rows):
            number = self.layout.neighbour(number, 0, sign)
        self.go(number)
        return "break"

    def _clicked(self, event: tkinter.Event[tkinter.Misc]) -> None:
        self.focus_set()
        number = self.tile_at(event)
        if number is None:
            return
        state = int(event.state)
        if state & _CONTROL:
            self.choose(self.chosen ^ {number})
        elif state & _SHIFT:
            self.choose(set(range(min(number, self.cursor), max(number, self.cursor) + 1)))
        else:
            self.choose(set())
        self.go(number)

    def _double_clicked(self, event: tkinter.Event[tkinter.Misc]) -> None:
        number = self.tile_at(event)
        if number is not None:
            self._on_double(number)

    def _wheel(self, event: tkinter.Event[tkinter.Misc], sign: int) -> str:
        step = sign * self._theme.px(72)
        if int(event.state) & _SHIFT:
            self._scroll_by(step, 0)
        else:
            self._scroll_by(0, step)
        return "break"

    def scroll_y(self, *how: str) -> None:
        """As `yview`, and what comes into sight is drawn."""
        self.yview(*how)
        self._soon()

    def scroll_x(self, *how: str) -> None:
        """As `xview`, and what comes into sight is drawn."""
        self.xview(*how)
        self._soon()

    def _scroll_by(self, dx: int, dy: int) -> None:
        left, top, _, _ = self.in_sight()
        self._move_to(left + dx, top + dy)

    def _scroll_to(self, place: tuple[int, int]) -> None:
        """As little as needed to have the tile at `place` in sight."""
        left, top, right, bottom = self.in_sight()
        (margin_x, margin_y), (width, height) = self.margins(), self.layout.tile
        gap = self._theme.px(8)
        x, y = left, top
        if place[0] < left + margin_x + gap:
            x = place[0] - margin_x - gap
        elif place[0] + width + gap > right:
            x = place[0] + width + gap - (right - left)
        if place[1] < top + margin_y + gap:
            y = place[1] - margin_y - gap
        elif place[1] + height + gap > bottom:
            y = place[1] + height + gap - (bottom - top)
        if (x, y) != (left, top):
            self._move_to(x, y)

    def _move_to(self, left: int, top: int) -> None:
        width, height = self.layout.size
        self.xview_moveto(max(0, left) / max(1, width))
        self.yview_moveto(max(0, top) / max(1, height))
        self._soon()

    def _soon(self) -> None:
        if self._refresh is None:
            self._refresh = self.after_idle(self._show_what_is_in_sight)

    def _show_what_is_in_sight(self) -> None:
        self._refresh = None
        if self.winfo_width() <= 1:
            return
        box = self.in_sight()
        seen = self.tiles_within(box)
        for number in set(self._shown) - seen:
            self._remove(number)
        for number in sorted(seen - set(self._shown)):
            self._add(number)
        self.draw_around(box)
        self._want(seen, box)

    def _want(self, seen: set[int], box: Box) -> None:
        """The thumbnails in sight first, then those of a screen further down."""
        high = box[3] - box[1]
        below = sorted(self.tiles_within((box[0], box[3], box[2], box[3] + high)) - seen)
        side = self._side()
        faces = [self._shown[number].face for number in sorted(seen)] + [self._face(number) for number in below]
        wishes = [(face.path, side) for face in faces if face.path is not None]
        self._ahead.want([wish for wish in wishes if wish not in self._images])

    def _side(self) -> int:
        """Pixels of the square the picture has in a tile."""
        return self.layout.tile[0] - 2 * self._theme.px(4)

    def _add(self, number: int) -> None:
        place = self.layout.place(number)
        if place is None:
            return
        (x, y), (width, height) = place, self.layout.tile
        palette, px, face = self._theme.palette, self._theme.px, self._face(number)
        frame = self.create_rectangle(x, y, x + width, y + height, tags="tile", width=px(2))
        middle = y + px(4) + self._side() // 2
        image = self.create_image(x + width // 2, middle, tags="tile")
        words = self.create_text(
            x + width // 2,
            y + height - px(2),
            anchor="s",
            text=face.words,
            font=SMALL,
            fill=palette.muted if face.faded else palette.warning if face.words else palette.foreground,
            tags="tile",
        )
        self._shown[number] = _Shown(frame, image, words, face)
        self._outline(number)
        self._put_image(number)

    def _remove(self, number: int) -> None:
        shown = self._shown.pop(number)
        self.delete(shown.frame, shown.image, shown.words)

    def _outline(self, number: int) -> None:
        shown = self._shown.get(number)
        if shown is None:
            return
        palette = self._theme.palette
        here = number == self.cursor
        focused = here and self.focus_get() is self
        missing = palette.border if shown.face.path is None else ""
        line = palette.accent if focused else palette.muted if here else missing
        chosen = number in self.chosen or shown.face.marked
        self.itemconfigure(shown.frame, outline=line, fill=palette.selection if chosen else "")

    def _put_image(self, number: int) -> None:
        shown = self._shown[number]
        if shown.face.path is None:
            return
        wish = (shown.face.path, self._side())
        found = self._images.get(wish)
        if found is None:
            return
        self._images.move_to_end(wish)
        if isinstance(found, str):
            self.itemconfigure(shown.words, text=found)
        else:
            self.itemconfigure(shown.image, image=found)
        shown.drawn = True

    def _arrived(self, wish: tuple[Path, int], decoded: Decoded) -> None:
        if wish[1] != self._side():
            return
        pixels = decoded.pixels
        if pixels is None:
            self._images[wish] = decoded.problem
        else:
            self._images[wish] = ImageTk.PhotoImage(enlarged_to(pixels, wish[1]), master=self)
        self._forget_old()
        for number, shown in self._shown.items():
            if shown.face.path == wish[0]:
                self._put_image(number)

    def _forget_old(self) -> None:
        """The longest unused that are out of sight, and those of another size first of all."""
        side = self._side()
        most = min(IMAGES_MAX, IMAGES_BYTES // (4 * side * side))
        if len(self._images) <= most:
            return
        in_use = {(shown.face.path, side) for shown in self._shown.values()}
        old = sorted((each for each in self._images if each not in in_use), key=lambda each: each[1] == side)
        for each in old[: len(self._images) - most]:
            del self._images[each]
