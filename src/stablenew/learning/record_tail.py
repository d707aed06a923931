"""Record lines as they are appended: the stream for a program that runs beside StableNew."""

from __future__ import annotations

from pathlib import Path

import msgspec

from stablenew.learning.learning_reader import walk_lines_files
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.line_scan import scan_lines, whole_lines_end
from stablenew.learning.record_filter import Condition, matches
from stablenew.learning.record_wire import decode_record


class RecordTail:
    """Gives the records appended below `folder` since the last look, each as its whole line of JSON.

    Only those that fulfil `where`, by what stands in their lines: nobody has rated them yet.
    """

    def __init__(self, folder: Path, where: tuple[Condition, ...] = ()) -> None:
        self._folder, self._where = folder, where
        self._read: dict[bytes, int] = {}
        for name, entry in walk_lines_files(folder):
            with Path(entry.path).open("rb") as file:
                self._read[name] = whole_lines_end(file)

    def look(self) -> list[bytes]:
        """The new lines, file by file; a file that became shorter is read from its start.

        Lines that are no record are left out, an unfinished one until it is finished.
        """
        found: list[bytes] = []
        for name, entry in walk_lines_files(self._folder):
            try:
                before, size = self._read.get(name, 0), entry.stat().st_size
                if size != before:
                    self._read[name] = self._new_lines(Path(entry.path), before if before <= size else 0, found)
            except FileNotFoundError:
                continue
        return found

    def _new_lines(self, path: Path, offset: int, found: list[bytes]) -> int:
        """Add the file's whole lines from `offset` on to `found`; where they end."""
        with path.open("rb") as file:
            for line in scan_lines(file, offset):
                if not line.ended:
                    break
                offset = line.offset + line.size + 1
                if line.data is not None and _is_wanted(line.data, self._where):
                    found.append(line.data.rstrip(b"\r"))
        return offset


def _is_wanted(line: bytes, where: tuple[Condition, ...]) -> bool:
    """Whether `line` is a record, and fulfils `where`."""
    try:
        decode_record(line)
        return not where or matches(LearningRecord.from_json(line).to_dict(), where)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
