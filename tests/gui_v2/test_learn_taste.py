"""Taste files and a change of taste, from the menu of Learn's cards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ttkbootstrap", reason="the window needs the extra gui: pip install 'stablenew[gui]'")

from stablenew.errors import InputError
from stablenew.gui.tabs.learn_taste import fading_text, share_of, source_text
from stablenew.learning.fading import Fading, fade, fadings
from stablenew.learning.taste_file import TasteFile, TasteSource, read_taste_file
from stablenew.learning.taste_store import Imported, export_taste, imported_taste, write_taste_file
from stablenew.testing.fake_backend import Script
from stablenew.workspace import Workspace
from tests.gui_v2.hand import Hand, Held
from tests.learning.person import VALUES, likes_heun_at_five, pictures, stars_for, store

OpenWindow = Callable[..., Hand]
Shot = Callable[..., Path]
QUICK = Script(native_size=(64, 64))


@pytest.mark.parametrize(("typed", "share"), [("30", 0.3), (" 12.5 % ", 0.125), ("100", 1.0)])
def test_a_share_is_read_as_people_write_it(typed: str, share: float) -> None:
    """With or without the sign."""
    assert share_of(typed) == pytest.approx(share)


@pytest.mark.parametrize("typed", ["", "much", "0", "-3", "101", "nan"])
def test_what_is_no_share_is_refused(typed: str) -> None:
    """With an example."""
    with pytest.raises(InputError, match="write 30"):
        share_of(typed)


def test_sources_and_fadings_are_said_in_a_line() -> None:
    """One picture is no pictures; a time of day is said where it matters."""
    assert source_text(Imported(source_id="ab" * 16, ratings=1, said="new")) == "abababab: 1 rated picture, new"
    midnight = Fading(fading_id="a", made_at="2026-11-22T10:00:00Z", before="2026-06-01T00:00:00.000000Z", factor=0.3)
    assert fading_text(midnight) == "from before 2026-06-01 count 30 %"
    noon = Fading(fading_id="a", made_at="2026-11-22T10:00:00Z", before="2026-06-01T12:30:00.000000Z", factor=0.125)
    assert fading_text(noon) == "from before 2026-06-01 12:30 count 12.5 %"


def rated(workspace: Workspace) -> None:
    records = pictures(VALUES)
    store(workspace, records, stars_for(records, likes_heun_at_five))


def others_file(path: Path, root: Path) -> TasteFile:
    """The statistics of somebody else, written to `path`."""
    other = Workspace(root=root)
    rated(other)
    taste = export_taste(other)
    write_taste_file(path, taste)
    return taste


def cards_page(hand: Hand) -> Any:
    hand.window.select("learn")
    tab: Any = hand.window.tab("learn")
    hand.click(tab.page_buttons["cards"])
    return tab.cards


def choose(hand: Hand, page: Any, entry: str) -> None:
    page.taste.menu.invoke(entry)
    hand.settle()


def dialog(hand: Hand) -> Any:
    hand.wait(lambda: dialogs(hand), "the dialog")
    return dialogs(hand)[0]


def dialogs(hand: Hand) -> list[Any]:
    found = [each for each in hand.root.winfo_children() if each.winfo_class() == "Toplevel"]
    return [each for each in found if each.winfo_viewable()]


def notice(hand: Hand) -> str:
    return next((each.text for each in hand.window.notices.notices if each.key == "taste"), "")


def test_taste_is_exported(open_window: OpenWindow, workspace: Workspace, tmp_path: Path) -> None:
    """Where the person says, in place of what was there; without a place nothing is written."""
    rated(workspace)
    hand = open_window(QUICK)
    page = cards_page(hand)
    page.taste.ask_where = lambda **_: ""
    choose(hand, page, "Export yours...")
    target = tmp_path / "mine.json"
    target.write_text("old")
    page.taste.ask_where = lambda **_: str(target)
    choose(hand, page, "Export yours...")
    hand.wait(lambda: "6 rated pictures of 1 source" in notice(hand), "the export")
    assert [each.ratings for each in read_taste_file(target).sources.values()] == [6]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_taste_is_imported_once_it_was_seen_what_that_adds(
    open_window: OpenWindow, workspace: Workspace, tmp_path: Path, shot: Shot, size: tuple[int, int], theme: Any
) -> None:
    """Seen and cancelled: nothing. Agreed: it is there, is known from then on, passed on with one's own, forgotten."""
    taste = others_file(tmp_path / "theirs.json", tmp_path / "other")
    (source_id,) = taste.sources
    hand = open_window(QUICK, size=size)
    hand.window.use_theme(theme)
    page = cards_page(hand)
    page.taste.ask_which = lambda **_: str(tmp_path / "theirs.json")
    choose(hand, page, "Import...")
    box = dialog(hand)
    hand.wait(lambda: hand.shows(f"{source_id[:8]}: 6 rated pictures, new"), "the line")
    shot(hand, "offer")
    hand.key("Escape", box)
    hand.wait(lambda: not dialogs(hand), "the dialog's end")
    assert imported_taste(workspace).sources == {}
    choose(hand, page, "Import...")
    hand.click(hand.find("Import", under=dialog(hand)))
    hand.wait(lambda: "Imported" in notice(hand), "the import")
    assert imported_taste(workspace).sources == taste.sources
    choose(hand, page, "Import...")
    box = dialog(hand)
    hand.wait(lambda: hand.shows("Nothing in it is new here."), "the line")
    hand.key("Return", box)
    page.taste.ask_where = lambda **_: str(tmp_path / "both.json")
    choose(hand, page, "Export with others'...")
    hand.wait(lambda: "of 2 sources" in notice(hand), "the export")
    choose(hand, page, "What was imported...")
    box = dialog(hand)
    shot(hand, "imported")
    hand.click(hand.find("Forget the chosen", under=box))
    hand.wait(lambda: "Forgotten" in notice(hand), "the forgetting")
    assert imported_taste(workspace).sources == {}


def test_many_sources_leave_the_dialog_small(open_window: OpenWindow, tmp_path: Path) -> None:
    """Ten lines, and how many more there are."""
    sources = {f"{number:032x}": TasteSource(as_of="2026-11-22T10:00:00Z") for number in range(60)}
    write_taste_file(tmp_path / "theirs.json", TasteFile(sources=sources))
    hand = open_window(QUICK)
    page = cards_page(hand)
    page.taste.ask_which = lambda **_: str(tmp_path / "theirs.json")
    choose(hand, page, "Import...")
    box = dialog(hand)
    hand.wait(lambda: hand.shows("and 50 sources more"), "the line")
    assert box.winfo_height() < hand.root.winfo_height()
    hand.key("Escape", box)


def test_what_is_no_taste_file_is_said(open_window: OpenWindow, tmp_path: Path) -> None:
    """As a notice, and nothing is asked."""
    (tmp_path / "notes.json").write_text("{}?")
    hand = open_window(QUICK)
    page = cards_page(hand)
    page.taste.ask_which = lambda **_: str(tmp_path / "notes.json")
    choose(hand, page, "Import...")
    hand.wait(lambda: any("is not a taste file" in each.text for each in hand.window.notices.notices), "the notice")
    hand.mistakes.clear()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_old_ratings_fade_and_are_taken_back(
    open_window: OpenWindow, workspace: Workspace, shot: Shot, size: tuple[int, int], theme: Any
) -> None:
    """A day that is none is said where it was typed; then they fade; the dialog says so, and takes it back."""
    fade(workspace, "2026-03-01", 0.5)
    hand = open_window(QUICK, size=size)
    hand.window.use_theme(theme)
    page = cards_page(hand)
    choose(hand, page, "My taste has changed...")
    box = dialog(hand)
    hand.wait(lambda: hand.shows("Ratings from before 2026-03-01 count 50 %"), "the line")
    day, share = (each for each in hand.all(box) if each.winfo_class() == "TEntry")
    hand.type("june", day)
    hand.key("Return", day)
    hand.wait(lambda: any("is no day" in str(each.cget("text")) for each in labels(hand, box)), "what is wrong")
    shot(hand)
    hand.type("2026-06-01", day)
    hand.type("20", share)
    hand.key("Return", share)
    hand.wait(lambda: "from before 2026-06-01 count 20 %" in notice(hand), "the fading")
    assert [each.factor for each in fadings(workspace)] == [0.5, 0.2]
    hand.click(hand.find("Take it back"))
    hand.wait(lambda: "Taken back" in notice(hand), "the end of the fading")
    choose(hand, page, "My taste has changed...")
    hand.click(hand.find("Take back the last", under=dialog(hand)))
    hand.wait(lambda: "2026-03-01" in notice(hand), "the end of the other")
    assert fadings(workspace) == []


def test_ratings_fade_once_however_often_it_is_pressed(
    open_window: OpenWindow, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the first press is on its way to the disk others do nothing; after one that was refused they do."""
    fade(workspace, "2026-03-01", 0.5)
    hand = open_window(QUICK)
    page = cards_page(hand)
    choose(hand, page, "My taste has changed...")
    box = dialog(hand)
    day, _ = (each for each in hand.all(box) if each.winfo_class() == "TEntry")
    hand.type("june", day)
    hand.key("Return", day)
    hand.wait(lambda: any("is no day" in str(each.cget("text")) for each in labels(hand, box)), "what is wrong")
    held = Held(fade, before=True)
    monkeypatch.setattr("stablenew.gui.tabs.learn_taste.fade", held)
    hand.type("2026-06-01", day)
    hand.key("Return", day)
    hand.wait(held.begun.is_set, "the fading")
    hand.key("Return", day)
    hand.click(hand.find("Let them fade", under=box))
    hand.click(hand.find("Take back the last", under=box))
    held.free.set()
    hand.wait(lambda: "from before 2026-06-01" in notice(hand), "the fading's end")
    hand.wait_jobs()
    assert [each.factor for each in fadings(workspace)] == [0.5, 0.3]


def labels(hand: Hand, under: Any) -> list[Any]:
    return [each for each in hand.all(under) if each.winfo_class() == "TLabel"]


def test_advice_is_asked_anew_when_evidence_fades(open_window: OpenWindow, workspace: Workspace) -> None:
    """What the advice page shows is worked out again when it is seen next."""
    rated(workspace)
    hand = open_window(QUICK)
    page = cards_page(hand)
    tab: Any = hand.window.tab("learn")
    hand.click(tab.page_buttons["advice"])
    hand.wait(lambda: tab.advice.advice, "the advice")
    before = tab.advice.advice
    hand.click(tab.page_buttons["cards"])
    choose(hand, page, "My taste has changed...")
    box = dialog(hand)
    hand.key("Return", box)
    hand.wait(lambda: fadings(workspace) and notice(hand), "the fading")
    hand.click(tab.page_buttons["advice"])
    hand.wait(lambda: tab.advice.advice is not before and tab.advice.advice, "the advice after it")
