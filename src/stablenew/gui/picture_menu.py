"""What can be done with a picture besides judging it: the menu of the right mouse button, and double-click."""

from __future__ import annotations

import tkinter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stablenew.gui.events import OpenGrid, OpenRun, ProposeSettings
from stablenew.gui.keys import by_pointer
from stablenew.gui.notices import Notice
from stablenew.learning.record_settings import record_infotext

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI
    from stablenew.learning.recorded_picture import RecordedPicture


def open_with_system(path: Path, *, folder: bool = False) -> None:
    """Show the file in the program the system has for it, or with `folder` the folder it lies in. May wait a moment."""
    import click

    click.launch(str(path), locate=folder)


class PictureActions:
    """For one tab; everything returns at once. `launch` opens files, a test's own in its tests."""

    def __init__(self, window: StableNewGUI, *, launch: Callable[..., None] = open_with_system) -> None:
        self._window, self.launch = window, launch
        self._menu: tkinter.Menu | None = None

    def open_file(self, picture: RecordedPicture) -> None:
        """Show the file in the system's own program."""
        path = self._window.workspace.root / picture.path
        self._window.jobs.start(lambda: self.launch(path))

    def open_folder(self, picture: RecordedPicture) -> None:
        """Show where the file lies."""
        path = self._window.workspace.root / picture.path
        self._window.jobs.start(lambda: self.launch(path, folder=True))

    def copy(self, text: str, what: str) -> None:
        """Put `text` on the clipboard and say so."""
        self._window.root.clipboard_clear()
        self._window.root.clipboard_append(text)
        self._window.notify(Notice(text=f"{what} copied", severity="good", key="copied"))

    def copy_settings(self, picture: RecordedPicture) -> None:
        """Put prompt and settings on the clipboard, in the form that A1111 and others read."""
        self._window.library.ask(
            lambda index: record_infotext(index.get(picture.record_id)),
            lambda text: self.copy(text, "Settings"),
            failed=self._window.report,
        )

    def menu(self, parent: tkinter.Misc, picture: RecordedPicture) -> tkinter.Menu:
        """The menu for `picture`, in place of the one before."""
        if self._menu is not None:
            self._menu.destroy()
        menu = self._menu = tkinter.Menu(parent, tearoff=False)
        path = str(self._window.workspace.root / picture.path)
        for label, act in (
            ("Open the file", lambda: self.open_file(picture)),
            ("Show in its folder", lambda: self.open_folder(picture)),
            ("", None),
            ("Copy prompt", lambda: self.copy(picture.prompt, "Prompt")),
            ("Copy settings", lambda: self.copy_settings(picture)),
            ("Copy path", lambda: self.copy(path, "Path")),
            ("", None),
            ("Use these settings in Run", lambda: self._propose(picture)),
            ("Review this run", lambda: self._window.send(OpenRun(run_id=picture.run_id))),
            ("Show this run in Grid", lambda: self._window.send(OpenGrid(run_id=picture.run_id))),
        ):
            if act is None:
                menu.add_separator()
            else:
                menu.add_command(label=label, command=act)
        return menu

    def _propose(self, picture: RecordedPicture) -> None:
        self._window.send(
            ProposeSettings(
                settings=picture.settings,
                origin=f"picture {picture.path.rpartition('/')[2]}",
                prompt=picture.prompt,
                negative_prompt=picture.negative_prompt,
            )
        )


def pop_up(menu: tkinter.Menu, event: tkinter.Event[tkinter.Misc]) -> None:
    """Show `menu` where the pointer is (or the widget's corner, for the Menu key)."""
    widget = event.widget
    at = (event.x_root, event.y_root) if by_pointer(event) else (widget.winfo_rootx() + 40, widget.winfo_rooty() + 40)
    menu.tk_popup(*at)
