"""The buttons that start and stop a run, with what it will cost above them."""

from __future__ import annotations

import tkinter
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

from stablenew.config import STAGES, StageName
from stablenew.gui.tabs.run_fold import RunView
from stablenew.gui.tabs.run_launch import Planned
from stablenew.pipeline.cost import describe, is_large

if TYPE_CHECKING:
    from stablenew.gui.tabs.run import RunTab

NEVER = "no stage"


class RunControls(ttk.Frame):
    """Run, Stop, pause before a stage, and the estimate."""

    def __init__(self, master: tkinter.Misc, tab: RunTab) -> None:
        px = tab.window.theme.px
        super().__init__(master)
        self._tab = tab
        self._pause = tkinter.StringVar(self, NEVER)
        row = ttk.Frame(self)
        row.pack(fill="x")
        self.run = ttk.Button(row, text="Run Full Pipeline", bootstyle="primary", command=tab.orders.run)
        self.run.pack(side="left", fill="x", expand=True)
        self.stop = ttk.Button(row, text="Stop", width=9, state="disabled", command=tab.orders.stop)
        self.stop.pack(side="left", padx=(px(8), 0))
        ttk.ToolTip(self.run, text="F5", delay=600)
        ttk.ToolTip(self.stop, text="Shift+F5. Once: after the picture being made; again: inside it", delay=600)
        second = ttk.Frame(self)
        second.pack(fill="x", pady=(px(8), 0))
        ttk.Label(second, text="pause before", style="Muted.TLabel").pack(side="left", padx=(0, px(8)))
        self.pause_field = ttk.Combobox(
            second, textvariable=self._pause, values=(NEVER, *STAGES[1:]), state="readonly", width=10
        )
        self.pause_field.pack(side="left")
        self.pause_field.bind("<<ComboboxSelected>>", lambda _: self._paused())
        self._learning = ttk.Label(second, style="Muted.TLabel")
        self._learning.pack(side="right")
        self.estimate = ttk.Label(self, text="", justify="left", anchor="w")
        self.estimate.pack(fill="x", pady=(px(8), 0))
        self.bind("<Configure>", lambda event: self.estimate.configure(wraplength=max(160, event.width - px(8))))
        self.show_problem("")
        self.show_learning(bool(tab.window.state.learning))

    @property
    def pause_before(self) -> StageName | None:
        """The stage to pause before; None: run all of them."""
        return next((stage for stage in STAGES if stage == self._pause.get()), None)

    def pause(self, stage: object) -> None:
        """Show this stage as the one to pause before."""
        self._pause.set(stage if isinstance(stage, str) and stage in STAGES else NEVER)

    def show_estimate(self, planned: Planned) -> None:
        """Say what the run will cost."""
        self._may_run = True
        total, count = planned.plan.total, planned.plan.count
        part = f" (a balanced part of {total:,})" if count < total else ""
        large = is_large(planned.estimate)
        said = f"{count:,} variant{'' if count == 1 else 's'}{part}: {describe(planned.estimate)}"
        self.estimate.configure(text=said, style="Warning.TLabel" if large else "TLabel")
        self._arrange()

    def show_problem(self, problem: str) -> None:
        """Say why no run can start; "" is that no pack is chosen."""
        self._may_run = False
        text = problem or "Choose a pack to run."
        self.estimate.configure(text=text, style="Bad.TLabel" if problem else "Muted.TLabel")
        self._arrange()

    def show_learning(self, on: bool) -> None:
        """Say whether the run will be recorded."""
        self._learning.configure(text="records kept" if on else "no records")

    def follow(self, view: RunView) -> None:
        """Show what can be pressed now."""
        self._arrange()

    def _arrange(self) -> None:
        view = self._tab.view
        self.run.configure(state="normal" if self._may_run and not view.busy else "disabled")
        self.stop.configure(
            state="normal" if view.busy else "disabled",
            text="Stop now" if view.state == "stopping" else "Stop",
            bootstyle="danger" if view.state == "stopping" else "neutral",
        )

    def _paused(self) -> None:
        self._tab.remember()
        self._tab.replan()
