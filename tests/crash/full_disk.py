"""Appends records until the disk is full, then goes on; run as a program by test_full_disk.

The disk is FOLDER as it is, or, with a limit in bytes, whatever the system lets one file grow to.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from stablenew.errors import RecordNotWritten
from stablenew.learning.append_file import AppendFile


class WithoutRollback(AppendFile):
    """Leaves a short write where it is, and believes that nothing is wrong."""

    def _write_or_undo(self, data: bytes, size: int) -> None:
        import os

        try:
            written = os.write(self._fd, data)
        except OSError as exc:
            raise OSError(exc.errno, "as the system says") from exc
        if written != len(data):
            raise OSError("short")


def fill(file: AppendFile) -> int:
    """Append until it is refused; how many lines were stored."""
    for number in range(100_000):
        try:
            file.append(json.dumps({"number": number, "filler": "x" * (500 + number % 997)}).encode())
        except RecordNotWritten:
            return number
    raise AssertionError("the disk is never full")


def main(folder: Path, limit: int, protection: str) -> dict[str, object]:
    """What was stored, and what stands in the file when it is full and when there is room again."""
    ballast = folder / "ballast"
    if limit:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    else:
        ballast.write_bytes(b"x" * 20_000)
    make = WithoutRollback if protection == "no-rollback" else AppendFile
    file = make(folder / "a.jsonl", durability="none")
    stored = fill(file)
    refused_again = 0
    for _ in range(5):
        try:
            file.append(b"x" * 30_000)
        except RecordNotWritten:
            refused_again += 1
    full = file.path.read_bytes()
    if limit:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * limit, resource.RLIM_INFINITY))
    else:
        ballast.unlink()
    file.append(b'{"number":-1}')
    later = file.path.read_bytes().splitlines()
    return {
        "stored": stored,
        "refused_again": refused_again,
        "ends_whole": full.endswith(b"\n"),
        "whole": [json.loads(line)["number"] for line in full.splitlines()] == list(range(stored))
        if full.endswith(b"\n")
        else False,
        "last": later[-1].decode(),
        "lines_later": len(later),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
