"""The packs whose prompts an experiment is made on."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Sequence
from pathlib import Path
from tkinter import filedialog
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

from stablenew.gui.scrolling import scrolled
from stablenew.gui.tabs.run_launch import listed_packs
from stablenew.gui.tabs.run_packs import PackLook, demo_pack, look_at_pack

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI


class PackChoice(ttk.Frame):
    """The packs that Run knows, to choose from. `changed`: other ones are chosen."""

    def __init__(self, master: tkinter.Misc, window: StableNewGUI, changed: Callable[[], None]) -> None:
        super().__init__(master)
        self._window, self._changed = window, changed
        self._paths: dict[str, Path] = {}
        self._own: list[Path] = []
        self._first: list[Path] | None = None
        px = window.theme.px
        head = ttk.Frame(self)
        head.pack(fill="x", pady=(0, px(4)))
        ttk.Label(head, text="On the prompts of", style="Heading.TLabel").pack(side="left")
        ttk.Button(head, text="Add...", command=self._ask, padding=(px(8), px(2))).pack(side="right")
        body = ttk.Frame(self)
        body.pack(fill="both", expand=True)
        self.table = ttk.Treeview(body, columns=("makes",), height=6, selectmode="extended")
        self.table.heading("#0", text="pack", anchor="w")
        self.table.heading("makes", text="prompts", anchor="e")
        self.table.column("#0", width=px(160), stretch=True)
        self.table.column("makes", width=px(72), stretch=False, anchor="e")
        scrolled(self.table)
        self.table.bind("<<TreeviewSelect>>", lambda _: changed())
        self.table.bind("<space>", lambda _: self._toggle())

    @property
    def chosen(self) -> tuple[Path, ...]:
        """The chosen packs, in the order of the list."""
        marked = set(self.table.selection())
        return tuple(path for item, path in self._paths.items() if item in marked)

    def choose_first(self, paths: Sequence[Path]) -> None:
        """Once the packs are listed, choose these; where there are none, those chosen in Run, else the first."""
        self._first = list(paths)

    def refresh(self) -> None:
        """List the packs there are now; what is chosen stays so."""
        said = self._window.recall("run")
        demo = [path for path in (demo_pack(),) if path is not None]
        known = [Path(path) for path in said.get("packs", ())] or demo
        known += [path for path in (*listed_packs(self._window.workspace), *self._own) if path not in known]
        self._fill(known)
        if self._first is not None:
            wanted = self._first or [Path(path) for path in said.get("chosen", ())]
            self._first = None
            items = [str(path) for path in wanted if str(path) in self._paths]
            self.table.selection_set(items or list(self._paths)[:1])

    def _fill(self, paths: Sequence[Path]) -> None:
        items = [str(path) for path in paths]
        for item in [item for item in self._paths if item not in items]:
            self.table.delete(item)
            del self._paths[item]
        for path in paths:
            if str(path) not in self._paths:
                self._insert(path)

    def _insert(self, path: Path) -> None:
        self._paths[str(path)] = path
        self.table.insert("", "end", str(path), text=path.stem)
        workspace = self._window.workspace
        self._window.jobs.start(lambda: look_at_pack(path, workspace), self._looked, key=f"look for learn at {path}")

    def _looked(self, look: PackLook) -> None:
        if self.table.exists(str(look.path)):
            said = "✕" if look.variants is None else f"{look.variants:,}"
            self.table.item(str(look.path), values=(said,))

    def _ask(self) -> None:
        types = [("Packs", "*.txt *.tsv *.csv"), ("All files", "*")]
        chosen = [Path(path) for path in filedialog.askopenfilenames(parent=self, title="Add packs", filetypes=types)]
        if chosen:
            self.add(chosen)

    def add(self, paths: Sequence[Path]) -> None:
        """Add packs to the list, and choose them."""
        self._own += [path for path in paths if path not in self._own]
        for path in paths:
            if str(path) not in self._paths:
                self._insert(path)
        self.table.selection_set([str(path) for path in paths])
        self._changed()

    def _toggle(self) -> str:
        self.table.selection_toggle(self.table.focus())
        return "break"
