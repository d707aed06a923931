"""From the threads that work to the one thread that may touch widgets: a queue, drained a bounded bit at a time."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

PER_TICK = 256
"""So many events are handled before Tk gets its turn again, ..."""

BUDGET_S = 0.012
"""... or as many as fit into this time."""

BUSY_MS, IDLE_MS = 4, 30
"""How soon the next tick comes: with events left over, and with none."""


class Timer(Protocol):
    """What of a widget the bridge needs: Tk's clock."""

    def after(self, ms: int, func: Callable[[], None]) -> str: ...

    def after_cancel(self, id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Call:
    function: Callable[[], None]


class Bridge:
    """`put` and `call` may be called from any thread; `handle` is called on Tk's, in the order of arrival.

    What `handle` or a call raises is told to `failed`, and the rest is handled all the same.
    """

    def __init__(
        self,
        timer: Timer,
        handle: Callable[[object], None],
        failed: Callable[[BaseException], None],
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._timer, self._handle, self._failed, self._clock = timer, handle, failed, clock
        self._queue: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._next: str | None = None
        self._closed = False
        self.longest_tick_s = 0.0

    def put(self, event: object) -> None:
        """Hand over an event. Returns at once; any thread."""
        self._queue.put(event)

    def call(self, function: Callable[[], None]) -> None:
        """Have `function` called on Tk's thread, in turn with the events. Returns at once; any thread."""
        self._queue.put(_Call(function))

    def start(self) -> None:
        """Begin to drain; on Tk's thread."""
        self._next = self._timer.after(IDLE_MS, self._tick)

    def close(self) -> None:
        """Drain no more; what still comes is forgotten. On Tk's thread."""
        self._closed = True
        if self._next is not None:
            self._timer.after_cancel(self._next)
            self._next = None

    def drain(self) -> bool:
        """Handle what one tick may; True when something may be left. On Tk's thread."""
        began = self._clock()
        try:
            for _ in range(PER_TICK):
                if self._closed:
                    return False
                try:
                    event = self._queue.get_nowait()
                except queue.Empty:
                    return False
                self._deliver(event)
                if self._clock() - began > BUDGET_S:
                    return True
            return True
        finally:
            self.longest_tick_s = max(self.longest_tick_s, self._clock() - began)

    def _tick(self) -> None:
        self._next = None
        more = self.drain()
        if self._closed:
            return
        self._next = self._timer.after(BUSY_MS if more else IDLE_MS, self._tick)

    def _deliver(self, event: object) -> None:
        try:
            if isinstance(event, _Call):
                event.function()
            else:
                self._handle(event)
        except Exception as exc:  # noqa: BLE001  # part of Tk's callback hook: shown and logged, and the rest goes on
            self._failed(exc)
