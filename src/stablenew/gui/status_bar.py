"""The line at the bottom: what goes on, Learning Mode, and light or dark."""

from __future__ import annotations

import tkinter
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

from stablenew.controller.events import Progress, advance
from stablenew.gui.events import BackendChanged, LearningSwitched, ThemeChanged

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI


class StatusBar(ttk.Frame):
    """A fold over the events into one line of text, and the switches of the whole window."""

    def __init__(self, master: tkinter.Misc, window: StableNewGUI) -> None:
        px = window.theme.px
        super().__init__(master, padding=(px(16), px(4)))
        self._window = window
        self._progress = Progress()
        self._backend = "no backend"
        self._said = ttk.Label(self, style="Muted.TLabel")
        self._said.pack(side="left", fill="x", expand=True)
        self._learning = tkinter.BooleanVar(self, bool(window.state.learning))
        self._theme = ttk.Button(self, bootstyle="ghost", command=self._toggle_theme)
        self._theme.pack(side="right", padx=(px(8), 0))
        ttk.Checkbutton(
            self,
            text="Learning Mode",
            variable=self._learning,
            bootstyle="round toggle",
            command=lambda: window.switch_learning(self._learning.get()),
        ).pack(side="right")
        self._show()

    @property
    def title(self) -> str:
        """The window's title."""
        return "StableNew"

    def handle(self, event: object) -> None:
        if isinstance(event, BackendChanged):
            self._backend = f"{event.choice.name}: {event.problem or event.state}"
        elif isinstance(event, LearningSwitched):
            self._learning.set(event.on)
        elif not isinstance(event, ThemeChanged):
            self._progress = advance(self._progress, event)  # type: ignore[arg-type]
        self._show()

    def _show(self) -> None:
        self._said.configure(text=self._backend)
        self._theme.configure(text="Light" if self._window.theme.dark else "Dark")

    def _toggle_theme(self) -> None:
        self._window.use_theme("light" if self._window.theme.dark else "dark")
