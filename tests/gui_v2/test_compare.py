"""Compare, as a person uses it: looking closely, and saying which is best without knowing the settings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from stablenew.errors import InputError
from stablenew.gui.comparing import after_answer, after_reveal, after_undo, asking, looking_at
from stablenew.gui.events import CompareRecords
from stablenew.gui.facts import differing
from stablenew.gui.rating_book import Said
from stablenew.gui.rating_desk import RatingDesk
from stablenew.learning.learning_feedback import Rating
from stablenew.learning.rater_checks import SITTING_MAX
from stablenew.learning.rating_pairs import Row, preference
from stablenew.learning.recorded_picture import RecordedPicture
from stablenew.workspace import Workspace
from tests.gui_v2.hand import PATIENCE_S, Hand
from tests.gui_v2.many_pictures import make_workspace
from tests.gui_v2.test_review import open_review, press, said

if TYPE_CHECKING:
    from stablenew.gui.tabs.compare import CompareTab

Open = Callable[..., Hand]
Shot = Callable[[Hand, str], Path]


def rows(count: int) -> list[Row]:
    def one(number: int) -> RecordedPicture:
        return RecordedPicture(record_id=f"r{number}", run_id="run", path="x.png", prompt="p")

    return [(one(2 * number), one(2 * number + 1)) for number in range(count)]


def test_answers_go_on_and_undo_returns_to_what_was_answered() -> None:
    """At the end there is no row, and undo still leads back, to the first row at last."""
    state = asking(rows(2))
    state = after_answer(after_answer(state))
    assert (state.place, state.answered, state.row) == (2, (0, 1), None)
    state = after_undo(state)
    assert (state.place, state.answered) == (1, (0,))
    state = after_undo(state)
    assert (state.place, state.answered) == (0, ())
    assert after_undo(state) == state


def test_what_was_revealed_is_hidden_again_in_the_next_row() -> None:
    """And a row that a person asked to see was never hidden, and stays after an answer."""
    state = after_reveal(asking(rows(2)))
    assert not state.hidden
    assert after_answer(state).hidden
    seen = looking_at(rows(1)[0])
    assert not seen.hidden
    assert after_answer(seen).row == seen.row


def test_only_what_differs_is_listed() -> None:
    """Settings, slots, seed and prompt; one that some do not have counts as differing."""
    one = RecordedPicture(
        record_id="a", run_id="r", path="a", prompt="p", seed=1, settings={"steps": 20, "cfg_scale": 7.0}
    )
    two = RecordedPicture(
        record_id="b", run_id="r", path="b", prompt="p", seed=1, settings={"steps": 30, "cfg_scale": 7.0, "vae": "x"}
    )
    assert differing([one, two]) == [("steps", ("20", "30")), ("vae", ("", "x"))]
    assert differing([one, one]) == []


def open_compare(hand: Hand, ids: list[str]) -> CompareTab:
    hand.window.send(CompareRecords(record_ids=tuple(ids)))
    tab = cast("CompareTab", hand.window.tab("compare"))
    wanted = tuple(ids)

    def there() -> bool:
        return tuple(each.record_id for each in tab.comparing.row or ()) == wanted and tab.table.complete

    hand.wait(there, "the pictures")
    hand.click(tab.table.panes[0])
    return tab


def test_from_review_c_compares_a_picture_with_its_matches(open_window: Open, workspace: Workspace, shot: Shot) -> None:
    """Those of the same prompt and seed, four at most; what differs stands beside them, and above each."""
    make_workspace(workspace, 48)
    hand, review = open_review(open_window)
    hand.key("Key-c")
    tab = cast("CompareTab", hand.window.tab("compare"))
    hand.wait(lambda: tab.table.complete, "the pictures")
    row = tab.comparing.row
    assert row is not None
    assert len(row) == 4
    assert row[0] == review.list.current or row[0].record_id == review.list.current.record_id  # type: ignore[union-attr]
    assert {(each.prompt, each.seed) for each in row} == {(row[0].prompt, row[0].seed)}
    table = tab.differences.table
    names = {table.set(item, "setting") for item in table.get_children()}
    assert "sampler" in names
    assert "prompt" not in names
    shot(hand, "")


def test_all_pictures_zoom_and_pan_together(open_window: Open, workspace: Workspace) -> None:
    """By wheel over one of them, by key, by dragging; and each new row is whole again."""
    make_workspace(workspace, 12, size=(900, 700))
    hand = open_window()
    tab = open_compare(hand, ["night-00000", "night-00001"])
    first, second = tab.table.panes[:2]
    second.event_generate("<Button-4>", x=50, y=60)
    assert first.view == second.view
    assert first.view.zoom > 1
    for _ in range(6):
        hand.key("plus")
    before = first.view
    first.event_generate("<ButtonPress-1>", x=150, y=150)
    first.event_generate("<B1-Motion>", x=100, y=120)
    assert first.view == second.view != before
    hand.wait(lambda: first._image is not None and second._image is not None, "both drawn")
    open_compare(hand, ["night-00002", "night-00003"])
    assert first.view.zoom == second.view.zoom == 1


def test_slider_and_flicker_lay_one_picture_over_the_other(open_window: Open, workspace: Workspace, shot: Shot) -> None:
    """The divider follows keys and the mouse and cuts the second picture where it is; flicker shows them in turns."""
    make_workspace(workspace, 12, size=(600, 600))
    hand = open_window()
    tab = open_compare(hand, ["night-00000", "night-00001"])
    hand.key("Key-v")
    assert tab.table.way == "slider"
    hand.settle()
    first, second = tab.table.panes[:2]
    assert first.room == second.room
    shot(hand, "slider")
    width = tab.table.winfo_width()
    before = second.winfo_rootx()
    hand.key("Right")
    assert tab.table.divider > 0.5
    tab.table._line.event_generate("<B1-Motion>", rootx=tab.table.winfo_rootx() + width // 4, x=0, y=0)
    hand.settle()
    assert abs(tab.table.divider - 0.25) < 0.02
    assert abs(second.winfo_rootx() - before) <= 1, "the picture itself stays where it is"
    hand.key("Key-v")
    assert tab.table.way == "flicker"
    hand.wait(lambda: tab.table.front == 1, "the other picture's turn")
    hand.wait(lambda: tab.table.front == 0, "the first picture's turn")
    hand.key("Key-v")
    assert tab.table.way == "side"


def test_the_slider_lays_any_of_the_others_over_the_first(open_window: Open, workspace: Workspace) -> None:
    """Of three pictures the first is always beneath; Down brings the next one over it."""
    make_workspace(workspace, 12)
    hand = open_window()
    tab = open_compare(hand, ["night-00000", "night-00001", "night-00002"])
    hand.key("Key-v")
    hand.settle()

    def seen() -> tuple[int, int]:
        """Which pictures lie left and right of the divider."""
        table = tab.table
        y = table.winfo_rooty() + table.winfo_height() // 2
        found = [hand.root.winfo_containing(table.winfo_rootx() + table.winfo_width() * n // 4, y) for n in (1, 3)]
        left, right = (table.panes.index(each) for each in found)  # type: ignore[arg-type]
        return left, right

    assert seen() == (0, 1)
    hand.key("Down")
    hand.key("Down")
    hand.settle()
    assert seen() == (0, 2)


def test_blind_pairs_are_asked_and_answers_stored_at_once(open_window: Open, workspace: Workspace, shot: Shot) -> None:
    """Best, tie, skip, undo; nothing of the settings is seen; what was answered is not asked again."""
    make_workspace(workspace, 12)
    hand = open_window()
    hand.window.select("compare")
    hand.settle()
    tab = cast("CompareTab", hand.window.tab("compare"))
    hand.click(tab.table.panes[0])
    tab.focus_pictures()
    hand.click(hand.find("Ask blind  B"))
    hand.wait(lambda: tab.comparing.blind and tab.table.complete, "the first pair")
    tab.focus_pictures()
    hand.settle()
    asked = len(tab.comparing.rows)
    assert not tab.differences.winfo_ismapped()
    assert [label.cget("text").strip() for label, _ in tab.table._strips[:2]] == ["1", "2"]
    shot(hand, "")
    one, two = tab.comparing.row  # type: ignore[misc]
    (line,) = press(hand, workspace, "2")
    assert (line.record_id, [each.record_id for each in line.better_than]) == (two.record_id, [one.record_id])
    assert (line.blind, line.surface) == (True, "compare")
    assert line.decided_ms is not None
    (line,) = press(hand, workspace, "t")
    assert (line.better_than, len(line.equal_to)) == ([], 1)
    assert line.shown == [each.record_id for each in tab.comparing.rows[1]]
    (line,) = press(hand, workspace, "s")
    assert (line.better_than, line.equal_to, len(line.shown)) == ([], [], 2)
    assert tab.comparing.place == 3
    for place in (2, 1):
        (line,) = press(hand, workspace, "u")
        assert line.undoes is not None
        assert tab.comparing.place == place
    tab.ask_blind()
    hand.wait(lambda: len(tab.comparing.rows) == asked - 1, "the pairs that are left")


def test_best_of_four_is_one_line_about_all_of_them(open_window: Open, workspace: Workspace) -> None:
    """Rows of the size that was chosen, of one prompt and seed."""
    make_workspace(workspace, 48)
    hand = open_window()
    hand.window.select("compare")
    hand.settle()
    tab = cast("CompareTab", hand.window.tab("compare"))
    tab.row_size.set("4")
    hand.click(hand.find("Ask blind  B"))
    hand.wait(lambda: tab.comparing.blind and tab.table.complete, "the first row")
    row = tab.comparing.row
    assert row is not None
    assert len(row) == 4
    hand.click(tab.table._holders[2].nametowidget(tab.table._strips[2][1].children["best3"]))
    hand.wait(lambda: len(said(workspace)) == 1, "the answer on disk")
    (line,) = said(workspace)
    assert line.record_id == row[2].record_id
    assert {each.record_id for each in line.better_than} == {row[n].record_id for n in (0, 1, 3)}


def test_an_answer_after_the_settings_were_shown_is_not_blind(open_window: Open, workspace: Workspace) -> None:
    """D shows what differs; the next row is hidden again."""
    make_workspace(workspace, 12)
    hand = open_window()
    hand.window.select("compare")
    hand.settle()
    tab = cast("CompareTab", hand.window.tab("compare"))
    tab.ask_blind()
    hand.wait(lambda: tab.comparing.blind and tab.table.complete, "the first pair")
    hand.click(tab.table.panes[0])
    hand.key("Key-d")
    assert tab.differences.winfo_ismapped()
    assert tab.differences.table.get_children()
    (seen,) = press(hand, workspace, "1")
    assert not tab.differences.winfo_ismapped()
    (unseen,) = press(hand, workspace, "1")
    assert (seen.blind, unseen.blind) == (False, True)


def test_a_long_sitting_is_told_to_take_a_break(open_window: Open, workspace: Workspace) -> None:
    """After more answers than are good in one go it stands quietly beside the counts."""
    make_workspace(workspace, 12)
    hand = open_window()
    tab = open_compare(hand, ["night-00000", "night-00001"])
    row = tab.comparing.row
    assert row is not None
    for _ in range(SITTING_MAX):
        tab.book.give(Said(surface="compare", lines=(preference(row, 0),)))
    press(hand, workspace, "1")
    hand.wait(lambda: "take a break" in tab.said.cget("text"), "the hint")


def test_where_there_is_nothing_to_compare_it_says_why(open_window: Open, workspace: Workspace, shot: Shot) -> None:
    """In an empty workspace, before and after asking; keys do no harm."""
    hand = open_window()
    hand.window.select("compare")
    hand.settle()
    tab = cast("CompareTab", hand.window.tab("compare"))
    assert "Review" in tab.nothing.cget("text")
    hand.click(hand.find("Ask blind  B"))
    hand.wait(lambda: "nothing left" in tab.nothing.cget("text"), "the answer that there is nothing")
    hand.click(tab.table)
    for key in ("Key-1", "Key-t", "Key-s", "Key-u", "Key-v", "Right", "Down", "Key-v", "Key-v", "Key-z", "plus"):
        hand.key(key)
    shot(hand, "")
    assert said(workspace) == []


class Waiting:
    """A writer that writes nothing until it is let."""

    def __init__(self) -> None:
        self.free = threading.Event()

    def append(self, *ratings: Rating) -> None:
        assert self.free.wait(PATIENCE_S)

    def close(self) -> None:
        pass


def test_what_was_answered_and_is_not_on_disk_yet_is_not_asked_again(open_window: Open, workspace: Workspace) -> None:
    """B right after an answer: the index does not know of it yet, the window does."""
    make_workspace(workspace, 12)
    hand = open_window()
    writer = Waiting()
    hand.window.ratings._save = RatingDesk(writer, lambda unsaved, why: None).save
    hand.window.select("compare")
    tab = cast("CompareTab", hand.window.tab("compare"))
    tab.ask_blind()
    hand.wait(lambda: tab.comparing.row, "the first pair")
    before, answered = tab.comparing.rows, {each.record_id for each in tab.comparing.row or ()}
    tab.best(0)
    tab.ask_blind()
    hand.wait(lambda: tab.comparing.rows is not before, "the pairs that are left")
    writer.free.set()
    assert answered not in [{each.record_id for each in row} for row in tab.comparing.rows]
    assert len(tab.comparing.rows) == len(before) - 1


def test_a_search_that_fails_is_not_shown_as_going_on(
    open_window: Open, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said at the top of the window, and below no longer that something is looked for."""

    def broken(*_: object) -> list[RecordedPicture]:
        raise InputError("the index is gone")

    monkeypatch.setattr("stablenew.gui.tabs.compare.candidates", broken)
    hand = open_window()
    hand.window.select("compare")
    tab = cast("CompareTab", hand.window.tab("compare"))
    tab.ask_blind()
    hand.wait(lambda: hand.mistakes, "the mistake")
    assert "Looking" not in tab.said.cget("text")
    hand.mistakes.clear()
