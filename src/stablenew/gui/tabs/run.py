"""Run: what is made, with what, and how far it is."""

from __future__ import annotations

import tkinter
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

from stablenew.controller.events import Progress, RecordLost, RunStarted, StepDone, VariantFinished, advance

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI


class RunTab(ttk.Frame):
    """Shows how far the run is."""

    def __init__(self, master: tkinter.Misc, window: StableNewGUI) -> None:
        px = window.theme.px
        super().__init__(master, padding=px(16))
        self.progress = Progress()
        self._bar = ttk.Progressbar(self, maximum=1.0)
        self._bar.pack(fill="x")

    def handle(self, event: object) -> None:
        if isinstance(event, (RunStarted, StepDone, VariantFinished, RecordLost)):
            self.progress = advance(self.progress, event)
            self._bar.configure(value=self.progress.fraction)
