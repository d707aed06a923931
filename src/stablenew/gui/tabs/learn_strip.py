"""A row of small pictures that stand for a statement; a double click opens one in Review."""

from __future__ import annotations

import tkinter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import ttkbootstrap as ttk
from PIL import Image, ImageTk

from stablenew.errors import InputError
from stablenew.gui.events import OpenRun
from stablenew.gui.pictures.decode import enlarged_to
from stablenew.gui.pictures.thumbnails import ThumbnailStore
from stablenew.gui.verdict_bar import stars
from stablenew.learning.record_index import RecordIndex

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

SIDE = 112
SHOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofPicture:
    """A picture of a record: where it lies in the workspace, its run, its stars."""

    record_id: str
    run_id: str
    path: str
    stars: float | None = None
    prompt: str = ""


def pictures_of(index: RecordIndex, record_ids: Sequence[str]) -> list[ProofPicture]:
    """The newest picture of each record; records that are gone are left out."""
    found = []
    for record_id in record_ids:
        try:
            record = index.get(record_id)
        except InputError:
            continue
        if record.outcome.images:
            found.append(
                ProofPicture(
                    record_id=record_id,
                    run_id=record.run.run_id,
                    path=record.outcome.images[-1].path,
                    stars=record.feedback.rating,
                    prompt=record.prompt.prompt,
                )
            )
    return found


class PictureStrip(ttk.Frame):
    """As many of the pictures as there is room for, of `SHOWN` at most."""

    def __init__(self, master: tkinter.Misc, window: StableNewGUI) -> None:
        super().__init__(master)
        self._window = window
        self._store = ThumbnailStore(window.workspace.thumbnails)
        self._side = window.theme.px(SIDE)
        self._photos: list[ImageTk.PhotoImage] = []
        self.pictures: tuple[ProofPicture, ...] = ()
        self.labels: list[tkinter.Canvas] = []
        self.bind("<Configure>", lambda _: self._fit())

    def ask(self, record_ids: Sequence[str]) -> None:
        """Show the pictures of these records."""
        wanted = tuple(record_ids[:SHOWN])
        self._window.library.ask(
            lambda index: pictures_of(index, wanted), self.show, failed=self._window.report, key=f"strip {self}"
        )

    def show(self, pictures: Sequence[ProofPicture]) -> None:
        """Show these pictures."""
        if not self.winfo_exists():
            return
        self.pictures = tuple(pictures[:SHOWN])
        paths = [self._window.workspace.root / each.path for each in self.pictures]
        self._window.jobs.start(
            lambda: [self._store.get(path, self._side).pixels for path in paths], self._draw, key=f"strip {self}"
        )

    def destroy(self) -> None:
        """The images go while their interpreter is there."""
        self._photos.clear()
        super().destroy()

    def _draw(self, found: list[Image.Image | None]) -> None:
        if not self.winfo_exists():
            return
        for label in self.labels:
            label.destroy()
        self.labels, self._photos = [], []
        px, palette, side = self._window.theme.px, self._window.theme.palette, self._side
        for picture, pixels in zip(self.pictures, found, strict=True):
            canvas = tkinter.Canvas(
                self, width=side, height=side + px(18), highlightthickness=px(1), borderwidth=0, takefocus=True
            )
            canvas.configure(
                background=palette.background, highlightbackground=palette.background, highlightcolor=palette.accent
            )
            self._fill(canvas, picture, pixels)
            for sequence in ("<Double-Button-1>", "<Return>"):
                canvas.bind(sequence, partial(self._open, picture))
            ttk.ToolTip(canvas, text=f"{picture.prompt}\nDouble-click: open it in Review", delay=600)
            self.labels.append(canvas)
        self.configure(height=side + px(24))
        self._fit()

    def _fit(self) -> None:
        """Show as many as the width holds whole."""
        step = self._side + self._window.theme.px(10)
        for place, label in enumerate(self.labels):
            if place and (place + 1) * step > self.winfo_width() > 1:
                label.place_forget()
            else:
                label.place(x=place * step, y=0)

    def _fill(self, canvas: tkinter.Canvas, picture: ProofPicture, pixels: Image.Image | None) -> None:
        palette, side = self._window.theme.palette, self._side
        if pixels is None:
            canvas.create_text(side // 2, side // 2, text="the file is gone", fill=palette.muted, width=side)
        else:
            photo = ImageTk.PhotoImage(enlarged_to(pixels, side), master=self)
            self._photos.append(photo)
            canvas.create_image(side // 2, side // 2, image=photo)
        bottom = side + self._window.theme.px(16)
        canvas.create_text(side // 2, bottom, anchor="s", text=stars(picture.stars), fill=palette.warning)

    def _open(self, picture: ProofPicture, _: object) -> None:
        self._window.send(OpenRun(run_id=picture.run_id, record_id=picture.record_id))
