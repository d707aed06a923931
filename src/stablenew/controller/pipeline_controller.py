"""The controller: runs on a worker thread, everybody told who asked; the one face of command line and window."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from stablenew.backends.base import CancelToken, StepProgress
from stablenew.config import PipelineConfig, StageName
from stablenew.controller.advice_desk import AdviceDesk
from stablenew.controller.events import (
    Event,
    RecordLost,
    RunFailed,
    RunFinished,
    RunStarted,
    State,
    StateChanged,
    StepDone,
    VariantFinished,
)
from stablenew.errors import RunBusy, StableNewError
from stablenew.log import get_logger
from stablenew.pipeline.recorder import RecordWriter
from stablenew.pipeline.run_values import RunObserver, RunResult, RunStart
from stablenew.variant import Variant, VariantResult

if TYPE_CHECKING:
    from stablenew.learning.advice import Question
    from stablenew.learning.learning_record import LearningRecord
    from stablenew.learning.recommendation import Purpose, Recommendation
    from stablenew.learning.settings_map import SettingsMap
    from stablenew.workspace import Workspace

log = get_logger("stablenew.controller")

_POLL_S = 0.2
"""How often a reader of events wakes up: on Windows a blocked wait does not hear Ctrl-C."""

_UNREAD_STEPS = 1000
"""So many events may wait to be read before further steps are left out; everything else is always kept."""

RecordCallback = Callable[["LearningRecord"], None]


class Runner(Protocol):
    """What the controller needs of a runner; `PipelineRunner` is one, a test's fake another."""

    def run(
        self,
        config: PipelineConfig,
        variants: Iterable[Variant],
        *,
        recipe: Mapping[str, Any] | None = None,
        cancel: CancelToken | None = None,
        resume: bool = False,
        paused_stages: tuple[StageName, ...] = (),
    ) -> RunResult: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerParts:
    """What the controller hands the factory of runners."""

    learning_writer: RecordWriter | None
    on_learning_record: RecordCallback
    observer: RunObserver


RunnerFactory = Callable[[RunnerParts], Runner]
Job = Callable[[Runner, CancelToken], RunResult]
"""What is done on a run's thread with a runner."""


class RunHandle:
    """A run under way. Any thread may use it."""

    def __init__(self, config: PipelineConfig) -> None:
        self.config = config
        self.cancel_token = CancelToken()
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._over = threading.Event()
        self._result: RunResult | None = None
        self._error: Exception | None = None

    @property
    def running(self) -> bool:
        """False once the run is over and its files are closed."""
        return not self._over.is_set()

    def stop(self) -> None:
        """End once the pictures being made are finished."""
        self.cancel_token.stop()

    def cancel(self) -> None:
        """End now, inside a picture."""
        self.cancel_token.cancel()

    def wait(self, timeout_s: float | None = None) -> RunResult:
        """The result, once the run is over. Raises TimeoutError, or what the run ended with."""
        if not self._over.wait(timeout_s):
            raise TimeoutError(f"the run is still under way after {timeout_s} s")
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def events(self) -> Iterator[Event]:
        """Every event of this run as it comes, until the run is over. For one reader."""
        while True:
            try:
                event = self._events.get(timeout=_POLL_S)
            except queue.Empty:
                if self._over.is_set():
                    return
                continue
            if event is None:
                return
            yield event

    def _put(self, event: Event) -> None:
        if isinstance(event, StepDone) and self._events.qsize() > _UNREAD_STEPS:
            return  # nobody reads: the steps are of no use later, and previews are large
        self._events.put(event)

    def _finish(self, result: RunResult | None, error: Exception | None) -> None:
        self._result, self._error = result, error
        self._over.set()
        self._events.put(None)


class PipelineController:
    """Starts runs and passes on what happens. Any thread may call; methods return at once, but those of advice and of
    waiting.

    `runner_factory` builds a runner from `RunnerParts`, so that a fake can stand in. Callbacks and watchers are called
    on the run's threads, in the order in which they were registered; one that raises does not starve the others.
    """

    def __init__(
        self,
        runner_factory: RunnerFactory,
        *,
        learning_writer: RecordWriter | None = None,
        parallel_runs: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._factory, self._writer, self._clock = runner_factory, learning_writer, clock
        self._parallel_runs = parallel_runs
        self._callbacks: list[RecordCallback] = []
        self._watchers: list[Callable[[Event], None]] = []
        self._handles: list[RunHandle] = []
        self._runner: Runner | None = None
        self._state: State = "idle"
        self._lock = threading.Lock()
        self._untold: deque[tuple[StateChanged, RunHandle]] = deque()
        self._telling, self._is_telling = threading.RLock(), False

    @property
    def state(self) -> State:
        """idle, running, stopping (a stop was asked for), or error (the last run could not go on)."""
        return self._state

    def register_learning_record_callback(self, callback: RecordCallback) -> None:
        """Call `callback` with every learning record from now on: the very instance that the runner wrote."""
        with self._lock:
            self._callbacks.append(callback)

    def clear_learning_record_callbacks(self) -> None:
        """Forget every registered callback."""
        with self._lock:
            self._callbacks.clear()

    def get_learning_runner_for_tests(self) -> Runner:
        """The runner of the newest run, or a new one wired just so when nothing has run yet."""
        with self._lock:
            runner = self._runner
        return runner or self._build_runner(None)

    def watch(self, watcher: Callable[[Event], None]) -> Callable[[], None]:
        """Call `watcher` with every event of every run from now on; calling what is returned ends that.

        It must not wait for a run from within a change of state: the end of a run waits until that has been told.
        """
        with self._lock:
            self._watchers.append(watcher)
        return lambda: self._unwatch(watcher)

    def start(
        self,
        config: PipelineConfig,
        variants: Iterable[Variant],
        *,
        recipe: Mapping[str, Any] | None = None,
        resume: bool = False,
        paused_stages: tuple[StageName, ...] = (),
    ) -> RunHandle:
        """Begin a run on a thread of its own; the arguments are those of the runner's `run`.

        Raises RunBusy when as many are under way as may be.
        """

        def job(runner: Runner, cancel: CancelToken) -> RunResult:
            return runner.run(
                config,
                variants,
                recipe=recipe,
                cancel=cancel,
                resume=resume,
                paused_stages=paused_stages,
            )

        return self._begin(RunHandle(config), job)

    def start_experiment(self, workspace: Workspace, experiment_id: str) -> RunHandle:
        """Begin an experiment of the workspace, or go on with it where it ended; its run has its name.

        Beside a run's events it gives ExperimentAdvanced and ExperimentFinished; where it makes shared sources first,
        RunStarted comes once for those and once for the cells. Raises NotFound, InputError, RunBusy.
        """
        from stablenew.controller.experiment_job import ExperimentJob
        from stablenew.learning.experiments import read_experiment

        experiment = read_experiment(workspace, experiment_id)
        handle = RunHandle(replace(experiment.plan.baseline, run_id=experiment_id))
        job = ExperimentJob(workspace, experiment, lambda event: self._emit(event, handle))
        return self._begin(handle, job.run, job.on_record)

    def recommend(self, workspace: Workspace, question: Question, *, purpose: Purpose = "quality") -> Recommendation:
        """What the workspace's ratings say, as `AdviceDesk.recommend`: worked out on the thread that calls."""
        return AdviceDesk(workspace).recommend(question, purpose=purpose)

    def next_row(
        self, workspace: Workspace, question: Question, *, images: int, per_second: bool = False
    ) -> tuple[dict[str, Any], ...]:
        """What to make and rate next, as `AdviceDesk.next_row`: worked out on the thread that calls."""
        return AdviceDesk(workspace).next_row(question, images=images, per_second=per_second)

    def settings_map(self, workspace: Workspace, question: Question, names: Sequence[str]) -> SettingsMap:
        """Two settings together, as `AdviceDesk.settings_map`: worked out on the thread that calls."""
        return AdviceDesk(workspace).settings_map(question, names)

    def _begin(self, handle: RunHandle, job: Job, on_record: RecordCallback | None = None) -> RunHandle:
        """Do `job` on a thread of its own; `on_record` hears of each record before the registered callbacks do."""
        config = handle.config
        with self._lock:
            if len(self._handles) >= self._parallel_runs:
                raise RunBusy(self._handles[0].config.run_id or "in this program")
            self._handles.append(handle)
            self._state = "running"
            self._untold.append((StateChanged(state="running", run_id=config.run_id), handle))
        self._tell_states()
        context = contextvars.copy_context()
        threading.Thread(
            target=context.run,
            args=(self._work, handle, job, on_record),
            name="stablenew-run",
            daemon=True,
        ).start()
        return handle

    def stop(self, *, now: bool = False) -> None:
        """Ask every run under way to end: after the pictures being made, or `now`, inside them."""
        with self._lock:
            running = list(self._handles)
            for handle in running:
                (handle.cancel if now else handle.stop)()
                self._state = "stopping"
                self._untold.append((StateChanged(state="stopping", run_id=handle.config.run_id), handle))
        self._tell_states()

    def wait_until_idle(self) -> None:
        """Return once no run is under way; how each ended, its handle says."""
        while True:
            with self._lock:
                running = list(self._handles)
            if not running:
                return
            for handle in running:
                handle._over.wait()

    def _work(self, handle: RunHandle, job: Job, on_record: RecordCallback | None) -> None:
        try:
            runner = self._build_runner(handle, on_record)
            with self._lock:
                self._runner = runner
            result = job(runner, handle.cancel_token)
        except Exception as exc:  # noqa: BLE001 - the run's thread ends here: the error goes to whoever waits
            self._end(handle, None, exc)
        except BaseException as exc:  # noqa: BLE001 - a plug-in that calls sys.exit must not leave others waiting
            self._end(handle, None, StableNewError(f"something tried to end the program: {exc!r}"))
        else:
            self._end(handle, result, None)

    def _end(self, handle: RunHandle, result: RunResult | None, error: Exception | None) -> None:
        if error is not None:
            log.info("the run could not go on", exc_info=error)
            self._emit(RunFailed(run_id=handle.config.run_id, error=error), handle)
        elif result is not None:
            self._emit(RunFinished(run_id=result.run_id, result=result), handle)
        with self._lock:
            self._handles.remove(handle)
            if not self._handles:
                self._state = "idle" if error is None else "error"
            self._untold.append((StateChanged(state=self._state, run_id=handle.config.run_id), handle))
        self._tell_states()
        handle._finish(result, error)

    def _build_runner(self, handle: RunHandle | None, on_record: RecordCallback | None = None) -> Runner:
        def tell_both(record: LearningRecord) -> None:
            if on_record is not None:
                on_record(record)
            self._call_back(record)

        parts = RunnerParts(
            learning_writer=self._writer,
            on_learning_record=self._call_back if on_record is None else tell_both,
            observer=self._observer(handle),
        )
        return self._factory(parts)

    def _observer(self, handle: RunHandle | None) -> RunObserver:
        run_id = ""

        def on_start(start: RunStart) -> None:
            nonlocal run_id
            run_id = start.run_id
            self._emit(
                RunStarted(
                    run_id=run_id,
                    folder=start.folder,
                    variant_count=start.variant_count,
                    already_done=start.already_done,
                    at_s=self._clock(),
                ),
                handle,
            )

        def on_steps(fractions: Mapping[int, float], step: StepProgress) -> None:
            self._emit(
                StepDone(
                    run_id=run_id,
                    fractions=fractions,
                    step=step.step,
                    steps=step.steps,
                    preview=step.preview,
                    at_s=self._clock(),
                ),
                handle,
            )

        def on_result(result: VariantResult) -> None:
            self._emit(VariantFinished(run_id=run_id, result=result, at_s=self._clock()), handle)

        def on_lost(result: VariantResult) -> None:
            self._emit(RecordLost(run_id=run_id, result=result), handle)

        return RunObserver(on_start=on_start, on_steps=on_steps, on_result=on_result, on_lost=on_lost)

    def _call_back(self, record: LearningRecord) -> None:
        """The one callback the runner gets: passes the very instance on to each registered one."""
        with self._lock:
            callbacks = tuple(self._callbacks)
        first: Exception | None = None
        for callback in callbacks:
            try:
                callback(record)
            except Exception as exc:
                log.error("a callback for learning records failed", exc_info=True)
                first = first or exc
        if first is not None:
            raise first

    def _emit(self, event: Event, handle: RunHandle | None) -> None:
        with self._lock:
            watchers = tuple(self._watchers)
        for watcher in watchers:
            try:
                watcher(event)
            except Exception:
                log.error("a watcher of the run failed", exc_info=True)
        if handle is not None:
            handle._put(event)

    def _tell_states(self) -> None:
        """Tell each change of the state in the order in which they happened, whichever threads they happened on."""
        with self._telling:
            if self._is_telling:
                return  # a watcher started or stopped something: that is told after what it is being told now
            self._is_telling = True
            try:
                while self._untold:
                    self._emit(*self._untold.popleft())
            finally:
                self._is_telling = False

    def _unwatch(self, watcher: Callable[[Event], None]) -> None:
        with self._lock:
            if watcher in self._watchers:
                self._watchers.remove(watcher)
