"""The window's way to records and ratings: one thread that asks the index, one that stores what is said.

Both begin with the first question, so that a window that only runs pays for neither.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from stablenew.gui.pictures.ahead import Deliver
from stablenew.learning.record_index import RecordIndex
from stablenew.workspace import Workspace

T = TypeVar("T")

PATIENCE_S = 5.0
"""How long the end of the window waits for an answer that nobody will hear: catching up may take minutes."""


@dataclass(frozen=True, slots=True)
class _Question:
    pieces: Callable[[RecordIndex], Iterator[Any]]
    each: Callable[[Any], None]
    done: Callable[[], None]
    failed: Callable[[Exception], None]
    key: str | None
    number: int


class Library:
    """Asks a workspace's index from Tk's thread; answers come back on Tk's thread, through `deliver`.

    Long answers come in pieces, and questions take turns piece by piece, so that none waits for the end of another.
    Of the questions with one `key` only the newest counts: a piece of an older one that still comes is dropped.
    """

    def __init__(self, workspace: Workspace, deliver: Deliver) -> None:
        self.workspace = workspace
        self._deliver = deliver
        self._asked: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._newest: dict[str, int] = {}
        self._count = 0
        self._thread: threading.Thread | None = None

    def ask(
        self,
        work: Callable[[RecordIndex], T],
        then: Callable[[T], None],
        *,
        failed: Callable[[Exception], None],
        key: str | None = None,
    ) -> None:
        """Call `then` with what `work` finds out, or `failed` with why it could not."""
        self.stream(lambda index: iter((work(index),)), then, failed=failed, key=key)

    def stream(
        self,
        pieces: Callable[[RecordIndex], Iterator[T]],
        each: Callable[[T], None],
        *,
        done: Callable[[], None] = lambda: None,
        failed: Callable[[Exception], None],
        key: str | None = None,
    ) -> None:
        """Call `each` with every piece as it comes and `done` at the end, or `failed` with why there are no more."""
        self._count += 1
        if key is not None:
            self._newest[key] = self._count
        self._asked.put(_Question(pieces, each, done, failed, key, self._count))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="stablenew-index", daemon=True)
            self._thread.start()

    def drop(self, key: str) -> None:
        """What was asked under this key counts no longer."""
        self._newest.pop(key, None)

    def close(self) -> None:
        """Begin nothing more, and wait a while for the piece that is being found out."""
        if self._thread is not None:
            self._newest = dict.fromkeys(self._newest, -1)
            self._asked.put(None)
            self._thread.join(PATIENCE_S)
            self._thread = None

    def _work(self) -> None:
        turns: deque[tuple[_Question, Iterator[Any]]] = deque()
        with RecordIndex.of(self.workspace) as index:
            while True:
                while not turns or not self._asked.empty():
                    question = self._asked.get()
                    if question is None:
                        return
                    turns.append((question, _begun(question, index)))
                question, pieces = turns.popleft()
                if not self._outdated(question) and self._one_piece(question, pieces):
                    turns.append((question, pieces))

    def _one_piece(self, question: _Question, pieces: Iterator[Any]) -> bool:
        """Hand over the next piece; False when it was the end."""
        try:
            piece = next(pieces)
        except StopIteration:
            self._tell(question, question.done)
        except Exception as exc:  # noqa: BLE001  # the thread goes on: whoever asked is told, on Tk's thread
            self._tell(question, partial(question.failed, exc))
        else:
            self._tell(question, lambda: question.each(piece))
            return True
        return False

    def _tell(self, question: _Question, act: Callable[[], None]) -> None:
        self._deliver(lambda: None if self._outdated(question) else act())

    def _outdated(self, question: _Question) -> bool:
        return question.key is not None and self._newest.get(question.key) != question.number


def _begun(question: _Question, index: RecordIndex) -> Iterator[Any]:
    """The pieces, found out from the first `next` on, so that what goes wrong at the start goes wrong there too."""
    yield from question.pieces(index)
