"""Learning records to disk: one append-only file per run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stablenew.errors import RecordNotWritten, UnsafeName
from stablenew.learning.append_file import AppendFile, Durability
from stablenew.learning.safe_name import inside, safe_name

if TYPE_CHECKING:
    from stablenew.learning.learning_record import LearningRecord

_RUN_ID = "{run_id}"
_PART_BYTES_MAX = 176  # a run id and what the pattern adds; a shard's host and process still fit in 255
_OPEN_MAX = 16


class LearningRecordWriter:
    """Appends records below `base_dir`, to the file that `file_pattern` names for their run. Any thread may call it.

    `file_pattern` has parts separated by "/", in which {run_id} stands for the run. Nothing is ever written outside
    `base_dir`, whatever either says. `durability` as in AppendFile; it never decides whether a record is whole.
    """

    def __init__(
        self, base_dir: Path | str, file_pattern: str = "{run_id}.jsonl", *, durability: Durability = "background"
    ) -> None:
        """Touches no file. Raises UnsafeName for a pattern that could lead out of `base_dir`."""
        self.base_dir = Path(base_dir).absolute()
        self._pattern = file_pattern
        self._durability: Durability = durability
        self._files: dict[str, AppendFile] = {}
        self._mutex = threading.Lock()
        if set("{}") & set(file_pattern.replace(_RUN_ID, "")):
            raise UnsafeName(file_pattern, "{run_id} is the only thing that can stand in braces", self.base_dir)
        self.path_for("run")

    def path_for(self, run_id: str) -> Path:
        """The file that holds the records of the run. Raises UnsafeName."""
        safe_name(run_id, self.base_dir)
        parts = self._pattern.replace(_RUN_ID, run_id).split("/")
        return self.base_dir.joinpath(*(safe_name(part, self.base_dir, bytes_max=_PART_BYTES_MAX) for part in parts))

    def write_record(self, record: LearningRecord) -> None:
        """Append `record` to its run's file.

        Raises RecordNotWritten when it is not stored (what was there before is intact), UnsafeName for a run id that
        cannot name a file.
        """
        file = self._files.get(record.run.run_id) or self._file_for(record.run.run_id)
        try:
            line = record.to_line()
        except (TypeError, ValueError, RecursionError, OverflowError) as exc:
            raise RecordNotWritten(file.path, f"it cannot be encoded: {exc}") from exc
        file.append(line)

    def barrier(self) -> None:
        """Return when all that was written is on the disk; for the end of a run. Raises RecordNotWritten."""
        self._each(AppendFile.barrier)

    def close(self) -> None:
        """Barrier, then free the files; writing again opens them anew. May be called twice. Raises RecordNotWritten."""
        self._each(AppendFile.close)

    def _file_for(self, run_id: str) -> AppendFile:
        path = self.path_for(run_id)
        try:
            inside(path, self.base_dir)
        except OSError as exc:
            raise RecordNotWritten(path, exc.strerror or str(exc)) from exc
        with self._mutex:
            file = self._files.setdefault(run_id, AppendFile(path, durability=self._durability))
            for earlier in list(self._files.values())[:-_OPEN_MAX]:
                earlier.release()
        return file

    def _each(self, act: Callable[[AppendFile], None]) -> None:
        """Do it to every file, also when one fails; the first failure is raised at the end."""
        failures = []
        for file in list(self._files.values()):
            try:
                act(file)
            except RecordNotWritten as exc:
                failures.append(exc)
        if failures:
            raise failures[0]
