"""Moving about the window with the keyboard, part by part."""

from __future__ import annotations

import tkinter
from collections.abc import Sequence

_TAKES_FOCUS = frozenset({"TButton", "TCheckbutton", "TCombobox", "TEntry", "TSpinbox", "Treeview", "Text"})


def go_to_next(root: tkinter.Misc, parts: Sequence[tkinter.Misc]) -> None:
    """Give the focus to the part after the one that has it; parts without anything to focus are passed over."""
    shown = [part for part in parts if part.winfo_ismapped()]
    focus = str(root.focus_get() or "")
    at = next((number for number, part in enumerate(shown) if holds(part, focus)), -1)
    for step in range(1, len(shown) + 1):
        found = first_focus(shown[(at + step) % len(shown)])
        if found is not None:
            found.focus_set()
            return


def holds(part: tkinter.Misc, widget: object) -> bool:
    """Whether `widget` (or its path) is `part` or inside it."""
    return str(widget) == str(part) or str(widget).startswith(f"{part}.")


def first_focus(top: tkinter.Misc) -> tkinter.Misc | None:
    """The first widget under `top` that takes the focus from the keyboard, None where there is none."""
    for child in top.winfo_children():
        if not child.winfo_ismapped():
            continue
        if child.winfo_class() in _TAKES_FOCUS and _takes_it(child):
            return child
        found = first_focus(child)
        if found is not None:
            return found
    return None


def _takes_it(widget: tkinter.Misc) -> bool:
    """Whether Tab would stop there."""
    state = str(widget.cget("state")) if "state" in widget.keys() else "normal"  # noqa: SIM118 - a widget is no dict
    return state != "disabled" or widget.winfo_class() == "Text"
