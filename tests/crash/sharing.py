"""Four processes append records to one run's file at the same time; run as a program by test_four_processes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from stablenew.learning.append_file import AppendFile
from stablenew.learning.file_lock import Locked
from stablenew.learning.learning_record import LearningRecord, LearningRecordWriter

PROCESSES = 4


class NoLock:
    """Says yes to everybody."""

    def try_lock(self, fd: int) -> Locked:
        return Locked.YES

    def unlock(self, fd: int) -> None:
        pass


class WriterWithoutLock(LearningRecordWriter):
    """Has the lock between processes taken out."""

    def _file_for(self, run_id: str) -> AppendFile:
        file = super()._file_for(run_id)
        file._lock = NoLock()
        return file


def write(folder: Path, protection: str, process: int, count: int) -> None:
    writer = (WriterWithoutLock if protection == "no-lock" else LearningRecordWriter)(folder)
    for number in range(count):
        context = {
            "run_id": "shared",
            "record_id": f"{process}-{number}",
            "timestamp": "2026-11-22T23:50:00.000Z",
            "prompt": "x" * (number % 7 * 5_000),
        }
        writer.write_record(LearningRecord.from_pipeline_context({}, context))
    writer.close()


def main(folder: Path, protection: str, count: int) -> dict[str, int]:
    """How often each record was found: `once` all of them is what is promised."""
    start, go = os.pipe()
    children = []
    for process in range(PROCESSES):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(go)
                os.read(start, 1)  # all begin at once: when the parent closes its end
                write(folder, protection, process, count)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    os.close(go)
    failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
    found: dict[str, int] = {}
    damaged = 0
    for line in (folder / "shared.jsonl").read_bytes().splitlines():
        try:
            record_id = json.loads(line)["run"]["record_id"]
        except ValueError:
            damaged += 1
            continue
        found[record_id] = found.get(record_id, 0) + 1
    return {
        "failed": failed,
        "damaged": damaged,
        "once": sum(times == 1 for times in found.values()),
        "often": sum(times > 1 for times in found.values()),
        "files": len(list(folder.iterdir())),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
