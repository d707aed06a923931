"""The menu bar and the keys of the whole window."""

from __future__ import annotations

import tkinter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

from stablenew.gui.desktop import open_with_desktop
from stablenew.gui.dialog import Dialog
from stablenew.gui.focus import go_to_next
from stablenew.gui.theme import SCALES

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

KEYS = (
    ("F5", "Run Full Pipeline"),
    ("Shift+F5", "Stop after the picture being made; again: at once"),
    ("Ctrl+O", "Settings of a picture"),
    ("Ctrl+Shift+V", "Paste settings: a copied picture's path, or a WebUI's text"),
    ("Ctrl+1, 2, ...", "Go to a tab"),
    ("F6", "Go to the next part of the window"),
    ("F8", "Recent learning runs"),
    ("Ctrl+Delete", "In a field: back to what it would be anyway"),
    ("Ctrl+Q", "Close the window"),
    ("F1", "These keys"),
)


def add_menu(window: StableNewGUI) -> None:
    """Give the window its menu bar and keys."""
    root = window.root
    bar = ttk.Menu(root, tearoff=False)
    _cascade(bar, "File", [
        ("Settings of a picture...", "Ctrl+O", window.ask_picture),
        ("Paste settings", "Ctrl+Shift+V", window.paste_settings),
        ("Open the workspace folder", "", lambda: window.jobs.start(lambda: open_with_desktop(window.workspace.root))),
        ("Close", "Ctrl+Q", window.close),
    ])  # fmt: skip
    _cascade(bar, "Run", [
        ("Run Full Pipeline", "F5", window.run_pipeline),
        ("Stop", "Shift+F5", window.stop_pipeline),
        ("Recent learning runs", "F8", window.toggle_recent),
    ])  # fmt: skip
    view = _cascade(bar, "View", [
        ("Light", "", partial(window.use_theme, "light")),
        ("Dark", "", partial(window.use_theme, "dark")),
    ])  # fmt: skip
    view.add_separator()
    chosen = tkinter.StringVar(root, str(window.state.scale or ""))
    window.scale_choice = chosen
    view.add_radiobutton(label="Size: as the screen says", variable=chosen, value="", command=window.use_scale)
    for scale in SCALES:
        view.add_radiobutton(label=f"Size: {scale:.0%}", variable=chosen, value=str(scale), command=window.use_scale)
    _cascade(bar, "Help", [("Keys", "F1", partial(show_keys, window))])
    root.configure(menu=bar)
    _bind(window)


def show_keys(window: StableNewGUI) -> None:
    """All keys of the window."""
    dialog = Dialog(window.root, window.theme, "Keys")
    for row, (key, what) in enumerate(KEYS):
        name = ttk.Label(dialog.body, text=key, style="Heading.TLabel")
        name.grid(row=row, column=0, sticky="w", pady=window.theme.px(2))
        ttk.Label(dialog.body, text=what).grid(row=row, column=1, sticky="w", padx=(window.theme.px(24), 0))
    dialog.add_buttons([("Close", dialog.destroy)], cancel=False)
    dialog.show()


def _cascade(bar: ttk.Menu, label: str, entries: list[tuple[str, str, Callable[[], object]]]) -> ttk.Menu:
    menu = ttk.Menu(bar, tearoff=False)
    for text, key, command in entries:
        menu.add_command(label=text, accelerator=key, command=command)
    bar.add_cascade(label=label, menu=menu, underline=0)
    return menu


def _bind(window: StableNewGUI) -> None:
    root = window.root
    keys: tuple[tuple[str, Callable[[], object]], ...] = (
        ("<F5>", window.run_pipeline),
        ("<Shift-F5>", window.stop_pipeline),
        ("<Control-o>", window.ask_picture),
        ("<Control-Shift-V>", window.paste_settings),
        ("<F6>", lambda: go_to_next(root, window.parts())),
        ("<F8>", window.toggle_recent),
        ("<F1>", partial(show_keys, window)),
        ("<Control-q>", window.close),
    )
    for sequence, command in keys:
        root.bind(sequence, partial(_done, command))
    for number, key in enumerate(window.tab_keys, start=1):
        root.bind(f"<Control-Key-{number}>", partial(_done, partial(window.select, key)))


def _done(command: Callable[[], object], _: object) -> str:
    command()
    return "break"
