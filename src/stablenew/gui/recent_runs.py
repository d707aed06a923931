"""The panel of recent learning runs: what each was, what it recorded, what went wrong; one opens in Review."""

from __future__ import annotations

import tkinter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import ttkbootstrap as ttk

from stablenew.controller.events import RecordLost, RunFailed, RunFinished, RunStarted
from stablenew.errors import InputError
from stablenew.gui.context_menu import SEPARATOR, Entry, context_menu, copy
from stablenew.gui.desktop import open_with_desktop
from stablenew.gui.events import OpenGrid, OpenRun, RatingsStored, RecordWritten, ResumeRun, ThemeChanged
from stablenew.gui.scrolling import scrolled
from stablenew.learning.index_query import Group
from stablenew.learning.record_index import RecordIndex
from stablenew.pipeline.run_list import RunSummary, summarise_run
from stablenew.workspace import Workspace

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

NEWEST = 30
READ_AFTER_MS, WHILE_RUNNING_MS = 500, 5_000

COLUMNS: tuple[tuple[str, int, Literal["w", "e"]], ...] = (
    ("when", 128, "w"),
    ("packs", 140, "w"),
    ("model", 120, "w"),
    ("variants", 72, "e"),
    ("made", 56, "e"),
    ("failed", 56, "e"),
    ("left", 56, "e"),
    ("records", 64, "e"),
    ("rated", 56, "e"),
    ("mean", 56, "e"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentRun:
    """A run with what its records say; `records` None when it kept none."""

    summary: RunSummary
    packs: tuple[str, ...]
    model: str
    records: Group | None

    @property
    def row(self) -> tuple[str, ...]:
        """The cells of COLUMNS."""
        manifest, kept = self.summary.manifest, self.records
        counts = (manifest.variant_count, self.summary.ok, self.summary.failed, self.summary.unfinished)
        mean = kept.mean_rating if kept else None
        return (
            manifest.created_at[:16].replace("T", " "),
            ", ".join(self.packs),
            self.model,
            *(str(number) if number else "" for number in counts),
            str(kept.n) if kept else "none",
            str(kept.rated) if kept and kept.rated else "",
            f"{mean:.1f}" if mean is not None else "",
        )


def read_recent(workspace: Workspace, newest: int = NEWEST) -> list[RecentRun]:
    """The newest runs, newest first. For a worker's thread."""
    if not workspace.runs.is_dir():
        return []
    names = sorted((path.name for path in workspace.runs.iterdir() if path.is_dir()), reverse=True)[:newest]
    with RecordIndex.of(workspace) as index:
        kept = {str(group.values[0]): group for group in index.groups(["run_id"])}
    found = []
    for name in names:
        try:
            summary = summarise_run(workspace, name)
        except InputError:
            continue  # a folder without a readable manifest is no run
        manifest = summary.manifest
        lines = (manifest.recipe or {}).get("lines", ())
        packs = tuple(dict.fromkeys(str(line["pack_name"]) for line in lines))
        model = str(manifest.config.get("model") or "")
        found.append(RecentRun(summary=summary, packs=packs, model=model, records=kept.get(name)))
    return sorted(found, key=lambda run: run.summary.manifest.created_at, reverse=True)


class RecentRuns(ttk.Frame):
    """The panel. It reads when it is shown and after every run."""

    def __init__(self, master: tkinter.Misc, window: StableNewGUI) -> None:
        px = window.theme.px
        super().__init__(master, padding=(px(16), px(8)))
        self._window = window
        self._due: str | None = None
        self.runs: dict[str, RecentRun] = {}
        head = ttk.Frame(self)
        head.pack(fill="x", pady=(0, px(4)))
        ttk.Label(head, text="Recent learning runs", style="Heading.TLabel").pack(side="left")
        self._said = ttk.Label(head, style="Muted.TLabel")
        self._said.pack(side="left", padx=px(16))
        body = ttk.Frame(self)
        body.pack(fill="both", expand=True)
        self.table = ttk.Treeview(body, columns=[name for name, _, _ in COLUMNS], height=6, selectmode="browse")
        self.table.heading("#0", text="run", anchor="w")
        self.table.column("#0", width=px(180), stretch=True)
        for name, width, anchor in COLUMNS:
            self.table.heading(name, text=name, anchor=anchor)
            self.table.column(name, width=px(width), anchor=anchor, stretch=name in ("packs", "model"))
        scrolled(self.table)
        self.table.bind("<Double-1>", lambda _: self._open())
        self.table.bind("<Return>", lambda _: self._open())
        context_menu(self.table, self._menu)
        self.recolour()

    def handle(self, event: object) -> None:
        """Read anew where the event says that something changed."""
        if isinstance(event, ThemeChanged):
            self.recolour()
        elif isinstance(event, (RunStarted, RunFinished, RunFailed, RecordLost, RatingsStored, RecordWritten)):
            self.read_soon(WHILE_RUNNING_MS if isinstance(event, RecordWritten) else READ_AFTER_MS)

    def read_soon(self, after_ms: int = READ_AFTER_MS) -> None:
        """Read the runs anew, once for many events; not while nobody sees it."""
        if self._due is None and self.winfo_ismapped():
            self._due = self.after(after_ms, self.read)

    def read(self) -> None:
        """Read the runs anew."""
        self._due = None
        self._window.jobs.start(lambda: read_recent(self._window.workspace), self._show, key="recent runs")

    def recolour(self) -> None:
        """Take the theme's colours."""
        palette = self._window.theme.palette
        self.table.tag_configure("failed", foreground=palette.bad)
        self.table.tag_configure("left", foreground=palette.warning)

    def _show(self, runs: list[RecentRun]) -> None:
        marked, at, top = self.table.selection(), self.table.focus(), self.table.yview()[0]
        self.table.delete(*self.table.get_children())
        self.runs = {run.summary.manifest.run_id: run for run in runs}
        for run_id, run in self.runs.items():
            tag = "failed" if run.summary.failed else "left" if run.summary.unfinished else ""
            self.table.insert("", "end", run_id, text=run_id, values=run.row, tags=(tag,) if tag else ())
        self.table.selection_set([item for item in marked if self.table.exists(item)])
        if self.table.exists(at):
            self.table.focus(at)
        self.table.yview_moveto(top)
        kept = sum(run.records.n for run in runs if run.records)
        self._said.configure(text=f"{kept:,} records of {len(runs)} runs" if runs else "no runs yet")

    def _chosen(self) -> str:
        marked = self.table.selection()
        return marked[0] if marked else self.table.focus()

    def _open(self) -> str:
        if run_id := self._chosen():
            self._window.send(OpenRun(run_id=run_id))
        return "break"

    def _menu(self) -> list[Entry]:
        run_id, window = self._chosen(), self._window
        if run_id not in self.runs:
            return []
        summary = self.runs[run_id].summary
        found: list[Entry] = [
            ("Open in Review", self._open),
            ("Open in Grid", lambda: window.send(OpenGrid(run_id=run_id))),
            ("Open the folder", lambda: window.jobs.start(lambda: open_with_desktop(summary.folder))),
            ("Copy run id", partial(copy, self, run_id)),
        ]
        if summary.unfinished:
            found += [(SEPARATOR, self._open), ("Resume", lambda: window.send(ResumeRun(run_id=run_id)))]
        return found
