"""The log of the Run tab, with its filter."""

from __future__ import annotations

import tkinter

import ttkbootstrap as ttk

from stablenew.gui.scrolling import scrolled
from stablenew.gui.tabs.run_fold import LogLine, RunLog, passes
from stablenew.gui.theme import Theme

SHOWN = 1_000
"""So many lines are in the widget at once: the newest that pass the filter."""


class LogPanel(ttk.Frame):
    """Shows a RunLog."""

    def __init__(self, master: tkinter.Misc, theme: Theme, log: RunLog) -> None:
        px = theme.px
        super().__init__(master)
        self._theme, self._log = theme, log
        self._problems, self._words = tkinter.BooleanVar(self), tkinter.StringVar(self)
        head = ttk.Frame(self)
        head.pack(fill="x", pady=(0, px(4)))
        ttk.Label(head, text="Log", style="Heading.TLabel").pack(side="left")
        self.filter_field = ttk.Entry(head, textvariable=self._words, width=18)
        self.filter_field.pack(side="right")
        ttk.ToolTip(self.filter_field, text="Only lines with these words", delay=600)
        ttk.Label(head, text="filter", style="Muted.TLabel").pack(side="right", padx=(px(8), px(4)))
        self.problems_box = ttk.Checkbutton(head, text="problems only", variable=self._problems, command=self._refill)
        self.problems_box.pack(side="right")
        self._words.trace_add("write", lambda *_: self._refill())
        body = ttk.Frame(self)
        body.pack(fill="both", expand=True)
        self.text = ttk.Text(
            body, height=6, width=20, wrap="word", state="disabled", takefocus=True, font="StableNewSmall"
        )
        scrolled(self.text)
        self._following = True
        for sequence in ("<MouseWheel>", "<Button-4>", "<Button-5>", "<Key>", "<ButtonRelease-1>"):
            self.text.bind(sequence, lambda _: self.after_idle(self._look_where))
        self.text.bind("<Configure>", lambda _: self.after_idle(self._follow))
        self.recolour()

    @property
    def shown(self) -> list[str]:
        """The lines in the widget."""
        return self.text.get("1.0", "end-1c").splitlines()

    def add(self, line: LogLine | None) -> None:
        """Show a new line of the log, if the filter lets it through."""
        if line is not None and self._passes(line):
            self._insert([line])

    def recolour(self) -> None:
        """Take the theme's colours."""
        palette = self._theme.palette
        for tag, colour in (("bad", palette.bad), ("warning", palette.warning), ("clock", palette.muted)):
            self.text.tag_configure(tag, foreground=colour)

    def _passes(self, line: LogLine) -> bool:
        return passes(line, self._problems.get(), self._words.get())

    def _refill(self) -> None:
        self.text.configure(state="normal")
        self.text.delete("1.0", "end")
        self.text.configure(state="disabled")
        self._insert([line for line in self._log.lines if self._passes(line)][-SHOWN:])

    def _insert(self, lines: list[LogLine]) -> None:
        self.text.configure(state="normal")
        for line in lines:
            start = "" if self.text.index("end-1c") == "1.0" else "\n"
            self.text.insert("end", f"{start}{line.clock}  ", ("clock",), line.text, (line.severity,))
        surplus = int(self.text.index("end-1c").partition(".")[0]) - SHOWN
        if surplus > 0:
            self.text.delete("1.0", f"{surplus + 1}.0")
        self.text.configure(state="disabled")
        self._follow()

    def _look_where(self) -> None:
        """Follow the newest line only while the person has not scrolled away from it."""
        self._following = self.text.yview()[1] >= 0.999

    def _follow(self) -> None:
        if self._following:
            self.text.yview_moveto(1.0)
