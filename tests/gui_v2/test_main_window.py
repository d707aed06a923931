"""The window as a whole: opening, switching, closing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stablenew.gui.state import read_state
from stablenew.workspace import Workspace
from tests.gui_v2.hand import Hand


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
