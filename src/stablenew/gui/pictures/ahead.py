"""Things made in worker threads before they are needed, the first wanted first; what is wanted can change any time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

PATIENCE_S = 5.0

Deliver = Callable[[Callable[[], None]], None]
"""Has a function called on Tk's thread; may be used from any."""


class Ahead(Generic[K, V]):
    """Makes what is wanted, in the order of `want`, and hands each result to `ready` on Tk's thread.

    `make` runs on a worker thread; what it raises is raised on Tk's thread. The threads end with `close`, or with the
    program.
    """

    def __init__(
        self,
        make: Callable[[K], V],
        ready: Callable[[K, V], None],
        deliver: Deliver,
        *,
        threads: int = 2,
        name: str = "pictures",
    ) -> None:
        self._make, self._ready, self._deliver = make, ready, deliver
        self._wanted: list[K] = []
        self._under_way: set[K] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"stablenew-{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def want(self, keys: Sequence[K]) -> None:
        """Make these from now on, the first first; what was wanted before and is not among them is forgotten."""
        with self._changed:
            self._wanted = [key for key in dict.fromkeys(keys) if key not in self._under_way]
            self._changed.notify_all()

    def close(self) -> None:
        """Begin nothing more and wait a while for what is under way."""
        with self._changed:
            self._closed, self._wanted = True, []
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def _work(self) -> None:
        while (key := self._next()) is not None:
            outcome = self._made(key)
            with self._changed:
                self._under_way.discard(key)
                if self._closed:
                    return
            self._deliver(outcome)

    def _made(self, key: K) -> Callable[[], None]:
        """What is to be done on Tk's thread about the thing made: hand it over, or raise what went wrong there."""
        try:
            value = self._make(key)
        except Exception as exc:  # noqa: BLE001  # the thread goes on; the mistake is raised, and shown, on Tk's thread
            return partial(_raise, exc)
        return partial(self._hand_over, key, value)

    def _hand_over(self, key: K, value: V) -> None:
        if not self._closed:
            self._ready(key, value)

    def _next(self) -> K | None:
        with self._changed:
            self._changed.wait_for(lambda: self._wanted or self._closed)
            if self._closed:
                return None
            key = self._wanted.pop(0)
            self._under_way.add(key)
            return key


def _raise(exc: Exception) -> None:
    raise exc
