"""What the window has to say to the person: one line at the top, with what can be done about it as buttons."""

from __future__ import annotations

import tkinter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import ttkbootstrap as ttk

from stablenew.gui.theme import Theme

Severity = Literal["info", "good", "warning", "bad"]
MAX_SHOWN = 4
_LABELS: dict[Severity, str] = {
    "info": "Accent.TLabel",
    "good": "Good.TLabel",
    "warning": "Warning.TLabel",
    "bad": "Bad.TLabel",
}
_SIGNS: dict[Severity, str] = {"info": "●", "good": "✓", "warning": "▲", "bad": "✕"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A button on a notice; the notice goes when it is pressed."""

    label: str
    do: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to say. A later notice of the same `key` takes its place; `detail` can be copied."""

    text: str
    severity: Severity = "info"
    actions: tuple[Action, ...] = ()
    key: str = ""
    detail: str = ""


class NoticeBar(ttk.Frame):
    """The notices that nobody has put away yet, newest first; takes no room when there are none."""

    def __init__(self, master: tkinter.Misc, theme: Theme) -> None:
        super().__init__(master)
        self._theme = theme
        self._rows: list[tuple[Notice, ttk.Frame]] = []
        self.bind("<Configure>", self._wrap)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What is shown, newest first."""
        return tuple(notice for notice, _ in self._rows)

    def show(self, notice: Notice) -> None:
        """Put `notice` on top."""
        if notice.key:
            self.drop(notice.key)
        row = self._row(notice)
        self._rows.insert(0, (notice, row))
        for _, old in self._rows[MAX_SHOWN:]:
            old.destroy()
        del self._rows[MAX_SHOWN:]
        self._arrange()

    def drop(self, key: str) -> None:
        """Put away the notice of that key, if it is there."""
        for entry in [entry for entry in self._rows if entry[0].key == key]:
            self._remove(entry)

    def _row(self, notice: Notice) -> ttk.Frame:
        px = self._theme.px
        row = ttk.Frame(self, padding=(px(16), px(6), px(8), px(6)))
        ttk.Label(row, text=_SIGNS[notice.severity], style=_LABELS[notice.severity]).pack(side="left", anchor="n")
        close = ttk.Button(row, text="✕", bootstyle="ghost", width=2)
        close.configure(command=lambda: self._put_away(notice))
        close.pack(side="right", anchor="n")
        if notice.detail:
            ttk.Button(row, text="Copy details", command=lambda: self._copy(notice.detail)).pack(
                side="right", padx=px(4)
            )
        for action in reversed(notice.actions):
            ttk.Button(row, text=action.label, command=lambda action=action: self._press(notice, action)).pack(
                side="right", padx=px(4)
            )
        text = ttk.Label(row, text=notice.text, justify="left")
        text.pack(side="left", fill="x", expand=True, padx=px(8))
        ttk.Separator(row).place(relx=0, rely=1.0, relwidth=1, anchor="sw")
        return row

    def _press(self, notice: Notice, action: Action) -> None:
        self._put_away(notice)
        action.do()

    def _put_away(self, notice: Notice) -> None:
        for entry in [entry for entry in self._rows if entry[0] is notice]:
            self._remove(entry)

    def _remove(self, entry: tuple[Notice, ttk.Frame]) -> None:
        self._rows.remove(entry)
        entry[1].destroy()
        self._arrange()

    def _arrange(self) -> None:
        for _, row in self._rows:
            row.pack_forget()
        for _, row in self._rows:
            row.pack(fill="x")
        if not self._rows:
            self.configure(height=1)

    def _copy(self, text: str) -> None:
        self.clipboard_clear()
        self.clipboard_append(text)

    def _wrap(self, event: tkinter.Event[tkinter.Misc]) -> None:
        for _, row in self._rows:
            buttons = sum(child.winfo_reqwidth() for child in row.winfo_children() if isinstance(child, ttk.Button))
            for child in row.winfo_children():
                if isinstance(child, ttk.Label) and child.cget("text") not in _SIGNS.values():
                    child.configure(wraplength=max(200, event.width - buttons - self._theme.px(96)))
