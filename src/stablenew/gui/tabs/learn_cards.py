"""Taste cards: what works for this person, card by card; made, shown, exported, applied, withdrawn."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tkinter import filedialog
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

from stablenew.errors import InputError
from stablenew.gui.desktop import open_with_desktop
from stablenew.gui.dialog import ask_line
from stablenew.gui.events import ProposeSettings
from stablenew.gui.notices import Action, Notice
from stablenew.gui.scrolling import ScrollArea, scrolled
from stablenew.gui.tabs.learn_charts import Bar, IntervalChart
from stablenew.gui.tabs.learn_parts import Halves, add_heading, add_text
from stablenew.gui.tabs.learn_strip import PictureStrip, ProofPicture
from stablenew.gui.tabs.learn_taste import TasteMenu
from stablenew.gui.tabs.learn_words import counted
from stablenew.learning.card_store import card_history, list_cards
from stablenew.learning.card_text import card_lines, evidence_line, history_lines, settings_rows, state_line
from stablenew.learning.taste_card import TasteCard
from stablenew.pipeline.card_exports import CARD_FORMS, CardForm, ExportedCard, export_card, write_export
from stablenew.pipeline.card_presets import apply_card, card_difference
from stablenew.pipeline.proof_outcome import withdraw_card
from stablenew.report.card_page import write_card_page
from stablenew.workspace import Workspace

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

NO_CARD = "No card yet. A card is made from advice that has enough evidence."
_STATE_STYLES = {
    "proved": "Good.TLabel",
    "withdrawn": "Bad.TLabel",
    "undecided": "Warning.TLabel",
    "unproved": "Muted.TLabel",
}
_FORM_NAMES: dict[CardForm, str] = {
    "preset": "As a preset file...",
    "a1111-styles": "For A1111: styles...",
    "a1111-defaults": "For A1111: defaults...",
    "comfyui": "For ComfyUI: nodes...",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CardLook:
    """A card and how it came to be."""

    card: TasteCard
    history: tuple[TasteCard, ...]


def read_cards(workspace: Workspace) -> list[CardLook]:
    """Every card, by name. For a worker's thread."""
    return [CardLook(card=card, history=card_history(workspace, card.name)) for card in list_cards(workspace)]


def propose_card(workspace: Workspace, name: str) -> ProposeSettings:
    """What the card would change in Run; a withdrawn one gives the old settings. For a worker's thread."""
    found = card_difference(workspace, name, None)
    return ProposeSettings(settings=found.settings, origin=f"card {name}", left_out=found.passed_over)


class CardsPage(ttk.Frame):
    """The list on the left, the chosen card on the right.

    `make` is called where the person wants one made, `taste_changed` where other evidence counts now.
    """

    def __init__(
        self,
        master: tkinter.Misc,
        window: StableNewGUI,
        *,
        make: Callable[[], None],
        prove: Callable[[TasteCard], None],
        taste_changed: Callable[[], None],
    ) -> None:
        super().__init__(master)
        self._window, self._make, self._prove, self._taste_changed = window, make, prove, taste_changed
        self.looks: dict[str, CardLook] = {}
        self._wanted = ""
        self._chart: IntervalChart | None = None
        self.strip: PictureStrip | None = None
        px = window.theme.px
        self.panes = Halves(self, 0.34)
        self.panes.pack(fill="both", expand=True)
        left, right = ttk.Frame(self.panes, padding=px(16)), ttk.Frame(self.panes)
        self.panes.add(left, weight=1)
        self.panes.add(right, weight=1)
        self._lay_out_list(left)
        self._lay_out_buttons(right)
        self.area = ScrollArea(right, window.theme)
        self.area.pack(fill="both", expand=True)
        self._body = ttk.Frame(self.area.body)
        self.bind("<Map>", lambda _: self.read())
        self._show()

    @property
    def chosen(self) -> CardLook | None:
        """The card that is looked at."""
        marked = self.table.selection()
        return self.looks.get(marked[0]) if marked else None

    def choose(self, name: str) -> None:
        """Look at that card, as soon as it is in the list."""
        self._wanted = name
        self.read()

    def read(self) -> None:
        """Read the cards anew."""
        workspace = self._window.workspace
        self._window.jobs.start(lambda: read_cards(workspace), self._take, key="cards")

    def use_theme(self) -> None:
        """Take on the theme's colours."""
        self.area.recolour()
        self._show()

    # Parts.

    def _lay_out_list(self, left: ttk.Frame) -> None:
        px = self._window.theme.px
        head = ttk.Frame(left)
        head.pack(fill="x", pady=(0, px(4)))
        ttk.Label(head, text="Taste cards", style="Heading.TLabel").pack(side="left")
        ttk.Button(head, text="Make one...", command=self._make, padding=(px(8), px(2))).pack(side="right")
        self.taste = TasteMenu(head, self._window, self._taste_changed)
        self.taste.button.pack(side="right", padx=(0, px(8)))
        body = ttk.Frame(left)
        body.pack(fill="both", expand=True)
        self.table = ttk.Treeview(body, columns=("state", "gain"), selectmode="browse")
        for name, text, width in (("#0", "card", 160), ("state", "state", 80), ("gain", "gain", 56)):
            self.table.heading(name, text=text, anchor="w")
            self.table.column(name, width=px(width), anchor="w", stretch=name == "#0")
        scrolled(self.table)
        self.table.bind("<<TreeviewSelect>>", lambda _: self._show())
        self.table.bind("<Double-1>", lambda _: self._with_chosen(self._apply))
        self.table.bind("<Return>", lambda _: self._with_chosen(self._apply))

    def _lay_out_buttons(self, right: ttk.Frame) -> None:
        px = self._window.theme.px
        row = ttk.Frame(right, padding=(px(16), px(16), px(16), px(4)))
        row.pack(fill="x")
        self.apply_button = ttk.Button(
            row, text="Apply...", bootstyle="primary", command=lambda: self._with_chosen(self._apply)
        )
        self.preset_button = ttk.Button(row, text="Save as preset...", command=lambda: self._with_chosen(self._preset))
        self.prove_button = ttk.Button(row, text="Prove", command=lambda: self._with_chosen(self._prove))
        self.more = ttk.Menubutton(row, text="Export ")
        menu = ttk.Menu(self.more, tearoff=False)
        menu.add_command(label="As a page in the browser", command=lambda: self._with_chosen(self._page))
        for form in CARD_FORMS:
            command = partial(self._with_chosen, partial(self._export, form))
            menu.add_command(label=_FORM_NAMES[form], command=command)
        self.more.configure(menu=menu)
        self.withdraw_button = ttk.Button(row, text="Withdraw...", command=lambda: self._with_chosen(self._withdraw))
        self.buttons = (self.apply_button, self.prove_button, self.preset_button, self.more, self.withdraw_button)
        for button in self.buttons:
            button.pack(side="left", padx=(0, px(8)))
        ttk.ToolTip(self.prove_button, text="Blind pairs: the old settings against the card's", delay=600)
        ttk.ToolTip(self.apply_button, text="Shows what would change in Run before anything does", delay=600)

    # What is seen.

    def _take(self, looks: Sequence[CardLook]) -> None:
        marked = self._wanted or next(iter(self.table.selection()), "")
        self._wanted = ""
        self.looks = {look.card.name: look for look in looks}
        self.table.delete(*self.table.get_children())
        for name, look in self.looks.items():
            values = (look.card.state, f"{look.card.gain.mean:+.1f}")
            self.table.insert("", "end", name, text=name, values=values)
        if self.looks:
            chosen = marked if marked in self.looks else next(iter(self.looks))
            self.table.selection_set(chosen)
            self.table.focus(chosen)
        self._show()

    def _show(self) -> None:
        self._body.destroy()
        theme, px, look = self._window.theme, self._window.theme.px, self.chosen
        self._body = ttk.Frame(self.area.body, padding=(px(16), px(4), px(16), px(16)))
        self._body.pack(fill="both", expand=True)
        for button in self.buttons:
            button.configure(state="normal" if look is not None else "disabled")
        if look is None:
            add_text(self._body, theme, NO_CARD, "Muted.TLabel")
            return
        card = look.card
        if card.state == "withdrawn":
            for button in (self.prove_button, self.preset_button, self.withdraw_button):
                button.configure(state="disabled")
        ttk.Label(self._body, text=card.name, style="Title.TLabel").pack(anchor="w")
        add_text(self._body, theme, evidence_line(card), "Muted.TLabel")
        add_text(self._body, theme, state_line(card), _STATE_STYLES[card.state])
        self._show_settings(card)
        add_heading(self._body, theme, "Expected stars")
        chart = IntervalChart(self._body, self._window.theme, note_width=100)
        chart.pack(fill="x")
        old, new = card.baseline_expected, card.expected
        chart.show(
            (
                Bar(label="old settings", estimate=old, note=counted(old.images, "picture")),
                Bar(label="the card's", estimate=new, note=counted(new.images, "picture"), strong=True),
            )
        )
        if card.images:
            add_heading(self._body, theme, "Pictures made with settings like these, best first")
            self.strip = PictureStrip(self._body, self._window)
            self.strip.pack(fill="x")
            self.strip.show([_proof(image.record_id, image.path, image.stars, image.prompt) for image in card.images])
        add_heading(self._body, theme, "In words")
        for line in card_lines(card):
            add_text(self._body, theme, line)
        add_heading(self._body, theme, "History")
        for line in reversed(history_lines(look.history)):
            add_text(self._body, theme, line, "SmallMuted.TLabel")

    def _show_settings(self, card: TasteCard) -> None:
        px, rows = self._window.theme.px, settings_rows(card)
        table = ttk.Treeview(
            self._body,
            columns=("old", "new", "brings"),
            height=max(1, len(rows)),
            selectmode="none",
            takefocus=False,
        )
        columns = (("#0", "setting", 120), ("old", "old", 100), ("new", "the card's", 100), ("brings", "brings", 200))
        for column, text, width in columns:
            table.heading(column, text=text, anchor="w")
            table.column(column, width=px(width), anchor="w", stretch=True)
        table.tag_configure("changed", foreground=self._window.theme.palette.accent)
        for name, *values in rows:
            changed = card.baseline.get(name) != card.settings[name]
            table.insert("", "end", text=name, values=values, tags=("changed",) if changed else ())
        table.pack(fill="x", pady=(px(8), 0))

    # What the person does.

    def _with_chosen(self, act: Callable[[TasteCard], None]) -> str:
        look = self.chosen
        if look is not None:
            act(look.card)
        return "break"

    def _apply(self, card: TasteCard) -> None:
        workspace = self._window.workspace
        self._window.jobs.start(lambda: propose_card(workspace, card.name), self._window.send)

    def _preset(self, card: TasteCard) -> None:
        question = "The card's settings are saved as a preset of this name; a card that is withdrawn takes it back."
        ask_line(
            self, self._window.theme, title="Save as preset", question=question, button="Save",
            then=lambda name: self._save_preset(card, name),
        )  # fmt: skip

    def _save_preset(self, card: TasteCard, preset: str, replace: bool = False) -> None:
        workspace = self._window.workspace

        def refused(exc: Exception) -> None:
            if not isinstance(exc, InputError) or replace or "already" not in str(exc):
                self._window.report(exc)
                return
            again = Action(label="Replace it", do=lambda: self._save_preset(card, preset, True))
            text = f"There is already a preset {preset}."
            self._window.notify(Notice(text=text, severity="warning", actions=(again,), key="saved"))

        def saved(_: object) -> None:
            self._window.notify(Notice(text=f"Saved preset {preset}", severity="good", key="saved"))
            self.read()

        self._window.jobs.start(
            lambda: apply_card(workspace, card.name, preset, replace=replace), saved, failed=refused
        )

    def _export(self, form: CardForm, card: TasteCard) -> None:
        workspace = self._window.workspace
        self._window.jobs.start(lambda: export_card(workspace, card.name, form), self._ask_where)

    def _ask_where(self, exported: ExportedCard) -> None:
        chosen = filedialog.asksaveasfilename(
            parent=self, title="Export the card", initialfile=exported.file_name, confirmoverwrite=False
        )
        if chosen:
            self.write(exported, Path(chosen))

    def write(self, exported: ExportedCard, path: Path) -> None:
        """Write the exported card there, and say what it could not hold."""
        left_out = f" Not in it: {', '.join(exported.left_out)}." if exported.left_out else ""
        text = f"Written {path}: {exported.hint}.{left_out}"
        self._window.jobs.start(
            lambda: write_export(exported, path),
            lambda _: self._window.notify(Notice(text=text, severity="good", key="exported")),
        )

    def _page(self, card: TasteCard) -> None:
        workspace = self._window.workspace
        path = workspace.cards / f"{card.name}.html"

        def write() -> None:
            write_card_page(workspace, card_history(workspace, card.name), path)
            open_with_desktop(path)

        self._window.jobs.start(write)

    def _withdraw(self, card: TasteCard) -> None:
        workspace = self._window.workspace

        def withdraw(reason: str) -> None:
            self._window.jobs.start(
                lambda: withdraw_card(workspace, card.name, reason),
                lambda taken: self._withdrawn(card.name, [each.said for each in taken]),
            )

        question = "The old settings are in use again, and presets made from the card get them back. Why?"
        ask_line(self, self._window.theme, title="Withdraw", question=question, button="Withdraw", then=withdraw)

    def _withdrawn(self, name: str, said: Sequence[str]) -> None:
        text = ". ".join([f"Card {name} is withdrawn", *said])
        self._window.notify(Notice(text=text, key="withdrawn"))
        self.read()


def _proof(record_id: str, path: str, stars: float | None, prompt: str) -> ProofPicture:
    """A card's picture; its run is the folder that it lies in."""
    parts = Path(path).parts
    run_id = parts[1] if len(parts) > 1 and parts[0] == "runs" else ""
    return ProofPicture(record_id=record_id, run_id=run_id, path=path, stars=stars, prompt=prompt)
