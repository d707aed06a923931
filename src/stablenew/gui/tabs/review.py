"""Review: one picture large, one key for each verdict; or all of them small."""

from __future__ import annotations

import tkinter
from functools import partial
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

from stablenew.controller.events import RunFailed, RunFinished, RunStarted, VariantFinished
from stablenew.gui.events import CompareRecords, OpenRun, RatingsChanged, ThemeChanged
from stablenew.gui.filter_bar import FilterBar, PictureFilter, filter_from, in_menu_order
from stablenew.gui.info_panel import InfoPanel
from stablenew.gui.judging import JUDGING_KEYS, Judging
from stablenew.gui.key_sheet import KeySheet
from stablenew.gui.keys import Act, bind_keys, bind_menu, by_pointer
from stablenew.gui.notices import Notice
from stablenew.gui.picture_list import Change, PictureList
from stablenew.gui.picture_menu import PictureActions, pop_up
from stablenew.gui.picture_stage import TILE, PictureStage
from stablenew.gui.pictures.view import STEP
from stablenew.gui.verdict_bar import LineEditor, VerdictBar
from stablenew.learning.rating_fold import Feedback
from stablenew.learning.recorded_picture import PICTURES_MAX, RecordedPicture

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

NAME = "review"
COMPARED_MAX = 4
KEYS = (
    (
        "Judge",
        (
            ("1 … 5", "stars"),
            ("0", "take stars and rejection back"),
            ("X", "reject, or not after all"),
            ("F", "favourite, or not after all"),
            ("T", "tags"),
            ("N", "note"),
            ("U", "undo the last thing said"),
        ),
    ),
    (
        "Go",
        (
            ("← →", "picture before, next picture"),
            ("Space", "next without a verdict"),
            ("Home  End", "first, last"),
            ("A", "go on by itself after a verdict"),
            ("G", "all small, or one large"),
            ("C", "compare with its matches"),
            ("/", "look for words"),
            ("Esc", "from a field back to the pictures"),
        ),
    ),
    (
        "Look",
        (
            ("I", "show settings, or hide them"),
            ("+ −", "zoom; the wheel does too"),
            ("Z", "every pixel, or all of it"),
            ("Return", "open the file"),
            ("Shift F10", "what else can be done"),
            ("R", "read anew"),
            ("?", "these keys"),
        ),
    ),
)


class ReviewTab(ttk.Frame):
    """Which pictures, and where the person is, is in a `PictureList`; what was said in the window's `RatingBook`."""

    def __init__(self, master: tkinter.Misc, window: StableNewGUI) -> None:
        px = window.theme.px
        super().__init__(master, padding=(px(16), px(12), px(16), px(8)))
        self.window, self.book = window, window.ratings
        self.actions = PictureActions(window)
        memory = window.recall(NAME)
        self.goes_on = bool(memory.get("goes_on", True))
        self.list = PictureList(
            NAME, window.library, self.book, filter_from(memory), changed=self._list_changed, failed=window.report
        )
        self._made: set[str] = set()
        self._ended_meanwhile = False
        self._shown: RecordedPicture | None = None
        self._settings_seen: set[str] = set()
        self._lay_out(int(memory.get("tile", TILE)))
        self._listen()
        self.reload()

    # What the window tells.

    def handle(self, event: object) -> None:
        """What a run makes is offered, never pushed under the person's eyes."""
        if isinstance(event, OpenRun):
            chosen = PictureFilter(run=event.run_id, descending=False)
            self.bar.show(chosen)
            self.list.read(chosen, at=event.record_id or "")
        elif isinstance(event, RatingsChanged):
            self._ratings_changed(set(event.record_ids))
        elif isinstance(event, VariantFinished):
            if event.result.images:
                self._made.add(event.result.record_id)
            self._show_counts()
        elif isinstance(event, RunStarted):
            self._offer_choices()
        elif isinstance(event, (RunFinished, RunFailed)):
            self._run_ended()
        elif isinstance(event, ThemeChanged):
            self.stage.use_theme()
            self.verdicts.use_theme()
            self.facts.use_theme()
            self._show_verdict()

    # What the keys and buttons do.

    def reload(self) -> None:
        """Read the pictures anew; the person stays where they are."""
        self.list.read()
        self._offer_choices()

    def toggle_info(self) -> None:
        """Show the settings beside the picture, or hide them: verdicts on a picture whose settings were seen say so."""
        if self.facts.winfo_manager():
            self.facts.grid_remove()
        else:
            self.facts.grid(row=0, column=1, sticky="nsew")
        self._show_info()

    def toggle_tiles(self) -> None:
        """All pictures small, or one large."""
        self.stage.show_small(not self.stage.small)

    def compare(self) -> None:
        """The chosen pictures side by side; else this one with those of its prompt and seed, else with the next."""
        state, chosen = self.list.state, sorted(self.stage.tiles.chosen)
        pictures = [picture for n in chosen if (picture := state.at(n)) is not None]
        if len(pictures) < 2:
            pictures = self._matches()
        if len(pictures) > 1:
            self.window.send(CompareRecords(record_ids=tuple(each.record_id for each in pictures[:COMPARED_MAX])))

    def toggle_going_on(self) -> None:
        """Go to the next picture after stars and rejections, or stay."""
        self.goes_on = not self.goes_on
        self._goes_on.set(self.goes_on)
        self.window.remember(NAME, {"goes_on": self.goes_on})

    # Parts.

    def _lay_out(self, tile: int) -> None:
        px, theme = self.window.theme.px, self.window.theme
        self.bar = FilterBar(self, theme, self.list.filter, self._choose)
        self.bar.pack(fill="x", pady=(0, px(10)))
        below = ttk.Frame(self)
        below.pack(side="bottom", fill="x", pady=(px(8), 0))
        self.verdicts = VerdictBar(below, theme, lambda key: self.judging.press(key))
        self.verdicts.pack(side="left", fill="x", expand=True)
        self._lay_out_right(below)
        self.editor = LineEditor(self, theme, lambda: self.stage.focus_pictures())
        self.judging = Judging(
            self.book,
            NAME,
            self.editor,
            current=lambda: self.list.current,
            how=self._how,
            went_on=self._go_on,
            returned=self._return_to,
        )
        self.prompt = ttk.Label(self, style="Muted.TLabel", anchor="w")
        self.prompt.pack(side="bottom", fill="x", pady=(px(8), 0))
        middle = ttk.Frame(self)
        middle.pack(fill="both", expand=True)
        middle.rowconfigure(0, weight=1)
        middle.columnconfigure(0, weight=1)
        self.stage = PictureStage(middle, self.window, self.list, self._open, tile)
        self.stage.grid(row=0, column=0, sticky="nsew")
        self.facts = InfoPanel(middle, theme)
        self.sheet = KeySheet(self, theme, KEYS, self.stage.focus_pictures)

    def _lay_out_right(self, below: ttk.Frame) -> None:
        px = self.window.theme.px
        ttk.Button(below, text="Keys  ?", bootstyle="ghost", command=lambda: self.sheet.open()).pack(side="right")
        self._goes_on = tkinter.BooleanVar(self, self.goes_on)
        ttk.Checkbutton(
            below, text="Go on  A", variable=self._goes_on, bootstyle="round-toggle", command=self.toggle_going_on
        ).pack(side="right", padx=px(12))
        self.new = ttk.Button(below, bootstyle="link", command=self.reload)
        self.counts = ttk.Label(below, style="Muted.TLabel")
        self.counts.pack(side="right", padx=px(8))

    def _listen(self) -> None:
        stage = self.stage
        acts: dict[str, Act] = {key: partial(self.judging.press, key) for key in JUDGING_KEYS} | {
            "space": self.list.go_on_without_verdict,
            "g": self.toggle_tiles,
            "c": self.compare,
            "i": self.toggle_info,
            "a": self.toggle_going_on,
            "r": self.reload,
            "slash": self.bar.focus_words,
            "question": self.sheet.open,
            "Home": lambda: self.list.go(0),
            "End": lambda: self.list.go(len(self.list.state.shown) - 1),
        }
        steps = {"Right": 1, "Down": 1, "Left": -1, "Up": -1, "Next": 10, "Prior": -10}
        zooms = {"plus": 1, "equal": 1, "KP_Add": 1, "minus": -1, "KP_Subtract": -1}
        bind_keys(stage.large, acts | {"z": stage.large.zoom_full, "Return": self._open})
        bind_keys(stage.large, {key: partial(self.list.step, by) for key, by in steps.items()})
        bind_keys(stage.large, {key: partial(stage.large.zoom, STEP**way) for key, way in zooms.items()})
        bind_keys(stage.tiles, acts)
        bind_keys(stage.tiles, {key: partial(self._zoom_tiles, way) for key, way in zooms.items()})
        for part in (stage.large, stage.tiles):
            bind_menu(part, self._pop_up)
        stage.large.bind("<Button-1>", lambda _: stage.large.focus_set(), add=True)
        stage.large.bind("<Double-Button-1>", lambda _: self._open())
        for field in self.bar.winfo_children():
            field.bind("<Escape>", lambda _: stage.focus_pictures())
        self.bind("<Map>", lambda _: stage.focus_pictures())
        self.prompt.bind("<Configure>", lambda _: self._show_prompt())

    # What was said.

    def _said(self, picture: RecordedPicture) -> Feedback:
        return self.book.feedback(picture.record_id)

    def _how(self, picture: RecordedPicture) -> dict[str, object]:
        return {"blind": picture.record_id not in self._settings_seen, "decided_ms": self.stage.seen_ms}

    def _go_on(self) -> None:
        if self.goes_on:
            self.list.step(1)

    def _return_to(self, record_id: str) -> None:
        if self.list.state.place_of(record_id) is None:
            self.window.notify(Notice(text="Taken back, of a picture that is not among these", key="undone"))
        self.list.go_to_record(record_id)

    def _ratings_changed(self, record_ids: set[str]) -> None:
        current = self.list.current
        if current is not None and current.record_id in record_ids:
            self._show_verdict()
        self.bar.offer("tag", self.book.tags())
        self.stage.tiles.renew()
        self._show_counts()

    # What is seen.

    def _choose(self, chosen: PictureFilter) -> None:
        self.window.remember(NAME, {"sort": chosen.sort, "descending": chosen.descending})
        self.list.choose(chosen)

    def _offer_choices(self) -> None:
        names = ("run", "pack", "model")
        self.window.library.ask(
            lambda index: {name: [group.values[0] for group in index.groups([name])] for name in names},
            self._offer,
            failed=self.window.report,
            key=f"{NAME} choices",
        )

    def _offer(self, found: dict[str, list[str | None]]) -> None:
        for name, values in found.items():
            self.bar.offer(name, in_menu_order(values))

    def _run_ended(self) -> None:
        """Its name can be chosen from now on; where nothing is looked at its pictures come by themselves."""
        self._ended_meanwhile = self.list.reading
        if self.list.state.pictures or self.list.reading:
            self._offer_choices()
        else:
            self.reload()

    def _list_changed(self, change: Change) -> None:
        if change == "began":
            self._made.clear()  # what was made before is among what is read, or has no record to be read
        if change == "done" and self._ended_meanwhile and not self.list.state.pictures:
            self._ended_meanwhile = False
            self.reload()
            return
        if change in ("began", "sifted"):
            self.stage.tiles.choose(set())
        if change != "moved":
            self.stage.lay_tiles()
        if change == "done":
            self.bar.offer("tag", self.book.tags())
        self.stage.show()
        current = self.list.current
        if change != "more" or current is not self._shown:
            self._shown = current
            self._show_verdict()
            self._show_prompt()
            self._show_info()
        self._show_counts()

    def _show_verdict(self) -> None:
        picture = self.list.current
        self.verdicts.show(None if picture is None else self._said(picture))

    def _show_prompt(self) -> None:
        picture = self.list.current
        text = "" if picture is None else picture.prompt.replace("\n", " ")
        self.prompt.configure(text=text)

    def _show_info(self) -> None:
        picture = self.list.current
        if self.facts.winfo_manager():
            self.facts.show(picture)
            if picture is not None:
                self._settings_seen.add(picture.record_id)

    def _show_counts(self) -> None:
        state = self.list.state
        every = "the first " if len(state.pictures) >= PICTURES_MAX else ""
        place = f"{state.cursor + 1:,} of {every}{len(state.shown):,}" if state.shown else ""
        self.counts.configure(text=f"{place}{' …' if self.list.reading and place else ''}")
        new = len(self._made - self.list.known)
        if new and not self.list.reading:
            self.new.configure(text=f"{new:,} new  R")
            self.new.pack(side="right")
        else:
            self.new.pack_forget()

    def _zoom_tiles(self, way: int) -> None:
        self.stage.zoom_tiles(way)
        self.window.remember(NAME, {"tile": self.stage.tile})

    def _matches(self) -> list[RecordedPicture]:
        """The current picture and those it can be compared with."""
        state, current = self.list.state, self.list.current
        if current is None:
            return []
        alike = [
            each
            for each in state.pictures
            if each.text == current.text and each.seed == current.seed and each.record_id != current.record_id
        ]
        following = [each for n in (1, -1) if (each := state.at(state.cursor + n)) is not None]
        return [current, *(alike or following[:1])]

    def _open(self) -> None:
        if self.stage.small:
            self.stage.show_small(False)
        elif self.list.current is not None:
            self.actions.open_file(self.list.current)

    def _pop_up(self, event: tkinter.Event[tkinter.Misc]) -> None:
        tiles = self.stage.tiles
        if event.widget is tiles and by_pointer(event) and (at := tiles.tile_at(event)) is not None:
            tiles.go(at)
        if self.list.current is not None:
            pop_up(self.actions.menu(self, self.list.current), event)
