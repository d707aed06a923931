"""Kills busy writers, round after round, and says what became of their lines; run as a program by test_killed_writer.

A fresh interpreter of its own, so that it may fork: one process per writer, all appending to one file. After every
line that `append` returned for, a writer says so through a pipe; then it is killed at a random moment.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from stablenew.learning.append_file import AppendFile
from stablenew.learning.file_lock import Locked

WRITERS = 4
SIZES = (300, 2_000, 9_000, 40_000)


class WithoutRepair(AppendFile):
    """Leaves the fragment of a killed writer where it is."""

    def _seal(self, size: int) -> int:
        return size


class NoLock:
    """Says yes to everybody."""

    def try_lock(self, fd: int) -> Locked:
        return Locked.YES

    def unlock(self, fd: int) -> None:
        pass


def make(path: Path, protection: str) -> AppendFile:
    if protection == "no-repair":
        return WithoutRepair(path, durability="none")
    return AppendFile(path, durability="none", lock=NoLock() if protection == "no-lock" else None)


def line_of(writer: str, number: int, size: int) -> bytes:
    return json.dumps({"writer": writer, "number": number, "filler": "x" * size}).encode()


def write_for_ever(path: Path, protection: str, name: str, pipe: int) -> None:
    file, sizes = make(path, protection), random.Random(name)
    for number in range(1_000_000):
        file.append(line_of(name, number, sizes.choice(SIZES)))
        os.write(pipe, f"{name} {number}\n".encode())


def kill_round(write: Callable[[str, int], None], names: list[str], moment: random.Random) -> list[str]:
    """Start a process per name that calls `write(name, pipe)`, kill each at its moment; what they said was stored."""
    reader, pipe = os.pipe()
    children = []
    for name in names:
        child = os.fork()
        if child == 0:
            os.close(reader)
            try:
                write(name, pipe)
            finally:
                os._exit(1)
        children.append(child)
    os.close(pipe)
    for child in children:
        time.sleep(moment.uniform(0.0005, 0.004))
        os.kill(child, signal.SIGKILL)
    said = b""
    while part := os.read(reader, 1 << 16):
        said += part
    os.close(reader)
    for child in children:
        os.waitpid(child, 0)
    return said.decode().splitlines()


def ends_torn(path: Path) -> bool:
    """Whether the file's last line is unfinished. On a busy machine all may be killed before anything is written."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


def main(path: Path, protection: str, kills: int) -> dict[str, int]:
    """Kill `kills` writers; counts of lines that were said to be stored, damaged, lost, doubled, and of tears."""
    moment, said, tears = random.Random(7), [], 0
    for first in range(0, kills, WRITERS):
        names = [f"w{number}" for number in range(first, first + WRITERS)]
        said += kill_round(partial(write_for_ever, path, protection), names, moment)
        tears += ends_torn(path)
    make(path, protection).append(line_of("last", 0, 10))
    stored: dict[str, int] = {}
    damaged = 0
    for line in path.read_bytes().splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            damaged += 1
            continue
        key = f"{value['writer']} {value['number']}"
        stored[key] = stored.get(key, 0) + 1
    return {
        "said": len(said),
        "stored": len(stored),
        "tears": tears,
        "damaged": damaged,
        "lost": sum(key not in stored for key in [*said, "last 0"]),
        "doubled": sum(count > 1 for count in stored.values()),
        "unannounced": len(stored) - 1 - sum(key in stored for key in said),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
