"""The packs of the Run tab: which there are, which are to run, what is in them, and what is wrong with them."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from tkinter import filedialog
from tkinter import font as tkfont
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

from stablenew.config import PipelineConfig
from stablenew.errors import InputError
from stablenew.gui.context_menu import SEPARATOR, Entry, context_menu, copy
from stablenew.gui.desktop import open_with_desktop
from stablenew.gui.scrolling import scrolled
from stablenew.gui.theme import SMALL
from stablenew.prompts.axes import make_axis
from stablenew.prompts.lint import Finding, lint_pack
from stablenew.prompts.pack import Pack, read_pack
from stablenew.prompts.randomizer import plan_pack
from stablenew.prompts.wildcards import Wildcards
from stablenew.run_request import wildcard_folders
from stablenew.variant import PromptLine
from stablenew.workspace import Workspace

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

PREVIEWED = 40
"""So many texts of a line are shown."""

MANY_LINES = 500
"""So many lines of a pack are listed."""

_SIGNS = {"error": "✕", "warning": "▲"}
_TAGS = {sign: severity for severity, sign in _SIGNS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackLook:
    """A pack as it was read. `problem`: why it could not be; `variants`: how many it makes by itself, None unknown."""

    path: Path
    lines: tuple[PromptLine, ...] = ()
    findings: tuple[Finding, ...] = ()
    variants: int | None = None
    problem: str = ""

    @property
    def mark(self) -> str:
        """The worst that is to be said about it, as a sign."""
        if self.problem or any(finding.severity == "error" for finding in self.findings):
            return _SIGNS["error"]
        return _SIGNS["warning"] if self.findings else ""

    def mark_of(self, line_number: int) -> str:
        """The worst that is to be said about one line, as a sign."""
        said = {finding.severity for finding in self.findings if finding.line == line_number}
        return _SIGNS["error"] if "error" in said else _SIGNS["warning"] if said else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePreview:
    """What one line becomes: the first texts of `count`."""

    texts: tuple[str, ...] = ()
    count: int = 0
    problem: str = ""


def demo_pack() -> Path | None:
    """The pack that comes with StableNew, None where it is not a file of its own."""
    path = Path(str(files("stablenew.models") / "demo_pack.txt"))
    return path if path.is_file() else None


def look_at_pack(path: Path, workspace: Workspace) -> PackLook:
    """Read and check the pack. For a worker's thread."""
    try:
        pack = read_pack(path)
        wildcards = Wildcards(folders=wildcard_folders((path,), workspace))
        findings = tuple(lint_pack(pack, wildcards=wildcards))
        return PackLook(
            path=path, lines=pack.prompt_lines(), findings=findings, variants=_variants(pack, wildcards, findings)
        )
    except (InputError, OSError) as exc:
        return PackLook(path=path, problem=str(exc))


def preview_line(path: Path, line_number: int, workspace: Workspace) -> LinePreview:
    """The texts that one line of the pack makes. For a worker's thread."""
    try:
        pack = read_pack(path)
        only = make_axis(["line"], ["line"], [(line_number,)])
        wildcards = Wildcards(folders=wildcard_folders((path,), workspace))
        plan = plan_pack(PipelineConfig(), pack, axes=[only], wildcards=wildcards)
        shown = (plan.variant(k).prompt for k in range(min(PREVIEWED, plan.count)))
        return LinePreview(texts=tuple(shown), count=plan.total)
    except (InputError, OSError) as exc:
        return LinePreview(problem=str(exc))


def elided(text: str, room: int, measure: Callable[[str], int]) -> str:
    """`text`, or as much of it as fits into `room` pixels, with three dots."""
    if measure(text) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if measure(text[:middle] + "...") <= room else (low, middle - 1)
    return text[:low].rstrip() + "..."


def _variants(pack: Pack, wildcards: Wildcards, findings: Sequence[Finding]) -> int | None:
    if any(finding.severity == "error" for finding in findings):
        return None
    return plan_pack(PipelineConfig(), pack, wildcards=wildcards).count


class PackPanel(ttk.Frame):
    """The list of packs with the chosen pack's lines and the chosen line's texts below. `changed`: other are chosen."""

    def __init__(self, master: tkinter.Misc, window: StableNewGUI, changed: Callable[[], None]) -> None:
        super().__init__(master)
        self._window, self._changed = window, changed
        self._looks: dict[str, PackLook] = {}
        self._shown: Path | None = None
        px = window.theme.px
        head = ttk.Frame(self)
        head.pack(fill="x", pady=(0, px(4)))
        ttk.Label(head, text="Packs", style="Heading.TLabel").pack(side="left")
        for text, command in (("Remove", self._remove), ("Add...", self._ask)):
            ttk.Button(head, text=text, command=command, padding=(px(8), px(2))).pack(side="right", padx=(px(4), 0))
        panes = ttk.Panedwindow(self, orient="vertical")
        panes.pack(fill="both", expand=True)
        self.packs = self._table(panes, ("lines", "makes", ""), (px(48), px(64), px(24)), height=5, weight=2)
        self.packs.configure(selectmode="extended")
        self.packs.heading("#0", text="pack", anchor="w")
        self.lines = self._table(panes, ("",), (px(24),), height=8, weight=4)
        self.lines.heading("#0", text="prompts", anchor="w")
        below = ttk.Frame(panes)
        panes.add(below, weight=2)
        self.detail = ttk.Text(below, height=6, width=20, wrap="word", state="disabled", takefocus=True, font=SMALL)
        scrolled(self.detail)
        self._bind_keys()

    @property
    def chosen(self) -> tuple[Path, ...]:
        """The packs to run, in the order of the list."""
        marked = set(self.packs.selection())
        return tuple(self._looks[item].path for item in self.packs.get_children() if item in marked)

    @property
    def known(self) -> tuple[Path, ...]:
        """Every pack in the list."""
        return tuple(self._looks[item].path for item in self.packs.get_children())

    def fill(self, paths: Sequence[Path], chosen: Sequence[Path]) -> None:
        """List `paths` and mark those `chosen`."""
        for path in paths:
            self._insert(path)
        self.choose(chosen)

    def add(self, paths: Sequence[Path]) -> None:
        """Add packs to the list, and choose them."""
        for path in paths:
            self._insert(path)
        self.choose(paths)
        self._changed()

    def choose(self, paths: Sequence[Path]) -> None:
        """Mark exactly these packs."""
        wanted = {str(path) for path in paths}
        items = [item for item in self.packs.get_children() if item in wanted]
        self.packs.selection_set(items)
        if items:
            self.packs.focus(items[0])

    def look(self, path: Path) -> PackLook | None:
        """What is known of a listed pack, None while it was not read."""
        return self._looks.get(str(path))

    def recolour(self) -> None:
        """Take the theme's colours."""
        palette = self._window.theme.palette
        for part in (self.packs, self.lines, self.detail):
            part.tag_configure("error", foreground=palette.bad)
            part.tag_configure("warning", foreground=palette.warning)
            part.tag_configure("muted", foreground=palette.muted)

    def _table(
        self, panes: ttk.Panedwindow, columns: tuple[str, ...], widths: tuple[int, ...], *, height: int, weight: int
    ) -> ttk.Treeview:
        holder = ttk.Frame(panes)
        panes.add(holder, weight=weight)
        table = ttk.Treeview(holder, columns=columns, height=height, selectmode="browse")
        for name, width in zip(columns, widths, strict=True):
            table.heading(name, text=name, anchor="e")
            table.column(name, width=width, minwidth=width, stretch=False, anchor="e")
        table.column("#0", width=self._window.theme.px(140), stretch=True)
        scrolled(table)
        return table

    def _bind_keys(self) -> None:
        self.packs.bind("<<TreeviewSelect>>", lambda _: self._packs_chosen())
        self.packs.bind("<Double-1>", lambda _: self._open())
        self.packs.bind("<Return>", lambda _: self._open())
        self.packs.bind("<Delete>", lambda _: self._remove())
        self.packs.bind("<space>", lambda _: self._toggle())
        context_menu(self.packs, self._menu)
        self.lines.bind("<Configure>", lambda _: self.after_idle(self._elide))
        self.lines.bind("<<TreeviewSelect>>", lambda _: self._line_chosen())
        self.recolour()

    def _insert(self, path: Path) -> None:
        item = str(path)
        if not self.packs.exists(item):
            self._looks[item] = PackLook(path=path)
            self.packs.insert("", "end", item, text=path.stem, values=("", "", ""))
        self._window.jobs.start(lambda: look_at_pack(path, self._window.workspace), self._looked, key=f"look at {path}")

    def _looked(self, look: PackLook) -> None:
        item = str(look.path)
        if not self.packs.exists(item):
            return
        self._looks[item] = look
        makes = "" if look.variants is None else f"{look.variants:,}"
        tag = _TAGS.get(look.mark, "")
        self.packs.item(item, values=(len(look.lines) or "", makes, look.mark), tags=(tag,) if tag else ())
        if look.path == self._shown:
            self._show_lines(look)

    def _packs_chosen(self) -> None:
        focus = self.packs.focus()
        marked = self.packs.selection()
        item = focus if focus in marked else (marked[0] if marked else "")
        if item and self._looks[item].path != self._shown:
            self._shown = self._looks[item].path
            self._show_lines(self._looks[item])
        self._changed()

    def _show_lines(self, look: PackLook) -> None:
        self.lines.delete(*self.lines.get_children())
        for line in look.lines[:MANY_LINES]:
            mark = look.mark_of(line.line_number)
            tags = (_TAGS[mark],) if mark else ()
            self.lines.insert("", "end", f"line {line.line_number}", values=(mark,), tags=tags)
        self._elide()
        if len(look.lines) > MANY_LINES:
            self.lines.insert("", "end", text=f"and {len(look.lines) - MANY_LINES:,} more", tags=("muted",))
        whole = [finding for finding in look.findings if finding.line is None]
        said = [(look.problem, "error")] if look.problem else [(each.message, each.severity) for each in whole]
        self._say(said or [("Choose a prompt to see what it becomes.", "muted")])

    def _elide(self) -> None:
        """Write the prompts as long as there is room for them."""
        look = self._looks.get(str(self._shown))
        room = self.lines.column("#0", "width") - self._window.theme.px(24)
        font = tkfont.nametofont("TkDefaultFont", root=self)
        for line in look.lines[:MANY_LINES] if look else ():
            text = elided(line.prompt or "(no prompt)", room, font.measure)
            self.lines.item(f"line {line.line_number}", text=text)

    def _line_chosen(self) -> None:
        marked = self.lines.selection()
        if not marked or not marked[0].startswith("line ") or self._shown is None:
            return
        path, number = self._shown, int(marked[0].partition(" ")[2])
        workspace = self._window.workspace
        self._window.jobs.start(
            lambda: preview_line(path, number, workspace), partial(self._show_texts, path, number), key="line preview"
        )

    def _show_texts(self, path: Path, number: int, preview: LinePreview) -> None:
        if path != self._shown or self.lines.selection() != (f"line {number}",):
            return  # another one is looked at by now
        look = self._looks.get(str(self._shown))
        line = next((each for each in look.lines if each.line_number == number), None) if look else None
        if look is None or line is None:
            return
        said = [(each.message, str(each.severity)) for each in look.findings if each.line == number]
        if preview.problem and not said:
            said = [(preview.problem, "error")]
        if not preview.problem:
            said.append((f"{preview.count:,} text{'' if preview.count == 1 else 's'} of this prompt", "muted"))
            said += [(text, "") for text in preview.texts]
        if preview.count > len(preview.texts) > 0:
            said.append((f"and {preview.count - len(preview.texts):,} more", "muted"))
        if line.negative_prompt:
            said.append((f"not: {line.negative_prompt}", "muted"))
        said += [(f"{path} = {value}", "muted") for path, value in line.settings]
        self._say(said)

    def _say(self, lines: Sequence[tuple[str, str]]) -> None:
        self.detail.configure(state="normal")
        self.detail.delete("1.0", "end")
        for text, tag in lines:
            self.detail.insert("end", f"{text}\n", (tag,) if tag else ())
        self.detail.configure(state="disabled")

    def _ask(self) -> None:
        types = [("Packs", "*.txt *.tsv *.csv"), ("All files", "*")]
        chosen = filedialog.askopenfilenames(parent=self, title="Add packs", filetypes=types)
        if chosen:
            self.add([Path(path) for path in chosen])

    def _remove(self) -> None:
        for item in self.packs.selection():
            self.packs.delete(item)
            del self._looks[item]
        self._changed()

    def _toggle(self) -> str:
        self.packs.selection_toggle(self.packs.focus())
        return "break"

    def _open(self) -> str:
        if item := self.packs.focus():
            path = self._looks[item].path
            self._window.jobs.start(lambda: open_with_desktop(path))
        return "break"

    def _menu(self) -> list[Entry]:
        if not (item := self.packs.focus()):
            return []
        path = self._looks[item].path
        return [
            ("Open the file", self._open),
            ("Read again", partial(self._insert, path)),
            ("Copy path", partial(copy, self, str(path))),
            (SEPARATOR, self._open),
            ("Remove from the list", self._remove),
        ]
