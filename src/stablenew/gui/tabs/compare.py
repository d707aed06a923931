"""Compare: two to four pictures that zoom together; which is best, without knowing their settings."""

from __future__ import annotations

import random
import time
import tkinter
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

from stablenew.controller.events import RunFailed, RunFinished
from stablenew.gui.comparing import (
    Comparing,
    after_answer,
    after_reveal,
    after_undo,
    asking,
    looking_at,
)
from stablenew.gui.difference_list import DifferenceList, short_difference
from stablenew.gui.events import CompareRecords, ThemeChanged
from stablenew.gui.filter_bar import in_menu_order
from stablenew.gui.key_sheet import KeySheet
from stablenew.gui.keys import Act, bind_keys, bind_menu
from stablenew.gui.picture_menu import PictureActions, pop_up
from stablenew.gui.picture_table import WAYS, PictureTable, Way
from stablenew.gui.pictures.view import STEP
from stablenew.gui.rating_book import Said
from stablenew.learning.rater_checks import break_hint, standing
from stablenew.learning.rating_pairs import (
    ROW_MAX,
    Row,
    candidates,
    compared_before,
    is_compared,
    is_matched,
    pairs_of_answers,
    passed_over,
    preference,
    rows_to_ask,
    tie,
)
from stablenew.learning.record_filter import Condition, field_name
from stablenew.learning.recorded_picture import picture_of

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI
    from stablenew.learning.learning_feedback import Rating
    from stablenew.learning.record_index import RecordIndex

NAME = "compare"
ROWS_MAX = 500
ALL_RUNS = "All runs"
WAY_LABELS: dict[Way, str] = {"side": "Side by side", "slider": "Slider", "flicker": "Flicker"}
KEYS = (
    (
        "Judge",
        (
            ("1 … 4", "that one is the best"),
            ("T  =", "they are as good as each other"),
            ("S  Space", "skip"),
            ("U", "undo the last answer"),
            ("B", "ask blind, row by row"),
            ("D", "what differs, or hidden"),
        ),
    ),
    (
        "Look",
        (
            ("V", "side by side, slider, flicker"),
            ("← →", "move the divider, or flip"),
            ("↑ ↓", "which one lies over the first"),
            ("+ −", "zoom all; the wheel does too"),
            ("Z", "every pixel, or all of it"),
            ("Return", "open the file"),
            ("Shift F10", "what else can be done"),
            ("?", "these keys"),
        ),
    ),
)


class CompareTab(ttk.Frame):
    """What is asked is a `Comparing`; the pictures lie on a `PictureTable`."""

    def __init__(self, master: tkinter.Misc, window: StableNewGUI) -> None:
        px = window.theme.px
        super().__init__(master, padding=(px(16), px(12), px(16), px(8)))
        self.window, self.book = window, window.ratings
        self.actions = PictureActions(window)
        self.comparing = Comparing()
        self._since: float | None = None
        self._break = ""
        self._lay_out()
        self._listen()
        self._show()
        self._offer_runs()

    def handle(self, event: object) -> None:
        """Shows what another tab asks to compare."""
        if isinstance(event, CompareRecords):
            self._look_at(event.record_ids)
        elif isinstance(event, ThemeChanged):
            self.table.use_theme()
        elif isinstance(event, (RunFinished, RunFailed)):
            self._offer_runs()

    # What the keys and buttons do.

    def ask_blind(self) -> None:
        """Ask for the best of row after row, settings hidden, until there are no more."""
        size = int(self.row_size.get())
        run = self.run.get()
        where = [] if run == ALL_RUNS else [Condition(field=field_name("run"), operator="=", value=run)]
        who, chance = self.book.who, random.Random()

        def pick(index: RecordIndex) -> list[Row]:
            found = candidates(index, where)
            return list(islice(rows_to_ask(found, compared_before(index, found, who), chance, size=size), ROWS_MAX))

        self.said.configure(text="Looking for pictures to compare …")
        self.window.library.ask(pick, self._begin, failed=self._none_found, key=NAME)

    def best(self, number: int) -> None:
        """The picture at that place is the best of the row."""
        row = self.comparing.row
        if row is not None and number < len(row):
            self._answer(preference(row, number, **self._how()))

    def tie(self) -> None:
        """None of the row is better than another."""
        if self.comparing.row is not None:
            self._answer(tie(self.comparing.row, **self._how()))

    def skip(self) -> None:
        """On to the next row; that this one was passed over is stored as well."""
        if self.comparing.blind and self.comparing.row is not None:
            self._answer(passed_over(self.comparing.row, **self._how()))

    def undo(self) -> None:
        """Take the last answer back, and ask it again."""
        if self.comparing.answered and self.book.undo(NAME) is not None:
            self._go(after_undo(self.comparing))

    def toggle_differences(self) -> None:
        """Show what differs, or hide it."""
        if self.differences.winfo_manager():
            self.differences.grid_remove()
        else:
            self.differences.grid(row=0, column=1, sticky="nsew")
            self.comparing = after_reveal(self.comparing)
        self._show_words()

    def use_way(self, way: Way) -> None:
        """Side by side, with a divider, or in turns."""
        self._way.set(way)
        self.table.use_way(way)
        self.focus_pictures()

    def next_way(self) -> None:
        """The next of the three ways to look."""
        self.use_way(WAYS[(WAYS.index(self.table.way) + 1) % len(WAYS)])

    def focus_pictures(self) -> None:
        """The keyboard to the pictures."""
        (self.table.panes[self.table.front] if self.comparing.row else self.table).focus_set()

    # Parts.

    def _lay_out(self) -> None:
        px, theme = self.window.theme.px, self.window.theme
        self._lay_out_bar()
        below = ttk.Frame(self)
        below.pack(side="bottom", fill="x", pady=(px(8), 0))
        for text, key, act in (("As good", "T", self.tie), ("Skip", "S", self.skip), ("Undo", "U", self.undo)):
            button = ttk.Button(below, text=f"{text}  {key}", bootstyle="secondary-outline", command=act)
            button.pack(side="left", padx=(0, px(4)))
        ttk.Button(below, text="Keys  ?", bootstyle="ghost", command=lambda: self.sheet.open()).pack(side="right")
        self.said = ttk.Label(below, style="Muted.TLabel")
        self.said.pack(side="left", padx=px(12))
        self.prompt = ttk.Label(self, style="Muted.TLabel")
        self.prompt.pack(side="bottom", fill="x", pady=(px(8), 0))
        middle = ttk.Frame(self)
        middle.pack(fill="both", expand=True)
        middle.rowconfigure(0, weight=1)
        middle.columnconfigure(0, weight=1)
        self.table = PictureTable(middle, theme, self.window.bridge.call, best=self.best)
        self.table.grid(row=0, column=0, sticky="nsew")
        self.nothing = ttk.Label(middle, style="Muted.TLabel", justify="center", anchor="center")
        self.differences = DifferenceList(middle, theme)
        self.sheet = KeySheet(self, theme, KEYS, self.focus_pictures)

    def _lay_out_bar(self) -> None:
        px = self.window.theme.px
        bar = ttk.Frame(self)
        bar.pack(fill="x", pady=(0, px(10)))
        ttk.Button(bar, text="Ask blind  B", bootstyle="primary", command=self.ask_blind, name="ask").pack(side="left")
        ttk.Label(bar, text="rows of", style="Muted.TLabel").pack(side="left", padx=px(6))
        self.row_size = ttk.Combobox(bar, values=[str(n) for n in range(2, ROW_MAX + 1)], width=3, state="readonly")
        self.row_size.set("2")
        self.row_size.pack(side="left")
        ttk.Label(bar, text="from", style="Muted.TLabel").pack(side="left", padx=px(6))
        self.run = ttk.Combobox(bar, values=[ALL_RUNS], width=20, state="readonly")
        self.run.set(ALL_RUNS)
        self.run.pack(side="left")
        ttk.Button(bar, text="Differences  D", bootstyle="secondary-outline", command=self.toggle_differences).pack(
            side="right"
        )
        self._way = tkinter.StringVar(self, "side")
        for way in reversed(WAYS):
            ttk.Radiobutton(
                bar,
                text=WAY_LABELS[way],
                value=way,
                variable=self._way,
                bootstyle="primary-outline-toolbutton",
                command=partial(self.use_way, way),
                name=way,
            ).pack(side="right", padx=(0, px(12 if way == "flicker" else 2)))

    def _listen(self) -> None:
        acts: dict[str, Act] = {str(number + 1): partial(self.best, number) for number in range(ROW_MAX)} | {
            "t": self.tie,
            "equal": self.tie,
            "s": self.skip,
            "space": self.skip,
            "u": self.undo,
            "b": self.ask_blind,
            "d": self.toggle_differences,
            "v": self.next_way,
            "Left": partial(self._sideways, -1),
            "Right": partial(self._sideways, 1),
            "Up": partial(self.table.flip, -1),
            "Down": partial(self.table.flip, 1),
            "plus": partial(self.table.zoom, STEP),
            "minus": partial(self.table.zoom, 1 / STEP),
            "z": self.table.zoom_full,
            "question": self.sheet.open,
        }
        bind_keys(self.table, acts)
        self.table.bind("<Button-1>", lambda _: self.focus_pictures())
        for number, pane in enumerate(self.table.panes):
            bind_keys(pane, acts | {"Return": partial(self._open, number)})
            bind_menu(pane, partial(self._pop_up, number))
            pane.bind("<Double-Button-1>", partial(self._open, number))
        self.bind("<Map>", lambda _: self.focus_pictures())

    # What was said.

    def _how(self) -> dict[str, object]:
        decided = None if self._since is None else round((time.monotonic() - self._since) * 1000)
        return {"who": self.book.who, "blind": self.comparing.hidden, "surface": NAME, "decided_ms": decided}

    def _answer(self, line: Rating) -> None:
        self.book.give(Said(surface=NAME, lines=(line,)))
        self._go(after_answer(self.comparing))
        given = self.book.given(NAME)
        self.window.jobs.start(lambda: break_hint(standing(given)), self._hint, key="break")

    def _hint(self, why: str) -> None:
        """A break would be good: said quietly beside the counts."""
        self._break = why
        self.said.configure(text=self._status())

    # What is seen.

    def _look_at(self, record_ids: Sequence[str]) -> None:
        def find(index: RecordIndex) -> Row:
            return tuple(picture_of(index.get(each), tuple(index.ratings_of(each))) for each in record_ids[:ROW_MAX])

        self.window.library.ask(find, self._begin_looking, failed=self.window.report, key=NAME)

    def _begin_looking(self, row: Row) -> None:
        self.book.learn(row)
        if not self.differences.winfo_manager():
            self.differences.grid(row=0, column=1, sticky="nsew")
        self._go(looking_at(row))

    def _begin(self, rows: list[Row]) -> None:
        # What was answered since they were looked for, or was not on disk by then, is not asked again.
        told = pairs_of_answers(self.book.given(NAME))
        self.differences.grid_remove()
        self._go(asking(row for row in rows if not is_compared(row, told)))

    def _none_found(self, exc: Exception) -> None:
        self.window.report(exc)
        self._show_words()

    def _go(self, comparing: Comparing) -> None:
        same = comparing.row == self.comparing.row and comparing.rows is self.comparing.rows
        self.comparing = comparing
        if comparing.blind and self.differences.winfo_manager() and not comparing.seen:
            self.differences.grid_remove()
        if same and comparing.row is not None:
            self._show_words()
        else:
            self._show()
            self._take_focus_along()

    def _take_focus_along(self) -> None:
        """The keyboard stays with the pictures when those it was on are gone, or come where there were none."""
        if str(self.focus_get() or "").startswith(str(self.table)):
            self.focus_pictures()

    def _show(self) -> None:
        row, root = self.comparing.row or (), self.window.workspace.root
        self._since = time.monotonic() if row else None
        self.table.show([root / each.path for each in row], [root / each.path for each in self.comparing.following])
        if row:
            self.nothing.place_forget()
        else:
            self.nothing.configure(text=self._why_nothing())
            self.nothing.place(relx=0.5, rely=0.5, anchor="center")
        self._show_words()

    def _show_words(self) -> None:
        state, row = self.comparing, self.comparing.row or ()
        hidden = state.hidden and not self.differences.winfo_manager()
        shorts = ["" if hidden else short_difference(row, number) for number in range(len(row))]
        self.table.say([f"{number + 1}   {short}" for number, short in enumerate(shorts)])
        self.differences.show(row, hidden=hidden)
        self.prompt.configure(text=" / ".join(dict.fromkeys(each.prompt.replace("\n", " ") for each in row)))
        self.said.configure(text=self._status())

    def _status(self) -> str:
        state = self.comparing
        answered = len(state.answered)
        parts = [f"{answered} answered"] if answered or state.blind else []
        if state.blind and state.row is not None:
            parts += [f"{state.left:,} left", "same prompt and seed" if is_matched(state.row) else "same prompt"]
        return " · ".join([*parts, *([self._break] if self._break else [])])

    def _why_nothing(self) -> str:
        if self.comparing.blind and self.comparing.rows:
            return "That was the last one. Thank you."
        if self.comparing.blind:
            return "There is nothing left to compare:\nit takes pictures of one prompt with different settings."
        return "Ask blind, or choose pictures in Review and press C."

    def _sideways(self, by: int) -> None:
        if self.table.way == "slider":
            self.table.divide(0.02 * by)
        elif self.table.way == "flicker":
            self.table.flip(by)
        else:
            self._focus_beside(by)

    def _focus_beside(self, by: int) -> None:
        count, focused = len(self.comparing.row or ()), self.focus_get()
        at = next((n for n, pane in enumerate(self.table.panes) if pane is focused), 0)
        if count:
            self.table.panes[(at + by) % count].focus_set()

    def _offer_runs(self) -> None:
        self.window.library.ask(
            lambda index: [group.values[0] for group in index.groups(["run"])],
            lambda runs: self.run.configure(values=[ALL_RUNS, *in_menu_order(runs)]),
            failed=self.window.report,
            key=f"{NAME} choices",
        )

    def _open(self, number: int, _: object = None) -> None:
        row = self.comparing.row
        if row is not None and number < len(row):
            self.actions.open_file(row[number])

    def _pop_up(self, number: int, event: tkinter.Event[tkinter.Misc]) -> None:
        row = self.comparing.row
        if row is not None and number < len(row):
            pop_up(self.actions.menu(self, row[number]), event)
