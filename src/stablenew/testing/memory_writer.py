"""A record writer that keeps records in memory: for tests, and for those who want records but no files."""

from __future__ import annotations

import threading
from pathlib import Path

from stablenew.learning.learning_record import LearningRecord


class InMemoryLearningRecordWriter:
    """Has the face of LearningRecordWriter; `records` holds the very instances, in the order they were written.

    Set `error` to have every following write raise it.
    """

    def __init__(self, error: Exception | None = None) -> None:
        self.records: list[LearningRecord] = []
        self.error = error
        self.closed = False
        self._mutex = threading.Lock()

    def path_for(self, run_id: str) -> Path:
        """A name only; no such file is made."""
        return Path(f"{run_id}.jsonl")

    def write_record(self, record: LearningRecord) -> None:
        """Keep `record`; it is encoded once, as the writer to disk would do. Raises `error` when one is set."""
        if self.error is not None:
            raise self.error
        record.to_line()
        with self._mutex:
            self.records.append(record)

    def barrier(self) -> None:
        """Nothing is pending, ever."""

    def close(self) -> None:
        """May be called twice."""
        self.closed = True
