"""The backend of the Run tab: which there are, which is in use, and how it is."""

from __future__ import annotations

import tkinter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

from stablenew.backends.probe import BackendStatus
from stablenew.backends.registry import DEFAULT_BACKEND, installed_kinds
from stablenew.gui.events import BackendChanged, BackendChoice

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

LOOK_EVERY_MS = 20_000
_NOT_ALONE = frozenset({"pool"})
_STYLES = {"ready": "Good.TLabel", "opening": "Muted.TLabel", "unavailable": "Bad.TLabel"}


def offered(statuses: Sequence[BackendStatus], kinds: Sequence[str]) -> dict[str, BackendChoice]:
    """What can be chosen, by what is shown for it: configured ones, servers that were found, then every kind."""
    found: dict[str, BackendChoice] = {}
    for status in statuses:
        if status.configured:
            found[status.name] = BackendChoice(name=status.name)
        elif status.url is not None:
            found[f"{status.kind}  {status.url}"] = BackendChoice(name=status.kind, url=status.url)
    for kind in kinds:
        if kind not in _NOT_ALONE:
            found.setdefault(kind, BackendChoice(name=kind))
    return found


def shown_as(choice: BackendChoice) -> str:
    """How the chooser shows a choice."""
    return f"{choice.name}  {choice.url}" if choice.url else choice.name


def parse_choice(text: str, known: dict[str, BackendChoice]) -> BackendChoice:
    """What a person chose or typed: an offered one, or `NAME ADDRESS`."""
    if text in known:
        return known[text]
    name, _, url = text.strip().partition(" ")
    if name.startswith(("http://", "https://")):
        return BackendChoice(name="webui", url=name)
    return BackendChoice(name=name or DEFAULT_BACKEND, url=url.strip() or None)


class BackendPanel(ttk.Frame):
    """The chooser and its status line."""

    def __init__(self, master: tkinter.Misc, window: StableNewGUI) -> None:
        px = window.theme.px
        super().__init__(master)
        self._window = window
        self._known = offered((), sorted(installed_kinds()))
        self._statuses: tuple[BackendStatus, ...] = ()
        self._text = tkinter.StringVar(self)
        self._said_before = ""
        self._next_look: str | None = None
        head = ttk.Frame(self)
        head.pack(fill="x", pady=(0, px(4)))
        ttk.Label(head, text="Backend", style="Heading.TLabel").pack(side="left")
        ttk.Button(head, text="Look again", command=self.look, padding=(px(8), px(2))).pack(side="right")
        self.chooser = ttk.Combobox(self, textvariable=self._text, values=list(self._known))
        self.chooser.pack(fill="x")
        ttk.ToolTip(self.chooser, text="Choose, or type NAME ADDRESS, such as webui http://127.0.0.1:7860", delay=600)
        self.status = ttk.Label(self, style="Muted.TLabel", text="not open", wraplength=px(240), justify="left")
        self.status.pack(fill="x", pady=(px(4), 0))
        self.chooser.bind("<<ComboboxSelected>>", lambda _: self._choose())
        self.chooser.bind("<Return>", lambda _: self._choose())
        self.bind("<Configure>", lambda event: self.status.configure(wraplength=max(120, event.width - px(8))))
        self.look()

    def handle(self, event: object) -> None:
        """Show how the backend is now."""
        if isinstance(event, BackendChanged):
            if self._text.get() == self._said_before or str(self.tk.call("focus")) != str(self.chooser):
                self._text.set(shown_as(event.choice))  # else something else is being typed
            self._said_before = shown_as(event.choice)
            self.status.configure(text=_said(event), style=_STYLES[event.state])

    def lock(self, busy: bool) -> None:
        """While a run is under way no other backend can be chosen."""
        self.chooser.configure(state="disabled" if busy else "normal")

    def look(self) -> None:
        """Look for servers again, and ask the open backend again where it was not there; told when it is known."""
        self._window.jobs.start(self._window.find_backends, self._found, failed=self._not_found, key="find backends")

    def _not_found(self, exc: Exception) -> None:
        self._window.report(exc)
        self._look_later()

    def _found(self, statuses: tuple[BackendStatus, ...]) -> None:
        self._statuses = statuses
        self._known = offered(statuses, sorted(installed_kinds()))
        self.chooser.configure(values=list(self._known))
        backend = self._window.backend
        if backend is not None and self._has_changed(backend, statuses):
            self._window.connection.ask_again()
        self._look_later()

    def _look_later(self) -> None:
        """Once, however often was looked meanwhile."""
        if self._next_look is not None:
            self.after_cancel(self._next_look)
        self._next_look = self.after(LOOK_EVERY_MS, self._look_when_idle)

    def _look_when_idle(self) -> None:
        if str(self.chooser.cget("state")) == "disabled":
            self._look_later()
        else:
            self.look()

    def _has_changed(self, backend: BackendChanged, statuses: tuple[BackendStatus, ...]) -> bool:
        """Whether what was found contradicts what is shown."""
        choice = backend.choice
        same = [each for each in statuses if each.name == choice.name or (choice.url and each.url == choice.url)]
        if not same:
            return backend.state == "unavailable"
        return same[0].usable != (backend.state == "ready")

    def _choose(self) -> None:
        choice = parse_choice(self._text.get(), self._known)
        self._said_before = self._text.get()  # what is typed is said now, and no longer being typed
        backend = self._window.backend
        if backend is None or backend.choice != choice or backend.state == "unavailable":
            self._window.choose_backend(choice)


def _said(event: BackendChanged) -> str:
    if event.state == "unavailable":
        return event.problem
    if event.state == "opening" or event.capabilities is None:
        return "opening"
    can = event.capabilities
    models = f", {len(can.models)} model{'' if len(can.models) == 1 else 's'}" if can.models else ""
    return f"ready: {can.version or 'version not told'}{models}"
