"""A file cut at any byte of its last line, as a crash may leave it, loses that line and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stablenew.errors import NotARecord
from stablenew.learning.append_file import AppendFile
from stablenew.learning.learning_record import LearningRecord
from tests.crash.killing import WithoutRepair

RECORDS = [
    LearningRecord.from_pipeline_context(
        {}, {"run_id": "r", "record_id": f"id-{n}", "timestamp": "2026-11-22T23:50:00.000Z", "prompt": "naïve 猫"}
    )
    for n in range(4)
]
LINES = [record.to_line() for record in RECORDS]


def readable(path: Path) -> list[str]:
    found = []
    for line in path.read_bytes().splitlines():
        try:
            found.append(LearningRecord.from_json(line).run.record_id)
        except NotARecord:
            found.append("damaged")
    return found


def after_every_cut(folder: Path, make: Callable[[Path], AppendFile]) -> dict[int, list[str]]:
    """What is readable when three lines were stored, the last was cut to so many bytes, and a fourth was appended."""
    found = {}
    path = folder / "a.jsonl"
    whole = b"".join(line + b"\n" for line in LINES[:3])
    last = len(LINES[2]) + 1
    for kept in range(last + 1):
        path.write_bytes(whole[: len(whole) - last + kept])
        file = make(path)
        file.append(LINES[3])
        file.close()
        found[kept] = readable(path)
    return found


def test_a_cut_at_every_byte_costs_that_line_alone(tmp_path: Path) -> None:
    """The lines before it and the one appended after are whole; a line that lacks only its newline is kept."""
    found = after_every_cut(tmp_path, lambda path: AppendFile(path, durability="none"))
    for kept, ids in found.items():
        whole = kept >= len(LINES[2])
        assert ids == (["id-0", "id-1", "id-2", "id-3"] if whole else ["id-0", "id-1", "id-3"]), kept


def test_without_repair_a_cut_costs_the_next_line_too(tmp_path: Path) -> None:
    """The new line glues itself to the fragment: the test above can fail."""
    found = after_every_cut(tmp_path, lambda path: WithoutRepair(path, durability="none"))
    assert sum(ids != ["id-0", "id-1", "id-3"] for ids in found.values()) > len(LINES[2]) - 2
    assert found[len(LINES[2]) // 2] == ["id-0", "id-1", "damaged"]
