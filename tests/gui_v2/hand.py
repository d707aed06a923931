"""A hand and an eye for the window: opens it, presses keys and buttons as X events, waits, takes pictures."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageGrab

from stablenew.app import App, AppOptions, open_app
from stablenew.backends.base import Backend, StageRequest
from stablenew.gui.events import BackendChoice
from stablenew.gui.jobs import THREADS
from stablenew.gui.state import WindowState, read_state, write_state
from stablenew.workspace import Workspace

if TYPE_CHECKING:
    import tkinter

    from stablenew.gui.main_window import StableNewGUI
else:
    tkinter = pytest.importorskip("tkinter", reason="this Python has no Tk: on Debian apt install python3-tk")
    pytest.importorskip("ttkbootstrap", reason="the window needs the extra gui: pip install 'stablenew[gui]'")

PATIENCE_S = 180.0
"""How long a test waits for what should come: long enough for a busy machine, no test is about it."""


def open_fake(
    workspace: Workspace, fake: Backend, /, *, size: tuple[int, int], learning: bool | None, **options: Any
) -> Hand:
    """The window on `workspace` with `fake` whatever backend is chosen; `learning` None: not asked yet."""
    from stablenew.gui.main_window import StableNewGUI

    if read_state(workspace) == WindowState():
        write_state(workspace, WindowState(learning=learning, geometry="{}x{}+0+0".format(*size)))

    @contextmanager
    def opened(chosen: AppOptions) -> Iterator[App]:
        with open_app(chosen, backend=fake) as app:
            yield app

    options.setdefault("open_app", opened)
    options.setdefault("backend", BackendChoice(name="fake"))
    options.setdefault("look_for_backends", lambda _: ())
    return Hand(StableNewGUI(workspace, **options))


class Hand:
    """Uses one window. Everything on the thread that made it."""

    def __init__(self, window: StableNewGUI) -> None:
        self.window = window
        self.root = window.root
        self.mistakes: list[str] = []
        self._gone = False
        report = window.report

        def listen(exc: BaseException) -> None:
            report(exc)
            self.mistakes.append(repr(exc))

        window.report = window.bridge._failed = window.jobs._failed = listen  # type: ignore[method-assign]
        self.root.bind("<Destroy>", self._destroyed, add="+")
        self.root.deiconify()
        self.root.update()
        # Without a window manager the menu bar is added to the size asked for: what is asked for is the whole window.
        menu = self.root.winfo_rooty() - self._top()
        self.root.geometry(f"{self.root.winfo_width()}x{self.root.winfo_height() - menu}")
        self.root.update()
        self.root.focus_force()
        self.settle()

    @property
    def open(self) -> bool:
        """Whether the window is still there."""
        return not self._gone

    def settle(self) -> None:
        """Let the window do what it has to do now."""
        if not self._gone:
            self.root.update()

    def wait(self, done: Callable[[], object], what: str = "what was waited for") -> None:
        """Let the window live until `done`. Raises AssertionError after a long while."""
        until = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < until, f"{what} did not come"
            assert not self._gone, f"the window is gone before {what}"
            self.root.update()
            time.sleep(0.002)

    def wait_jobs(self) -> None:
        """Let the window live until every job that was started so far is done and what came of it has arrived."""
        all_free, back = threading.Barrier(THREADS), list[object]()
        for _ in range(THREADS):
            self.window.jobs.start(lambda: all_free.wait(PATIENCE_S), back.append)
        self.wait(lambda: len(back) == THREADS, "the jobs")

    def wait_library(self) -> None:
        """Let the window live until what was asked of the index is answered (of long answers the first piece)."""
        back: list[object] = []
        self.window.library.ask(lambda index: True, back.append, failed=self.window.report)
        self.wait(lambda: back, "the index")

    def wait_closed(self) -> None:
        """Let the window live until it is gone."""
        until = time.monotonic() + PATIENCE_S
        while not self._gone:
            assert time.monotonic() < until, "the window does not close"
            self.root.update()
            time.sleep(0.002)

    def key(self, keysym: str, widget: tkinter.Misc | None = None) -> None:
        """Press a key ("Return", "Control-Return") on `widget`, else where the focus is."""
        target = widget or self.root.focus_get() or self.root
        target.event_generate(f"<{keysym}>")
        self.settle()

    def type(self, text: str, widget: tkinter.Misc) -> None:
        """Replace what stands in an entry by `text`, key by key."""
        widget.focus_force()
        self.settle()
        widget.event_generate("<Control-a>")
        widget.event_generate("<Delete>")
        for char in text:
            widget.event_generate("<KeyPress>", keysym=_KEYSYMS.get(char, char))
        self.settle()

    def click(self, widget: tkinter.Misc, x: int | None = None, y: int | None = None, *, double: bool = False) -> None:
        """Press and release the left button on `widget`, in its middle unless told where."""
        self.settle()
        x = widget.winfo_width() // 2 if x is None else x
        y = widget.winfo_height() // 2 if y is None else y
        widget.event_generate("<Enter>", x=x, y=y)
        for _ in range(2 if double else 1):
            widget.event_generate("<ButtonPress-1>", x=x, y=y)
            widget.event_generate("<ButtonRelease-1>", x=x, y=y)
        if not self._gone and widget.winfo_exists():
            widget.event_generate("<Leave>", x=x, y=y)
        self.settle()

    def find(self, text: str, kind: str = "", under: tkinter.Misc | None = None) -> Any:
        """The one visible widget that shows `text`, waited for. Raises AssertionError when none comes."""

        def found() -> Any:
            shown = (each for each in self.all(under) if _text(each) == text and each.winfo_ismapped())
            return next((each for each in shown if not kind or each.winfo_class() == kind), None)

        self.wait(lambda: found() is not None, f"a widget that shows {text!r}")
        return found()

    def shows(self, text: str) -> bool:
        """Whether a visible widget shows exactly this."""
        return any(_text(each) == text and each.winfo_ismapped() for each in self.all())

    def all(self, under: tkinter.Misc | None = None) -> Iterator[Any]:
        """Every widget in the window."""
        top = under or self.root
        yield top
        for child in top.winfo_children():
            yield from self.all(child)

    def entry(self) -> Any:
        """The field of the small window over this one, waited for until it has the keyboard."""

        def focused() -> Any:
            at = self.root.focus_get()
            return (
                at if at is not None and at.winfo_class() == "TEntry" and at.winfo_toplevel() is not self.root else None
            )

        self.wait(lambda: focused() is not None, "the dialog")
        return focused()

    def picture(self) -> Image.Image:
        """The window as it is on the screen."""
        self.settle()
        self.root.update_idletasks()
        left, top = self.root.winfo_rootx(), self._top()
        box = (left, top, left + self.root.winfo_width(), self.root.winfo_rooty() + self.root.winfo_height())
        return ImageGrab.grab(box, xdisplay=self.root.winfo_screen() if sys.platform.startswith("linux") else None)

    def _top(self) -> int:
        """Where the whole window begins, menu bar included: `winfo_y` leaves that out."""
        return int(self.root.geometry().split("+")[2])

    def put_away(self) -> None:
        """Close the window at once if it is still there."""
        if not self._gone:
            self.window.close()
            if not self.window._ending:  # it asks twice where ratings are not saved yet
                self.window.close()
            controller = self.window.controller
            if controller is not None and controller.state in ("running", "stopping"):
                self.window.close()
            self.wait_closed()

    def _destroyed(self, event: tkinter.Event[tkinter.Misc]) -> None:
        if event.widget is self.root:
            self._gone = True


class Gate:
    """A `Script.before` that lets the first `count` pictures be made at once, and the others when it is `open`.

    What a test does in the middle of a run then happens there, however slow the machine is.
    """

    def __init__(self, count: int) -> None:
        self.open = threading.Event()
        self._count, self._begun = count, 0

    def __call__(self, _: StageRequest) -> None:
        self._begun += 1
        assert self._begun <= self._count or self.open.wait(PATIENCE_S)


class Held:
    """Does what it stands for, and keeps the first result until it is let go; or waits `before` it is done."""

    def __init__(self, does: Callable[..., Any], *, before: bool = False) -> None:
        self.begun, self.free = threading.Event(), threading.Event()
        self._does, self._before = does, before

    def __call__(self, *asked: Any, **named: Any) -> Any:
        first = not self.begun.is_set()
        if first and self._before:
            self._wait()
        result = self._does(*asked, **named)
        if first and not self._before:
            self._wait()
        return result

    def _wait(self) -> None:
        self.begun.set()
        assert self.free.wait(PATIENCE_S)


_KEYSYMS = {
    " ": "space",
    ",": "comma",
    ".": "period",
    "=": "equal",
    "-": "minus",
    ":": "colon",
    "/": "slash",
    "[": "bracketleft",
    "]": "bracketright",
    "_": "underscore",
    "+": "plus",
    "*": "asterisk",
    "(": "parenleft",
    ")": "parenright",
    '"': "quotedbl",
}


def _text(widget: Any) -> str:
    try:
        return str(widget.cget("text"))
    except tkinter.TclError:
        return ""
