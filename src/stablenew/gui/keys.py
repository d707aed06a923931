"""Keys of a widget as a table; letters do the same with Shift or Caps Lock."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Mapping

Act = Callable[[], object]

MENU_KEYS = ("Button-3", "Shift-F10", "Menu")
"""What asks for the menu of the thing under the pointer or the cursor."""


def bind_keys(widget: tkinter.Misc, acts: Mapping[str, Act]) -> None:
    """Do `acts[keysym]` at that key, and nothing else that the key would do."""
    for keysym, act in acts.items():
        letters = (keysym, keysym.upper()) if len(keysym) == 1 and keysym.isalpha() else (keysym,)
        for each in letters:
            widget.bind(f"<Key-{each}>", _only(act))


def bind_menu(widget: tkinter.Misc, pop_up: Callable[[tkinter.Event[tkinter.Misc]], object]) -> None:
    """Do it at the right mouse button and at the keys for it."""
    for each in MENU_KEYS:
        widget.bind(f"<{each}>", pop_up)


def _only(act: Act) -> Callable[[object], str]:
    def do(_: object) -> str:
        act()
        return "break"

    return do
