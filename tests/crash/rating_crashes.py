"""Kills busy raters, round after round; run as a program by test_ratings_killed. Prints what became of the ratings."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from killing import WithoutRepair

from stablenew.learning.learning_feedback import FILE_NAME, RatingWriter, new_rating, read_ratings
from stablenew.learning.learning_reader import UnreadableLine

WRITERS = 4


def make(folder: Path, protection: str) -> RatingWriter:
    writer = RatingWriter(folder, durability="none")
    if protection == "no-repair":
        writer._file = WithoutRepair(folder / FILE_NAME, durability="none")
    return writer


def rate_for_ever(folder: Path, protection: str, name: str, pipe: int) -> None:
    writer, sizes = make(folder, protection), random.Random(name)
    for number in range(1_000_000):
        writer.append(new_rating(f"{name}-{number}", score=3, notes="x" * sizes.choice((10, 5_000, 40_000))))
        os.write(pipe, f"{name}-{number}\n".encode())


def kill_round(folder: Path, protection: str, names: list[str], moment: random.Random) -> list[str]:
    reader, pipe = os.pipe()
    children = []
    for name in names:
        child = os.fork()
        if child == 0:
            os.close(reader)
            try:
                rate_for_ever(folder, protection, name, pipe)
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


def main(folder: Path, protection: str, kills: int) -> dict[str, int]:
    moment, said = random.Random(11), []
    for first in range(0, kills, WRITERS):
        said += kill_round(folder, protection, [f"w{first + number}" for number in range(WRITERS)], moment)
    make(folder, protection).append(new_rating("last", score=1))
    stored: dict[str, int] = {}
    damaged = 0
    for read in read_ratings(folder):
        if isinstance(read, UnreadableLine):
            damaged += 1
        else:
            stored[read.record_id] = stored.get(read.record_id, 0) + 1
    return {
        "said": len(said),
        "lost": sum(record_id not in stored for record_id in [*said, "last"]),
        "damaged": damaged,
        "doubled": sum(count > 1 for count in stored.values()),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
