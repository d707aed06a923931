"""Keys of a widget as a table; letters do the same with Shift or Caps Lock, and nothing with Control or Alt."""

from __future__ import annotations

import sys
import tkinter
from collections.abc import Callable, Mapping

Act = Callable[[], object]

_CONTROL = 0x4
_ALT = 0x20000 if sys.platform == "win32" else 0x20008
"""Alt; on a Mac Command too. What X calls so is Num Lock on Windows."""

MENU_KEYS = ("Button-2" if sys.platform == "darwin" else "Button-3", "Shift-F10", "Menu")
"""What asks for the menu of the thing under the pointer or the cursor."""


def bind_keys(widget: tkinter.Misc, acts: Mapping[str, Act]) -> None:
    """Do `acts[keysym]` at that key alone, and nothing else that it would do.

    With Control or Alt the key belongs to the window: Control-1 is no star.
    """
    for keysym, act in acts.items():
        letters = (keysym, keysym.upper()) if len(keysym) == 1 and keysym.isalpha() else (keysym,)
        for each in letters:
            widget.bind(f"<Key-{each}>", _only(act))


def bind_menu(widget: tkinter.Misc, pop_up: Callable[[tkinter.Event[tkinter.Misc]], object]) -> None:
    """Do it at the right mouse button and at the keys for it."""
    for each in MENU_KEYS:
        widget.bind(f"<{each}>", pop_up)


def by_pointer(event: tkinter.Event[tkinter.Misc]) -> bool:
    """Whether a mouse button asked, and not a key."""
    return event.num in (2, 3)


def _only(act: Act) -> Callable[[tkinter.Event[tkinter.Misc]], str | None]:
    def do(event: tkinter.Event[tkinter.Misc]) -> str | None:
        if int(event.state) & (_CONTROL | _ALT):
            return None
        act()
        return "break"

    return do
