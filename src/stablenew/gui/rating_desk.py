"""Ratings on their way to disk: in the order they were given, on a thread that may wait for the disk."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Protocol

from stablenew.errors import RecordNotWritten
from stablenew.learning.learning_feedback import Rating
from stablenew.log import get_logger

log = get_logger("stablenew.gui")


class Writer(Protocol):
    """What the desk needs of a `RatingWriter`."""

    def append(self, *ratings: Rating) -> None: ...

    def close(self) -> None: ...


class RatingDesk:
    """Stores ratings one key press at a time. Used on Tk's thread; `told` is called on the desk's own.

    `told` hears after each attempt how many lines are still unsaved, and why (empty when all are saved). What could
    not be saved is kept, is tried again before whatever comes next, and at `close`.
    """

    def __init__(self, writer: Writer, told: Callable[[int, str], None]) -> None:
        self._writer, self._told = writer, told
        self._waiting: queue.SimpleQueue[tuple[Rating, ...] | None] = queue.SimpleQueue()
        self._unsaved: list[tuple[Rating, ...]] = []
        self._thread: threading.Thread | None = None

    def save(self, *ratings: Rating) -> None:
        """Store `ratings`, all of them or none, after all that came before. Returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="stablenew-ratings", daemon=True)
            self._thread.start()
        self._waiting.put(ratings)

    def try_again(self) -> None:
        """Try once more to store what could not be stored."""
        self.save()

    def close(self) -> list[Rating]:
        """Store everything that waits, then end. Gives what could not be stored even now."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None
        return [rating for ratings in self._unsaved for rating in ratings]

    def _work(self) -> None:
        while True:
            ratings = self._waiting.get()
            if ratings is not None:
                self._unsaved.append(ratings)
            trouble = self._store()
            if ratings is None:
                break
            self._told(sum(map(len, self._unsaved)), trouble)
        try:
            self._writer.close()
        except RecordNotWritten as exc:
            log.error("the ratings' file could not be closed", error=str(exc))

    def _store(self) -> str:
        """Why not all could be stored; "" when all are."""
        while self._unsaved:
            try:
                self._writer.append(*self._unsaved[0])
            except RecordNotWritten as exc:
                log.error("a rating could not be saved", error=str(exc))
                return str(exc)
            del self._unsaved[0]
        return ""
