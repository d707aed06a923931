"""The experiments of the workspace: where each stands, cell by cell, and what can be done with it."""

from __future__ import annotations

import time
import tkinter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import ttkbootstrap as ttk

from stablenew.gui.desktop import open_with_desktop
from stablenew.gui.events import OpenGrid, OpenRun
from stablenew.gui.scrolling import scrolled
from stablenew.gui.tabs.learn_fold import ExperimentView
from stablenew.gui.tabs.learn_parts import Halves, add_text
from stablenew.gui.tabs.learn_words import cell_text, counted, tested_text
from stablenew.learning.experiment_state import CellState, ExperimentState, experiment_state
from stablenew.learning.experiments import list_experiments, records_of_experiment
from stablenew.learning.record_index import RecordIndex
from stablenew.report.html_report import write_report
from stablenew.workspace import Workspace

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

CELL_COLUMNS = (("made", 54), ("failed", 56), ("missing", 68), ("rated", 54), ("mean", 54), ("seconds", 72))
READ_AFTER_MS, COUNT_AFTER_MS = 400, 2_000
"""After something was said or ended; and while pictures are made."""
NOTHING_YET = "Design one: it tries settings against each other on the same prompts and seeds."


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentOrders:
    """What the page asks of the tab, by the experiment's id."""

    run: Callable[[str], None]
    stop: Callable[[], None]
    rate: Callable[[str], None]
    advise: Callable[[str], None]
    design: Callable[[], None]


def read_states(index: RecordIndex, workspace: Workspace) -> Iterator[ExperimentState]:
    """Every experiment with where it stands, the newest first."""
    found = sorted(list_experiments(workspace), key=lambda each: each.created_at, reverse=True)
    for experiment in found:
        yield experiment_state(experiment, records_of_experiment(index, experiment.experiment_id))


def cell_row(cell: CellState) -> tuple[str, ...]:
    """What the table says of a cell, beside its name."""

    def number(value: float | None, digits: int = 2) -> str:
        return "" if value is None else f"{value:.{digits}f}"

    counts = (cell.made, cell.failed, cell.missing, cell.rated)
    return (*(str(each or "") for each in counts), number(cell.mean), number(cell.seconds, 1))


class ExperimentsPage(ttk.Frame):
    """The list on the left, the chosen experiment on the right."""

    def __init__(
        self, master: tkinter.Misc, window: StableNewGUI, view: ExperimentView, orders: ExperimentOrders
    ) -> None:
        super().__init__(master)
        self._window, self._view, self._orders = window, view, orders
        self.states: dict[str, ExperimentState] = {}
        self._coming: dict[str, ExperimentState] = {}
        self._due: str | None = None
        self._wanted = ""
        self.panes = Halves(self, 0.38)
        self.panes.pack(fill="both", expand=True)
        px = window.theme.px
        left, right = ttk.Frame(self.panes, padding=px(16)), ttk.Frame(self.panes, padding=px(16))
        self.panes.add(left, weight=1)
        self.panes.add(right, weight=1)
        self._lay_out_list(left)
        self._lay_out_detail(right)
        self.bind("<Map>", lambda _: self.read())
        self._show_chosen()

    @property
    def chosen(self) -> ExperimentState | None:
        """The experiment that is looked at."""
        marked = self.table.selection()
        return self.states.get(marked[0]) if marked else None

    def choose(self, experiment_id: str) -> None:
        """Look at that experiment, as soon as it is in the list."""
        self._wanted = experiment_id
        self.read()

    def read(self) -> None:
        """Read where every experiment stands."""
        self._due = None
        self._coming = {}
        workspace = self._window.workspace
        self._window.library.stream(
            lambda index: read_states(index, workspace),
            self._one_more,
            done=self._all_read,
            failed=self._window.report,
            key="experiments",
        )

    def read_soon(self) -> None:
        """Read anew, once for many events; not while nobody sees it."""
        if self._due is not None:
            self.after_cancel(self._due)
            self._due = None
        if self.winfo_ismapped():
            self._due = self.after(READ_AFTER_MS, self.read)

    def count_soon(self, experiment_id: str) -> None:
        """Read where this one stands, once for many events; not while nobody sees it."""
        if self._due is None and self.winfo_ismapped():
            self._due = self.after(COUNT_AFTER_MS, lambda: self._count(experiment_id))

    def _count(self, experiment_id: str) -> None:
        self._due = None
        known = self.states.get(experiment_id)
        if known is not None:
            self._window.library.ask(
                lambda index: experiment_state(known.experiment, records_of_experiment(index, experiment_id)),
                self._counted,
                failed=self._window.report,
                key="experiment",
            )

    def _counted(self, state: ExperimentState) -> None:
        name = state.experiment.experiment_id
        if name in self._coming:
            self._coming[name] = state  # read before this, and not shown yet
        if name in self.states:
            self.states[name] = state
            self.table.item(name, values=_list_row(state))
            if self.chosen is state:
                self._show_chosen()

    def show_progress(self) -> None:
        """The experiment under way stands elsewhere now."""
        state, view = self.chosen, self._view
        own = state is not None and view.experiment_id == state.experiment.experiment_id
        self.bar.configure(value=view.fraction if own else _made_part(state))
        self.said.configure(text=view.text(time.monotonic()) if own and view.progress else _standing(state))
        self._arrange()

    # Parts.

    def _lay_out_list(self, left: ttk.Frame) -> None:
        px = self._window.theme.px
        head = ttk.Frame(left)
        head.pack(fill="x", pady=(0, px(4)))
        ttk.Label(head, text="Experiments", style="Heading.TLabel").pack(side="left")
        ttk.Button(head, text="Design one", command=self._orders.design, padding=(px(8), px(2))).pack(side="right")
        body = ttk.Frame(left)
        body.pack(fill="both", expand=True)
        self.table = ttk.Treeview(body, columns=("made", "rated"), selectmode="browse")
        columns: tuple[tuple[str, str, int, Literal["w", "e"]], ...] = (
            ("#0", "experiment", 120, "w"),
            ("made", "made", 72, "e"),
            ("rated", "rated", 56, "e"),
        )
        for name, text, width, anchor in columns:
            self.table.heading(name, text=text, anchor=anchor)
            self.table.column(name, width=px(width), anchor=anchor, stretch=name == "#0")
        scrolled(self.table)
        self.table.bind("<<TreeviewSelect>>", lambda _: self._show_chosen())
        self.table.bind("<Double-1>", lambda _: self._with_chosen(self._orders.rate))
        self.table.bind("<Return>", lambda _: self._with_chosen(self._orders.rate))

    def _lay_out_detail(self, right: ttk.Frame) -> None:
        px = self._window.theme.px
        self.title = ttk.Label(right, style="Title.TLabel")
        self.title.pack(anchor="w")
        self.about = add_text(right, self._window.theme, style="Muted.TLabel")
        self.about.pack_configure(pady=(px(2), px(8)))
        self.bar = ttk.Progressbar(right, maximum=1.0)
        self.bar.pack(fill="x")
        self.said = ttk.Label(right)
        self.said.pack(anchor="w", pady=(px(4), px(8)))
        self._lay_out_buttons(right)
        body = ttk.Frame(right)
        body.pack(fill="both", expand=True, pady=(px(12), 0))
        self.cells = ttk.Treeview(body, columns=[name for name, _ in CELL_COLUMNS], selectmode="none")
        self.cells.heading("#0", text="cell", anchor="w")
        self.cells.column("#0", width=px(120), stretch=True)
        for name, width in CELL_COLUMNS:
            self.cells.heading(name, text=name, anchor="e")
            self.cells.column(name, width=px(width), minwidth=px(width), anchor="e", stretch=False)
        scrolled(self.cells)
        self.recolour()

    def _lay_out_buttons(self, right: ttk.Frame) -> None:
        px = self._window.theme.px
        row = ttk.Frame(right)
        row.pack(fill="x")
        self.run_button = ttk.Button(row, text="Start", command=lambda: self._with_chosen(self._orders.run))
        self.stop_button = ttk.Button(row, text="Stop", command=self._orders.stop)
        self.rate_button = ttk.Button(row, text="Rate rows", command=lambda: self._with_chosen(self._orders.rate))
        self.advice_button = ttk.Button(row, text="See advice", command=lambda: self._with_chosen(self._orders.advise))
        self.more = ttk.Menubutton(row, text="Open ")
        menu = ttk.Menu(self.more, tearoff=False)
        menu.add_command(label="In Review", command=lambda: self._with_chosen(self._review))
        menu.add_command(label="In Grid", command=lambda: self._with_chosen(self._grid))
        menu.add_command(label="As a report in the browser", command=lambda: self._with_chosen(self._report))
        menu.add_command(label="The folder", command=lambda: self._with_chosen(self._folder))
        self.more.configure(menu=menu)
        self.menu = menu
        for button in (self.run_button, self.stop_button, self.rate_button, self.advice_button, self.more):
            button.pack(side="left", padx=(0, px(8)))

    def recolour(self) -> None:
        """Take the theme's colours."""
        palette = self._window.theme.palette
        self.cells.tag_configure("failed", foreground=palette.bad)
        self.table.tag_configure("left", foreground=palette.warning)

    # What comes.

    def _one_more(self, state: ExperimentState) -> None:
        self._coming[state.experiment.experiment_id] = state

    def _all_read(self) -> None:
        marked = self._wanted or next(iter(self.table.selection()), "")
        self.states, self._wanted = self._coming, ""
        self.table.delete(*self.table.get_children())
        for name, state in self.states.items():
            left = bool(state.made and (state.missing or state.failed))
            self.table.insert("", "end", name, text=name, values=_list_row(state), tags=("left",) if left else ())
        items = list(self.states)
        if items:
            chosen = marked if marked in self.states else items[0]
            self.table.selection_set(chosen)
            self.table.focus(chosen)
        self._show_chosen()

    def _show_chosen(self) -> None:
        state = self.chosen
        self.cells.delete(*self.cells.get_children())
        if state is None:
            self.title.configure(text="No experiment yet")
            self.about.configure(text=NOTHING_YET)
            self.show_progress()
            return
        experiment = state.experiment
        self.title.configure(text=experiment.experiment_id)
        lines = [experiment.plan.note] if experiment.plan.note else []
        cells, rows = counted(len(state.cells), "cell"), counted(state.rows, "row")
        made = experiment.created_at[:16].replace("T", " ")
        lines.append(f"{cells} on {rows}, testing {tested_text(experiment)}; designed {made} for {experiment.backend}")
        self.about.configure(text="\n".join(lines))
        for cell in state.cells:
            tags = ("failed",) if cell.failed else ()
            self.cells.insert("", "end", text=cell_text(cell.cell.settings), values=cell_row(cell), tags=tags)
        self.show_progress()

    def _arrange(self) -> None:
        state, view = self.chosen, self._view
        left = state is not None and bool(state.missing or state.failed)
        begun = state is not None and bool(state.made or state.failed)
        self.run_button.configure(
            text="Go on" if begun else "Start",
            state="normal" if left and not view.busy else "disabled",
            bootstyle="primary" if left else "neutral",
        )
        self.stop_button.configure(
            text="Stop now" if view.stopping else "Stop",
            state="normal" if view.working else "disabled",
            bootstyle="danger" if view.stopping else "neutral",
        )
        rateable = state is not None and state.made > state.rated
        self.rate_button.configure(
            state="normal" if begun else "disabled", bootstyle="primary" if rateable and not left else "neutral"
        )
        self.advice_button.configure(state="normal" if state is not None and state.rated else "disabled")
        self.more.configure(state="normal" if state is not None else "disabled")

    # What the person does.

    def _with_chosen(self, act: Callable[[str], None]) -> str:
        state = self.chosen
        if state is not None:
            act(state.experiment.experiment_id)
        return "break"

    def _review(self, experiment_id: str) -> None:
        self._window.send(OpenRun(run_id=experiment_id))

    def _grid(self, experiment_id: str) -> None:
        self._window.send(OpenGrid(run_id=experiment_id))

    def _report(self, experiment_id: str) -> None:
        workspace = self._window.workspace
        path = workspace.experiments / experiment_id / "report.html"
        self._window.jobs.start(
            lambda: write_report(workspace, experiment_id, path).path,
            lambda written: self._window.jobs.start(lambda: open_with_desktop(written)),
        )

    def _folder(self, experiment_id: str) -> None:
        path = self._window.workspace.experiments / experiment_id
        self._window.jobs.start(lambda: open_with_desktop(path))


def _list_row(state: ExperimentState) -> tuple[str, str]:
    """What the list says of an experiment, beside its name."""
    return f"{state.made}/{state.made + state.failed + state.missing}", str(state.rated or "")


def _made_part(state: ExperimentState | None) -> float:
    if state is None:
        return 0.0
    total = state.made + state.failed + state.missing
    return state.made / total if total else 0.0


def _standing(state: ExperimentState | None) -> str:
    """Where an experiment stands that is not under way."""
    if state is None:
        return ""
    parts = [f"{state.made} of {counted(state.made + state.failed + state.missing, 'picture')} made"]
    parts += [f"{state.failed} failed"] if state.failed else []
    parts += [f"{state.rated} rated"]
    return ", ".join(parts)
