"""Design an experiment: from what, which settings against which, on which prompts, and what that will cost."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ttkbootstrap as ttk

from stablenew.errors import InputError, InvalidPlan
from stablenew.gui.scrolling import ScrollArea
from stablenew.gui.tabs.learn_draft import DEFAULT_PROMPTS, DEFAULT_SEEDS, Designed, Draft, design_experiment
from stablenew.gui.tabs.learn_parts import Halves, add_heading, add_text
from stablenew.gui.tabs.learn_prompts import PackChoice
from stablenew.gui.tabs.learn_values import ValuesEditor
from stablenew.gui.tabs.learn_words import baseline_text, cell_text, cost_text, counted, shared_settings
from stablenew.pipeline.cost import is_large
from stablenew.pipeline.presets import list_presets

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

CURRENT = "the settings in Run"
CROSSED, ALONE = "every combination", "each value alone, against the baseline"
DESIGN_AFTER_MS = 250


class DesignPage(ttk.Frame):
    """The designer. `start` is told a design to run at once, `keep` one to store for later."""

    def __init__(
        self,
        master: tkinter.Misc,
        window: StableNewGUI,
        start: Callable[[Designed], None],
        keep: Callable[[Designed], None],
        edited: Callable[[], None],
    ) -> None:
        super().__init__(master)
        self._window, self._start, self._keep, self._told = window, start, keep, edited
        self.designed: Designed | None = None
        self._cells: tuple[Mapping[str, Any], ...] = ()
        self._due: str | None = None
        self._busy = False
        self._filling = True
        self._variables()
        self.panes = Halves(self, 0.52)
        self.panes.pack(fill="both", expand=True)
        self.area = ScrollArea(self.panes, window.theme)
        self._lay_out_left(self.area.body)
        right = ttk.Frame(self.panes, padding=window.theme.px(16))
        self._lay_out_right(right)
        self.panes.add(self.area, weight=1)
        self.panes.add(right, weight=1)
        self.bind("<Map>", lambda _: self.refresh())
        self._filling = False

    # What the tab says.

    def take(self, memory: Mapping[str, Any]) -> None:
        """Show what was remembered."""
        self._filling = True
        values = memory.get("values")
        self.values.take(values if isinstance(values, dict) else {})
        self._design.set(ALONE if memory.get("design") == "one-at-a-time" else CROSSED)
        self._with_baseline.set(bool(memory.get("with_baseline", True)))
        for name, variable, otherwise in (
            ("prompts", self._prompts, DEFAULT_PROMPTS),
            ("seeds", self._seeds, DEFAULT_SEEDS),
            ("budget", self._budget, None),
        ):
            value = memory.get(name, otherwise)
            variable.set("" if value is None else str(value))
        self._filling = False

    def memory(self) -> dict[str, Any]:
        """What is to be remembered."""
        draft = self.draft()
        return {
            "values": dict(draft.values),
            "design": draft.design,
            "with_baseline": draft.with_baseline,
            "prompts": draft.prompts,
            "seeds": draft.seeds,
            "budget": draft.budget,
            "packs": [str(path) for path in draft.packs],
        }

    def take_cells(self, cells: Sequence[Mapping[str, Any]]) -> None:
        """Try exactly these settings, in place of the settings under test."""
        self._cells = tuple(cells)
        self._arrange_cells()
        self._edited()

    def show_backend(self) -> None:
        """The backend is another, or answered."""
        self.values.show(self._window.capabilities)
        self._edited()

    def show_busy(self, busy: bool) -> None:
        """A run is under way, or not any more."""
        self._busy = busy
        self._arrange_buttons()

    def refresh(self) -> None:
        """The settings in Run, packs and presets may be others now."""
        workspace = self._window.workspace
        self._window.jobs.start(lambda: list_presets(workspace), self._offer_presets, key="learn presets")
        self.packs.refresh()
        self._edited()

    def draft(self) -> Draft:
        """What stands in the page."""
        base = self._base.get()
        return Draft(
            current=self._window.run_settings(),
            preset=None if base == CURRENT else base.removeprefix("preset "),
            values=self.values.values,
            cells=self._cells,
            design="one-at-a-time" if self._design.get() == ALONE else "crossed",
            with_baseline=self._with_baseline.get(),
            packs=self.packs.chosen,
            prompts=_number(self._prompts.get()),
            seeds=_number(self._seeds.get()) or 1,
            budget=_number(self._budget.get()),
            note=self._note.get().strip(),
        )

    # Parts.

    def _variables(self) -> None:
        self._base = tkinter.StringVar(self, CURRENT)
        self._design = tkinter.StringVar(self, CROSSED)
        self._with_baseline = tkinter.BooleanVar(self, True)
        self._prompts = tkinter.StringVar(self, str(DEFAULT_PROMPTS))
        self._seeds = tkinter.StringVar(self, str(DEFAULT_SEEDS))
        self._budget, self._note = tkinter.StringVar(self), tkinter.StringVar(self)
        every = (self._base, self._design, self._with_baseline, self._prompts, self._seeds, self._budget, self._note)
        for variable in every:
            variable.trace_add("write", lambda *_: self._edited())

    def _lay_out_left(self, master: ttk.Frame) -> None:
        theme, px = self._window.theme, self._window.theme.px
        body = ttk.Frame(master, padding=px(16))
        body.pack(fill="both", expand=True)
        add_heading(body, theme, "Start from", first=True)
        row = ttk.Frame(body)
        row.pack(fill="x")
        self.base_field = ttk.Combobox(row, textvariable=self._base, values=(CURRENT,), state="readonly", width=28)
        self.base_field.pack(side="left")
        self._base_text = add_text(body, theme, style="SmallMuted.TLabel")
        add_heading(body, theme, "Settings under test")
        self._tests = ttk.Frame(body)
        self._tests.pack(fill="x")
        self.values = ValuesEditor(self._tests, self._window.theme, self._edited)
        self.values.pack(fill="x")
        self._listed = ttk.Frame(self._tests)
        self._designs = ttk.Frame(body)
        self._designs.pack(fill="x")
        add_heading(self._designs, theme, "Try")
        for text in (CROSSED, ALONE):
            button = ttk.Radiobutton(self._designs, text=text, value=text, variable=self._design)
            button.pack(anchor="w", pady=px(2))
        self.baseline_box = ttk.Checkbutton(
            self._designs, text="and the baseline, where it is none of them", variable=self._with_baseline
        )
        self.baseline_box.pack(anchor="w", pady=px(2))

    def _lay_out_right(self, body: ttk.Frame) -> None:
        px = self._window.theme.px
        foot = ttk.Frame(body)
        foot.pack(side="bottom", fill="x", pady=(px(12), 0))
        self.estimate = add_text(foot, self._window.theme)
        self.estimate.pack_configure(pady=(0, px(8)))
        self.start_button = ttk.Button(foot, text="Start experiment", bootstyle="primary", command=self._press_start)
        self.start_button.pack(side="left", fill="x", expand=True)
        self.keep_button = ttk.Button(foot, text="Keep for later", command=self._press_keep)
        self.keep_button.pack(side="left", padx=(px(8), 0))
        fields = ttk.Frame(body)
        fields.pack(side="bottom", fill="x", pady=(px(12), 0))
        self._lay_out_fields(fields)
        self.packs = PackChoice(body, self._window, self._edited)
        self.packs.pack(fill="both", expand=True)

    def _lay_out_fields(self, fields: ttk.Frame) -> None:
        px = self._window.theme.px
        asked = (
            ("prompts at most", self._prompts, "A balanced choice of so many; empty: every one the packs give"),
            ("seeds of each", self._seeds, "Every cell gets the same prompts with the same seeds"),
            ("pictures at most", self._budget, "Leaves out seeds first, then prompts, then cells; empty: no limit"),
        )
        for row, (text, variable, tip) in enumerate(asked):
            label = ttk.Label(fields, text=text)
            label.grid(row=row, column=0, sticky="w", pady=px(2), padx=(0, px(12)))
            field = ttk.Spinbox(fields, textvariable=variable, from_=1, to=1_000_000, increment=1, width=8)
            field.grid(row=row, column=1, sticky="w", pady=px(2))
            for each in (label, field):
                ttk.ToolTip(each, text=tip, delay=600)
        ttk.Label(fields, text="what you want to know").grid(row=3, column=0, sticky="w", padx=(0, px(12)))
        ttk.Entry(fields, textvariable=self._note).grid(row=3, column=1, sticky="ew", pady=px(2))
        fields.columnconfigure(1, weight=1)

    # What the person does.

    def _edited(self) -> None:
        if self._filling:
            return
        self._told()
        self._design_anew()

    def _design_anew(self) -> None:
        """What was designed holds no longer, and cannot be started; what stands here now is designed soon."""
        self.designed = None
        self._window.jobs.drop("design")
        self._arrange_buttons()
        if self._due is not None:
            self.after_cancel(self._due)
        self._due = self.after(DESIGN_AFTER_MS, self._design_soon)

    def _design_soon(self) -> None:
        self._due = None
        draft, window = self.draft(), self._window
        self._show_baseline(draft)
        problems = self.values.problems
        if problems and not draft.cells:
            self._show_problem(problems[0], bad=True)
            return
        backend = window.backend
        name, can = (backend.choice.name, backend.capabilities) if backend else ("", None)
        window.jobs.start(
            lambda: design_experiment(draft, window.workspace, name, can),
            self._take_design,
            failed=self._no_design,
            key="design",
        )

    def _take_design(self, designed: Designed) -> None:
        self.designed = designed
        self._base_text.configure(text=baseline_text(designed.plan.baseline))
        large = is_large(designed.estimate)
        self.estimate.configure(text=cost_text(designed), style="Warning.TLabel" if large else "TLabel")
        self._arrange_buttons()

    def _no_design(self, exc: Exception) -> None:
        if not isinstance(exc, InputError):
            self._window.report(exc)
        self._show_problem(str(exc), bad=isinstance(exc, InvalidPlan))

    def _show_problem(self, text: str, *, bad: bool) -> None:
        self.designed = None
        self.estimate.configure(text=text, style="Bad.TLabel" if bad else "Muted.TLabel")
        self._arrange_buttons()

    def _show_baseline(self, draft: Draft) -> None:
        if draft.preset is None:
            self._base_text.configure(text=baseline_text(draft.current))
        alone = draft.design == "one-at-a-time"
        self.baseline_box.configure(state="disabled" if alone else "normal")

    def _arrange_buttons(self) -> None:
        able = self.designed is not None
        self.start_button.configure(state="normal" if able and not self._busy else "disabled")
        self.keep_button.configure(state="normal" if able else "disabled")

    def _arrange_cells(self) -> None:
        px = self._window.theme.px
        for child in self._listed.winfo_children():
            child.destroy()
        if not self._cells:
            self._listed.pack_forget()
            self.values.pack(fill="x")
            self._designs.pack(fill="x")
            return
        self.values.pack_forget()
        self._designs.pack_forget()
        self._listed.pack(fill="x")
        number = len(self._cells)
        said = f"{counted(number, 'combination')} that would change the advice most, the best known first:"
        add_text(self._listed, self._window.theme, said)
        alike = shared_settings(self._cells) if number > 1 else {}
        for cell in self._cells:
            own = {name: value for name, value in cell.items() if name not in alike}
            add_text(self._listed, self._window.theme, f"•  {cell_text(own)}").pack_configure(padx=(px(8), 0))
        if alike:
            add_text(self._listed, self._window.theme, f"all with {cell_text(alike)}", "SmallMuted.TLabel")
        back = ttk.Button(self._listed, text="Test settings of my own", command=lambda: self.take_cells(()))
        back.pack(anchor="w", pady=(px(8), 0))

    def _offer_presets(self, names: list[str]) -> None:
        self.base_field.configure(values=(CURRENT, *(f"preset {name}" for name in names)))

    def _press_start(self) -> None:
        if (designed := self._taken()) is not None:
            self._start(designed)

    def _press_keep(self) -> None:
        if (designed := self._taken()) is not None:
            self._keep(designed)

    def _taken(self) -> Designed | None:
        """The design, once: a second press of a double click finds none."""
        designed = self.designed
        if designed is not None:
            self._design_anew()
        return designed

    def remembered_packs(self, memory: Mapping[str, Any]) -> None:
        """Choose the packs of the last time, else those chosen in Run."""
        self.packs.choose_first([Path(path) for path in memory.get("packs", ())])


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdigit() and int(text) >= 1 else None
