"""The window: a notebook of tabs over one controller, with notices above and a status bar below.

A tab is one file in `gui/tabs/`: a `ttk.Frame` subclass made as `Tab(master, window)` when it is first needed, with
`handle(event)`. `window` is the `StableNewGUI`; of it a tab uses

    workspace, theme, jobs          where things are, how they look, work that may block (`jobs.start(work, then)`)
    library, ratings                records asked for in a worker; what was said about pictures, and saying it
    controller, capabilities        of the open backend; None while there is none. Runs are started in the Run tab, and
                                    experiments in Learn
    run_settings()                  the settings as they stand in the Run tab
    recall(tab), remember(tab, x)   what the tab keeps over restarts (JSON types)
    send(event)                     see below
    notify(notice), report(exc)     say something; show and log a mistake

`handle` is told, on Tk's thread and in order, every event of the controller (`controller/events.py`) and of the window
(`gui/events.py`). A tab made later is told first what backend is open and what the run under way, or the last one, has
done so far, without its single steps. What a tab shows should be a fold over events, kept in
a value of its own that can be tested without a display.

Tabs speak to each other by sending an event: `window.send(OpenRun(run_id=...))`. It goes to every tab there is, like
all events; some belong to one tab (`OWNERS`), which is made and brought to the front first:

    OpenRun(run_id=..., record_id=...)          Review shows that run, from that record on
    OpenGrid(run_id=...)                        Grid shows that run
    CompareRecords(record_ids=(a, b, ...))      Compare shows these
    ProposeSettings(settings=..., origin=...)   Run shows what they would change and takes them over once that is agreed
    ResumeRun(run_id=...)                       Run goes on with that run
    OpenExperiment(experiment_id=..., go_on=)   Learn shows that experiment, or goes on with it

To add a tab: its file, and its line in `TABS` (and in `OWNERS`, where events belong to it).
"""

from __future__ import annotations

import gc
import importlib
import os
import threading
import tkinter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import msgspec
import ttkbootstrap as ttk

from stablenew.app import AppOptions, open_app
from stablenew.backends.base import Capabilities
from stablenew.backends.probe import BackendStatus, found_backends
from stablenew.backends.registry import DEFAULT_BACKEND
from stablenew.config import PipelineConfig
from stablenew.controller.events import (
    ExperimentAdvanced,
    ExperimentFinished,
    RecordLost,
    RunFailed,
    RunFinished,
    RunStarted,
    StateChanged,
    VariantFinished,
)
from stablenew.controller.pipeline_controller import PipelineController
from stablenew.errors import StableNewError
from stablenew.gui.bridge import Bridge
from stablenew.gui.connection import Connection, OpenApp
from stablenew.gui.drop import accept_files
from stablenew.gui.events import (
    BackendChanged,
    BackendChoice,
    CompareRecords,
    FilesDropped,
    LearningSwitched,
    OpenExperiment,
    OpenGrid,
    OpenRun,
    ProposeSettings,
    RatingsChanged,
    RatingsStored,
    ResumeRun,
    ThemeChanged,
)
from stablenew.gui.jobs import Jobs
from stablenew.gui.library import Library
from stablenew.gui.menu import add_menu
from stablenew.gui.mistakes import notice_of
from stablenew.gui.notices import Action, Notice, NoticeBar
from stablenew.gui.picture_settings import read_pasted
from stablenew.gui.rating_book import RatingBook
from stablenew.gui.rating_desk import RatingDesk
from stablenew.gui.recent_runs import RecentRuns
from stablenew.gui.scrolling import calm_wheel
from stablenew.gui.state import ThemeName, WindowState, read_state, with_tab_memory, write_state
from stablenew.gui.status_bar import StatusBar
from stablenew.gui.theme import Theme
from stablenew.gui.welcome import learning_question
from stablenew.learning.learning_feedback import RatingWriter
from stablenew.log import get_logger
from stablenew.mishaps import describe_os_error
from stablenew.workspace import USER_VARIABLE, Workspace

if TYPE_CHECKING:
    from stablenew.gui.tabs.run import RunTab

log = get_logger("stablenew.gui")

SOURCE = "StableNewGUI"
"""How records name this face."""

DEFAULT_SIZE, LEAST_SIZE = (1280, 800), (960, 600)
REMEMBER_AFTER_MS, IMPORT_AFTER_MS = 800, 400


@dataclass(frozen=True, slots=True)
class TabEntry:
    """A tab: its name inside the program, on its ear, and where its class is."""

    key: str
    title: str
    place: str


TABS = (
    TabEntry("run", "Run", "stablenew.gui.tabs.run:RunTab"),
    TabEntry("review", "Review", "stablenew.gui.tabs.review:ReviewTab"),
    TabEntry("compare", "Compare", "stablenew.gui.tabs.compare:CompareTab"),
    TabEntry("grid", "Grid", "stablenew.gui.tabs.grid:GridTab"),
    TabEntry("learn", "Learn", "stablenew.gui.tabs.learn:LearnTab"),
)

OWNERS: Mapping[type, str] = {
    OpenRun: "review",
    OpenGrid: "grid",
    CompareRecords: "compare",
    ProposeSettings: "run",
    ResumeRun: "run",
    OpenExperiment: "learn",
    FilesDropped: "run",
}
"""Which tab comes to the front for an event."""


@runtime_checkable
class HasPanes(Protocol):
    """A tab that is divided: F6 goes from pane to pane."""

    panes: ttk.Panedwindow


class Tab(Protocol):
    """What the window needs of a tab beyond its being a `ttk.Frame`."""

    def handle(self, event: object) -> None: ...


class StableNewGUI:
    """One window on one workspace. Make it, `run()` it; everything on the thread that made it."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        backend: BackendChoice | None = None,
        open_app: OpenApp = open_app,
        look_for_backends: Callable[[Path], tuple[BackendStatus, ...]] = found_backends,
        tabs: tuple[TabEntry, ...] = TABS,
    ) -> None:
        self.workspace, self.source = workspace, SOURCE
        self.state = read_state(workspace)
        self.scale_choice: tkinter.StringVar
        self.root = ttk.App(title="StableNew", iconphoto=None)
        self.root.report_callback_exception = self._report_callback
        self.theme = Theme(self.root, self.state.theme, self.state.scale)
        self.bridge = Bridge(self.root, self._handle, self.report)
        self.jobs = Jobs(self.bridge, self.report)
        self.library = Library(workspace, self.bridge.call)
        self._desk = RatingDesk(RatingWriter(workspace.ratings), self._ratings_stored)
        self._unsaved_ratings, self._warned = 0, False
        self.ratings = RatingBook(
            os.environ.get(USER_VARIABLE) or None,
            self._desk.save,
            lambda record_ids: self.send(RatingsChanged(record_ids=record_ids)),
        )
        self.connection = Connection(open_app, self._app_options, self.bridge.put)
        self.backend: BackendChanged | None = None
        self.find_backends = partial(look_for_backends, workspace.root)
        self._entries = tabs
        self._tabs: dict[str, Tab] = {}
        self._holders: dict[str, ttk.Frame] = {}
        self._so_far: list[object] = []
        self._standing: StateChanged | None = None
        self._advanced: ExperimentAdvanced | None = None
        self._had_backend = False
        self._ending, self._asked_to_close = False, 0
        self._unsaved: str | None = None
        self._one_writes = threading.Lock()
        calm_wheel(self.root)
        self._lay_out()
        self.bridge.start()
        self.select(self.state.tab)
        if "run" in self._holders:
            self._made("run")  # it follows the runs and offers unfinished ones, whichever tab is in front
        add_menu(self)
        accept_files(self.notebook, lambda paths: self.send(FilesDropped(paths=paths)))
        if self.state.learning is None:
            self.notify(learning_question(workspace, self.switch_learning))
        self.choose_backend(backend or self._last_backend())
        # Importing what a tab needs takes longer than making it, and can be done before anybody opens it.
        self.root.after(IMPORT_AFTER_MS, self._import_tabs)

    @property
    def controller(self) -> PipelineController | None:
        """The controller of the open backend, None while there is none."""
        return self.connection.controller

    @property
    def capabilities(self) -> Capabilities | None:
        """What the open backend said it can do, None until it has."""
        return self.backend.capabilities if self.backend is not None else None

    def run(self) -> None:
        """Show the window until it is closed."""
        self.root.mainloop()

    def send(self, event: object) -> None:
        """Tell every tab there is, and bring the one to the front that the event belongs to. On Tk's thread."""
        owner = OWNERS.get(type(event))
        if owner is not None and owner in self._holders:
            self.select(owner)
        self._handle(event)

    def choose_backend(self, choice: BackendChoice) -> None:
        """Open another backend in place of the one in use. Told as BackendChanged."""
        self.connection.choose(choice)

    def select(self, key: str) -> None:
        """Bring the tab to the front, made now if it was not there yet."""
        key = key if key in self._holders else next(iter(self._holders))
        self.notebook.select(str(self._holders[key]))
        self._made(key)

    def tab(self, key: str) -> Tab | None:
        """The tab, None while it was not needed yet."""
        return self._tabs.get(key)

    def notify(self, notice: Notice) -> None:
        """Say something at the top of the window."""
        self.notices.show(notice)

    def report(self, exc: BaseException) -> None:
        """Show what went wrong; a mistake of ours is logged with its traceback too."""
        self.notify(notice_of(exc, self.workspace.root))

    def recall(self, tab: str) -> Mapping[str, Any]:
        """What the tab remembered."""
        return self.state.tabs.get(tab, {})

    def remember(self, tab: str, values: Mapping[str, Any]) -> None:
        """Add `values` (JSON types) to what the tab remembers; on disk soon."""
        self.keep(with_tab_memory(self.state, tab, values))

    def keep(self, state: WindowState) -> None:
        """Remember `state` from now on; on disk soon."""
        if state == self.state:
            return
        self.state = state
        if self._unsaved is not None:
            self.root.after_cancel(self._unsaved)
        self._unsaved = self.root.after(REMEMBER_AFTER_MS, self._save_state)

    def use_theme(self, name: ThemeName) -> None:
        """Light or dark, remembered."""
        self.theme.use(name)
        self.keep(replace(self.state, theme=name))
        self._handle(ThemeChanged(dark=self.theme.dark))

    def switch_learning(self, on: bool) -> None:
        """Learning Mode for runs from here on, remembered."""
        self.keep(replace(self.state, learning=on))
        self.notices.drop("learning")
        self._handle(LearningSwitched(on=on))

    def toggle_recent(self) -> None:
        """Show or hide the panel of recent learning runs."""
        if self.recent.winfo_ismapped():
            self.recent.grid_remove()
        else:
            self.recent.grid(row=2, column=0, sticky="ew")
            self.recent.read()
            self.recent.table.focus_set()

    @property
    def tab_keys(self) -> tuple[str, ...]:
        """The tabs from left to right."""
        return tuple(self._holders)

    def run_settings(self) -> PipelineConfig:
        """The settings as they stand in the Run tab, with what its packs bring along."""
        return self._run_tab().settings()

    def run_pipeline(self) -> None:
        """What the Run tab's button does, with that tab in front."""
        self.select("run")
        self._run_tab().orders.run()

    def stop_pipeline(self) -> None:
        """What the Stop button does."""
        self._run_tab().orders.stop()

    def ask_picture(self) -> None:
        """Ask for a picture, and show its settings."""
        self._run_tab().orders.ask_picture()

    def paste_settings(self) -> None:
        """Show the settings that were copied somewhere."""
        try:
            text = self.root.clipboard_get()
        except tkinter.TclError:
            self.notify(Notice(text="The clipboard holds no text.", severity="warning", key="paste"))
            return
        self.jobs.start(lambda: read_pasted(text), self.send, key="proposal")

    def use_scale(self) -> None:
        """Take the size chosen in the menu, from the next start on."""
        chosen = self.scale_choice.get()
        self.keep(replace(self.state, scale=float(chosen) if chosen else None))
        self.notify(Notice(text="The new size holds from the next start on.", key="scale"))

    def close(self) -> None:
        """End a run under way after its picture (asked again: inside it), then close the window. Nothing is lost.

        Asked again while a backend does not come to an end (a third time while its run does not), the window closes
        without waiting for it. Where ratings could not be saved, closing must be asked for twice.
        """
        if self._unsaved_ratings and not self._warned:
            self._warned = True
            self._show_unsaved(self._unsaved_ratings, "closing again loses them")
            return
        self._asked_to_close += 1
        controller = self.controller
        if controller is not None and controller.state in ("running", "stopping") and self._asked_to_close < 3:
            controller.stop(now=self._ending)
            text = "Ending the run after the picture being made, then closing. Close again to end at once."
            self.notify(Notice(text=text, severity="warning", key="closing"))
        elif self._ending:
            self._destroy()
            return
        else:
            self.notify(Notice(text="Closing the backend. Close again not to wait for it.", key="closing"))
        if not self._ending:
            self._ending = True
            self.connection.close(lambda: self.bridge.call(self._destroy))

    def _ratings_stored(self, unsaved: int, why: str) -> None:
        """On the desk's thread: what could not be saved is shown until it is."""
        self.bridge.call(lambda: self._show_unsaved(unsaved, why))

    def _show_unsaved(self, unsaved: int, why: str) -> None:
        self._unsaved_ratings = unsaved
        if not why:
            self._warned = False
            self.notices.drop("ratings")
            self._handle(RatingsStored())
            return
        text = f"{unsaved} of your ratings could not be saved yet: {why}"
        again = Action(label="Try again", do=self._desk.try_again)
        self.notify(Notice(text=text, severity="bad", key="ratings", actions=(again,)))

    def _run_tab(self) -> RunTab:
        return cast("RunTab", self._made("run"))

    def parts(self) -> list[tkinter.Misc]:
        """The parts of the window that F6 goes through: the notices, the tab's panes, the panel, the status bar."""
        tab: object = self._tabs.get(self.state.tab)
        inside = [self.root.nametowidget(name) for name in tab.panes.panes()] if isinstance(tab, HasPanes) else [tab]
        return [
            self.notices,
            *(each for each in inside if isinstance(each, tkinter.Misc)),
            self.recent,
            self.status_bar,
        ]

    def _last_backend(self) -> BackendChoice:
        try:
            return msgspec.convert(self.recall("run").get("backend"), BackendChoice)
        except msgspec.ValidationError:
            return BackendChoice(name=DEFAULT_BACKEND)

    def _app_options(self, choice: BackendChoice) -> AppOptions:
        return AppOptions(
            workspace=self.workspace, source=SOURCE, backend=choice.name, url=choice.url, model=choice.model
        )

    def _lay_out(self) -> None:
        root = self.root
        screen = root.winfo_screenwidth(), root.winfo_screenheight()
        usual, least = (tuple(map(min, map(self.theme.px, size), screen)) for size in (DEFAULT_SIZE, LEAST_SIZE))
        root.geometry(self.state.geometry or "{}x{}".format(*usual))
        root.minsize(*least)
        root.protocol("WM_DELETE_WINDOW", self.close)
        root.columnconfigure(0, weight=1)
        root.rowconfigure(1, weight=1)
        self.notices = NoticeBar(root, self.theme)
        self.notices.grid(row=0, column=0, sticky="ew")
        self.notebook = ttk.Notebook(root)
        self.notebook.grid(row=1, column=0, sticky="nsew")
        for entry in self._entries:
            holder = ttk.Frame(self.notebook)
            self._holders[entry.key] = holder
            self.notebook.add(holder, text=entry.title)
        self.notebook.enable_traversal()
        self.notebook.bind("<<NotebookTabChanged>>", self._tab_changed)
        self.recent = RecentRuns(root, self)
        self.status_bar = StatusBar(root, self)
        self.status_bar.grid(row=3, column=0, sticky="ew")
        root.bind("<Configure>", self._moved)

    def _made(self, key: str) -> Tab:
        if key not in self._tabs:
            frame = _tab_class(next(entry for entry in self._entries if entry.key == key))(self._holders[key], self)
            frame.pack(fill="both", expand=True)
            self._tabs[key] = cast(Tab, frame)
            for event in self._past():
                frame.handle(event)
        return self._tabs[key]

    def _import_tabs(self) -> None:
        self.jobs.start(lambda: [_tab_class(each) for each in self._entries], lambda _: _settle(), key="import tabs")

    def _past(self) -> list[object]:
        """What a tab made now has missed: how the backend and the run are, and what that run has done."""
        told = (self.backend, self._standing, *self._so_far[:1], self._advanced, *self._so_far[1:])
        return [event for event in told if event is not None]

    def _tab_changed(self, _: object) -> None:
        chosen = self.notebook.select()
        key = next(key for key, holder in self._holders.items() if str(holder) == chosen)
        self._made(key)
        self.keep(replace(self.state, tab=key))

    def _handle(self, event: object) -> None:
        self._keep_up(event)
        everybody: tuple[Tab, ...] = (self.status_bar, self.recent, *self._tabs.values())
        for told in everybody:
            try:
                told.handle(event)
            except Exception as exc:  # noqa: BLE001  # part of Tk's callback hook: the other tabs are told all the same
                self.report(exc)

    def _keep_up(self, event: object) -> None:
        if isinstance(event, BackendChanged):
            self.backend = event
            if event.state == "ready" and not self._had_backend:
                self._had_backend = True
                _settle()
            elif event.state == "opening" and self._had_backend:
                gc.unfreeze()  # the backend before goes, with all that belonged to it
        elif isinstance(event, StateChanged):
            self._standing = event
            if event.state == "running" and self._advanced and self._advanced.experiment_id != event.run_id:
                self._advanced = None
        elif isinstance(event, ExperimentAdvanced):
            self._advanced = event
        elif isinstance(event, RunStarted):
            self._so_far = [event]
        elif isinstance(event, (VariantFinished, RecordLost, RunFinished, RunFailed, ExperimentFinished)):
            self._so_far.append(event)

    def _moved(self, event: tkinter.Event[tkinter.Misc]) -> None:
        if event.widget is self.root and not self._ending:
            self.keep(replace(self.state, geometry=self.root.geometry()))

    def _save_state(self) -> None:
        self._unsaved = None
        self.jobs.start(self._write_state, key="window state")

    def _write_state(self) -> None:
        """Any thread; whichever comes last writes the newest."""
        with self._one_writes:
            write_state(self.workspace, self.state)

    def _report_callback(self, _: type[BaseException], exc: BaseException, trace: TracebackType | None = None) -> None:
        self.report(exc.with_traceback(trace))

    def _destroy(self) -> None:
        # What is left of destroyed widgets must not be collected on a worker now: there it would wait for this thread,
        # which waits for the worker to end.
        gc.disable()
        try:
            self._end()
        finally:
            gc.unfreeze()
            gc.enable()

    def _end(self) -> None:
        self.bridge.close()
        self.jobs.close()
        self.library.close()
        for lost in self._desk.close():
            log.error("a rating was lost: it could not be saved", rating=msgspec.json.encode(lost).decode())
        if self._unsaved is not None:
            self.root.after_cancel(self._unsaved)
        try:
            self._write_state()
        except OSError as exc:
            log.warning("the window's settings could not be stored", error=describe_os_error(exc))
        for pending in self.root.tk.splitlist(self.root.tk.call("after", "info")):
            self.root.tk.call("after", "cancel", pending)  # the widget that asked for it forgets it by itself
        self.root.destroy()


def _settle() -> None:
    """What is there now stays, until another backend is chosen: collecting garbage looks through it no more.

    A full collection, on whichever thread, holds up all of them: for 50 to 100 ms with what a window has imported.
    """
    gc.freeze()


def _tab_class(entry: TabEntry) -> Any:
    """The tab's class; its module is imported where it was not yet."""
    module, _, name = entry.place.partition(":")
    return getattr(importlib.import_module(module), name)


def open_window(
    workspace: Workspace, *, backend: str | None = None, url: str | None = None, model: str | None = None
) -> None:
    """Show the window until it is closed. Raises StableNewError where there is no display for it."""
    choice = BackendChoice(name=backend, url=url, model=model) if backend is not None else None
    try:
        window = StableNewGUI(workspace, backend=choice)
    except tkinter.TclError as exc:
        hint = "is there a display? Everything can be done from the command line too"
        raise StableNewError(f"no window can be opened: {exc}; {hint}") from exc
    window.run()
