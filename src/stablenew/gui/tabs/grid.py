"""Grid: the pictures of a run by any two of its axes, filling while it goes on; or how they were rated, as colours."""

from __future__ import annotations

import time
import tkinter
from functools import partial
from pathlib import Path
from tkinter import filedialog
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

from stablenew.controller.events import RunStarted, VariantFinished
from stablenew.gui.axis_grid import NO_AXIS, Cell, Heat, Table, heat_of, label_of, table_of
from stablenew.gui.events import CompareRecords, OpenGrid, OpenRun, RatingsChanged, ThemeChanged
from stablenew.gui.filter_bar import in_menu_order
from stablenew.gui.grid_export import write_grid_picture, write_html
from stablenew.gui.judging import JUDGING_KEYS, Judging
from stablenew.gui.key_sheet import KeySheet
from stablenew.gui.keys import Act, bind_keys, bind_menu, by_pointer
from stablenew.gui.notices import Action, Notice
from stablenew.gui.picture_menu import PictureActions, pop_up
from stablenew.gui.pictures.axis_canvas import AxisCanvas
from stablenew.gui.pictures.thumbnails import ThumbnailStore
from stablenew.gui.pictures.tiles import Face
from stablenew.gui.run_pictures import RunPictures
from stablenew.gui.verdict_bar import LineEditor, VerdictBar, in_a_word
from stablenew.learning.recorded_picture import RecordedPicture

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

NAME = "grid"
TILE, TILE_SIZES, CAPTION = 144, (48, 72, 104, 144, 192, 256, 384), 20
NONE = "–"
SOON_MS = 80
KEYS = (
    (
        "Judge",
        (
            ("1 … 5", "stars"),
            ("0", "take stars and rejection back"),
            ("X", "reject, or not after all"),
            ("F", "favourite, or not after all"),
            ("T  N", "tags, note"),
            ("U", "undo the last thing said here"),
        ),
    ),
    (
        "Look",
        (
            ("← → ↑ ↓", "to the next cell"),
            ("Ctrl click", "choose several"),
            ("C", "compare those chosen, or the row"),
            ("H", "heat map, or pictures"),
            ("+ −", "larger, smaller"),
            ("Return", "open in Review; double-click the file"),
            ("Shift F10", "what else can be done"),
            ("E", "save as a picture"),
            ("?", "these keys"),
        ),
    ),
)


class GridTab(ttk.Frame):
    """The pictures are in a `RunPictures`, what stands where is a `Table` made in a worker."""

    def __init__(self, master: tkinter.Misc, window: StableNewGUI) -> None:
        px = window.theme.px
        super().__init__(master, padding=(px(16), px(12), px(16), px(8)))
        self.window, self.book = window, window.ratings
        self.actions = PictureActions(window)
        self.made = RunPictures(window, changed=self._soon, failed=window.report)
        self.table = Table()
        self.follows = True
        self.ask_path = filedialog.asksaveasfilename
        self._at: dict[str, int] = {}
        self._rows_by: str | None = None
        self._columns_by: str | None = None
        self._tile = int(window.recall(NAME).get("tile", TILE))
        self._due: str | None = None
        self._took_s = 0.0
        self._lay_out()
        self._listen()
        self._offer_runs(open_newest=True)

    # What the window tells.

    def handle(self, event: object) -> None:
        """Follows the run that goes on, unless the person chose another one."""
        if isinstance(event, OpenGrid):
            self._open_run(event.run_id)
        elif isinstance(event, RunStarted):
            self._offer_runs(open_newest=False, started=event.run_id)
            if self.follows:
                self._open_run(event.run_id)
        elif isinstance(event, VariantFinished):
            self._take_made(event)
        elif isinstance(event, RatingsChanged):
            self._ratings_changed(set(event.record_ids))
        elif isinstance(event, ThemeChanged):
            self.canvas.use_theme()
            self.verdicts.use_theme()
            self._show_current()

    @property
    def current(self) -> RecordedPicture | None:
        """The picture the cursor is at."""
        pictures, at = self.table.pictures, self.canvas.cursor
        return pictures[at] if 0 <= at < len(pictures) else None

    # What the keys and buttons do.

    def toggle_heat(self) -> None:
        """How cells were rated, as colours; or their pictures."""
        self._heat.set(not self._heat.get())
        self.show_heat()

    def show_heat(self) -> None:
        """What the switch says: colours, or pictures."""
        self.canvas.show_heat(self._heat_now())
        self.canvas.focus_set()

    def zoom(self, way: int) -> None:
        """The next larger (1) or smaller (-1) pictures."""
        sizes = sorted({*TILE_SIZES, self._tile})
        self._tile = sizes[max(0, min(len(sizes) - 1, sizes.index(self._tile) + way))]
        self.window.remember(NAME, {"tile": self._tile})
        self._arrange()
        self.canvas.see(self.canvas.cursor)

    def compare(self) -> None:
        """The chosen pictures side by side; else the first few of the cursor's row."""
        pictures, chosen = self.table.pictures, sorted(self.canvas.chosen)
        numbers = chosen if len(chosen) > 1 else self._row_of_cursor()
        ids = [pictures[n].record_id for n in numbers if pictures[n].path]
        if len(ids) > 1:
            self.window.send(CompareRecords(record_ids=tuple(ids[:4])))

    def save_picture(self) -> None:
        """Ask where, and write the grid as one picture with its labels."""
        if not self.table.pictures:
            return
        folder = self.window.workspace.runs / self.made.run_id
        asked = self.ask_path(
            parent=self,
            title="Save the grid as a picture",
            initialdir=str(folder),
            initialfile="grid.png",
            defaultextension=".png",
            filetypes=[("PNG", "*.png")],
        )
        if asked:
            table, root, title = self.table, self.window.workspace.root, f"run {self.made.run_id}"
            said = {each.record_id: in_a_word(self.book.feedback(each.record_id)) for each in table.pictures}
            self.window.jobs.start(
                lambda: write_grid_picture(table, root, Path(asked), title, said.__getitem__), self._written
            )

    def save_report(self) -> None:
        """Write the run's HTML report into its folder."""
        if self.made.run_id:
            workspace, run_id = self.window.workspace, self.made.run_id
            self.window.notify(Notice(text="Writing the report", key="export"))
            self.window.jobs.start(lambda: write_html(workspace, run_id), self._written)

    # Parts.

    def _lay_out(self) -> None:
        px, theme = self.window.theme.px, self.window.theme
        self._lay_out_bar()
        below = ttk.Frame(self)
        below.pack(side="bottom", fill="x", pady=(px(8), 0))
        self.editor = LineEditor(self, theme, lambda: self.canvas.focus_set())
        self.judging = Judging(
            self.book,
            NAME,
            self.editor,
            current=lambda: self.current if self.current is not None and self.current.path else None,
            how=lambda picture: {"blind": False},
            returned=self._go_to_record,
        )
        self.verdicts = VerdictBar(below, theme, self.judging.press)
        self.verdicts.pack(side="left", fill="x", expand=True)
        ttk.Button(below, text="Keys  ?", bootstyle="ghost", command=lambda: self.sheet.open()).pack(side="right")
        self.counts = ttk.Label(below, style="Muted.TLabel")
        self.counts.pack(side="right", padx=px(8))
        self.words = ttk.Label(self, style="Muted.TLabel")
        self.words.pack(side="bottom", fill="x", pady=(px(8), 0))
        self._lay_out_canvas()
        self.sheet = KeySheet(self, theme, KEYS, lambda: self.canvas.focus_set())

    def _lay_out_canvas(self) -> None:
        window, middle = self.window, ttk.Frame(self)
        middle.pack(fill="both", expand=True)
        middle.rowconfigure(0, weight=1)
        middle.columnconfigure(0, weight=1)
        self.canvas = AxisCanvas(
            middle,
            window.theme,
            ThumbnailStore(window.workspace.thumbnails),
            window.bridge.call,
            face=self._face,
            on_cursor=lambda _: self._show_current(),
            on_open=self._open_in_review,
            on_double=self._open_file,
        )
        self.canvas.grid(row=0, column=0, sticky="nsew")
        down = ttk.Scrollbar(middle, command=self.canvas.scroll_y)
        down.grid(row=0, column=1, sticky="ns")
        across = ttk.Scrollbar(middle, orient="horizontal", command=self.canvas.scroll_x)
        across.grid(row=1, column=0, sticky="ew")

        def across_shown(first: float, last: float) -> None:
            across.set(first, last)
            if float(first) <= 0 and float(last) >= 1:
                across.grid_remove()
            else:
                across.grid()

        self.canvas.configure(yscrollcommand=down.set, xscrollcommand=across_shown)
        self.nothing = ttk.Label(middle, style="Muted.TLabel", justify="center")

    def _lay_out_bar(self) -> None:
        px = self.window.theme.px
        bar = ttk.Frame(self)
        bar.pack(fill="x", pady=(0, px(10)))
        self.run = self._box(bar, "Run", 20, "run")
        self.rows = self._box(bar, "Rows", 12, "rows")
        self.columns = self._box(bar, "Columns", 12, "columns")
        self.run.bind("<<ComboboxSelected>>", lambda _: self._open_run(self.run.get(), chosen=True))
        for box in (self.rows, self.columns):
            box.bind("<<ComboboxSelected>>", lambda _: self._choose_axes())
        self._save_menu(bar).pack(side="right")
        self._heat = tkinter.BooleanVar(self, False)
        ttk.Checkbutton(
            bar, text="Heat map  H", variable=self._heat, bootstyle="round-toggle", command=self.show_heat, name="heat"
        ).pack(side="right", padx=px(12))

    def _save_menu(self, bar: ttk.Frame) -> ttk.Menubutton:
        button = ttk.Menubutton(bar, text="Save  ", bootstyle="secondary-outline", name="save")
        menu = ttk.Menu(button, tearoff=False)
        menu.add_command(label="As a picture", accelerator="E", command=self.save_picture)
        menu.add_command(label="Report of the run", command=self.save_report)
        button.configure(menu=menu)
        return button

    def _box(self, bar: ttk.Frame, label: str, width: int, name: str) -> ttk.Combobox:
        px = self.window.theme.px
        ttk.Label(bar, text=label, style="Muted.TLabel").pack(side="left", padx=(0, px(6)))
        box = ttk.Combobox(bar, state="readonly", width=width, name=name)
        box.pack(side="left", padx=(0, px(12)))
        box.bind("<Escape>", lambda _: self.canvas.focus_set())
        return box

    def _listen(self) -> None:
        acts: dict[str, Act] = {key: partial(self.judging.press, key) for key in JUDGING_KEYS} | {
            "h": self.toggle_heat,
            "c": self.compare,
            "e": self.save_picture,
            "plus": partial(self.zoom, 1),
            "equal": partial(self.zoom, 1),
            "minus": partial(self.zoom, -1),
            "question": self.sheet.open,
        }
        bind_keys(self.canvas, acts)
        bind_menu(self.canvas, self._pop_up)
        self.bind("<Map>", lambda _: self.canvas.focus_set())

    # What is shown.

    def _open_run(self, run_id: str, *, chosen: bool = False) -> None:
        """`chosen` by the person: then another run that starts is not followed, unless it is this one."""
        if chosen:
            self.follows = run_id == (self.run.cget("values") or [run_id])[0]
            self.canvas.focus_set()
        self.run.set(run_id)
        self.canvas.cursor, self._rows_by, self._columns_by = 0, None, None
        self.canvas.choose(set())
        self.made.open(run_id)

    def _offer_runs(self, *, open_newest: bool, started: str = "") -> None:
        def offer(found: list[str | None]) -> None:
            runs = in_menu_order([*found, started])
            self.run.configure(values=list(dict.fromkeys(runs)))
            if open_newest and runs and not self.made.run_id:
                self._open_run(runs[0])
            self._show_counts()

        self.window.library.ask(
            lambda index: [group.values[0] for group in index.groups(["run"])],
            offer,
            failed=self.window.report,
            key=f"{NAME} choices",
        )

    def _take_made(self, event: VariantFinished) -> None:
        picture = self.made.add_made(event)
        if picture is None:
            return
        number = self._at.get(picture.record_id)
        if number is not None and self._put(number, picture):
            self.canvas.renew({number})
            self._show_counts()
            self._show_current()
        else:
            self._soon()

    def _put(self, number: int, picture: RecordedPicture) -> bool:
        """Put `picture` in the place of an older state of it; False where its axes now say another cell."""
        table = self.table
        older = table.pictures[number]
        if any(label_of(picture, axis) != label_of(older, axis) for axis in (table.rows_by, table.columns_by)):
            return False
        table.pictures[number] = picture
        return True

    def _soon(self) -> None:
        """Have the table made anew, not more often than it takes."""
        if self._due is None:
            self._due = self.after(max(SOON_MS, round(self._took_s * 2000)), self._make_table)

    def _make_table(self) -> None:
        self._due = None
        pictures, rows_by, columns_by = self.made.pictures, self._rows_by, self._columns_by

        def make() -> tuple[Table, float]:
            began = time.perf_counter()
            return table_of(pictures, rows_by, columns_by), time.perf_counter() - began

        self.window.jobs.start(make, self._take_table, key="grid table")

    def _take_table(self, made: tuple[Table, float]) -> None:
        current, chosen = self.current, {self.table.pictures[number].record_id for number in self.canvas.chosen}
        self.table, self._took_s = made
        # Pictures that were made while the worker made the table are not in it yet.
        moved = [n for n, each in enumerate(self.table.pictures) if not self._put(n, self.made.newest(each))]
        if moved:
            self._soon()
        self._at = {picture.record_id: number for number, picture in enumerate(self.table.pictures)}
        self.canvas.cursor = self._at.get(current.record_id, 0) if current is not None else self._first()
        self.canvas.choose({self._at[each] for each in chosen if each in self._at})
        for box, axis in ((self.rows, self.table.rows_by), (self.columns, self.table.columns_by)):
            box.configure(values=[NONE, *self.table.axes])
            box.set(axis or NONE)
        self._arrange()

    def _first(self) -> int:
        """What stands in the first cell that has anything."""
        cells = self.table.arrangement.cells
        return cells[min(cells)][0] if cells else 0

    def _choose_axes(self) -> None:
        rows, columns = (NO_AXIS if box.get() == NONE else box.get() for box in (self.rows, self.columns))
        self._rows_by, self._columns_by = rows, NO_AXIS if columns == rows else columns
        self._make_table()
        self.canvas.focus_set()

    def _arrange(self) -> None:
        self.canvas.heat = self._heat_now()
        self.canvas.arrange(self.table.arrangement, self._tile, CAPTION)
        self._show_counts()
        self._show_current()

    def _heat_now(self) -> dict[Cell, Heat] | None:
        if not self._heat.get():
            return None
        return heat_of(self.table.arrangement, self.table.pictures, self.book.feedback)

    def _ratings_changed(self, record_ids: set[str]) -> None:
        self.canvas.renew({self._at[each] for each in record_ids if each in self._at})
        if self._heat.get():
            self.canvas.show_heat(self._heat_now())
        self._show_current()

    def _face(self, number: int) -> Face:
        picture = self.table.pictures[number]
        if not picture.path:
            # One that was only planned has an empty place, without a word.
            return Face(path=None, words=picture.status if picture.made_at else "", faded=True)
        said = self.book.feedback(picture.record_id)
        return Face(path=self.window.workspace.root / picture.path, words=in_a_word(said), faded=said.rejected)

    def _show_current(self) -> None:
        picture = self.current
        self.verdicts.show(None if picture is None else self.book.feedback(picture.record_id))
        words = ""
        if picture is not None:
            named = [(axis, label_of(picture, axis)) for axis in (self.table.rows_by, self.table.columns_by) if axis]
            words = "   ".join(label if axis == "prompt" else f"{axis} {label}" for axis, label in named)
            words += f"   {picture.problem}" if picture.problem else ""
        self.words.configure(text=words.replace("\n", " "))

    def _show_counts(self) -> None:
        pictures = self.table.pictures
        made = sum(bool(picture.path) for picture in pictures)
        text = f"{made:,} pictures" if made == len(pictures) else f"{made:,} of {len(pictures):,} made"
        self.counts.configure(text=text if pictures else "")
        if pictures or self.made.reading:
            self.nothing.place_forget()
        else:
            self.nothing.configure(text="No run has pictures yet.\nOne started in Run fills in here while it goes on.")
            self.nothing.place(relx=0.5, rely=0.5, anchor="center")

    def _row_of_cursor(self) -> list[int]:
        cells, cursor = self.table.arrangement.cells, self.canvas.cursor
        row = next((row for (row, _), numbers in cells.items() if cursor in numbers), None)
        beside = [numbers[0] for (each, _), numbers in sorted(cells.items()) if each == row]
        return [cursor, *(number for number in beside if number != cursor)]

    def _go_to_record(self, record_id: str) -> None:
        if record_id in self._at:
            self.canvas.go(self._at[record_id])

    def _open_in_review(self, number: int) -> None:
        if 0 <= number < len(self.table.pictures) and self.table.pictures[number].path:
            picture = self.table.pictures[number]
            self.window.send(OpenRun(run_id=picture.run_id, record_id=picture.record_id))

    def _open_file(self, number: int) -> None:
        if self.table.pictures[number].path:
            self.actions.open_file(self.table.pictures[number])

    def _written(self, path: Path) -> None:
        show = Action(label="Open", do=lambda: self.window.jobs.start(lambda: self.actions.launch(path)))
        self.window.notify(Notice(text=f"Saved as {path}", severity="good", key="export", actions=(show,)))

    def _pop_up(self, event: tkinter.Event[tkinter.Misc]) -> None:
        if by_pointer(event) and (at := self.canvas.tile_at(event)) is not None:
            self.canvas.go(at)
        if self.current is not None and self.current.path:
            pop_up(self.actions.menu(self, self.current), event)
