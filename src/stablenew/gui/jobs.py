"""Work that may wait for disk or network, on threads of its own; what comes of it arrives on Tk's thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from stablenew.gui.bridge import Bridge
from stablenew.log import get_logger

log = get_logger("stablenew.gui")

T = TypeVar("T")

THREADS = 3

PATIENCE_S = 5.0
"""How long the end of the window waits for jobs without a key: they may be what a person asked to be saved."""


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[], Any]
    then: Callable[[Any], None] | None
    failed: Callable[[Exception], None]
    key: str | None
    number: int


class Jobs:
    """Starts jobs from Tk's thread. Its threads end with the program."""

    def __init__(self, bridge: Bridge, failed: Callable[[Exception], None], *, threads: int = THREADS) -> None:
        self._bridge, self._failed = bridge, failed
        self._waiting: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._newest: dict[str, int] = {}
        self._count, self._threads = 0, threads
        self._unkeyed, self._changed = 0, threading.Condition()
        for number in range(threads):
            threading.Thread(target=self._work, name=f"stablenew-window-{number}", daemon=True).start()

    def start(
        self,
        work: Callable[[], T],
        then: Callable[[T], None] | None = None,
        *,
        failed: Callable[[Exception], None] | None = None,
        key: str | None = None,
    ) -> None:
        """Do `work` on a thread, then call `then` with its result on Tk's thread, or `failed` with its exception.

        Without `failed` the window shows and logs the exception. Of the jobs with the same `key` only the newest one
        counts: an older one is left out if it has not begun, and its result is dropped.
        """
        self._count += 1
        if key is not None:
            self._newest[key] = self._count
        else:
            self._count_unkeyed(1)
        self._waiting.put(_Job(work, then, failed or self._failed, key, self._count))

    def drop(self, key: str) -> None:
        """What was started under this key counts no longer."""
        self._newest.pop(key, None)

    def close(self) -> None:
        """Take nothing more, and wait a while for jobs without a key; what comes of them is not told any more."""
        self._newest = dict.fromkeys(self._newest, -1)
        for _ in range(self._threads):
            self._waiting.put(None)
        with self._changed:
            if not self._changed.wait_for(lambda: not self._unkeyed, PATIENCE_S):
                log.warning("the window closed before all it had begun was done", jobs=self._unkeyed)

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            if self._outdated(job):
                continue
            try:
                result = job.work()
            except Exception as exc:  # noqa: BLE001  # the job's thread ends here: the error goes to Tk's thread
                self._bridge.call(lambda job=job, exc=exc: self._arrive(job, job.failed, exc))  # type: ignore[misc]
            else:
                if job.then is not None:
                    self._bridge.call(lambda job=job, got=result: self._arrive(job, job.then, got))  # type: ignore[misc]
            if job.key is None:
                self._count_unkeyed(-1)

    def _count_unkeyed(self, by: int) -> None:
        with self._changed:
            self._unkeyed += by
            self._changed.notify_all()

    def _arrive(self, job: _Job, tell: Callable[[Any], None] | None, value: Any) -> None:
        if tell is not None and not self._outdated(job):
            tell(value)

    def _outdated(self, job: _Job) -> bool:
        return job.key is not None and self._newest.get(job.key) != job.number
