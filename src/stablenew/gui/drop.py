"""Files dragged onto the window, where the toolkit's extension for that loads."""

from __future__ import annotations

import tkinter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from stablenew.log import get_logger

log = get_logger("stablenew.gui")


def accept_files(widget: tkinter.BaseWidget, dropped: Callable[[tuple[Path, ...]], None]) -> bool:
    """Call `dropped` with the files that are dropped on the widget; False where this desktop cannot do that."""
    try:
        from tkinterdnd2 import DND_FILES, TkinterDnD

        TkinterDnD._require(widget.winfo_toplevel())
    except (ImportError, RuntimeError) as exc:
        log.info("files cannot be dragged in here: the menu and pasting do the same", error=str(exc))
        return False
    target: Any = widget  # tkinterdnd2 gives every widget the methods used here

    def on_drop(event: Any) -> str:
        dropped(tuple(path_of(text) for text in widget.tk.splitlist(event.data)))
        return str(event.action)

    target.drop_target_register(DND_FILES)
    target.dnd_bind("<<Drop>>", on_drop)
    return True


def path_of(text: str) -> Path:
    """A dropped file, which some desktops give as an address."""
    return Path(unquote(urlsplit(text).path)) if text.startswith("file://") else Path(text)
