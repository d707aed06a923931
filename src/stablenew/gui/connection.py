"""The open program behind the window: one backend with its controller, opened and closed off Tk's thread."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from stablenew.app import App, AppOptions
from stablenew.backends.base import Capabilities
from stablenew.controller.pipeline_controller import PipelineController
from stablenew.errors import StableNewError
from stablenew.gui.events import BackendChanged, BackendChoice, RecordWritten

OpenApp = Callable[[AppOptions], AbstractContextManager[App]]


class Connection:
    """At most one App is open. Every method returns at once; what came of it is told as events through `tell`.

    Opening, asking and closing happen one after another on a thread of its own, so no backend is closed while it is
    being asked, and the old one is closed before the next is opened. `tell` may be called from any thread.
    """

    def __init__(
        self,
        open_app: OpenApp,
        options: Callable[[BackendChoice], AppOptions],
        tell: Callable[[object], None],
    ) -> None:
        self._open_app, self._options, self._tell = open_app, options, tell
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._open = contextlib.ExitStack()
        self._app: App | None = None
        self._thread = threading.Thread(target=self._work, name="stablenew-backend", daemon=True)
        self._thread.start()

    @property
    def controller(self) -> PipelineController | None:
        """The open controller; None while there is none."""
        return self._app.controller if self._app is not None else None

    def choose(self, choice: BackendChoice) -> None:
        """Close what is open, once its run is over, and open this. Told as BackendChanged."""
        self._jobs.put(lambda: self._change(choice))

    def ask_again(self) -> None:
        """Ask the open backend what it has: it may have come or gone. Told as BackendChanged."""
        self._jobs.put(self._ask)

    def close(self, closed: Callable[[], None]) -> None:
        """Close what is open, once its run is over, then call `closed` on this thread; nothing can be opened after."""
        self._jobs.put(lambda: self._end(closed))
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _change(self, choice: BackendChoice) -> None:
        self._choice = choice
        with self._said_of(choice):
            self._shut()
            self._tell(BackendChanged(choice=choice, state="opening"))
            app = self._open.enter_context(self._open_app(self._options(choice)))
            app.controller.watch(self._tell)
            app.controller.register_learning_record_callback(lambda record: self._tell(RecordWritten(record=record)))
            self._app = app
            self._answer(choice, app.backend.capabilities())

    def _ask(self) -> None:
        if self._app is None or self._app.controller.state in ("running", "stopping"):
            return
        with self._said_of(self._choice):
            self._answer(self._choice, self._app.backend.capabilities())

    def _answer(self, choice: BackendChoice, can: Capabilities) -> None:
        self._tell(BackendChanged(choice=choice, state="ready", capabilities=can))

    @contextlib.contextmanager
    def _said_of(self, choice: BackendChoice) -> Iterator[None]:
        try:
            yield
        except (StableNewError, OSError) as exc:
            self._tell(BackendChanged(choice=choice, state="unavailable", problem=str(exc)))
        except Exception as exc:  # noqa: BLE001  # a mistake in a plug-in: this backend is not usable, the window is
            self._tell(BackendChanged(choice=choice, state="unavailable", problem=f"{type(exc).__name__}: {exc}"))

    def _shut(self) -> None:
        if self._app is not None:
            self._app.controller.wait_until_idle()  # until then it can be told to stop, or to stop at once
        self._app = None
        self._open.close()

    def _end(self, closed: Callable[[], None]) -> None:
        try:
            self._shut()
        finally:
            closed()
