"""A run as a person, a log file or a program sees it: a bar on a terminal, plain lines elsewhere, JSON with --json."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from stablenew.controller.events import (
    Event,
    ExperimentFinished,
    Progress,
    RecordLost,
    RunFinished,
    RunStarted,
    StepDone,
    VariantFinished,
    advance,
)
from stablenew.controller.progress_text import counts_text, eta_text, lost_text, trouble_text

if TYPE_CHECKING:
    from stablenew.controller.pipeline_controller import RunHandle
    from stablenew.pipeline.run_values import RunResult
    from stablenew.variant import VariantResult

PLAIN_EVERY_S = 5.0
"""Off a terminal a line is printed at most this often, failures apart."""


class Face(Protocol):
    """One way of showing a run."""

    def show(self, event: Event, progress: Progress) -> None: ...

    def close(self) -> None: ...


def follow(handle: RunHandle, *, as_json: bool) -> RunResult:
    """Show the run until it is over and return its result. The first Ctrl-C stops it gently, the second at once.

    A second Ctrl-C before the run has begun ends the wait for it (KeyboardInterrupt). When whoever reads what is
    shown goes away, the run goes on unseen. Raises what the run ended with.
    """
    progress = Progress()
    with _interruptible(handle, lambda: bool(progress.run_id)), contextlib.ExitStack() as open_faces:
        face: Face | None = open_faces.enter_context(contextlib.closing(_choose_face(as_json)))
        for event in handle.events():
            progress = advance(progress, event)
            try:
                if face is not None:
                    face.show(event, progress)
            except OSError:
                face = None
                open_faces.pop_all()
    return handle.wait()


def _choose_face(as_json: bool) -> Face:
    if as_json:
        return JsonFace()
    return BarFace() if sys.stderr.isatty() else PlainFace()


@contextlib.contextmanager
def _interruptible(handle: RunHandle, begun: Callable[[], bool]) -> Iterator[None]:
    def on_signal(_: int, __: FrameType | None) -> None:
        if not handle.cancel_token.stopping:
            handle.stop()
            with contextlib.suppress(OSError):
                print("\nstopping after this picture; Ctrl-C again stops at once", file=sys.stderr, flush=True)
            return
        handle.cancel()
        if not begun():
            raise KeyboardInterrupt  # still waiting for a server or a plan: there is nothing to keep

    before: list[tuple[signal.Signals, Any]] = []
    for name in (signal.SIGINT, signal.SIGTERM):
        before.append((name, signal.signal(name, on_signal)))
    try:
        yield
    finally:
        for name, handler in before:
            signal.signal(name, handler)


class BarFace:
    """A progress bar with rich, on stderr."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bars

        self._console = Console(stderr=True)
        self._bars = Bars(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[counts]}"),
            TextColumn("[dim]{task.fields[eta]}"),
            console=self._console,
        )
        self._task = self._bars.add_task("loading", total=None, counts="", eta="")
        self._bars.start()

    def show(self, event: Event, progress: Progress) -> None:
        if isinstance(event, (RunStarted, StepDone, VariantFinished)):
            self._bars.update(
                self._task,
                description="making pictures" if progress.fraction > 0 else "loading the model",
                total=1.0 if progress.total else None,
                completed=progress.fraction,
                counts=counts_text(progress),
                eta=eta_text(progress, time.monotonic()),
            )
        if isinstance(event, VariantFinished) and (said := trouble_text(event.result)):
            self._console.print(said, style="yellow", highlight=False, markup=False)
        if isinstance(event, RecordLost):
            self._console.print(lost_text(event), style="red", highlight=False, markup=False)

    def close(self) -> None:
        self._bars.stop()


class PlainFace:
    """Plain lines on stderr, few enough for a log file."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_s = 0.0

    def show(self, event: Event, progress: Progress) -> None:
        if isinstance(event, RunStarted):
            self._say(f"run {event.run_id}: {event.variant_count} variants, {event.already_done} already done")
        if isinstance(event, VariantFinished):
            if said := trouble_text(event.result):
                self._say(said)
            now = self._clock()
            if now >= self._next_s or progress.done == progress.total:
                self._next_s = now + PLAIN_EVERY_S
                self._say(f"{counts_text(progress)} {eta_text(progress, now)}".rstrip())
        if isinstance(event, RecordLost):
            self._say(lost_text(event))

    def close(self) -> None:
        """Nothing is open."""

    def _say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class JsonFace:
    """One JSON object a line on stdout: run_started, variant, record_lost, experiment_finished, run_finished."""

    def show(self, event: Event, progress: Progress) -> None:
        if isinstance(event, RunStarted):
            self._say("run_started", run_id=event.run_id, folder=str(event.folder), variants=event.variant_count)
        if isinstance(event, VariantFinished):
            self._say("variant", **_variant_fields(event.result), done=progress.done, total=progress.total)
        if isinstance(event, RecordLost):
            self._say("record_lost", record_id=event.result.record_id, index=event.result.variant.index)
        if isinstance(event, ExperimentFinished):
            self._say("experiment_finished", **msgspec.to_builtins(event.result))
        if isinstance(event, RunFinished):
            self._say("run_finished", **msgspec.to_builtins(event.result, enc_hook=str))

    def close(self) -> None:
        """Nothing is open."""

    def _say(self, event: str, **fields: Any) -> None:
        print(msgspec.json.encode({"event": event, **fields}).decode(), flush=True)


def _variant_fields(result: VariantResult) -> dict[str, Any]:
    return {
        "index": result.variant.index,
        "record_id": result.record_id,
        "status": result.status,
        "seed": result.seed,
        "images": [image.path for image in result.images],
        "error": result.failure.message if result.failure else None,
        "deviations": [msgspec.to_builtins(one) for stage in result.stages for one in stage.deviations],
    }
