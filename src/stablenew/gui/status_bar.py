"""The line at the bottom: what goes on, what is recorded and where, and the switches of the whole window."""

from __future__ import annotations

import time
import tkinter
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

from stablenew.controller.progress_text import counts_text, eta_text
from stablenew.gui.events import BackendChanged, LearningSwitched, RecordWritten, ThemeChanged
from stablenew.gui.tabs.run_fold import RunView

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

TICK_MS = 500


class StatusBar(ttk.Frame):
    """A fold over the events into one line, with Learning Mode, the recent runs, and light or dark."""

    def __init__(self, master: tkinter.Misc, window: StableNewGUI) -> None:
        px = window.theme.px
        super().__init__(master, padding=(px(16), px(4)))
        self._window = window
        self._view = RunView()
        self._written = 0
        self._due = False
        self._backend: BackendChanged | None = None
        self._learning = tkinter.BooleanVar(self, bool(window.state.learning))
        self._recent = tkinter.BooleanVar(self, False)
        self.said = ttk.Label(self, style="Muted.TLabel")
        self.said.pack(side="left")
        self.theme_button = ttk.Button(self, bootstyle="ghost", command=self._toggle_theme, padding=(px(8), px(2)))
        self.theme_button.pack(side="right", padx=(px(8), 0))
        self.recent_button = ttk.Button(
            self, text="Recent runs", bootstyle="ghost", command=window.toggle_recent, padding=(px(8), px(2))
        )
        self.recent_button.pack(side="right", padx=(px(8), 0))
        self.learning_switch = ttk.Checkbutton(
            self,
            text="Learning Mode",
            variable=self._learning,
            bootstyle="round toggle",
            command=lambda: window.switch_learning(self._learning.get()),
        )
        self.learning_switch.pack(side="right")
        self.recorded = ttk.Label(self, style="Muted.TLabel")
        self.recorded.pack(side="right", padx=px(16))
        ttk.ToolTip(
            self.learning_switch,
            text="Keep one record per variant of every run from here on: prompt, settings, seed, seconds, pictures",
            delay=600,
        )
        ttk.ToolTip(self.recorded, text=f"Records lie in {window.workspace.records}", delay=600)
        self._show()

    @property
    def title(self) -> str:
        """The window's title, which a taskbar shows."""
        progress = self._view.progress
        return f"{progress.fraction:.0%} StableNew" if self._view.busy and progress.total else "StableNew"

    def handle(self, event: object) -> None:
        """Go on by one event."""
        if isinstance(event, BackendChanged):
            self._backend = event
        elif isinstance(event, LearningSwitched):
            self._learning.set(event.on)
        elif isinstance(event, RecordWritten):
            self._written += 1
        else:
            self._view.take(event)
        if isinstance(event, (BackendChanged, LearningSwitched, ThemeChanged)):
            self._show()
        else:
            self._show_soon()

    def _show_soon(self) -> None:
        if not self._due:
            self._due = True
            self.after(TICK_MS, self._ticked)

    def _ticked(self) -> None:
        self._due = False
        self._show()
        self._window.root.title(self.title)
        if self._view.busy:
            self._show_soon()

    def _show(self) -> None:
        self.said.configure(text=self._state_text())
        on = self._learning.get()
        written = f"{self._written:,} recorded since the start" if self._written else "one record per variant"
        lost = self._view.progress.lost_records
        text = f"{lost} RECORDS LOST" if lost else written if on else "nothing is recorded"
        self.recorded.configure(text=text, style="Bad.TLabel" if lost else "Muted.TLabel")
        self.theme_button.configure(text="Light" if self._window.theme.dark else "Dark")

    def _state_text(self) -> str:
        if self._view.busy:
            progress = self._view.progress
            word = "stopping" if self._view.state == "stopping" else "running"
            word += f" experiment {self._view.experiment}" if self._view.experiment else ""
            left = eta_text(progress, time.monotonic())
            return f"{word}  {counts_text(progress)}" + (f"  {left}" if left else "") if progress.total else word
        if self._backend is None:
            return "no backend"
        word = {"ready": "ready", "opening": "opening", "unavailable": "not available"}[self._backend.state]
        return f"{self._backend.choice.name}  {word}"

    def _toggle_theme(self) -> None:
        self._window.use_theme("light" if self._window.theme.dark else "dark")
