"""Review, as a person uses it: keys, the mouse, and what is on disk afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from stablenew.backends.base import StageRequest
from stablenew.controller.events import RunFinished, RunStarted
from stablenew.gui.events import OpenRun, RatingsChanged
from stablenew.gui.pictures.decode import Decoded, decode
from stablenew.gui.rating_desk import RatingDesk
from stablenew.learning.learning_feedback import Rating, read_ratings
from stablenew.learning.rating_fold import read_feedback
from stablenew.learning.record_index import RecordIndex
from stablenew.learning.recorded_picture import PictureWish, RecordedPicture, read_pictures
from stablenew.testing.fake_backend import Script
from stablenew.workspace import Workspace
from tests.gui_v2.hand import PATIENCE_S, Hand
from tests.gui_v2.many_pictures import make_workspace, start_run
from tests.gui_v2.test_rating_book import Stubborn

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI
    from stablenew.gui.tabs.compare import CompareTab
    from stablenew.gui.tabs.review import ReviewTab

Open = Callable[..., Hand]
Shot = Callable[[Hand, str], Path]


def open_review(open_window: Open, **options: Any) -> tuple[Hand, ReviewTab]:
    """The window with Review in front, its first picture seen, the keyboard on it."""
    hand = open_window(**options)
    hand.window.select("review")
    tab = cast("ReviewTab", hand.window.tab("review"))
    hand.wait(lambda: not tab.list.reading, "the list")
    if tab.list.current is not None:
        hand.wait(lambda: tab.stage.seen_ms is not None, "the first picture")
    hand.click(tab.stage.large)
    return hand, tab


def said(workspace: Workspace) -> list[Rating]:
    return [line for line in read_ratings(workspace.ratings) if isinstance(line, Rating)]


def press(hand: Hand, workspace: Workspace, key: str, lines: int = 1) -> list[Rating]:
    """Press a key and wait until what it said is on disk; gives those lines."""
    before = len(said(workspace))
    hand.key(f"Key-{key}")
    hand.wait(lambda: len(said(workspace)) >= before + lines, f"the rating of {key} on disk")
    return said(workspace)[before:]


def test_each_key_is_one_verdict_and_is_on_disk_at_once(open_window: Open, workspace: Workspace, shot: Shot) -> None:
    """One line each, blind, with how long it took; after stars and a rejection the next picture comes by itself."""
    records = list(reversed(make_workspace(workspace, 8)))
    hand, tab = open_review(open_window)
    for number, key in enumerate(("3", "5", "x")):
        (line,) = press(hand, workspace, key)
        assert line.record_id == records[number].run.record_id
        assert line.image_sha256 == records[number].outcome.images[0].sha256
        assert (line.surface, line.blind) == ("review", True)
        assert line.decided_ms is not None
        assert tab.list.state.cursor == number + 1
        hand.wait(lambda: tab.stage.seen_ms is not None, "the next picture")
    (line,) = press(hand, workspace, "f")
    assert line.favourite is True
    assert tab.list.state.cursor == 3
    shot(hand, "")
    feedback = read_feedback(workspace.ratings)
    scores = [feedback[record.run.record_id].score for record in records[:2]]
    assert scores == [3, 5]
    assert feedback[records[2].run.record_id].rejected


def test_undo_takes_back_the_last_key_and_returns_to_its_picture(open_window: Open, workspace: Workspace) -> None:
    """Twice U after two verdicts: nothing holds any more, and the person is where they began."""
    make_workspace(workspace, 4)
    hand, tab = open_review(open_window)
    press(hand, workspace, "4")
    press(hand, workspace, "x")
    press(hand, workspace, "u")
    assert tab.list.state.cursor == 1
    press(hand, workspace, "u")
    assert tab.list.state.cursor == 0
    assert read_feedback(workspace.ratings) == {}
    hand.key("Key-u")
    assert len(said(workspace)) == 4


def test_zero_clears_stars_of_earlier_days(open_window: Open, workspace: Workspace) -> None:
    """A picture that had two stars from before has none."""
    records = make_workspace(workspace, 3, rated=3)
    hand, _ = open_review(open_window)
    press(hand, workspace, "0")
    assert records[2].run.record_id not in read_feedback(workspace.ratings)


def test_tags_and_a_note_are_typed_below_the_picture(open_window: Open, workspace: Workspace, shot: Shot) -> None:
    """T and N open a line with what holds; Return keeps it, Escape does not; the keyboard is on the picture again."""
    make_workspace(workspace, 3)
    hand, tab = open_review(open_window)
    hand.key("Key-t")
    hand.type("good hands, soft light", tab.editor.entry)
    shot(hand, "tags")
    hand.key("Return", tab.editor.entry)
    hand.wait(lambda: len(said(workspace)) == 1, "the tags on disk")
    assert said(workspace)[0].add_tags == ["good hands", "soft light"]
    assert hand.root.focus_get() is tab.stage.large
    hand.key("Key-t")
    assert tab.editor.entry.get() == "good hands, soft light"
    hand.type("soft light", tab.editor.entry)
    hand.key("Return", tab.editor.entry)
    hand.wait(lambda: len(said(workspace)) == 2, "the tag taken away on disk")
    assert said(workspace)[1].remove_tags == ["good hands"]
    hand.key("Key-n")
    hand.type("left eye", tab.editor.entry)
    hand.key("Escape", tab.editor.entry)
    hand.key("Key-n")
    hand.type("right eye", tab.editor.entry)
    hand.key("Return", tab.editor.entry)
    hand.wait(lambda: len(said(workspace)) == 3, "the note on disk")
    assert said(workspace)[2].notes == "right eye"


def test_a_verdict_on_a_picture_whose_settings_were_seen_is_not_blind(
    open_window: Open, workspace: Workspace, shot: Shot
) -> None:
    """Settings are hidden until I; the picture they were shown of is no longer blind, the next one is again."""
    make_workspace(workspace, 3)
    hand, tab = open_review(open_window)
    assert not tab.facts.winfo_ismapped()
    hand.key("Key-i")
    assert tab.facts.winfo_ismapped()
    assert "sampler" in tab.facts.text.get("1.0", "end")
    shot(hand, "info")
    hand.key("Key-i")
    (seen,) = press(hand, workspace, "2")
    (unseen,) = press(hand, workspace, "2")
    assert (seen.blind, unseen.blind) == (False, True)


def test_space_goes_to_the_next_picture_without_a_verdict(open_window: Open, workspace: Workspace) -> None:
    """Over rated ones, and round the end; arrows, Home and End go where they say."""
    make_workspace(workspace, 6, rated=3)  # the three oldest, which come last
    hand, tab = open_review(open_window)
    hand.key("Key-2")
    assert tab.list.state.cursor == 1
    hand.key("Key-space")
    assert tab.list.state.cursor == 2
    hand.key("End")
    assert tab.list.state.cursor == 5
    hand.key("Key-space")
    assert tab.list.state.cursor == 1
    hand.key("Home")
    assert tab.list.state.cursor == 0
    hand.key("Left")
    assert tab.list.state.cursor == 0


def test_every_picture_was_decoded_before_its_key(
    open_window: Open, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twelve pictures of 4 megapixels: each is ready when the person comes to it, and only the first was waited for."""
    make_workspace(workspace, 12, size=(2000, 2000))
    hand, tab = open_review(open_window)
    stage, began = tab.stage, time.perf_counter()
    for number in range(11):
        following = tab.list.state.at(number + 1)
        assert following is not None
        hand.wait(lambda following=following: stage.loader.get(stage.path(following)), "the next one decoded ahead")
        press(hand, workspace, "4")
        assert stage.seen_ms is not None, "the picture is there as soon as the key was pressed"
    took = time.perf_counter() - began
    with capsys.disabled():
        print(f"\n11 pictures of 4 megapixels rated in {took:.1f} s, {660 / took:.0f} a minute, none waited for")
    assert (stage.waited_for, stage.shown_at_once) == (1, 11)
    assert stage.loader.held_bytes <= 128 * 1024 * 1024


def test_ten_thousand_pictures_open_and_only_what_is_seen_exists(
    open_window: Open,
    workspace: Workspace,
    shot: Shot,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first is seen before the rest is read; tiles and images are as many as fit the screen and no more."""
    from stablenew.gui.pictures.tiles import IMAGES_MAX

    first_seen = threading.Event()

    def with_a_stop(index: RecordIndex, wish: PictureWish) -> Iterator[list[RecordedPicture]]:
        for number, page in enumerate(read_pictures(index, wish)):
            assert number == 0 or first_seen.wait(PATIENCE_S)
            yield page

    monkeypatch.setattr("stablenew.gui.picture_list.read_pictures", with_a_stop)
    make_workspace(workspace, 10_000, rated=2_000)
    hand = open_window()
    began = time.perf_counter()
    hand.window.select("review")
    tab = cast("ReviewTab", hand.window.tab("review"))
    hand.wait(lambda: tab.stage.seen_ms is not None, "the first picture")
    first, read_by_then = time.perf_counter() - began, len(tab.list.state.pictures)
    first_seen.set()
    hand.wait(lambda: not tab.list.reading, "the whole list")
    whole = time.perf_counter() - began
    assert read_by_then < 10_000
    assert len(tab.list.state.shown) == 10_000
    assert tab.stage.loader.held <= 10
    widgets = sum(1 for _ in hand.all())
    hand.click(tab.stage.large)
    hand.key("Key-g")
    tiles = tab.stage.tiles
    hand.wait(lambda: tiles.live_tiles and tiles.live_images >= tiles.live_tiles, "thumbnails")
    on_screen = tiles.live_tiles
    assert 10 <= on_screen <= 100
    for place in (0.2, 0.5, 0.9, 1.0, 0.0, 0.7):
        tiles.scroll_y("moveto", str(place))
        hand.settle()
        assert tiles.live_tiles <= on_screen + 20
        assert len(tiles.find_all()) <= 3 * tiles.live_tiles
    hand.wait(lambda: tiles.live_images >= tiles.live_tiles, "thumbnails further down")
    assert tiles.live_images <= IMAGES_MAX
    hand.key("End")
    assert tab.list.state.cursor == 9_999
    shot(hand, "tiles")
    assert sum(1 for _ in hand.all()) == widgets
    with capsys.disabled():
        print(f"\n10,000 pictures: the first seen after {first:.2f} s, all listed after {whole:.2f} s")


def test_filters_and_order_are_chosen_above(open_window: Open, workspace: Workspace) -> None:
    """By run, model, rating and words; by any field; a field that no record has is said and changes nothing else."""
    make_workspace(workspace, 48, rated=10)
    make_workspace(workspace, 5, run_id="other")
    hand, tab = open_review(open_window)
    hand.wait(lambda: "other" in tab.bar.children["run"].cget("values"), "the runs to choose from")
    assert len(tab.list.state.shown) == 53

    def choose(name: str, label: str) -> int:
        tab.bar.children[name].set(label)
        tab.bar.children[name].event_generate("<<ComboboxSelected>>")
        hand.wait(lambda: not tab.list.reading, "the list")
        return len(tab.list.state.shown)

    assert choose("run", "night") == 48
    assert choose("verdict", "★★★★ and up") == 4
    assert choose("verdict", "Any rating") == 48
    assert choose("model", "dream-v8") == 24
    hand.type("lighthouse", tab.bar.words)
    hand.key("Return", tab.bar.words)
    hand.wait(lambda: not tab.list.reading, "the list")
    assert {picture.prompt for picture in tab.list.state.pictures} == {"a lighthouse at dusk"}
    choose("sort", "steps")
    steps = [picture.settings["steps"] for picture in tab.list.state.pictures]
    assert steps == sorted(steps, reverse=True)
    hand.click(tab.bar.children["direction"])
    hand.wait(lambda: not tab.list.reading, "the list")
    assert [picture.settings["steps"] for picture in tab.list.state.pictures] == sorted(steps)


def test_a_field_that_no_record_has_is_named(open_window: Open, workspace: Workspace) -> None:
    """What is wrong and what was meant stands at the top of the window."""
    make_workspace(workspace, 3)
    hand, tab = open_review(open_window)
    tab.bar.children["sort"].focus_force()
    tab.bar.children["sort"].set("stepps")
    hand.key("Return", tab.bar.children["sort"])
    (notice,) = hand.window.notices.notices
    assert "stepps" in notice.text
    assert "steps" in notice.text
    hand.mistakes.clear()


def test_all_small_and_back_with_the_cursor_where_it_was(open_window: Open, workspace: Workspace) -> None:
    """G shows tiles, arrows move among them, verdicts are given there too, double-click shows one large."""
    make_workspace(workspace, 30)
    hand, tab = open_review(open_window)
    hand.key("Right")
    hand.key("Key-g")
    tiles = tab.stage.tiles
    hand.wait(lambda: tiles.live_images >= tiles.live_tiles > 0, "thumbnails")
    assert tiles.cursor == 1
    hand.key("Down", tiles)
    below = tab.list.state.cursor
    assert below > 1
    (line,) = press(hand, workspace, "5")
    assert line.record_id == tab.list.state.at(below).record_id  # type: ignore[union-attr]
    x, y = tiles.layout.place(3)  # type: ignore[misc]
    hand.click(tiles, x + 20, y + 20, double=True)
    assert not tab.stage.small
    assert tab.list.state.cursor == 3


def test_the_mouse_can_say_everything_too(open_window: Open, workspace: Workspace) -> None:
    """Stars and buttons below the picture do what their keys do."""
    make_workspace(workspace, 4)
    hand, tab = open_review(open_window)
    for widget, kind in (("star4", "score"), ("reject", "rejected"), ("favourite", "favourite"), ("undo", "undoes")):
        before = len(said(workspace))
        hand.click(tab.verdicts.children[widget])
        hand.wait(lambda before=before: len(said(workspace)) == before + 1, f"{widget} on disk")
        assert getattr(said(workspace)[-1], kind) is not None


def test_what_can_be_done_with_a_picture(open_window: Open, workspace: Workspace) -> None:
    """Double-click and Return open the file; the menu copies prompt, settings and path, and more."""
    make_workspace(workspace, 2)
    hand, tab = open_review(open_window)
    opened: list[Path] = []
    tab.actions.launch = lambda path, **_: opened.append(path)
    hand.click(tab.stage.large, double=True)
    hand.key("Return")
    hand.wait(lambda: len(opened) >= 2, "the file being opened")
    picture = tab.list.current
    assert picture is not None
    assert opened[0] == workspace.root / picture.path
    menu = tab.actions.menu(tab, picture)
    menu.invoke("Copy prompt")
    assert hand.root.clipboard_get() == picture.prompt
    menu.invoke("Copy settings")
    hand.wait(lambda: "Steps:" in hand.root.clipboard_get(), "the settings on the clipboard")
    menu.invoke("Copy path")
    assert hand.root.clipboard_get().endswith(picture.path)


def test_a_picture_whose_file_is_gone_says_so(open_window: Open, workspace: Workspace) -> None:
    """It can still be judged, and the next one is seen."""
    records = make_workspace(workspace, 3)
    (workspace.root / records[2].outcome.images[0].path).unlink()
    hand, tab = open_review(open_window)
    words = tab.stage.large.itemcget(tab.stage.large._words, "text")
    assert words == "the file is gone"
    press(hand, workspace, "1")
    hand.wait(lambda: tab.stage.seen_ms is not None, "the next picture")
    assert tab.stage.large.itemcget(tab.stage.large._words, "text") == ""


def test_all_keys_are_shown_and_any_key_puts_them_away(open_window: Open, workspace: Workspace, shot: Shot) -> None:
    """? lays them over the tab; the keyboard is on the picture again afterwards."""
    make_workspace(workspace, 2)
    hand, tab = open_review(open_window)
    hand.key("question")
    assert tab.sheet.is_open
    shot(hand, "keys")
    hand.key("Escape")
    assert not tab.sheet.is_open
    assert hand.root.focus_get() is tab.stage.large


def test_another_tab_opens_a_run_at_a_picture(open_window: Open, workspace: Workspace) -> None:
    """Review comes to the front with that run alone, in the order it was made, at that record."""
    make_workspace(workspace, 300)
    make_workspace(workspace, 3, run_id="other")
    hand, tab = open_review(open_window)
    hand.window.select("run")
    hand.window.send(OpenRun(run_id="night", record_id="night-00280"))
    hand.wait(lambda: not tab.list.reading, "the run")
    assert len(tab.list.state.shown) == 300
    assert tab.list.current is not None
    assert tab.list.current.record_id == "night-00280"
    assert tab.winfo_ismapped()


def test_closing_right_after_a_key_loses_nothing(open_window: Open, workspace: Workspace) -> None:
    """Twenty keys as fast as they go, then the window is closed: twenty lines."""
    make_workspace(workspace, 25)
    hand, _ = open_review(open_window)
    for _ in range(20):
        hand.root.focus_get().event_generate("<Key-3>")  # type: ignore[union-attr]
    hand.put_away()
    assert len(said(workspace)) == 20


def test_a_rating_that_cannot_be_saved_is_shown_until_it_is(open_window: Open, workspace: Workspace) -> None:
    """The window says how many and why; Try again saves them, in order, and the notice goes."""
    make_workspace(workspace, 3)
    hand, _ = open_review(open_window)
    writer = Stubborn(failures=2)
    window: StableNewGUI = hand.window
    window._desk = desk = RatingDesk(writer, window._ratings_stored)
    window.ratings._save = desk.save
    hand.key("Key-4")
    hand.wait(lambda: window.notices.notices, "the notice")
    assert "1 of your ratings could not be saved" in window.notices.notices[0].text
    hand.key("Key-5")
    hand.wait(lambda: "2 of your ratings" in window.notices.notices[0].text, "the notice of both")
    hand.click(hand.find("Try again"))
    # Pressing the button puts the notice away; that they are saved is heard a little later.
    hand.wait(lambda: not window.notices.notices and not window._unsaved_ratings, "the notice going away")
    assert [line.score for line in writer.stored] == [4, 5]


def test_an_empty_workspace_says_what_to_do(open_window: Open, workspace: Workspace, shot: Shot) -> None:
    """No blank canvas, and keys do no harm."""
    hand, tab = open_review(open_window)
    assert "Run" in tab.stage.large.itemcget(tab.stage.large._words, "text")
    for key in ("Key-3", "Key-x", "Key-u", "Key-space", "Right", "Key-g", "Key-g", "Key-i", "Key-c", "Key-0"):
        hand.key(key)
    shot(hand, "")
    assert said(workspace) == []


def test_zooming_and_panning_show_part_of_the_picture(open_window: Open, workspace: Workspace) -> None:
    """The wheel, + and Z zoom; dragging moves; the next picture is whole again."""
    make_workspace(workspace, 3, size=(1600, 1200))
    hand, tab = open_review(open_window)
    large = tab.stage.large
    large.event_generate("<Button-4>", x=200, y=150)
    assert large.view.zoom > 1
    hand.key("Key-z")
    assert large.view.zoom == 1
    for _ in range(5):
        hand.key("plus")
    before = large.view
    large.event_generate("<ButtonPress-1>", x=300, y=200)
    large.event_generate("<B1-Motion>", x=250, y=160)
    assert (large.view.x > before.x, large.view.y > before.y) == (True, True)
    hand.key("Right")
    assert large.view.zoom == 1


def test_keys_of_the_window_are_no_verdicts(open_window: Open, workspace: Workspace) -> None:
    """Control-1 goes to another tab and gives no star; with Shift or Caps Lock a letter is the same letter."""
    make_workspace(workspace, 3)
    hand, tab = open_review(open_window)
    hand.key("Control-Key-1")
    assert not tab.winfo_ismapped()
    hand.window.select("review")
    hand.click(tab.stage.large)
    hand.key("Alt-Key-3")
    (line,) = press(hand, workspace, "F")
    assert line.favourite is True
    assert len(said(workspace)) == 1


def test_closing_with_unsaved_ratings_must_be_asked_for_twice(open_window: Open, workspace: Workspace) -> None:
    """The first time the window stays and says that closing again loses them."""
    make_workspace(workspace, 3)
    hand, _ = open_review(open_window)
    window: StableNewGUI = hand.window
    window._desk = desk = RatingDesk(Stubborn(failures=99), window._ratings_stored)
    window.ratings._save = desk.save
    hand.key("Key-4")
    hand.wait(lambda: window.notices.notices, "the notice")
    window.close()
    hand.settle()
    assert hand.open
    assert "closing again loses them" in window.notices.notices[0].text
    window.close()
    hand.wait_closed()


def test_undo_of_a_picture_that_is_not_listed_any_more_says_so(open_window: Open, workspace: Workspace) -> None:
    """It is taken back all the same."""
    make_workspace(workspace, 3)
    make_workspace(workspace, 3, run_id="other")
    hand, tab = open_review(open_window)
    press(hand, workspace, "4")
    hand.window.send(OpenRun(run_id="night"))
    hand.wait(lambda: not tab.list.reading, "the other run")
    press(hand, workspace, "u")
    assert "Taken back" in hand.window.notices.notices[0].text
    assert read_feedback(workspace.ratings) == {}


def test_pictures_of_a_run_under_way_come_when_asked_for(open_window: Open, workspace: Workspace) -> None:
    """While somebody judges, nothing moves: new ones are counted below, and R reads them."""
    make_workspace(workspace, 5)
    hand, tab = open_review(open_window)
    current = tab.list.current
    count = start_run(hand, workspace, learning=True)
    hand.wait(lambda: tab.new.winfo_ismapped() and tab.new.cget("text") == f"{count} new  R", "the new ones")
    assert tab.list.current is current
    hand.click(tab.stage.large)
    hand.key("Key-r")
    hand.wait(lambda: not tab.list.reading and len(tab.list.state.shown) == 5 + count, "all of them")
    assert tab.list.current is not None
    assert current is not None
    assert tab.list.current.record_id == current.record_id
    assert not tab.new.winfo_ismapped()


def test_the_first_run_of_a_workspace_comes_by_itself(open_window: Open, workspace: Workspace) -> None:
    """Where nothing is looked at yet there is nobody to disturb."""
    hand, tab = open_review(open_window)
    count = start_run(hand, workspace, learning=True)
    hand.wait(lambda: len(tab.list.state.shown) == count, "the pictures of the run")
    assert not tab.new.winfo_ismapped()


def test_the_menu_opens_by_mouse_and_by_key(open_window: Open, workspace: Workspace) -> None:
    """Where the pointer is, or in the picture's corner; on a small picture for that one."""
    make_workspace(workspace, 6)
    hand, tab = open_review(open_window)
    for how in ("<Button-3>", "<Shift-F10>"):
        tab.stage.large.event_generate(how)
        hand.settle()
        (menu,) = [each for each in tab.winfo_children() if each.winfo_class() == "Menu"]
        hand.wait(menu.winfo_ismapped, f"the menu by {how}")
        hand.root.tk.call("tk::MenuUnpost", str(menu))  # lets go of the pointer as well
        tab.stage.focus_pictures()
        hand.settle()
    hand.key("Key-g")
    hand.wait(lambda: tab.stage.tiles.live_tiles == 6, "the small pictures")
    x, y = tab.stage.tiles.layout.place(4)  # type: ignore[misc]
    tab.stage.tiles.event_generate("<Button-3>", x=x + 9, y=y + 9)
    hand.settle()
    assert tab.list.state.cursor == 4
    (menu,) = [each for each in tab.winfo_children() if each.winfo_class() == "Menu"]
    hand.root.tk.call("tk::MenuUnpost", str(menu))


def test_a_small_picture_opened_is_the_one_that_is_shown_large(open_window: Open, workspace: Workspace) -> None:
    """What a verdict is about is what is seen: not the picture that was large before."""
    make_workspace(workspace, 30)
    hand, tab = open_review(open_window)
    hand.key("Key-g")
    hand.wait(lambda: tab.stage.tiles.live_tiles > 3, "the small pictures")
    x, y = tab.stage.tiles.layout.place(3)  # type: ignore[misc]
    hand.click(tab.stage.tiles, x + 20, y + 20, double=True)
    picture = tab.list.current
    assert picture is not None
    wanted = decode(tab.stage.path(picture)).pixels
    assert wanted is not None

    def seen() -> bool:
        shown = tab.stage.large._decoded
        return shown is not None and shown.pixels is not None and shown.pixels.tobytes() == wanted.tobytes()

    hand.wait(seen, "the picture")


def test_reading_twice_in_a_row_keeps_the_place(open_window: Open, workspace: Workspace) -> None:
    """The second reading begins while the first has not found the picture yet: it is found all the same."""
    make_workspace(workspace, 300)
    hand, tab = open_review(open_window)
    hand.key("End")
    last = tab.list.current
    assert last is not None
    tab.reload()
    tab.reload()
    hand.wait(lambda: not tab.list.reading, "the list")
    assert tab.list.current is not None
    assert tab.list.current.record_id == last.record_id


def test_the_first_run_comes_by_itself_when_it_ends_while_nothing_is_being_read(
    open_window: Open, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found was found before the run had records; it is read once more, though nobody asks."""
    begun, free = threading.Event(), threading.Event()

    def slow(index: RecordIndex, wish: PictureWish) -> Iterator[list[RecordedPicture]]:
        found = list(read_pictures(index, wish))
        begun.set()
        assert free.wait(PATIENCE_S)
        yield from found

    monkeypatch.setattr("stablenew.gui.picture_list.read_pictures", slow)
    hand = open_window()
    hand.window.select("review")
    tab = cast("ReviewTab", hand.window.tab("review"))
    hand.wait(begun.is_set, "the reading")
    count = start_run(hand, workspace, learning=True)
    hand.wait(lambda: any(isinstance(event, RunFinished) for event in hand.window._so_far), "the end of the run")
    free.set()
    hand.wait(lambda: len(tab.list.state.shown) == count, "the pictures of the run")


def test_a_run_can_be_chosen_above_once_it_is_over(open_window: Open, workspace: Workspace) -> None:
    """Review and Compare read the names when it began, before it had a record, and again when it ended."""
    make_workspace(workspace, 5)
    may_paint = threading.Event()

    def when_told(_: StageRequest) -> None:
        assert may_paint.wait(PATIENCE_S)

    hand, tab = open_review(open_window, script=Script(before=when_told))
    hand.window.select("compare")
    compare = cast("CompareTab", hand.window.tab("compare"))
    box = tab.bar.children["run"]
    start_run(hand, workspace, learning=True)
    hand.wait(lambda: any(isinstance(event, RunStarted) for event in hand.window._so_far), "the run")
    hand.wait_library()
    assert "live" not in box.cget("values")
    may_paint.set()
    hand.wait(lambda: "live" in box.cget("values"), "the run in Review")
    hand.wait(lambda: "live" in compare.run.cget("values"), "the run in Compare")


def test_pictures_without_a_record_are_new_only_until_they_were_looked_for(
    open_window: Open, workspace: Workspace
) -> None:
    """R cannot list what was not recorded, and it is not offered again."""
    make_workspace(workspace, 5)
    hand, tab = open_review(open_window)
    count = start_run(hand, workspace, learning=False)
    hand.wait(lambda: tab.new.winfo_ismapped() and tab.new.cget("text") == f"{count} new  R", "the new ones")
    tab.reload()
    hand.wait(lambda: not tab.list.reading, "the list")
    hand.settle()
    assert not tab.new.winfo_ismapped()


def test_another_run_that_begins_hides_no_new_pictures(open_window: Open, workspace: Workspace) -> None:
    """They are counted until they are read."""
    make_workspace(workspace, 5)
    hand, tab = open_review(open_window)
    count = start_run(hand, workspace, learning=True)
    hand.wait(lambda: tab.new.winfo_ismapped() and tab.new.cget("text") == f"{count} new  R", "the new ones")
    folder = workspace.runs / "next"
    hand.window.send(RunStarted(run_id="next", folder=folder, variant_count=1, already_done=0, at_s=0.0))
    hand.window.send(RatingsChanged(record_ids=()))
    hand.settle()
    assert tab.new.winfo_ismapped()


def test_a_list_that_cannot_be_read_is_not_filled_by_the_one_before(
    open_window: Open, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A field that no record has is typed in the middle of a reading: its later pages are not shown below that."""
    free = threading.Event()

    def with_a_stop(index: RecordIndex, wish: PictureWish) -> Iterator[list[RecordedPicture]]:
        for number, page in enumerate(read_pictures(index, wish)):
            assert number == 0 or free.wait(PATIENCE_S)
            yield page

    make_workspace(workspace, 600)
    hand, tab = open_review(open_window)
    monkeypatch.setattr("stablenew.gui.picture_list.read_pictures", with_a_stop)
    tab.reload()
    hand.wait(lambda: tab.list.state.pictures, "the first page")
    tab.bar.children["sort"].set("stepps")
    tab.bar.children["sort"].event_generate("<<ComboboxSelected>>")
    free.set()
    hand.wait_library()
    hand.wait_library()
    assert tab.list.state.pictures == ()
    hand.mistakes.clear()


def test_the_picture_before_is_not_seen_while_the_next_one_is_awaited(
    open_window: Open, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is pressed then is about the next one: what is judged is never beside another picture."""
    records = make_workspace(workspace, 30)
    slow = workspace.root / records[0].outcome.images[0].path
    free = threading.Event()

    def decode_slowly(path: Path) -> Decoded:
        assert path != slow or free.wait(PATIENCE_S)
        return decode(path)

    monkeypatch.setattr("stablenew.gui.pictures.loader.decode", decode_slowly)
    hand, tab = open_review(open_window)
    hand.key("End")
    assert tab.list.current is not None
    assert tab.stage.path(tab.list.current) == slow
    assert tab.stage.large._decoded is None
    free.set()
    hand.wait(lambda: tab.stage.seen_ms is not None, "the picture")
    assert tab.stage.large._decoded is not None
