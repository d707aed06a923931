"""Run: what is made, with what, and how far it is. Its parts lie beside it in `run_*.py`; this puts them together."""

from __future__ import annotations

import tkinter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import ttkbootstrap as ttk

from stablenew.config import (
    PipelineConfig,
    check_config,
    declared_settings,
    parse_value,
    replace_settings,
)
from stablenew.controller.events import ExperimentAdvanced
from stablenew.errors import InputError
from stablenew.gui.card import Card
from stablenew.gui.events import (
    BackendChanged,
    FilesDropped,
    LearningSwitched,
    OpenRun,
    ProposeSettings,
    ResumeRun,
    ThemeChanged,
)
from stablenew.gui.scrolling import ScrollArea
from stablenew.gui.tabs.run_axes import Axes, AxesEditor
from stablenew.gui.tabs.run_backend import BackendPanel
from stablenew.gui.tabs.run_controls import RunControls
from stablenew.gui.tabs.run_fold import RunLog, RunView
from stablenew.gui.tabs.run_launch import Planned, listed_packs, pack_settings, plan_wish
from stablenew.gui.tabs.run_log import LogPanel
from stablenew.gui.tabs.run_orders import RunOrders
from stablenew.gui.tabs.run_packs import PackPanel, demo_pack
from stablenew.gui.tabs.run_presets import PresetBar
from stablenew.gui.tabs.run_progress import ProgressPanel
from stablenew.gui.tabs.run_stages import StageCards
from stablenew.learning.infotext import value_text
from stablenew.run_request import Wish

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

KEY = "run"
PACK_SUFFIXES = frozenset({".txt", ".tsv", ".csv"})
PLAN_AFTER_MS = 250
"""So long after the last edit the estimate is made anew."""


class RunTab(ttk.Frame):
    """The tab. What stands in it is a `Wish`; `orders` do what its buttons say."""

    def __init__(self, master: tkinter.Misc, window: StableNewGUI) -> None:
        super().__init__(master)
        self.window = window
        self.view, self.log = RunView(), RunLog()
        self.base = PipelineConfig()
        self.planned: Planned | None = None
        self._slots: tuple[str, ...] = ()
        self._planning: str | None = None
        self._filling = True
        self.orders = RunOrders(self)
        self._lay_out()
        self._recall()
        self._filling = False
        self._packs_changed()
        self.orders.offer_unfinished()

    def handle(self, event: object) -> None:
        """Go on by one event."""
        self.backend.handle(event)
        if isinstance(event, BackendChanged):
            self._backend_changed(event)
        elif isinstance(event, ThemeChanged):
            for part in (self.packs, self.log_panel, self.progress, self.area):
                part.recolour()
        elif isinstance(event, FilesDropped):
            self.take_files(event.paths)
        elif isinstance(event, LearningSwitched):
            self.controls.show_learning(event.on)
        elif isinstance(event, ProposeSettings):
            self.orders.show_proposal(event)
        elif isinstance(event, ResumeRun):
            self.orders.resume(event.run_id)
        elif isinstance(event, ExperimentAdvanced):
            self.orders.running = None  # its variants are no plan of this tab
        self._follow(event)

    def wish(self) -> Wish:
        """What stands in the tab."""
        axes = self.axes.axes
        return Wish(
            packs=self.packs.chosen,
            settings=self.stages.changes,
            vary=axes.vary,
            vary_together=axes.vary_together,
            skip=axes.skip,
            seeds=axes.seeds,
            limit=axes.limit,
            mode=axes.mode,
            pause_before=self.controls.pause_before,
            no_learning=not self.window.state.learning,
        )

    @property
    def problems(self) -> list[str]:
        """What keeps the run from starting, in words."""
        found = [*self.stages.problems, *self.axes.problems]
        if not found:
            try:
                check_config(self.settings())
            except InputError as exc:
                found.append(str(exc))
        return found

    def settings(self) -> PipelineConfig:
        """The settings as they stand, with what the packs bring along."""
        return replace_settings(self.base, self.stages.changes)

    def take_settings(self, changes: Mapping[str, Any]) -> None:
        """Set these (typed, by path) on top of what is set."""
        self.stages.take_changes({**self.stages.changes, **changes})
        self._edited()

    def take_files(self, paths: tuple[Path, ...]) -> None:
        """Packs among these go into the list; of the first picture the settings are shown."""
        packs = [path for path in paths if path.suffix.casefold() in PACK_SUFFIXES]
        pictures = [path for path in paths if path not in packs and path.is_file()]
        if packs:
            self.packs.add(packs)
        if pictures:
            self.orders.propose_picture(pictures[0])

    def name_of(self, index: int) -> str:
        """A variant of the run in a few words."""
        plan = self.orders.running
        if plan is None or index >= plan.count:
            return f"variant {index + 1}"
        variant = plan.variant(index)
        axes = ", ".join(f"{name.rpartition('.')[2]} {value_text(value)}" for name, value in variant.axes.items())
        text = axes or variant.prompt
        return f"{index + 1}: {text if len(text) <= 48 else text[:45] + '...'}"

    def say(self, text: str) -> None:
        """A line of the log that is no event."""
        self.log_panel.add(self.log.say("info", text))

    def mark_done(self, run_id: str, indices: Iterable[int]) -> None:
        """Show these variants of the run as made before, if it is still the one that is shown."""
        if run_id == self.view.progress.run_id:
            self.view.mark_done(indices)
            self.progress.touch()

    def remember(self) -> None:
        """Keep what stands in the tab for the next start."""
        self.window.remember(
            KEY,
            {
                "packs": [str(path) for path in self.packs.known],
                "chosen": [str(path) for path in self.packs.chosen],
                "settings": msgspec.to_builtins(self.stages.changes),
                "axes": msgspec.to_builtins(self.axes.axes),
                "pause_before": self.controls.pause_before,
                "sashes": [self.panes.sashpos(number) for number in range(2)],
            },
        )

    def replan(self) -> None:
        """Make the plan and its estimate anew, soon."""
        if self._planning is not None:
            self.after_cancel(self._planning)
        self._planning = self.after(PLAN_AFTER_MS, self._plan)

    def _lay_out(self) -> None:
        px = self.window.theme.px
        self.presets = PresetBar(self, self.window, self.orders.for_presets())
        self.presets.pack(fill="x", padx=px(16), pady=(px(12), px(8)))
        ttk.Separator(self).pack(fill="x")
        self.panes = ttk.Panedwindow(self, orient="horizontal")
        self.panes.pack(fill="both", expand=True)
        left, right = ttk.Frame(self.panes, padding=px(16)), ttk.Frame(self.panes, padding=px(16))
        self.area = area = ScrollArea(self.panes, self.window.theme)
        middle = ttk.Frame(area.body, padding=px(16))
        middle.pack(fill="both", expand=True)
        for pane, weight in ((left, 3), (area, 5), (right, 4)):
            self.panes.add(pane, weight=weight)
        self.backend = BackendPanel(left, self.window)
        self.backend.pack(fill="x", pady=(0, px(12)))
        self.packs = PackPanel(left, self.window, self._packs_changed)
        self.packs.pack(fill="both", expand=True)
        self.stages = StageCards(middle, self.window.theme, self._edited)
        self.stages.pack(fill="x")
        variants = Card(middle, self.window.theme, "Variants")
        variants.pack(fill="x")
        self.axes = AxesEditor(variants.body, self.window.theme, self._edited)
        self.axes.pack(fill="x")
        self.controls = RunControls(right, self)
        self.controls.pack(fill="x", pady=(0, px(8)))
        self.progress = ProgressPanel(right, self.window, self.view, self.name_of, self._open_variant)
        self.progress.pack(fill="both", expand=True)
        self.log_panel = LogPanel(right, self.window.theme, self.log)
        self.log_panel.pack(fill="both", expand=True, pady=(px(8), 0))
        self.panes.bind("<ButtonRelease-1>", lambda _: self.remember())
        self.panes.bind("<Map>", lambda _: self.after_idle(self._place_sashes))

    def _place_sashes(self) -> None:
        self.panes.unbind("<Map>")
        sashes = self.window.recall(KEY).get("sashes")
        width = self.panes.winfo_width()
        if not (isinstance(sashes, list) and len(sashes) == 2 and 0 < sashes[0] < sashes[1] < width):
            sashes = [round(width * 0.25), round(width * 0.67)]
        for number, place in enumerate(sashes):
            self.panes.sashpos(number, place)

    def _recall(self) -> None:
        memory = self.window.recall(KEY)
        demo = [path for path in (demo_pack(),) if path is not None]
        known = [Path(path) for path in memory.get("packs", ())] or demo
        known += [path for path in listed_packs(self.window.workspace) if path not in known]
        self.packs.fill(known, [Path(path) for path in memory.get("chosen", ())])
        self.stages.take_changes(_typed(memory.get("settings", {})))
        try:
            self.axes.take(msgspec.convert(memory.get("axes", {}), Axes))
        except msgspec.ValidationError:
            self.axes.take(Axes())
        self.controls.pause(memory.get("pause_before"))

    def _packs_changed(self) -> None:
        if self._filling:
            return
        paths = self.packs.chosen
        self.window.jobs.start(
            lambda: pack_settings(paths, self.window.workspace),
            self._take_base,
            failed=self._no_base,
            key="pack settings",
        )
        self._edited()

    def _take_base(self, found: tuple[PipelineConfig, tuple[str, ...]]) -> None:
        self.base, self._slots = found
        self.stages.take_base(self.base)
        backend = self.window.backend
        self.axes.show(backend.capabilities if backend else None, self._slots)
        self.replan()

    def _no_base(self, exc: Exception) -> None:
        if not isinstance(exc, InputError):
            self.window.report(exc)
            return
        self._take_base((PipelineConfig(), ()))
        self.controls.show_problem(str(exc))

    def _edited(self) -> None:
        if not self._filling:
            self.remember()
            self.replan()

    def _plan(self) -> None:
        self._planning = None
        problems = self.problems
        if problems or not self.packs.chosen:
            self.window.jobs.drop("plan")
            self.planned = None
            self.controls.show_problem(problems[0] if problems else "")
            return
        wish, workspace, backend = self.wish(), self.window.workspace, self.window.backend
        name, can = (backend.choice.name, backend.capabilities) if backend else ("", None)
        self.window.jobs.start(
            lambda: plan_wish(wish, workspace, name, can), self._take_plan, failed=self._no_plan, key="plan"
        )

    def _take_plan(self, planned: Planned) -> None:
        self.planned = planned
        self.controls.show_estimate(planned)

    def _no_plan(self, exc: Exception) -> None:
        self.planned = None
        if isinstance(exc, InputError):
            self.controls.show_problem(str(exc))
        else:
            self.window.report(exc)

    def _backend_changed(self, event: BackendChanged) -> None:
        self.stages.show(event.capabilities)
        self.axes.show(event.capabilities, self._slots)
        if event.state != "opening":
            self.orders.backend_answered(event)
            self.replan()
        self.window.remember(KEY, {"backend": msgspec.to_builtins(event.choice)})

    def _follow(self, event: object) -> None:
        before = self.view.revision
        self.view.take(event)
        self.log_panel.add(self.log.take(event))
        if self.view.revision != before:
            self.progress.touch()
            self.controls.follow(self.view)
            self.backend.lock(self.view.busy)
            self.orders.follow(event)

    def _open_variant(self, index: int) -> None:
        if self.view.progress.run_id:
            self.window.send(OpenRun(run_id=self.view.progress.run_id, record_id=self.view.records.get(index)))


def _typed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Remembered settings with their own types again; what is not allowed any more is left out."""
    declared = declared_settings()
    found: dict[str, Any] = {}
    for path, value in settings.items():
        if path in declared:
            try:
                found[path] = parse_value(declared[path], value)
            except InputError:
                continue
    return found
