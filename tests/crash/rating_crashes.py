"""Kills busy raters, round after round; run as a program by test_ratings_killed. Prints what became of the ratings."""

from __future__ import annotations

import json
import os
import random
import sys
from functools import partial
from pathlib import Path

from killing import WithoutRepair, kill_round

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


def main(folder: Path, protection: str, kills: int) -> dict[str, int]:
    moment, said = random.Random(11), []
    for first in range(0, kills, WRITERS):
        names = [f"w{first + number}" for number in range(WRITERS)]
        said += kill_round(partial(rate_for_ever, folder, protection), names, moment)
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
