"""The doctor finds what is wrong, and repairs without losing anything."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from tests.learning.archive import make_record, rate, write_lines

from stablenew.errors import RecordError
from stablenew.learning import repair
from stablenew.learning.append_file import AppendFile
from stablenew.learning.doctor import examine
from stablenew.learning.file_lock import process_lock
from stablenew.learning.learning_feedback import RatingWriter
from stablenew.learning.learning_reader import UnreadableLine, read_records
from stablenew.learning.record_index import RecordIndex
from stablenew.learning.repair import repair_file, repair_workspace, salvage
from stablenew.workspace import Workspace

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def picture(workspace: Workspace, name: str, content: bytes) -> dict[str, str]:
    path = workspace.runs / "run-a" / "images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return {"path": workspace.relative(path), "sha256": sha256(content).hexdigest()}


def ids(workspace: Workspace) -> list[str]:
    return [
        "damaged" if isinstance(read, UnreadableLine) else read.run.record_id
        for read in read_records(workspace.records)
    ]


def test_a_healthy_workspace_is_called_healthy(workspace: Workspace) -> None:
    """Every picture has its record and every record its picture."""
    write_lines(workspace.records / "run-a.jsonl", make_record("a", images=[picture(workspace, "a.png", b"aa")]))
    found = examine(workspace, check_files=True)
    assert found.healthy
    assert found.records == 1
    assert examine(Workspace(root=workspace.root / "empty")).healthy


def test_everything_that_is_wrong_is_found(workspace: Workspace) -> None:
    """Damage, missing, altered, unknown and double pictures, and what takes how much room."""
    same = [picture(workspace, name, b"same") for name in ("a.png", "b.png")]
    altered = picture(workspace, "c.png", b"before")
    picture(workspace, "c.png", b"after!")
    picture(workspace, "stranger.png", b"who?")
    path = workspace.records / "run-a.jsonl"
    write_lines(
        path,
        make_record("a", images=same[:1]),
        make_record("b", images=same[1:]),
        make_record("c", images=[altered]),
        make_record("d", images=[{"path": "runs/run-a/images/gone.png", "sha256": "0" * 64}]),
    )
    with path.open("ab") as file:
        file.write(b"{torn\n")
    writer = RatingWriter(workspace.ratings, durability="none")
    writer.append(rate("a", 5, 1), rate("b", None, 2, rejected=True))
    writer.close()
    found = examine(workspace, check_files=True)
    assert [(each.path, each.line_number) for each in found.damaged] == [(path, 5)]
    assert {(each.record_id, each.altered) for each in found.missing} == {("c", True), ("d", False)}
    assert [each.path for each in found.orphans] == ["runs/run-a/images/stranger.png"]
    assert [set(paths) for paths in found.duplicates] == [{same[0]["path"], same[1]["path"]}]
    assert found.bytes_by_rating == {"5 stars": 4, "rejected": 4, "not rated": 6}
    assert found.bytes_by_run == {"run-a": 4 + 4 + 6 + 4}
    assert not found.healthy
    assert not found.index_is_wrong


def test_an_index_that_says_something_else_is_noticed_and_made_anew(workspace: Workspace) -> None:
    """Totals that no longer fit the records are found, and repair puts them right."""
    import sqlite3

    write_lines(workspace.records / "run-a.jsonl", make_record("a"))
    with RecordIndex.of(workspace) as index:
        index.catch_up()
    db = sqlite3.connect(workspace.index)
    db.execute("UPDATE setting SET n = 7")
    db.commit()
    db.close()
    assert examine(workspace).index_is_wrong
    repair_workspace(workspace)
    assert examine(workspace).healthy


def test_repair_keeps_every_readable_line_and_a_copy_of_the_rest(workspace: Workspace) -> None:
    """Records glued to fragments are saved, what is no record but readable stays, the file as it was is kept."""
    path = workspace.records / "run-a.jsonl"
    one, two, three = (make_record(name, prompt="naïve 猫 {").to_line() for name in ("one", "two", "three"))
    path.parent.mkdir(parents=True)
    before = b"\n".join([one, two[:300] + three, b"\0\0\0\0", b'{"note": "mine"}', two + b"\xff\xfe", three[:50]])
    path.write_bytes(before)
    (done,) = repair_workspace(workspace)
    assert path.read_bytes().splitlines() == [one, three, b'{"note": "mine"}', two]
    assert (done.saved, done.removed) == (2, 2)
    assert done.copy.read_bytes() == before
    assert repair_workspace(workspace) == []


def test_ratings_are_repaired_too(workspace: Workspace) -> None:
    """A rating glued to a fragment counts again."""
    writer = RatingWriter(workspace.ratings, durability="none")
    writer.append(rate("a", 4, 1), rate("a", 2, 2))
    writer.close()
    path = workspace.ratings / "ratings.jsonl"
    first, second = path.read_bytes().splitlines()
    path.write_bytes(first[:40] + second + b"\n")
    write_lines(workspace.records / "run-a.jsonl", make_record("a"))
    repair_workspace(workspace)
    with RecordIndex.of(workspace) as index:
        assert index.get("a").feedback.rating == 2


def test_a_writer_goes_on_through_a_repair(workspace: Workspace) -> None:
    """Lines appended before and after by a writer that never closed its file are all there."""
    path = workspace.records / "run-a.jsonl"
    file = AppendFile(path, durability="none")
    file.append(make_record("one").to_line())
    with path.open("ab") as other:
        other.write(b"garbage\n")
    file.append(make_record("two").to_line())
    repair_workspace(workspace)
    file.append(make_record("three").to_line())
    file.close()
    assert ids(workspace) == ["one", "two", "three"]


@pytest.mark.parametrize("written", [0, 1, 200, 10_000])
def test_a_repair_that_is_cut_short_loses_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """Killed while it rewrites the file: the next repair puts every record back, also those appended meanwhile."""
    path = workspace.records / "run-a.jsonl"
    path.parent.mkdir(parents=True)
    lines = [make_record(name).to_line() for name in ("one", "two", "three")]
    path.write_bytes(b"garbage\n" + b"\n".join(lines) + b"\n")

    def cut_short(fd: int, data: bytes) -> None:
        os.lseek(fd, 0, os.SEEK_SET)
        os.write(fd, data[:written])
        os.ftruncate(fd, min(written, len(data)))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(repair, "_rewrite", cut_short)
        with pytest.raises(KeyboardInterrupt):
            repair_workspace(workspace)
    file = AppendFile(path, durability="none")
    file.append(make_record("four").to_line())
    file.close()
    repair_workspace(workspace)
    assert sorted(ids(workspace)) == ["four", "one", "three", "two"]
    assert repair_workspace(workspace) == []


def test_a_file_in_use_is_left_alone(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process holds the lock, repair says so and changes nothing."""
    path = workspace.records / "run-a.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"garbage\n")
    monkeypatch.setattr(repair, "_LOCK_TIMEOUT_S", 0.01)
    fd = os.open(path, os.O_RDWR)
    lock = process_lock()
    lock.try_lock(fd)
    try:
        with pytest.raises(RecordError, match="another process"):
            repair_file(path, workspace.root / "damaged", NOW)
    finally:
        lock.unlock(fd)
        os.close(fd)
    assert path.read_bytes() == b"garbage\n"


def test_every_cut_of_a_glued_line_gives_back_the_whole_record() -> None:
    """However much of one record stands before another, the other is found."""
    first, second = make_record("one").to_line(), make_record("two").to_line()
    for kept in range(1, len(first)):
        assert salvage(first[:kept] + second) == [second]
    assert salvage(first + second) == [first, second]
    assert salvage(Path(__file__).read_bytes().replace(b"\n", b" ")) == []
