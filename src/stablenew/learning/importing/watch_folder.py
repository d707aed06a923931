"""Keeping up with a folder that another tool writes into.

By looking again and again: it works on every system and over the network, where change notices do not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from stablenew.learning.importing.import_folder import FolderImport, Imported

INTERVAL_S = 2.0
_SHARE = 5


def watch_folder(
    work: FolderImport,
    stop: threading.Event,
    *,
    interval_s: float = INTERVAL_S,
    on_idle: Callable[[], None] | None = None,
) -> Iterator[Imported]:
    """What becomes of each new or changed picture, until `stop` is set; blocks in between.

    A file is taken once two looks in a row found it the same, so that one still being written is left alone. A large
    folder is looked at less often: looking takes at most a fifth of the time. `on_idle` is called after each look.
    """
    before: set[object] = set()
    while not stop.is_set():
        started = time.monotonic()
        pending = work.pending()
        looked_s = time.monotonic() - started
        for imported in work.take(file for file in pending if file in before):
            yield imported
            if stop.is_set():
                return
        before = set(pending)
        if on_idle is not None:
            on_idle()
        stop.wait(max(interval_s, _SHARE * looked_s))
