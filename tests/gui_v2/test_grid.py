"""Grid, as a person uses it: two axes, filling while a run goes on, rated in the cell, as colours, and taken out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from PIL import Image

from stablenew.backends.base import StageRequest
from stablenew.errors import GenerationFailed
from stablenew.gui.axis_grid import Table, arranged, axes_of, heat_of, table_of
from stablenew.gui.colours import readable_on, warmth
from stablenew.gui.events import OpenGrid
from stablenew.gui.pictures.layout import Matrix
from stablenew.learning.rating_fold import Feedback
from stablenew.learning.record_index import RecordIndex
from stablenew.learning.recorded_picture import PictureWish, RecordedPicture, read_pictures
from stablenew.testing.fake_backend import Script
from stablenew.workspace import Workspace
from tests.gui_v2.hand import PATIENCE_S, Hand
from tests.gui_v2.many_pictures import PROMPTS, make_workspace, start_run
from tests.gui_v2.test_review import press, said

if TYPE_CHECKING:
    from stablenew.gui.tabs.compare import CompareTab
    from stablenew.gui.tabs.grid import GridTab
    from stablenew.gui.tabs.review import ReviewTab

Open = Callable[..., Hand]
Shot = Callable[[Hand, str], Path]


def picture(number: int, **fields: Any) -> RecordedPicture:
    made = {"path": f"{number}.png", "prompt": "p", "axes": ("steps",), "settings": {"steps": 10}, "seed": 1}
    return RecordedPicture(record_id=f"r{number}", run_id="run", variant_index=number, **(made | fields))


def test_numbers_stand_in_order_of_size_and_words_in_order_of_appearance() -> None:
    """A value that a picture lacks stands last as a dash; several pictures of one cell stay in the plan's order."""
    pictures = [
        picture(0, settings={"steps": 30}, prompt="zebra"),
        picture(1, settings={"steps": 9.5}, prompt="ant"),
        picture(2, settings={}, prompt="zebra"),
        picture(3, settings={"steps": 30}, prompt="zebra", seed=2),
    ]
    table = arranged(pictures, "prompt", "steps")
    assert table.rows == ("zebra", "ant")
    assert table.columns == ("9.5", "30", "–")
    assert table.cells == {(0, 1): [0, 3], (1, 0): [1], (0, 2): [2]}


def test_only_axes_that_tell_something_are_offered_and_the_plans_own_first() -> None:
    """What is the same in all pictures is no axis."""
    pictures = [
        picture(
            n, settings={"steps": 10 + n % 2, "model": "m", "cfg_scale": n}, bindings={"light": "ab"[n % 2]}, seed=n
        )
        for n in range(4)
    ]
    assert axes_of(pictures) == ["steps", "[[light]]", "seed", "cfg_scale"]
    chosen = table_of(pictures, None, None)
    assert (chosen.rows_by, chosen.columns_by) == ("[[light]]", "steps")
    assert (table_of(pictures, "seed", "").arrangement.columns) == ("",)


def test_the_mean_of_a_cell_counts_a_rejection_as_one_star() -> None:
    """Cells without a verdict have no colour."""
    pictures = [picture(n, settings={"steps": 10 * (n // 2)}) for n in range(6)]
    feedback = {
        "r0": Feedback(score=5),
        "r1": Feedback(rejected=True),
        "r2": Feedback(score=4),
        "r4": Feedback(notes="x"),
    }
    heat = heat_of(arranged(pictures, "", "steps"), pictures, lambda record: feedback.get(record, Feedback()))
    assert {cell: (each.mean, each.rated) for cell, each in heat.items()} == {(0, 0): (3, 2), (0, 1): (4, 1)}


def test_colours_of_the_heat_map_rise_with_the_stars_and_can_be_read() -> None:
    """From nearly the ground at one star to the accent at five, in steps that differ; the ink contrasts."""
    shades = [warmth(stars, "#ffffff", "#2f6fb5") for stars in (1, 2, 3, 4, 5)]
    assert len(set(shades)) == 5
    assert shades[-1] == "#2f6fb5"
    assert [readable_on(shade) for shade in shades] == sorted(readable_on(shade) for shade in shades)
    assert (readable_on("#ffffff"), readable_on("#000000")) == ("#111111", "#ffffff")


def open_grid(open_window: Open, **options: Any) -> tuple[Hand, GridTab]:
    hand = open_window(**options)
    hand.window.select("grid")
    hand.settle()
    tab = cast("GridTab", hand.window.tab("grid"))
    return hand, tab


def seen(hand: Hand, tab: GridTab, count: int) -> None:
    """Wait until the table has so many pictures and those in sight are drawn; the keyboard is on it."""
    canvas = tab.canvas
    hand.wait(lambda: len(tab.table.pictures) == count and not tab.made.reading and tab._due is None, "the table")
    hand.wait(lambda: canvas.live_tiles and canvas.live_images >= canvas.live_tiles, "its pictures")
    hand.click(canvas, canvas.winfo_width() - 4, canvas.winfo_height() - 4)


def choose(hand: Hand, tab: GridTab, **axes: str) -> None:
    before = tab.table
    for name, axis in axes.items():
        box = {"rows": tab.rows, "columns": tab.columns}[name]
        box.set(axis)
        box.event_generate("<<ComboboxSelected>>")
    hand.wait(lambda: tab.table is not before and tab._due is None, "the table")
    hand.settle()


def test_any_two_axes_are_rows_and_columns(open_window: Open, workspace: Workspace, shot: Shot) -> None:
    """The newest run is shown with axes that tell something; others are chosen above."""
    make_workspace(workspace, 48)
    hand, tab = open_grid(open_window)
    seen(hand, tab, 48)
    assert (tab.table.rows_by, tab.table.columns_by) == ("prompt", "steps")
    assert tab.table.arrangement.rows == PROMPTS
    assert tab.table.arrangement.columns == ("10", "20", "30", "40")
    shot(hand, "")
    choose(hand, tab, rows="sampler", columns="seed")
    choose(hand, tab, rows="sampler", columns="prompt")
    assert tab.table.arrangement.rows == ("Euler", "Euler a", "DDIM")
    assert sum(len(cell) for cell in tab.table.arrangement.cells.values()) == 48


def test_a_picture_is_rated_in_its_cell_and_undone_there(open_window: Open, workspace: Workspace) -> None:
    """Arrows go from cell to cell; the settings are in sight, so it is not blind; it is on disk at each key."""
    make_workspace(workspace, 48)
    hand, tab = open_grid(open_window)
    seen(hand, tab, 48)
    layout = tab.canvas.layout
    assert isinstance(layout, Matrix)
    x, y = layout.place(0)  # type: ignore[misc]
    hand.click(tab.canvas, x + 20, y + 20)
    first = tab.current
    hand.key("Right")
    assert tab.current is not first
    (line,) = press(hand, workspace, "4")
    assert (line.record_id, line.score, line.blind, line.surface) == (tab.current.record_id, 4, False, "grid")  # type: ignore[union-attr]
    at = tab.canvas.cursor
    assert "★★★★" in tab.canvas.itemcget(tab.canvas._shown[at].words, "text")
    hand.key("Down")
    press(hand, workspace, "u")
    assert tab.canvas.cursor == at


@pytest.mark.parametrize("learning", [True, False])
def test_the_grid_fills_while_the_run_goes_on(
    open_window: Open, workspace: Workspace, shot: Shot, learning: bool
) -> None:
    """Every cell has its place from the start, and each picture comes into its own as it is made, recorded or not."""
    hand, tab = open_grid(open_window, script=Script(delay_s=0.05, window=1))
    assert "Run" in tab.nothing.cget("text") or not tab.nothing.winfo_ismapped()
    count = start_run(hand, workspace, learning=learning)
    hand.wait(lambda: len(tab.table.pictures) == count, "a place for each")
    before = {cell: list(numbers) for cell, numbers in tab.table.arrangement.cells.items()}
    assert tab.table.arrangement.columns == ("5", "10", "15")
    hand.wait(lambda: all(each.path for each in tab.table.pictures), "all pictures")
    assert tab.table.arrangement.cells == before
    hand.wait(lambda: tab.canvas.live_images == count, "all pictures drawn")
    assert tab.counts.cget("text") == "6 pictures"
    shot(hand, "")


def test_pictures_made_while_the_table_is_made_are_in_it(
    open_window: Open, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker begins with what was there before them and ends after the run: its table shows them all the same."""
    may_paint, begun, may_end = threading.Event(), threading.Event(), threading.Event()

    def when_told(_: StageRequest) -> None:
        assert may_paint.wait(PATIENCE_S)

    def slow_table(*asked: Any) -> Table:
        table = table_of(*asked)
        begun.set()
        assert may_end.wait(PATIENCE_S)
        return table

    hand, tab = open_grid(open_window, script=Script(before=when_told))
    count = start_run(hand, workspace, learning=False)
    hand.wait(lambda: len(tab.table.pictures) == count and not tab.made.reading and tab._due is None, "the places")
    monkeypatch.setattr("stablenew.gui.tabs.grid.table_of", slow_table)
    tab.rows.set("–")
    tab.rows.event_generate("<<ComboboxSelected>>")
    hand.wait(begun.is_set, "the worker")
    may_paint.set()
    hand.wait(lambda: all(each.path for each in tab.made.pictures), "the pictures")
    may_end.set()
    hand.wait(lambda: tab.table.arrangement.rows == ("",), "the new table")
    hand.wait(lambda: tab.counts.cget("text") == f"{count} pictures", "all pictures in it")


def test_a_picture_made_again_is_not_replaced_by_the_failure_before(
    open_window: Open, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run is gone on with: what was read of it before its pictures were made comes after them."""
    may_paint, read, free = threading.Event(), threading.Event(), threading.Event()
    failing = [True]

    def when_told(_: StageRequest) -> None:
        if failing[0]:
            raise GenerationFailed("fake", "as scripted")
        assert may_paint.wait(PATIENCE_S)

    def slow(index: RecordIndex, wish: PictureWish) -> Iterator[list[RecordedPicture]]:
        found = list(read_pictures(index, wish))
        read.set()
        assert free.wait(PATIENCE_S)
        yield from found

    hand, tab = open_grid(open_window, script=Script(before=when_told))
    count = start_run(hand, workspace, learning=True)
    controller = hand.window.controller
    assert controller is not None
    hand.wait(lambda: len(tab.table.pictures) == count and tab.table.pictures[0].status == "failed", "the failures")
    hand.wait(lambda: controller.state == "idle" and not tab.made.reading, "the end of the run")
    failing[0] = False
    monkeypatch.setattr("stablenew.gui.run_pictures.read_pictures", slow)
    start_run(hand, workspace, learning=True, resume=True)
    hand.wait(read.is_set, "what was recorded before")
    may_paint.set()
    hand.wait(lambda: sum(bool(each.path) for each in tab.made.pictures) == count, "the pictures")
    free.set()
    hand.wait(lambda: not tab.made.reading and tab._due is None, "the records")
    assert all(each.path for each in tab.made.pictures)


def test_a_run_without_records_is_shown_again_after_another(open_window: Open, workspace: Workspace) -> None:
    """What it made is known to the window alone; going to another run and back loses none of it."""
    make_workspace(workspace, 12)
    hand, tab = open_grid(open_window)
    seen(hand, tab, 12)
    count = start_run(hand, workspace, learning=False)
    hand.wait(lambda: tab.counts.cget("text") == f"{count} pictures", "its pictures")
    hand.window.send(OpenGrid(run_id="night"))
    seen(hand, tab, 12)
    hand.window.send(OpenGrid(run_id="live"))
    hand.wait(lambda: tab.counts.cget("text") == f"{count} pictures", "its pictures again")


def test_what_was_chosen_stays_chosen_in_a_new_table(open_window: Open, workspace: Workspace) -> None:
    """Also where the numbers of pictures are others: chosen in the table of one run, nothing is chosen in another's."""
    make_workspace(workspace, 12)
    make_workspace(workspace, 12, run_id="other")
    hand, tab = open_grid(open_window)
    seen(hand, tab, 12)
    hand.window.send(OpenGrid(run_id="night"))
    tab.canvas.choose({1, 2})  # in the table of the run before, which is still in sight
    hand.wait(lambda: tab.table.pictures and tab.table.pictures[0].run_id == "night" and not tab.made.reading, "it")
    assert tab.canvas.chosen == set()
    tab.canvas.choose({1, 2})
    choose(hand, tab, rows="sampler")
    assert tab.canvas.chosen == {1, 2}


def test_another_run_that_was_chosen_stays_when_one_starts(open_window: Open, workspace: Workspace) -> None:
    """A person looking at an earlier run is not taken away from it."""
    make_workspace(workspace, 12, run_id="a-first")
    make_workspace(workspace, 12, run_id="b-second")
    hand, tab = open_grid(open_window)
    seen(hand, tab, 12)
    tab.run.set("a-first")
    tab.run.event_generate("<<ComboboxSelected>>")
    hand.wait(lambda: tab.made.run_id == "a-first" and not tab.made.reading, "the earlier run")
    start_run(hand, workspace, learning=True)
    controller = hand.window.controller
    hand.wait(lambda: controller is not None and controller.state == "idle", "the end of the run")
    assert tab.made.run_id == "a-first"
    hand.wait(lambda: "live" in tab.run.cget("values"), "the new run on the list")


def test_the_heat_map_colours_the_same_cells(open_window: Open, workspace: Workspace, shot: Shot) -> None:
    """H; means of what is rated, and a cell's colour follows a rating at once; no picture is drawn meanwhile."""
    make_workspace(workspace, 48, rated=30)
    hand, tab = open_grid(open_window)
    seen(hand, tab, 48)
    layout = tab.canvas.layout
    hand.key("Key-h")
    hand.settle()
    assert tab.canvas.layout == layout
    assert tab.canvas.live_tiles == 0
    heat = tab.canvas.heat
    assert heat is not None
    texts = [tab.canvas.itemcget(item, "text") for item in tab.canvas.find_withtag("around")
             if tab.canvas.type(item) == "text"]  # fmt: skip
    assert f"{heat[0, 0].mean:.1f}" in texts
    shot(hand, "")
    tab.canvas.go(tab.table.arrangement.cells[3, 3][0])
    assert (3, 3) not in heat
    press(hand, workspace, "5")
    assert tab.canvas.heat is not None
    assert tab.canvas.heat[3, 3].mean == 5
    hand.key("Key-h")
    hand.settle()
    assert tab.canvas.live_tiles > 0


def test_zooming_keeps_the_cursor_in_sight_and_labels_stay(open_window: Open, workspace: Workspace) -> None:
    """+ and −; scrolled to the far corner, the labels still stand at the left and the top."""
    make_workspace(workspace, 144)
    hand, tab = open_grid(open_window)
    seen(hand, tab, 144)
    before = tab.canvas.layout.tile
    for _ in range(3):
        hand.key("plus")
    assert tab.canvas.layout.tile > before
    last = max(tab.table.arrangement.cells)
    tab.canvas.go(tab.table.arrangement.cells[last][-1])
    hand.settle()
    box = tab.canvas.in_sight()
    assert box[0] > 0
    assert box[1] > 0
    labels = [item for item in tab.canvas.find_withtag("around") if tab.canvas.type(item) == "text"]
    shown = {tab.canvas.itemcget(item, "text") for item in labels}
    assert PROMPTS[last[0]] in shown
    assert "40" in shown
    for item in labels:
        left, top, right, bottom = tab.canvas.bbox(item)
        assert box[0] <= (left + right) / 2 <= box[2]
        assert box[1] <= (top + bottom) / 2 <= box[3]


def test_the_grid_is_saved_as_a_picture_and_as_a_report(open_window: Open, workspace: Workspace) -> None:
    """E asks where; the picture has all cells; the report stands in the run's folder; both are said with where."""
    make_workspace(workspace, 24)
    hand, tab = open_grid(open_window)
    seen(hand, tab, 24)
    asked: list[dict[str, Any]] = []
    target = workspace.root / "mine" / "grid.png"

    def ask(**how: Any) -> str:
        asked.append(how)
        return str(target)

    tab.ask_path = ask
    hand.key("Key-e")
    hand.wait(target.exists, "the picture")
    assert asked[0]["initialfile"] == "grid.png"
    with Image.open(target) as saved:
        assert saved.width > 4 * 150
        assert saved.height > 2 * 150
    save = hand.find("Save  ")
    save.nametowidget(save.cget("menu")).invoke("Report of the run")
    report = workspace.runs / "night" / "report.html"
    hand.wait(lambda: report.exists() and any(str(report) in each.text for each in hand.window.notices.notices), "it")
    assert "a red fox in the snow" in report.read_text()
    tab.ask_path = lambda **how: ""
    hand.key("Key-e")


def test_from_a_cell_to_review_and_to_compare(open_window: Open, workspace: Workspace) -> None:
    """Return opens that picture in Review; C compares those chosen with Control, else the cursor's row."""
    make_workspace(workspace, 48)
    hand, tab = open_grid(open_window)
    seen(hand, tab, 48)
    layout = tab.canvas.layout
    for number in (0, 12):
        x, y = layout.place(number)  # type: ignore[misc]
        tab.canvas.event_generate("<ButtonPress-1>", x=x + 9, y=y + 9, state=0x4 if number else 0)
    hand.settle()
    assert tab.canvas.chosen == {12}
    x, y = layout.place(3)  # type: ignore[misc]
    tab.canvas.event_generate("<ButtonPress-1>", x=x + 9, y=y + 9, state=0x4)
    hand.key("Key-c")
    compare = cast("CompareTab", hand.window.tab("compare"))
    hand.wait(lambda: compare.comparing.row, "the pictures to compare")
    assert {each.record_id for each in compare.comparing.row or ()} == {"night-00003", "night-00012"}
    hand.window.select("grid")
    hand.settle()
    opened: list[Path] = []
    tab.actions.launch = lambda path, **_: opened.append(path)
    hand.click(tab.canvas, x + 9, y + 9, double=True)
    hand.wait(lambda: opened, "the file being opened")
    tab.canvas.go(20)
    tab.canvas.focus_set()
    hand.key("Return")
    review = cast("ReviewTab", hand.window.tab("review"))
    hand.wait(lambda: not review.list.reading, "the run in Review")
    assert review.list.current is not None
    assert review.list.current.record_id == tab.table.pictures[20].record_id


def test_ten_thousand_pictures_by_two_axes(open_window: Open, workspace: Workspace) -> None:
    """Only those in sight exist; another run is opened from elsewhere while they are still read."""
    make_workspace(workspace, 10_000)
    make_workspace(workspace, 12, run_id="a-small")
    hand, tab = open_grid(open_window)
    seen(hand, tab, 10_000)
    assert tab.canvas.live_tiles < 400
    hand.window.send(OpenGrid(run_id="night"))
    hand.window.send(OpenGrid(run_id="a-small"))
    seen(hand, tab, 12)
    assert said(workspace) == []
