"""The window as a whole: opening, switching, closing."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from stablenew.gui.events import BackendChoice
from stablenew.gui.state import WindowState, read_state, write_state
from stablenew.workspace import Workspace
from tests.gui_v2.hand import PATIENCE_S, Hand


def test_the_window_opens_on_its_backend(open_window: Callable[..., Hand], shot: Callable[..., Path]) -> None:
    """The chosen backend is opened beside Tk's thread, and the window then knows what it can do."""
    hand = open_window()
    hand.wait(lambda: hand.window.capabilities, "the backend's answer")
    assert hand.window.controller is not None
    shot(hand)


def test_light_and_dark_are_remembered(open_window: Callable[..., Hand], workspace: Workspace) -> None:
    """The theme chosen in one window is the theme of the next."""
    hand = open_window()
    assert not hand.window.theme.dark
    hand.click(hand.find("Dark", "TButton"))
    assert hand.window.theme.dark
    hand.put_away()
    assert read_state(workspace).theme == "dark"
    assert open_window().window.theme.dark


def test_what_is_remembered_at_the_end_is_the_newest(
    open_window: Callable[..., Hand], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older memory that is still on its way to the disk when the window closes does not come after it."""
    begun, over = threading.Event(), threading.Event()

    def slow(workspace: Workspace, state: WindowState) -> None:
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            over.wait(1)  # the window is gone by then, or waits for this
        write_state(workspace, state)
        if threading.current_thread() is not threading.main_thread():
            over.set()

    monkeypatch.setattr("stablenew.gui.main_window.write_state", slow)
    hand = open_window()
    hand.window.remember("mine", {"is": "older"})
    hand.wait(begun.is_set, "the writing of it")
    hand.window.remember("mine", {"is": "newest"})
    hand.put_away()
    assert over.wait(PATIENCE_S)
    assert read_state(workspace).tabs["mine"] == {"is": "newest"}


def test_what_a_tab_needs_is_imported_before_it_is_opened(
    open_window: Callable[..., Hand], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside Tk's thread, so that opening it for the first time takes no longer than making it."""
    from stablenew.gui.main_window import TABS, TabEntry

    (tmp_path / "a_late_tab.py").write_text("class LateTab: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    hand = open_window(tabs=(*TABS[:1], TabEntry("late", "Late", "a_late_tab:LateTab")))
    hand.wait(lambda: "a_late_tab" in sys.modules, "the module")
    assert hand.window.tab("late") is None
    hand.wait_jobs()
    del sys.modules["a_late_tab"]


def test_collecting_garbage_does_not_look_through_the_window_itself(open_window: Callable[..., Hand]) -> None:
    """What was imported and made for it is set aside while it is there, and looked through again after."""
    hand = open_window()
    hand.wait(lambda: hand.window.capabilities, "the backend's answer")
    assert gc.get_freeze_count() > 10_000
    hand.put_away()
    assert gc.get_freeze_count() == 0


def test_a_backend_that_goes_is_not_kept_from_being_collected(
    open_window: Callable[..., Hand], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When another one is chosen, everything is looked through again."""
    monkeypatch.setattr("stablenew.gui.main_window.IMPORT_AFTER_MS", 10**7)
    hand = open_window()
    hand.wait(lambda: hand.window.capabilities, "the backend's answer")
    assert gc.get_freeze_count() > 10_000
    hand.window.choose_backend(BackendChoice(name="fake"))
    hand.wait(lambda: gc.get_freeze_count() == 0, "what was set aside")
    hand.wait(lambda: hand.window.backend.state == "ready", "the backend")
    assert gc.get_freeze_count() == 0
