"""One process of test_two_processes_index_while_a_third_appends: appends, indexes, or is killed while it indexes."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from stablenew.learning.learning_feedback import RatingWriter, new_rating
from stablenew.learning.learning_record import LearningRecord, LearningRecordWriter
from stablenew.learning.record_index import RecordIndex

RECORDS = 600


def append(folder: Path) -> None:
    writer, ratings = LearningRecordWriter(folder / "records", durability="none"), RatingWriter(folder / "ratings")
    for number in range(RECORDS):
        context = {"run_id": f"run-{number % 7}", "record_id": f"id-{number}", "prompt": "a fox"}
        settings = {"sampler": ("Euler", "DDIM")[number % 2], "steps": 20 + number % 5}
        writer.write_record(LearningRecord.from_pipeline_context(settings, context))
        if number % 10 == 0:
            ratings.append(new_rating(f"id-{number}", score=1 + number % 5))
        if number % 20 == 0:
            time.sleep(0.01)
    writer.close()
    ratings.close()
    (folder / "done").touch()


def keep_indexing(folder: Path, die_after_s: float | None) -> None:
    """Catch up until everything is appended; with `die_after_s`, be killed then, wherever that is."""
    if die_after_s is not None:
        signal.setitimer(signal.ITIMER_REAL, die_after_s)  # nobody handles SIGALRM, so it kills
    index = RecordIndex(folder / "records", folder / "ratings", folder / "index.sqlite", lines_at_once=5)
    while not (folder / "done").exists():
        index.catch_up()
    index.catch_up()
    index.close()


if __name__ == "__main__":
    place, role = Path(sys.argv[1]), sys.argv[2]
    if role == "append":
        append(place)
    else:
        keep_indexing(place, float(role) if role != "index" else None)
