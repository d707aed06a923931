"""Menus of what is under the pointer or has the focus: the right button, the menu key, or Shift+F10."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Sequence

import ttkbootstrap as ttk

Entry = tuple[str, Callable[[], object]]
"""What an entry says and does; one with the text SEPARATOR is a line."""

SEPARATOR = ""


def context_menu(widget: tkinter.Misc, entries: Callable[[], Sequence[Entry]]) -> None:
    """Show what `entries` gives for the moment when the person asks for the menu of `widget`; nothing for none."""

    def pointed(event: tkinter.Event[tkinter.Misc]) -> str:
        if isinstance(widget, ttk.Treeview) and (row := widget.identify_row(event.y)):
            if row not in widget.selection():
                widget.selection_set(row)
            widget.focus(row)
        _show(widget, entries(), event.x_root, event.y_root)
        return "break"

    def keyed(_: tkinter.Event[tkinter.Misc]) -> str:
        _show(widget, entries(), widget.winfo_rootx() + widget.winfo_width() // 4, widget.winfo_rooty() + 24)
        return "break"

    widget.bind("<<ContextMenu>>", pointed)
    for sequence in ("<Key-Menu>", "<Shift-F10>"):
        widget.bind(sequence, keyed)


def copy(widget: tkinter.Misc, text: str) -> None:
    """Put `text` on the clipboard."""
    widget.clipboard_clear()
    widget.clipboard_append(text)


def _show(widget: tkinter.Misc, entries: Sequence[Entry], x: int, y: int) -> None:
    if not entries:
        return
    menu = ttk.Menu(widget, tearoff=False)
    for text, command in entries:
        if text == SEPARATOR:
            menu.add_separator()
        else:
            menu.add_command(label=text, command=command)
    menu.bind("<Unmap>", lambda _: menu.after_idle(menu.destroy))
    menu.tk_popup(x, y)
