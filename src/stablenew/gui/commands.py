"""What menus and keys of the whole window do."""

from __future__ import annotations

import tkinter
from dataclasses import replace
from typing import TYPE_CHECKING

from stablenew.gui.notices import Notice
from stablenew.gui.picture_settings import read_pasted

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI


def run_pipeline(window: StableNewGUI) -> None:
    """What the Run tab's button does, with that tab in front."""
    window.select("run")
    window.run_tab.orders.run()


def stop_pipeline(window: StableNewGUI) -> None:
    """What the Stop button does."""
    window.run_tab.orders.stop()


def ask_picture(window: StableNewGUI) -> None:
    """Ask for a picture, and show its settings."""
    window.run_tab.setting_orders.ask_picture()


def paste_settings(window: StableNewGUI) -> None:
    """Show the settings that were copied somewhere."""
    try:
        text = window.root.clipboard_get()
    except tkinter.TclError:
        window.notify(Notice(text="The clipboard holds no text.", severity="warning", key="paste"))
        return
    window.jobs.start(lambda: read_pasted(text), window.send)


def use_scale(window: StableNewGUI, scale: float | None) -> None:
    """Another size of everything, None for the screen's own, from the next start on."""
    window.keep(replace(window.state, scale=scale))
    window.notify(Notice(text="The new size holds from the next start on.", key="scale"))
