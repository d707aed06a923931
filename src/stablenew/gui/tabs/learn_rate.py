"""Rate an experiment blind: pictures of one prompt and seed beside each other, stars for each, and the best of them."""

from __future__ import annotations

import random
import time
import tkinter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

from stablenew.gui.key_sheet import KeySheet
from stablenew.gui.keys import Act, bind_keys
from stablenew.gui.pictures.loader import PictureLoader
from stablenew.gui.rating_book import Said
from stablenew.gui.tabs.learn_parts import sitting_head
from stablenew.gui.tabs.learn_sitting import (
    Sitting,
    answered,
    at_picture,
    back,
    begun,
    moved,
    passed_over,
    progress_text,
    starred,
    summary_text,
    with_best,
)
from stablenew.gui.tabs.learn_tile import RowTile
from stablenew.learning.experiments import records_of_experiment
from stablenew.learning.learning_feedback import Rating
from stablenew.learning.rater_checks import RECENT, break_hint, standing
from stablenew.learning.rating_rows import ROW_MAX, SURFACE, RatingRow, rated_by, row_ratings, rows_to_rate
from stablenew.learning.record_index import RecordIndex

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

ROWS_PER_REPEAT = 10
"""One row in so many comes a second time, unannounced: how much a person agrees with themselves."""

KEYS = (
    (
        "Judge",
        (
            ("1 … 5", "stars for the marked picture; on to the next"),
            ("0", "take its stars back"),
            ("B", "it is the best of the row, or not after all"),
            ("Return", "keep the answer, next row"),
            ("S", "next row, nothing said"),
            ("U", "back to the row before"),
        ),
    ),
    (
        "Look",
        (
            ("← → ↑ ↓", "mark another picture"),
            ("Z  Space", "the marked picture large, or all of them"),
            ("Esc", "end the sitting; what was answered is kept"),
            ("?", "these keys"),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Rows:
    """What there is to rate, and the person's newest ratings."""

    rows: tuple[RatingRow, ...]
    said: list[Rating] = field(default_factory=list)


def read_rows(
    index: RecordIndex,
    experiment_id: str,
    who: str | None,
    root: Path,
    chance: random.Random,
    given: Sequence[Rating] = (),
) -> Rows:
    """The experiment's rows that the person has not rated yet, and what they said before.

    `given` was said in this sitting, and is perhaps not on disk yet.
    """
    records = [
        record
        for record in records_of_experiment(index, experiment_id)
        if record.outcome.images and (root / record.outcome.images[-1].path).is_file()
    ]
    ratings = [rating for record in records for rating in index.ratings_of(record.run.record_id)]
    known, made = {rating.rating_id for rating in ratings}, {record.run.record_id for record in records}
    ratings += [rating for rating in given if rating.record_id in made and rating.rating_id not in known]
    repeats = len(records) // (ROWS_PER_REPEAT * ROW_MAX)
    rows = rows_to_rate(records, rated_by(ratings, who), chance, repeats=repeats)
    return Rows(tuple(rows), [rating for rating in ratings if rating.who == who])


class RatePage(ttk.Frame):
    """The rows of one experiment. `ended` is called when the person leaves; `advise` when the advice is asked for."""

    def __init__(
        self, master: tkinter.Misc, window: StableNewGUI, ended: Callable[[], None], advise: Callable[[str], None]
    ) -> None:
        px = window.theme.px
        super().__init__(master, padding=(px(16), px(12), px(16), px(8)))
        self._window, self._ended, self._advise = window, ended, advise
        self.sitting = Sitting()
        self.experiment_id = ""
        self.large = False
        self._said: list[Rating] = []
        self._since = 0.0
        self._tiles: list[RowTile] = []
        self.loader = PictureLoader(window.bridge.call, self._ready)
        self._lay_out()
        bind_keys(self.table, self._acts())
        self.table.bind("<Configure>", lambda _: self._arrange())
        self.bind("<Map>", lambda _: self.table.focus_set())

    def begin(self, experiment_id: str) -> None:
        """Read the rows of the experiment, and show the first."""
        self.experiment_id, self.sitting = experiment_id, Sitting()
        self._put_tiles_away()
        self.done.pack_forget()
        self.prompt.configure(text="Reading …")
        who, root = self._window.ratings.who, self._window.workspace.root
        given = self._window.ratings.given(SURFACE)
        self._window.library.ask(
            lambda index: read_rows(index, experiment_id, who, root, random.Random(), given),
            self._begun,
            failed=self._window.report,
            key="rows",
        )

    def use_theme(self) -> None:
        """Take on the theme's colours."""
        self.table.configure(background=self._window.theme.palette.background)
        for tile in self._tiles:
            tile.use_theme()

    def destroy(self) -> None:
        """End the decoding threads as well."""
        self.loader.close()
        super().destroy()

    # What the keys and buttons do.

    def give(self, stars: int | None, at: int | None = None) -> None:
        """Stars for a picture, else for the marked one."""
        self._go(starred(self.sitting, stars, at))

    def choose_best(self, at: int | None = None) -> None:
        """The picture (else the marked one) is the best of the row, or not after all."""
        self._go(with_best(self.sitting, at))

    def next_row(self) -> None:
        """Keep what was said about the row and go on; a row about which nothing was said stays."""
        sitting, row = self.sitting, self.sitting.row
        if row is None or not sitting.said_something:
            return
        decided_ms = round((time.monotonic() - self._since) * 1000)
        who = self._window.ratings.who
        lines = row_ratings(row, sitting.stars, sitting.best, who=who, decided_ms=decided_ms)
        self._window.ratings.give(Said(surface=SURFACE, lines=tuple(lines)))
        self._said += lines
        self._begin_row(answered(sitting))

    def skip(self) -> None:
        """The next row, nothing said about this one."""
        self._begin_row(passed_over(self.sitting))

    def undo(self) -> None:
        """Back to the row answered last, its answer taken back."""
        if self.sitting.answered:
            said = self._window.ratings.undo(SURFACE)
            if said is not None:
                taken = {line.rating_id for line in said.lines}
                self._said = [line for line in self._said if line.rating_id not in taken]
            self._begin_row(back(self.sitting))

    def look_close(self) -> None:
        """The marked picture alone and large, or all of them."""
        self.large = not self.large
        self._arrange()

    def leave(self) -> None:
        """End the sitting."""
        self._ended()

    # Parts.

    def _lay_out(self) -> None:
        px, theme = self._window.theme.px, self._window.theme
        self.prompt, self.counts = sitting_head(self, theme, "Back  Esc", self.leave)
        foot = ttk.Frame(self)
        foot.pack(side="bottom", fill="x", pady=(px(8), 0))
        self.next_button = ttk.Button(foot, text="Next row  ⏎", command=self.next_row, bootstyle="primary")
        self.skip_button = ttk.Button(foot, text="Skip  S", command=self.skip)
        self.undo_button = ttk.Button(foot, text="Undo  U", command=self.undo)
        for button in (self.next_button, self.skip_button, self.undo_button):
            button.pack(side="left", padx=(0, px(8)))
        ttk.Button(foot, text="Keys  ?", bootstyle="ghost", command=lambda: self.sheet.open()).pack(side="right")
        self.hint = ttk.Label(foot, style="Muted.TLabel")
        self.hint.pack(side="left", padx=px(8))
        self.table = tkinter.Frame(self, takefocus=True, background=theme.palette.background, width=1, height=1)
        self.table.pack(fill="both", expand=True)
        self.done = ttk.Frame(self.table)
        self.done_text = ttk.Label(self.done, justify="center", anchor="center")
        self.done_text.pack(pady=(px(48), px(16)))
        self.advice_button = ttk.Button(self.done, text="See advice", bootstyle="primary")
        self.advice_button.configure(command=lambda: self._advise(self.experiment_id))
        self.advice_button.pack()
        self.sheet = KeySheet(self, theme, KEYS, self.table.focus_set)

    def _acts(self) -> dict[str, Act]:
        acts: dict[str, Act] = {str(stars): partial(self.give, stars) for stars in range(1, 6)}
        acts |= {f"KP_{stars}": partial(self.give, stars) for stars in range(1, 6)}
        steps = {"Left": -1, "Right": 1}
        acts |= {key: partial(self._move, by) for key, by in steps.items()}
        acts |= {"Up": lambda: self._move(-self._columns()), "Down": lambda: self._move(self._columns())}
        return acts | {
            "0": partial(self.give, None),
            "b": self.choose_best,
            "Return": self.next_row,
            "s": self.skip,
            "u": self.undo,
            "z": self.look_close,
            "space": self.look_close,
            "Escape": self.leave,
            "question": self.sheet.open,
        }

    # What is seen.

    def _begun(self, found: Rows) -> None:
        self._said = found.said[-RECENT:]
        self._begin_row(begun(found.rows))
        self.table.focus_set()

    def _begin_row(self, sitting: Sitting) -> None:
        self.sitting, self.large = sitting, False
        self._since = time.monotonic()
        self._put_tiles_away()
        row = sitting.row
        pictures = row.pictures if row is not None else ()
        self._tiles = [
            RowTile(self.table, self._window, number, self._mark, self._give_at, self.choose_best)
            for number in range(len(pictures))
        ]
        if row is None:
            self._show_end()
        else:
            self.done.place_forget()
            self.prompt.configure(text=row.prompt.replace("\n", " "))
        self.counts.configure(text=progress_text(sitting) if sitting.rows else "")
        self.hint.configure(text=break_hint(standing(self._said[-RECENT:])))
        self._arrange()
        self._show()

    def _put_tiles_away(self) -> None:
        for tile in self._tiles:
            tile.destroy()
        self._tiles = []

    def _show_end(self) -> None:
        self.prompt.configure(text="")
        if self.sitting.answered:
            text = f"{summary_text(self.sitting)}."
        else:
            text = "Every picture of this experiment has your stars, or has nothing to be compared with."
        self.done_text.configure(text=text)
        self.done.place(relx=0.5, rely=0.3, anchor="center")

    def _go(self, sitting: Sitting) -> None:
        marked = self.sitting.cursor
        self.sitting = sitting
        self._show()
        if self.large and sitting.cursor != marked:
            self._arrange()

    def _mark(self, place: int) -> None:
        self.table.focus_set()
        self._go(at_picture(self.sitting, place))

    def _give_at(self, place: int, stars: int) -> None:
        self.table.focus_set()
        taken_back = self.sitting.stars[place] == stars
        self.give(None if taken_back else stars, place)

    def _move(self, by: int) -> None:
        self._go(moved(self.sitting, by))

    def _show(self) -> None:
        sitting = self.sitting
        able = {
            self.next_button: sitting.row is not None and sitting.said_something,
            self.skip_button: sitting.row is not None,
            self.undo_button: bool(sitting.answered),
        }
        for button, possible in able.items():
            button.configure(state="normal" if possible else "disabled")
        for place, tile in enumerate(self._tiles):
            tile.show(sitting.stars[place], best=sitting.best == place, marked=sitting.cursor == place)

    def _columns(self) -> int:
        """So many pictures beside each other."""
        count = len(self._tiles)
        wide = self.table.winfo_width() > 1.4 * self.table.winfo_height()
        return count if count <= (3 if wide else 2) else (count + 1) // 2 if wide else 2

    def _arrange(self) -> None:
        """All pictures of the row in equal rooms, or the marked one in all of it."""
        width, height = self.table.winfo_width(), self.table.winfo_height()
        if width <= 1 or not self._tiles:
            return
        gap, columns = self._window.theme.px(8), self._columns()
        lines = -(-len(self._tiles) // columns)
        wide, high = (width - (columns - 1) * gap) // columns, (height - (lines - 1) * gap) // lines
        for place, tile in enumerate(self._tiles):
            line, column = divmod(place, columns)
            if not self.large:
                tile.place(x=column * (wide + gap), y=line * (high + gap), width=wide, height=high)
            elif place == self.sitting.cursor:
                tile.place(x=0, y=0, width=width, height=height)
            else:
                tile.place_forget()
        self.update_idletasks()
        self._want()

    def _want(self) -> None:
        """The pictures of this row, then those of the next."""
        row = self.sitting.row
        if row is None or not self._tiles:
            return
        room = self._tiles[self.sitting.cursor].room
        root = self._window.workspace.root
        self.loader.want([root / each.path for each in (*row.pictures, *self.sitting.upcoming)], room)
        for each in row.pictures:
            self._ready(root / each.path)

    def _ready(self, path: Path) -> None:
        row, loaded = self.sitting.row, self.loader.get(path)
        if row is None or loaded is None:
            return
        for picture, tile in zip(row.pictures, self._tiles, strict=False):
            if self._window.workspace.root / picture.path == path and tile.winfo_manager():
                tile.show_picture(loaded)
