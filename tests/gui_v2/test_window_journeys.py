"""The window around its tabs: the backend, recent runs, mistakes, keys, sizes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageChops

from stablenew.app import App, AppOptions, open_app
from stablenew.backends.base import Capabilities
from stablenew.backends.probe import BackendStatus
from stablenew.config import SERVER_EXTRAS
from stablenew.controller.events import RunStarted
from stablenew.controller.pipeline_controller import RunHandle
from stablenew.errors import BackendUnavailable
from stablenew.gui.events import BackendChoice, FilesDropped, OpenRun
from stablenew.gui.state import FILE, WindowState, read_state, write_state
from stablenew.gui.tabs.run_launch import start_planned
from stablenew.pipeline.presets import OneClickAction
from stablenew.pipeline.run_list import list_runs
from stablenew.testing.fake_backend import FakeBackend, Script
from stablenew.workspace import Workspace
from tests.gui_v2.hand import PATIENCE_S, Hand, tkinter
from tests.gui_v2.test_run_journeys import OpenWindow, Shot, pack, ready, run_tab, wait_run

if TYPE_CHECKING:
    from stablenew.gui.recent_runs import RecentRuns

__all__ = ["pack"]


def _set_event() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class Backends:
    """Opens a fake backend of any name but `gone`, as soon as it may, and remembers which were opened and closed."""

    gone: str = "webui"
    may_open: threading.Event = field(default_factory=_set_event)
    opened: list[tuple[str, str | None]] = field(default_factory=list)
    fakes: list[FakeBackend] = field(default_factory=list)

    @contextmanager
    def open_app(self, options: AppOptions) -> Iterator[App]:
        assert self.may_open.wait(PATIENCE_S)
        self.opened.append((options.backend, options.url))
        if options.backend == self.gone:
            raise BackendUnavailable(options.backend, f"no server answers at {options.url}: start it")
        self.fakes.append(FakeBackend(name=options.backend))
        with open_app(options, backend=self.fakes[-1]) as app:
            yield app


def test_choosing_another_backend_closes_the_first(open_window: OpenWindow) -> None:
    """What is chosen is opened once the other is closed; one that does not answer says why, and can be left again."""
    backends = Backends()
    hand = open_window(open_app=backends.open_app, backend=BackendChoice(name="fake"))
    hand.wait(lambda: hand.window.capabilities, "the first backend")
    chooser, status = run_tab(hand).backend.chooser, run_tab(hand).backend.status
    hand.type("webui http://127.0.0.1:9", chooser)
    hand.key("Return", chooser)
    hand.wait(lambda: "no server answers at http://127.0.0.1:9" in status.cget("text"), "the reason")
    assert backends.fakes[0].calls.closed == 1
    assert hand.window.controller is None
    hand.type("other", chooser)
    hand.key("Return", chooser)
    hand.wait(lambda: hand.window.capabilities, "the other backend")
    assert backends.opened == [("fake", None), ("webui", "http://127.0.0.1:9"), ("other", None)]
    hand.put_away()
    assert [fake.calls.closed for fake in backends.fakes] == [1, 1]


def test_a_one_click_action_waits_for_its_own_backend(open_window: OpenWindow, pack: Path) -> None:
    """Pressed while another one is still being opened: that one's answer is not taken for its own's."""
    backends = Backends(gone="", may_open=threading.Event())
    hand = open_window(open_app=backends.open_app)
    tab = run_tab(hand)
    tab.orders.go(OneClickAction(label="both", packs=(str(pack),), backend="other"))
    backends.may_open.set()
    wait_run(hand, tab)
    assert [name for name, _ in backends.opened] == ["fake", "other"]
    assert tab.view.result is not None
    assert tab.view.result.ok == 5


def test_closing_again_ends_the_run_inside_its_picture(
    open_window: OpenWindow, workspace: Workspace, pack: Path
) -> None:
    """Also when the backend is already being closed: the window goes when the run has ended, and not before."""
    ended: list[str] = []
    hand = open_window(Script(delay_s=600.0, window=1))
    hand.wait(lambda: hand.window.controller, "the backend")
    assert hand.window.controller is not None
    hand.window.controller.watch(lambda event: ended.append(type(event).__name__))
    tab = ready(hand, pack)
    hand.key("F5")
    hand.wait(lambda: tab.view.progress.run_id, "the run")
    hand.window.close()
    hand.wait(lambda: hand.window.connection._jobs.qsize() < 2, "the closing of the backend")
    hand.window.close()
    hand.wait_closed()
    assert "RunFinished" in ended
    [summary] = list_runs(workspace)
    assert summary.unfinished == 5


def test_two_presses_start_one_run(open_window: OpenWindow, pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second comes while the first is still on its way to the controller."""
    begun, free = threading.Event(), threading.Event()

    def slow(*asked: Any) -> RunHandle:
        begun.set()
        assert free.wait(PATIENCE_S)
        return start_planned(*asked)

    monkeypatch.setattr("stablenew.gui.tabs.run_orders.start_planned", slow)
    hand = open_window()
    tab = ready(hand, pack)
    hand.key("F5")
    hand.wait(begun.is_set, "the start")
    again: list[object] = []
    with monkeypatch.context() as patched:
        patched.setattr(tab.orders, "_plan_and_start", again.append)
        hand.key("F5")
    free.set()
    wait_run(hand, tab)
    assert again == []


def test_what_an_earlier_start_made_is_marked_in_its_own_run(
    open_window: OpenWindow, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run is shown by the time it is known: that one's squares stay as they are."""
    hand = open_window()
    tab = ready(hand, pack)
    free = threading.Event()

    def slow(_: object) -> frozenset[int]:
        assert free.wait(PATIENCE_S)
        return frozenset({0, 1})

    monkeypatch.setattr("stablenew.gui.tabs.run_orders._done_before", slow)
    folder = hand.window.workspace.runs / "one"
    for run_id, before in (("one", 2), ("two", 0)):
        hand.window.send(RunStarted(run_id=run_id, folder=folder, variant_count=5, already_done=before, at_s=0.0))
    free.set()
    hand.wait_jobs()
    assert set(tab.view.cells) == {0}


def test_what_is_being_typed_is_not_overwritten_by_an_answer(open_window: OpenWindow) -> None:
    """The first backend answers in the middle of a word."""
    backends = Backends(gone="", may_open=threading.Event())
    hand = open_window(open_app=backends.open_app)
    chooser = run_tab(hand).backend.chooser
    hand.wait(lambda: chooser.get() == "fake", "the backend's name")
    hand.type("oth", chooser)
    backends.may_open.set()
    hand.wait(lambda: hand.window.capabilities, "the backend's answer")
    assert chooser.get() == "oth"
    hand.type("other", chooser)
    hand.key("Return", chooser)
    hand.wait(lambda: hand.window.backend.choice.name == "other" and hand.window.capabilities, "the other backend")  # type: ignore[union-attr]
    assert chooser.get() == "other"


def looks_due(hand: Hand) -> int:
    """So many times servers will be looked for."""
    call = hand.root.tk.call
    return sum(
        "_look_when_idle" in str(call("after", "info", each)) for each in hand.root.tk.splitlist(call("after", "info"))
    )


def test_servers_are_looked_for_again_once_and_after_a_failure_too(
    open_window: OpenWindow, capsys: pytest.CaptureFixture[str]
) -> None:
    """However often the button is pressed, one look is due; one that failed is not the last."""
    fails = [False]

    def look(_: Path) -> tuple[BackendStatus, ...]:
        if fails[0]:
            raise ZeroDivisionError("in looking")
        return ()

    hand = open_window(look_for_backends=look)
    panel = run_tab(hand).backend
    for failing in (False, False, True):
        fails[0] = failing
        panel.look()
        hand.wait_jobs()
    assert looks_due(hand) == 1
    hand.mistakes.clear()
    capsys.readouterr()


def test_the_last_backend_is_opened_at_the_next_start(open_window: OpenWindow) -> None:
    """Without another wish the window opens what was in use."""
    backends = Backends()
    hand = open_window(open_app=backends.open_app, backend=BackendChoice(name="mine", url="http://a:1", model="m"))
    hand.wait(lambda: hand.window.capabilities, "the backend")
    hand.put_away()
    again = open_window(open_app=backends.open_app, backend=None)
    again.wait(lambda: again.window.capabilities, "the backend")
    assert backends.opened == [("mine", "http://a:1")] * 2


def test_servers_that_are_found_can_be_chosen(open_window: OpenWindow) -> None:
    """The chooser offers configured backends, servers at their usual addresses, and every kind."""
    found = (
        BackendStatus(name="studio", kind="comfyui", url="http://box:8188", configured=True),
        BackendStatus(name="http://127.0.0.1:7860", kind="webui", url="http://127.0.0.1:7860"),
    )
    backends = Backends(gone="")
    hand = open_window(open_app=backends.open_app, look_for_backends=lambda _: found)
    chooser = run_tab(hand).backend.chooser
    hand.wait(lambda: "studio" in chooser.cget("values"), "what was found")
    assert "webui  http://127.0.0.1:7860" in chooser.cget("values")
    assert "local" in chooser.cget("values")
    assert "pool" not in chooser.cget("values")
    chooser.set("webui  http://127.0.0.1:7860")
    chooser.event_generate("<<ComboboxSelected>>")
    hand.wait(lambda: ("webui", "http://127.0.0.1:7860") in backends.opened, "the server")


def test_a_backend_cannot_be_changed_during_a_run(open_window: OpenWindow, pack: Path) -> None:
    """The chooser is locked while a run is under way."""
    hand = open_window(Script(delay_s=600.0))
    tab = ready(hand, pack)
    hand.key("F5")
    hand.wait(lambda: tab.view.busy, "the run")
    hand.wait(lambda: str(tab.backend.chooser.cget("state")) == "disabled", "the lock")
    hand.key("Shift-F5")
    hand.key("Shift-F5")
    wait_run(hand, tab)
    assert str(tab.backend.chooser.cget("state")) == "normal"


def test_recent_runs_are_listed_with_what_they_recorded(open_window: OpenWindow, pack: Path, shot: Shot) -> None:
    """F8 opens the panel: counts, failures and records of each run; a double click opens it in Review."""
    hand = open_window()
    tab = ready(hand, pack)
    hand.key("F5")
    wait_run(hand, tab)
    sent: list[object] = []
    hand.window.send = sent.append  # type: ignore[method-assign]
    hand.key("F8")
    recent: RecentRuns = hand.window.recent
    hand.wait(lambda: recent.table.get_children(), "the runs")
    run_id = tab.view.progress.run_id
    row = dict(zip(recent.table.cget("columns"), recent.table.item(run_id, "values"), strict=True))
    assert (row["packs"], row["variants"], row["made"], row["records"]) == ("houses", "5", "5", "5")
    shot(hand)
    x, y, width, height = recent.table.bbox(run_id)
    hand.click(recent.table, x + width // 2, y + height // 2, double=True)
    assert OpenRun(run_id=run_id) in sent
    hand.key("F8")
    assert not recent.winfo_ismapped()


def test_reading_the_recent_runs_anew_leaves_the_keyboard_where_it_is(open_window: OpenWindow, pack: Path) -> None:
    """While a run goes on the list is read every few seconds: arrow keys go on from the same line."""
    hand = open_window()
    tab = ready(hand, pack)
    hand.key("F5")
    wait_run(hand, tab)
    hand.key("F8")
    recent: RecentRuns = hand.window.recent
    hand.wait(lambda: recent.table.get_children(), "the runs")
    run_id = tab.view.progress.run_id
    recent.table.focus(run_id)
    recent.table.selection_set(run_id)
    before = recent.runs
    recent.read()
    hand.wait(lambda: recent.runs is not before, "the list")
    assert (recent.table.focus(), recent.table.selection()) == (run_id, (run_id,))


def test_a_backend_that_hangs_does_not_keep_the_window_open(open_window: OpenWindow) -> None:
    """Closing waits for the backend; asked again, it does not."""
    let_go = threading.Event()

    @contextmanager
    def hanging(options: AppOptions) -> Iterator[App]:
        let_go.wait(PATIENCE_S)
        with open_app(options, backend=FakeBackend()) as app:
            yield app

    hand = open_window(open_app=hanging)
    hand.window.close()
    hand.settle()
    assert hand.open
    hand.window.close()
    assert not hand.open
    let_go.set()


def test_a_mistake_in_a_callback_is_shown_and_logged(
    open_window: OpenWindow, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing that Tk calls can fail unseen: it is at the top of the window, in errors.log, and the window goes on."""
    hand = open_window()

    def broken() -> None:
        raise ZeroDivisionError("in a callback")

    hand.root.after(1, broken)
    hand.wait(lambda: hand.window.notices.notices, "the notice")
    notice = hand.window.notices.notices[0]
    assert "ZeroDivisionError: in a callback" in notice.text
    assert "broken" in notice.detail
    assert "in a callback" in (workspace.root / "errors.log").read_text()
    hand.click(hand.find("Copy details"))
    assert "ZeroDivisionError" in hand.root.clipboard_get()
    hand.wait(lambda: hand.window.capabilities, "the backend's answer")
    hand.mistakes.clear()
    capsys.readouterr()


def test_a_mistake_in_one_tab_does_not_keep_the_event_from_the_others(
    open_window: OpenWindow, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each tab is told of an event on its own."""
    hand = open_window()
    hand.wait(lambda: hand.window.capabilities, "the backend's answer")

    class Broken:
        def handle(self, event: object) -> None:
            raise ZeroDivisionError("in a tab")

    told: list[object] = []

    class Sound:
        def handle(self, event: object) -> None:
            told.append(event)

    hand.window._tabs = {"broken": Broken(), "sound": Sound()}
    hand.window.bridge.put("an event")
    hand.wait(lambda: "an event" in told, "the event")
    assert "in a tab" in hand.window.notices.notices[0].text
    hand.mistakes.clear()
    capsys.readouterr()


def test_a_run_that_cannot_start_says_why(open_window: OpenWindow, pack: Path) -> None:
    """What the controller ends a run with is in the log, and the window is ready for the next one."""
    hand = open_window()
    tab = ready(hand, pack)
    tab.take_settings({"txt2img.sampler": "Eular a"})
    hand.key("F5")
    wait_run(hand, tab)
    assert any("did you mean 'Euler a'" in line for line in tab.log_panel.shown)
    assert str(tab.controls.run.cget("state")) == "normal"


class Server(FakeBackend):
    """A fake that says it does everything a WebUI does."""

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), extras=frozenset(SERVER_EXTRAS), adetailer_models=("face_yolov8n.pt",))


def test_adetailer_has_a_card_where_the_backend_has_it(open_window: OpenWindow, shot: Shot) -> None:
    """On a server with ADetailer its card is there with the server's models; elsewhere it is not."""

    @contextmanager
    def opened(options: AppOptions) -> Iterator[App]:
        with open_app(options, backend=Server() if options.backend == "server" else FakeBackend()) as app:
            yield app

    hand = open_window(open_app=opened)
    hand.wait(lambda: hand.window.capabilities, "the backend's answer")
    tab = run_tab(hand)
    card = tab.stages.cards["txt2img", "adetailer_model"]
    assert not card.winfo_ismapped()
    hand.window.choose_backend(BackendChoice(name="server"))
    hand.wait(card.winfo_ismapped, "the card")
    card.unfold()
    hand.settle()
    model = tab.stages.forms["txt2img", "adetailer_model"].fields["txt2img.adetailer_model"]
    assert "face_yolov8n.pt" in model.widget.cget("values")
    hand.type("face_yolov8n.pt", model.widget)
    assert tab.wish().settings == {"txt2img.adetailer_model": "face_yolov8n.pt"}
    shot(hand)


def test_packs_and_pictures_can_be_dropped(open_window: OpenWindow, pack: Path) -> None:
    """A dropped pack goes into the list and is chosen."""
    hand = open_window()
    hand.window.send(FilesDropped(paths=(pack,)))
    tab = run_tab(hand)
    assert tab.packs.chosen == (pack,)
    hand.wait(lambda: tab.planned, "the plan")


@pytest.mark.parametrize(("text", "path"), [("/a b/c.png", "/a b/c.png"), ("file:///a%20b/c.png", "/a b/c.png")])
def test_a_dropped_file_may_come_as_an_address(text: str, path: str) -> None:
    """Some desktops give file:// addresses."""
    drop = pytest.importorskip("stablenew.gui.drop")
    assert drop.path_of(text) == Path(path)


def test_every_control_is_reached_with_the_keyboard(open_window: OpenWindow, pack: Path) -> None:
    """Tab goes round through every field and button of the Run tab and the status bar; F6 goes part by part."""
    hand = open_window()
    tab = ready(hand, pack)
    tab.axes.add("cfg_scale", "3,5")
    hand.settle()
    wanted = {str(each) for each in hand.all() if _usable(each) and not str(each).startswith(".!menu")}
    reached: set[str] = set()
    at = hand.root.tk_focusNext()
    while at is not None and str(at) not in reached:
        reached.add(str(at))
        at = at.tk_focusNext()
    assert sorted(wanted - reached) == []
    parts: list[str] = []
    for _ in range(4):
        hand.key("F6")
        focus = str(hand.root.focus_get())
        parts.append(next(str(part) for part in hand.window.parts() if f"{focus}.".startswith(f"{part}.")))
    assert len(set(parts)) == 4


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_focus_is_seen(open_window: OpenWindow, pack: Path, theme: str) -> None:
    """Every control of the Run tab and of the status bar looks different while it has the focus."""
    hand = open_window()
    hand.window.use_theme(theme)  # type: ignore[arg-type]
    tab = ready(hand, pack)
    tab.axes.add("cfg_scale", "3,5")
    hand.settle()
    unseen = []
    for widget in [each for each in hand.all() if _usable(each)]:
        widget.focus_force()
        hand.settle()
        focused = _look_of(hand, widget)
        hand.root.focus_force()
        hand.settle()
        if ImageChops.difference(focused, _look_of(hand, widget)).getbbox() is None:
            unseen.append(str(widget))
    assert unseen == []


def _look_of(hand: Hand, widget: Any) -> Image.Image:
    left, top = widget.winfo_rootx() - hand.root.winfo_rootx(), widget.winfo_rooty() - hand._top()
    return hand.picture().crop((left - 3, top - 3, left + widget.winfo_width() + 3, top + widget.winfo_height() + 3))


def _usable(widget: Any) -> bool:
    kinds = {"TButton", "TCheckbutton", "TCombobox", "TEntry", "TSpinbox", "TMenubutton", "Treeview", "Text"}
    if widget.winfo_class() not in kinds or not widget.winfo_ismapped():
        return False
    return widget.winfo_class() in ("Text", "Treeview") or str(widget.cget("state")) != "disabled"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_no_text_is_cut_off(
    open_window: OpenWindow, workspace: Workspace, pack: Path, shot: Shot, size: tuple[int, int], theme: str
) -> None:
    """Every label and button of the Run tab with its panels has the room its text needs."""
    hand = open_window(size=size)
    hand.window.use_theme(theme)  # type: ignore[arg-type]
    tab = ready(hand, pack)
    tab.take_settings({"stages": ("txt2img", "img2img", "upscale"), "txt2img.sampler": "DPM++ 2M SDE"})
    tab.axes.add("cfg_scale", "3,5")
    hand.key("F5")
    wait_run(hand, tab)
    for shown in ("tab", "recent runs"):
        shot(hand, shown)
        cut = [
            (str(each), each.cget("text"), each.winfo_width(), each.winfo_reqwidth())
            for each in hand.all()
            if each.winfo_class() in ("TLabel", "TButton", "TCheckbutton", "TMenubutton")
            and each.winfo_ismapped()
            and each.cget("text")
            and each.winfo_width() < each.winfo_reqwidth()
        ]
        assert not cut
        hand.key("F8")


def test_a_larger_size_makes_everything_larger(
    open_window: OpenWindow, workspace: Workspace, pack: Path, shot: Shot
) -> None:
    """At twice the size fonts and distances double, and the chosen size is remembered."""
    write_state(workspace, WindowState(learning=True, scale=2.0, geometry="1920x1080+0+0"))
    hand = open_window()
    assert hand.window.theme.scale == pytest.approx(2.0)
    assert hand.window.theme.px(8) == 16
    tab = ready(hand, pack)
    assert tab.controls.run.winfo_height() > 44
    shot(hand)
    hand.window.scale_choice.set("1.5")
    hand.window.use_scale()
    hand.put_away()
    assert read_state(workspace).scale == 1.5
    write_state(workspace, WindowState(learning=True))
    assert open_window().window.theme.scale == pytest.approx(1.0)


def test_a_memory_that_cannot_be_read_is_no_reason_not_to_open(
    open_window: OpenWindow, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    """A torn window.json means the defaults, and it is written anew."""
    workspace.root.mkdir(parents=True)
    (workspace.root / FILE).write_text('{"theme": "li')
    hand = open_window()
    hand.wait(lambda: hand.window.capabilities, "the backend's answer")
    hand.put_away()
    assert read_state(workspace).theme == "light"
    capsys.readouterr()


def test_events_of_a_run_reach_a_tab_made_later(open_window: OpenWindow, pack: Path) -> None:
    """A tab that is made in the middle of a run is told what happened so far, without single steps."""
    hand = open_window()
    tab = ready(hand, pack)
    hand.key("F5")
    wait_run(hand, tab)
    kinds = [type(event).__name__ for event in hand.window._so_far]
    assert kinds[0] == "RunStarted"
    assert kinds.count("VariantFinished") == 5
    assert kinds[-1] == "RunFinished"
    assert "StepDone" not in kinds


def test_the_run_tab_is_there_whichever_tab_was_last(open_window: OpenWindow, workspace: Workspace) -> None:
    """A window that opens on another tab still follows runs and offers unfinished ones."""
    write_state(workspace, WindowState(learning=True, tab="review"))
    hand = open_window()
    assert hand.window.state.tab == "review"
    assert hand.window.tab("run") is not None
    hand.key("Control-Key-1")
    hand.wait(lambda: run_tab(hand).winfo_ismapped(), "the Run tab")


def test_menus_open_with_the_right_button_and_the_keyboard(
    open_window: OpenWindow, workspace: Workspace, pack: Path
) -> None:
    """What is under the pointer, or has the focus, offers what can be done with it; a run's picture gives its text."""
    hand = open_window()
    tab = ready(hand, pack)
    steps = tab.stages.forms["txt2img", ""].fields["txt2img.steps"]
    assert steps._menu() == []
    hand.type("7", steps.widget)
    assert [text for text, _ in steps._menu()] == ["Back to 20"]
    hand.key("F5")
    wait_run(hand, tab)
    menu = dict(tab.progress._picture_menu())
    menu["Copy prompt"]()
    assert hand.root.clipboard_get() == tab.view.progress.newest.variant.prompt  # type: ignore[union-attr]
    menu["Copy settings"]()
    hand.wait(lambda: "Steps: 7" in hand.root.clipboard_get(), "the settings text")
    hand.root.after(200, lambda: hand.root.tk.call("tk::MenuUnpost", ""))
    tab.packs.packs.focus_force()
    opened: list[str] = []
    hand.root.bind_class("Menu", "<Map>", lambda event: opened.append(str(event.widget)), add="+")
    hand.key("Shift-F10", tab.packs.packs)
    hand.wait(lambda: any("packpanel" in name for name in opened), "the menu")


def test_the_keys_are_listed(open_window: OpenWindow) -> None:
    """F1 shows them, Escape puts them away."""
    hand = open_window()
    hand.key("F1")
    assert hand.shows("Run Full Pipeline")
    [dialog] = [each for each in hand.root.winfo_children() if isinstance(each, tkinter.Toplevel)]
    hand.key("Escape", dialog)
    assert not dialog.winfo_exists()


def open_local(open_window: Callable[..., Hand]) -> Hand:
    """The window on the embedded model."""
    return open_window(open_app=open_app, backend=BackendChoice(name="local"))


def test_the_embedded_model_draws_what_was_asked(open_window: OpenWindow, workspace: Workspace, shot: Shot) -> None:
    """On the model in the box: choose the demo pack, two variants, four steps; two pictures are on disk and shown."""
    pytest.importorskip("torch")
    hand = open_local(open_window)
    tab = run_tab(hand)
    [demo] = [path for path in tab.packs.known if path.name == "demo_pack.txt"]
    hand.wait(lambda: tab.packs.look(demo).lines, "the pack's lines")  # type: ignore[union-attr]
    left, top, width, height = tab.packs.packs.bbox(str(demo))
    hand.click(tab.packs.packs, left + width // 2, top + height // 2)
    hand.type("4", tab.stages.forms["txt2img", ""].fields["txt2img.steps"].widget)
    tab.axes._limit.set("2")
    hand.wait(lambda: hand.window.capabilities, "the backend's answer")
    hand.wait(lambda: tab.planned and tab.planned.plan.count == 2, "the plan")
    hand.click(tab.controls.run)
    wait_run(hand, tab)
    assert tab.view.error is None
    assert tab.view.result is not None
    assert tab.view.result.ok == 2
    hand.wait(lambda: tab.progress._photo, "the picture")
    assert len(list((tab.view.result.folder / "images").glob("*.png"))) == 2
    shot(hand)
