"""Taste that travels and taste that changes: the menu of the cards' page, as `stablenew taste` has it."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tkinter import filedialog
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

from stablenew.errors import InputError
from stablenew.gui.dialog import Dialog
from stablenew.gui.notices import Action, Notice
from stablenew.gui.scrolling import scrolled
from stablenew.gui.tabs.learn_words import counted
from stablenew.learning.fading import FACTOR, Fading, fade, fadings, unfade
from stablenew.learning.taste_file import TasteFile
from stablenew.learning.taste_store import (
    Imported,
    export_taste,
    forget_taste,
    import_taste,
    imported_taste,
    would_import,
    write_taste_file,
)

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

FILE_NAME = "taste.json"
TYPES = (("Taste files", "*.json"), ("All files", "*"))
WEAK = (
    "Others' statistics are weak evidence: all that was rated with the same settings counts as one picture of yours, "
    "at most."
)
FADES = "Ratings stay as they are; those from before this day count less, until that is taken back."
WIDE, LINES = 400, 10
"""Logical pixels of a dialog's text, and how many lines of a list it has at most."""


def source_text(each: Imported) -> str:
    """ "9f1c2d3e: 120 rated pictures, new"."""
    return f"{each.source_id[:8]}: {counted(each.ratings, 'rated picture')}, {each.said}"


def fading_text(each: Fading) -> str:
    """ "from before 2026-06-01 count 30 %"; the time of day where it is not midnight."""
    day, _, time = (each.before or "").partition("T")
    at = "" if time[:5] in ("", "00:00") else f" {time[:5]}"
    return f"from before {day}{at} count {100 * each.factor:g} %"


def written_text(path: Path, taste: TasteFile) -> str:
    """What an export wrote, and what is in it."""
    rated = sum(source.ratings for source in taste.sources.values())
    much = f"{counted(rated, 'rated picture')} of {counted(len(taste.sources), 'source')}"
    return f"Written {path}: {much}. No prompts, pictures or names of persons; names of models are in it."


def share_of(percent: str) -> float:
    """ "30" or "30 %" as 0.3. Raises InputError."""
    try:
        share = float(percent.replace("%", "").strip()) / 100
    except ValueError as exc:
        raise InputError(f"{percent!r} is no share: write 30, and they count 30 %") from exc
    if not 0 < share <= 1:
        raise InputError(f"{percent} % is not above 0 and at most 100: write 30, and they count 30 %")
    return share


class TasteMenu:
    """`button` is what is seen of it. `changed` is called when what counts as evidence became something else."""

    def __init__(self, master: tkinter.Misc, window: StableNewGUI, changed: Callable[[], None]) -> None:
        self._master, self._window, self._changed = master, window, changed
        self.ask_where: Callable[..., str] = filedialog.asksaveasfilename
        self.ask_which: Callable[..., str] = filedialog.askopenfilename
        self._fading = False
        px = window.theme.px
        self.button = ttk.Menubutton(master, text="Taste ", padding=(px(8), px(2), px(4), px(2)))
        menu = self.menu = ttk.Menu(self.button, tearoff=False)
        menu.add_command(label="Export yours...", command=partial(self._export, False))
        menu.add_command(label="Export with others'...", command=partial(self._export, True))
        menu.add_command(label="Import...", command=self._import)
        menu.add_command(label="What was imported...", command=self._look_at_others)
        menu.add_separator()
        menu.add_command(label="My taste has changed...", command=self._look_at_fading)
        self.button.configure(menu=menu)

    # Files.

    def _export(self, with_others: bool) -> None:
        chosen = self.ask_where(parent=self._master, title="Export taste", initialfile=FILE_NAME, filetypes=TYPES)
        if not chosen:
            return
        workspace, who, path = self._window.workspace, self._window.ratings.who, Path(chosen)

        def write() -> TasteFile:
            taste = export_taste(workspace, who=who, with_others=with_others)
            write_taste_file(path, taste, replace=True)  # the file chooser asked
            return taste

        self._window.jobs.start(write, lambda taste: self._say(written_text(path, taste)))

    def _import(self) -> None:
        chosen = self.ask_which(parent=self._master, title="Import taste", filetypes=TYPES)
        if chosen:
            workspace, path = self._window.workspace, Path(chosen)
            self._window.jobs.start(lambda: would_import(workspace, path), partial(self._offer, path))

    def _offer(self, path: Path, found: Sequence[Imported]) -> None:
        dialog = self._dialog(f"Import {path.name}")
        adds = any(each.adds for each in found)
        for each in sorted(found, key=lambda each: not each.adds)[:LINES]:
            _add_line(dialog, source_text(each), "TLabel" if each.adds else "Muted.TLabel")
        if len(found) > LINES:
            _add_line(dialog, f"and {counted(len(found) - LINES, 'source')} more", "Muted.TLabel")
        _add_line(dialog, WEAK if adds else "Nothing in it is new here.", "Muted.TLabel", above=8)

        def take() -> None:
            dialog.destroy()
            workspace = self._window.workspace
            self._window.jobs.start(lambda: import_taste(workspace, path), self._imported)

        if adds:
            dialog.add_buttons([("Import", take)])
        else:
            dialog.add_buttons([("Close", dialog.destroy)], cancel=False)
        dialog.show()

    def _imported(self, done: Sequence[Imported]) -> None:
        self._say(f"Imported {'; '.join(source_text(each) for each in done if each.adds) or 'nothing new'}")
        self._changed()

    def _look_at_others(self) -> None:
        workspace = self._window.workspace
        self._window.jobs.start(lambda: imported_taste(workspace), self._show_others)

    def _show_others(self, taste: TasteFile) -> None:
        dialog = self._dialog("What was imported")
        if not taste.sources:
            _add_line(dialog, "Nothing was imported.", "Muted.TLabel")
            dialog.add_buttons([("Close", dialog.destroy)], cancel=False)
            dialog.show()
            return
        table = _source_table(dialog, taste)
        _add_line(dialog, WEAK, "Muted.TLabel", above=8)
        forget = ("Forget the chosen", lambda: self._forget(dialog, table.focus()))
        dialog.add_buttons([("Close", dialog.destroy), forget], cancel=False)
        dialog.show(table)

    def _forget(self, dialog: Dialog, source_id: str) -> None:
        dialog.destroy()
        workspace = self._window.workspace

        def forgotten(_: object) -> None:
            self._say(f"Forgotten: the statistics of {source_id[:8]}")
            self._changed()

        self._window.jobs.start(lambda: forget_taste(workspace, source_id), forgotten)

    # A change of taste.

    def _look_at_fading(self) -> None:
        workspace = self._window.workspace
        self._window.jobs.start(lambda: fadings(workspace), self._show_fading)

    def _show_fading(self, holding: Sequence[Fading]) -> None:
        px, dialog = self._window.theme.px, self._dialog("My taste has changed")
        _add_line(dialog, FADES)
        row = ttk.Frame(dialog.body)
        row.pack(fill="x", pady=(px(12), 0))
        day = tkinter.StringVar(dialog, datetime.now(UTC).date().isoformat())
        share = tkinter.StringVar(dialog, f"{100 * FACTOR:g}")
        ttk.Label(row, text="Ratings from before").pack(side="left")
        entry = ttk.Entry(row, textvariable=day, width=11)
        entry.pack(side="left", padx=px(8))
        ttk.Label(row, text="count").pack(side="left")
        ttk.Entry(row, textvariable=share, width=5, justify="right").pack(side="left", padx=px(8))
        ttk.Label(row, text="%").pack(side="left")
        wrong = _add_line(dialog, "", "Bad.TLabel")
        if holding:
            _add_line(dialog, "Fading now", "Heading.TLabel", above=8)
        for each in holding:
            _add_line(dialog, f"Ratings {fading_text(each)}", "Muted.TLabel")
        buttons = [("Let them fade", lambda: self._fade(dialog, day.get().strip(), share.get(), wrong))]
        if holding:
            buttons.append(("Take back the last", lambda: self._take_back(dialog)))
        dialog.add_buttons(buttons)
        dialog.show(entry)

    def _fade(self, dialog: Dialog, day: str, percent: str, wrong: ttk.Label) -> None:
        """Once for any number of presses: the dialog stays until the fading is on disk, and factors multiply."""
        if self._fading:
            return
        self._fading, workspace = True, self._window.workspace

        def refused(exc: Exception) -> None:
            self._fading = False
            if dialog.winfo_exists():
                wrong.configure(text=str(exc))
            if not isinstance(exc, InputError):
                self._window.report(exc)

        self._window.jobs.start(
            lambda: fade(workspace, day, share_of(percent)), partial(self._faded, dialog), failed=refused
        )

    def _faded(self, dialog: Dialog, made: Fading) -> None:
        self._fading = False
        if dialog.winfo_exists():
            dialog.destroy()
        back = Action(label="Take it back", do=self._unfade)
        self._say(f"Ratings {fading_text(made)} from now on.", back)
        self._changed()

    def _take_back(self, dialog: Dialog) -> None:
        if not self._fading:  # else the last is not the one that the dialog shows as the last
            dialog.destroy()
            self._unfade()

    def _unfade(self) -> None:
        workspace = self._window.workspace
        self._window.jobs.start(lambda: unfade(workspace), self._unfaded)

    def _unfaded(self, taken: Fading | None) -> None:
        if taken is None:
            self._say("Nothing fades: there is nothing to take back.")
            return
        self._say(f"Taken back: ratings {fading_text(taken)}.")
        self._changed()

    # Parts.

    def _dialog(self, title: str) -> Dialog:
        dialog = Dialog(self._master, self._window.theme, title)
        _add_line(dialog, title, "Heading.TLabel").pack_configure(pady=(0, self._window.theme.px(8)))
        return dialog

    def _say(self, text: str, *actions: Action) -> None:
        self._window.notify(Notice(text=text, severity="good", actions=actions, key="taste"))


def _add_line(dialog: Dialog, text: str, style: str = "TLabel", above: int = 0) -> ttk.Label:
    px = dialog.theme.px
    label = ttk.Label(dialog.body, text=text, style=style, wraplength=px(WIDE), justify="left")
    label.pack(anchor="w", pady=(px(above), px(2)))
    return label


def _source_table(dialog: Dialog, taste: TasteFile) -> ttk.Treeview:
    px = dialog.theme.px
    holder = ttk.Frame(dialog.body)
    holder.pack(fill="both", expand=True)
    height = min(LINES, len(taste.sources))
    table = ttk.Treeview(holder, columns=("pictures", "as of"), height=height, selectmode="browse")
    for column, text, width in (("#0", "source", 130), ("pictures", "rated pictures", 130), ("as of", "as of", 130)):
        table.heading(column, text=text, anchor="w")
        table.column(column, width=px(width), anchor="w")
    for source_id, source in taste.sources.items():
        values = (f"{source.ratings:,}", source.as_of[:10])
        table.insert("", "end", source_id, text=source_id[:8], values=values)
    first = next(iter(taste.sources))
    table.selection_set(first)
    table.focus(first)
    scrolled(table)
    return table
