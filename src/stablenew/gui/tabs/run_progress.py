"""How far a run is: in all, for every variant, and the newest picture."""

from __future__ import annotations

import io
import time
import tkinter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import ttkbootstrap as ttk
from PIL import Image, ImageTk

from stablenew.controller.progress_text import counts_text, eta_text
from stablenew.gui.context_menu import Entry, context_menu, copy
from stablenew.gui.desktop import open_with_desktop
from stablenew.gui.tabs.run_fold import CellState, RunView
from stablenew.learning.importing.image_texts import read_image_texts

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

CELL, GAP, STRIP_ROWS = 10, 2, 4
UNDER_WAY = 3
"""So many variants under way are named."""

REDRAW_MS = 80


def load_preview(source: bytes | Path, side: tuple[int, int]) -> Image.Image | None:
    """The picture no larger than `side`, None where it cannot be read (any more). For a worker's thread."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            image.draft("RGB", side)
            made = image.convert("RGB")
    except (OSError, ValueError):
        return None
    scale = min(side[0] / made.width, side[1] / made.height)
    if scale < 1 or scale >= 2:
        wanted = max(1, int(made.width * scale)), max(1, int(made.height * scale))
        made = made.resize(wanted, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)
    return made


def read_parameters(path: Path) -> str:
    """The settings text that the picture carries for other tools. For a worker's thread; raises OSError."""
    return read_image_texts(path, path.stat().st_size).texts.get("parameters", "")


class ProgressPanel(ttk.Frame):
    """Draws a RunView, at most every REDRAW_MS. `name_of` names a variant; `opened` is called with one clicked."""

    def __init__(
        self,
        master: tkinter.Misc,
        window: StableNewGUI,
        view: RunView,
        name_of: Callable[[int], str],
        opened: Callable[[int], None],
    ) -> None:
        px = window.theme.px
        super().__init__(master)
        self._window, self._view, self._name_of, self._opened = window, view, name_of, opened
        self._drawn, self._due = -1, False
        self._preview_of: object = None
        self._photo: ImageTk.PhotoImage | None = None
        self.bar = ttk.Progressbar(self, maximum=1.0)
        self.bar.pack(fill="x", pady=(0, px(4)))
        line = ttk.Frame(self)
        line.pack(fill="x")
        self.counts = ttk.Label(line, text="")
        self.counts.pack(side="left")
        self.eta = ttk.Label(line, style="Muted.TLabel")
        self.eta.pack(side="right")
        self.strip = tkinter.Canvas(self, height=px(CELL + GAP), highlightthickness=0, borderwidth=0, takefocus=False)
        self.strip.pack(fill="x", pady=px(4))
        self.strip.bind("<Configure>", lambda _: self.draw(anew=True))
        self.strip.bind("<Double-1>", self._clicked)
        self.strip.bind("<Motion>", self._hover)
        self.under_way = ttk.Label(self, style="SmallMuted.TLabel", justify="left")
        self.under_way.pack(fill="x")
        self.preview = tkinter.Canvas(
            self, height=px(140), width=1, highlightthickness=0, borderwidth=0, takefocus=False
        )
        self.preview.pack(fill="both", expand=True, pady=(px(4), 0))
        self.preview.bind("<Double-1>", lambda _: self._open_picture())
        context_menu(self.preview, self._picture_menu)
        self.preview.bind("<Configure>", lambda _: self._place_photo())
        self.recolour()

    def touch(self) -> None:
        """Something may have changed: draw soon."""
        if not self._due:
            self._due = True
            self.after(REDRAW_MS, self._redraw)

    def recolour(self) -> None:
        """Take the theme's colours."""
        palette = self._window.theme.palette
        self.strip.configure(background=palette.background)
        self.preview.configure(background=palette.canvas)
        self.draw(anew=True)

    def draw(self, *, anew: bool = False) -> None:
        """Draw what changed since the last time, or everything `anew`."""
        if not anew and self._drawn == self._view.revision:
            return
        self._drawn = self._view.revision
        progress = self._view.progress
        self.bar.configure(value=progress.fraction)
        self.counts.configure(text=counts_text(progress) if progress.total else "no run yet")
        self.eta.configure(text=eta_text(progress, time.monotonic()) if self._view.busy else "")
        self._draw_strip()
        going = sorted(progress.under_way.items())[:UNDER_WAY]
        lines = [f"{self._name_of(index)}  {fraction:.0%}" for index, fraction in going]
        room = UNDER_WAY if self._view.busy else 1  # constant during a run, so that nothing jumps
        self.under_way.configure(text="\n".join([*lines, *[""] * (room - len(lines))]))
        self._draw_preview()

    def _redraw(self) -> None:
        self._due = False
        self.draw()
        if self._view.busy:
            self.touch()

    def _draw_strip(self) -> None:
        canvas, cells = self.strip, self._view.cells
        canvas.delete("all")
        per, columns, step = self._layout()
        rows = max(1, -(-len(cells) // (per * columns)))
        if int(canvas.cget("height")) != rows * step:
            canvas.configure(height=rows * step)
        size = step - self._window.theme.px(GAP)
        colours = self._colours()
        for start in range(0, len(cells), per):
            row, column = divmod(start // per, columns)
            # Of several variants in one cell the worst is shown, and an unfinished one before a finished one.
            state = _shown_state(cells[start : start + per])
            x, y = column * step, row * step
            canvas.create_rectangle(x, y, x + size, y + size, width=0, fill=colours[state])

    def _layout(self) -> tuple[int, int, int]:
        """Variants per cell, cells per row, pixels per cell."""
        step = self._window.theme.px(CELL + GAP)
        columns = max(1, self.strip.winfo_width() // step)
        room = columns * STRIP_ROWS
        return max(1, -(-len(self._view.cells) // room)), columns, step

    def _colours(self) -> dict[CellState, str]:
        palette = self._window.theme.palette
        return {
            CellState.WAITING: palette.border,
            CellState.WORKING: palette.accent,
            CellState.OK: palette.good,
            CellState.DEVIATES: palette.warning,
            CellState.FAILED: palette.bad,
            CellState.CANCELLED: palette.muted,
        }

    def _draw_preview(self) -> None:
        source: bytes | Path | None = self._view.preview
        if source is None and self._view.newest_image is not None:
            source = self._window.workspace.root / self._view.newest_image
        if source is None or source is self._preview_of or source == self._preview_of:
            return
        self._preview_of = source
        side = max(64, self.preview.winfo_width()), max(64, self.preview.winfo_height())
        self._window.jobs.start(lambda: load_preview(source, side), self._show_preview, key="preview")

    def _show_preview(self, image: Image.Image | None) -> None:
        if image is not None:
            self._photo = ImageTk.PhotoImage(image, master=self)
            self._place_photo()

    def _place_photo(self) -> None:
        self.preview.delete("all")
        if self._photo is not None:
            middle = self.preview.winfo_width() // 2, self.preview.winfo_height() // 2
            self.preview.create_image(*middle, image=self._photo)

    def _open_picture(self) -> None:
        if self._view.newest_image is not None:
            path = self._window.workspace.root / self._view.newest_image
            self._window.jobs.start(lambda: open_with_desktop(path))

    def _picture_menu(self) -> list[Entry]:
        newest, image = self._view.progress.newest, self._view.newest_image
        if newest is None or image is None:
            return []
        path = self._window.workspace.root / image
        return [
            ("Open the file", self._open_picture),
            ("Open in Review", lambda: self._opened(newest.variant.index)),
            ("Copy prompt", partial(copy, self, newest.variant.prompt)),
            ("Copy settings", lambda: self._window.jobs.start(lambda: read_parameters(path), partial(copy, self))),
        ]

    def _index_at(self, event: tkinter.Event[tkinter.Misc]) -> int | None:
        per, columns, step = self._layout()
        index = (event.y // step * columns + event.x // step) * per
        return index if event.x // step < columns and 0 <= index < len(self._view.cells) else None

    def _clicked(self, event: tkinter.Event[tkinter.Misc]) -> None:
        index = self._index_at(event)
        if index is not None:
            self._opened(index)

    def _hover(self, event: tkinter.Event[tkinter.Misc]) -> None:
        index = self._index_at(event)
        if index is not None and not self._view.progress.under_way:
            state = CellState(self._view.cells[index]).name.lower()
            self.under_way.configure(text=f"{self._name_of(index)}  {state}" + ("\n\n" if self._view.busy else ""))


def _shown_state(cells: bytes | bytearray) -> CellState:
    for state in (CellState.FAILED, CellState.WORKING, CellState.DEVIATES, CellState.CANCELLED, CellState.WAITING):
        if state in cells:
            return state
    return CellState.OK
