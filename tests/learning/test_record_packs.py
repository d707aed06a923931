"""Packed records: the same lines, fewer bytes, and every question still answered."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.learning.archive import group_sums, make_record, naive_groups, naive_list, naive_records, rate, write_lines

from stablenew.errors import InputError, RecordError
from stablenew.learning.learning_feedback import RatingWriter
from stablenew.learning.learning_reader import (
    UnreadableLine,
    read_current_records,
    read_records,
    record_files,
    successful_record_ids,
)
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.record_index import Query, RecordIndex
from stablenew.learning.record_packs import pack_file, unpack_file
from stablenew.learning.record_sql import query_records
from stablenew.workspace import Workspace

pytest.importorskip("duckdb", reason="the extra analytics is not installed")

HARD = [
    b"",
    b"{torn",
    b"\xff\xfe\0",
    b'{"a":"\\u0000"}',
    "naïve 猫\u2028".encode(),
    b"null",
    b"  ",
    b'"',
    b"a\rb\r",
    b"\0",
]


@pytest.fixture
def archive(workspace: Workspace) -> Workspace:
    """Two runs, one record tried again, damage, and ratings."""
    write_lines(
        workspace.records / "run-a.jsonl",
        *(make_record(f"a{n}", steps=20 + n % 3, seed=n, prompt="a 'red' fox 猫", duration_s=n / 4) for n in range(9)),
        make_record("b1", status="failed"),
    )
    with (workspace.records / "run-a.jsonl").open("ab") as file:
        file.write(b"\xff{torn\n")
    write_lines(workspace.records / "run-b.jsonl", make_record("b1", run_id="run-b"), make_record("b2", run_id="run-b"))
    writer = RatingWriter(workspace.ratings, durability="none")
    writer.append(rate("a1", 4, 1), rate("a4", 2, 2), rate("b2", 5, 3, add_tags=["hands"]))
    writer.close()
    return workspace


def ids(workspace: Workspace, **query: object) -> list[str]:
    with RecordIndex.of(workspace) as index:
        found = index.records(Query(**query))
        return [read.run.record_id for read in found if isinstance(read, LearningRecord)]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(HARD) | st.binary(max_size=40).filter(lambda line: b"\n" not in line)), st.booleans())
def test_unpacking_gives_back_every_byte(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ended: bool
) -> None:
    """Whatever stood in the file: no line, empty lines, damage, no newline at the end."""
    path = tmp_path_factory.mktemp("pack") / "run.jsonl"
    whole = b"\n".join(lines) + (b"\n" if ended else b"")
    path.write_bytes(whole)
    pack = pack_file(path)
    assert not path.exists()
    assert unpack_file(pack) == path
    assert path.read_bytes() == whole
    assert list(path.parent.iterdir()) == [path]


def test_questions_are_answered_as_before(archive: Workspace) -> None:
    """Reader, index and resume see a packed run as they saw its file; so does an index made anew."""
    before = list(read_records(archive.records)), ids(archive), ids(archive, words="fox"), ids(archive, sort="rating")
    ok = successful_record_ids(archive.records, "run-a")
    pack_file(archive.records / "run-a.jsonl")
    for _ in range(2):
        found = list(read_records(archive.records))
        assert [each for each in found if isinstance(each, LearningRecord)] == [
            each for each in before[0] if isinstance(each, LearningRecord)
        ]
        assert sum(isinstance(each, UnreadableLine) for each in found) == 1
        assert (ids(archive), ids(archive, words="fox"), ids(archive, sort="rating")) == before[1:]
        assert successful_record_ids(archive.records, "run-a") == ok
        with RecordIndex.of(archive) as index:
            truth = naive_records(archive.root / "learning")
            assert group_sums(index.groups(["steps"])) == naive_groups(truth, ["steps"])
            assert index.overview().damaged == 1
            assert index.get("a4").feedback.rating == 2
        archive.index.unlink()


def test_a_run_that_goes_on_after_it_was_packed_is_whole(archive: Workspace) -> None:
    """New lines go to a new file beside the pack; unpacking then refuses to overwrite it."""
    pack = pack_file(archive.records / "run-a.jsonl")
    write_lines(archive.records / "run-a.jsonl", make_record("late"))
    assert "late" in ids(archive)
    assert "a1" in ids(archive)
    with pytest.raises(RecordError, match="went on"):
        unpack_file(pack)
    with pytest.raises(RecordError, match="unpack it first"):
        pack_file(archive.records / "run-a.jsonl")
    assert ids(archive) == naive_list(list(read_current_records(archive.records)))


def test_without_duckdb_what_is_left_out_is_said(archive: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other runs are read, the pack is reported with what to install, and comes back once it is there."""
    pack_file(archive.records / "run-a.jsonl")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "duckdb", None)
        assert set(ids(archive)) == {"b1", "b2"}
        with RecordIndex.of(archive) as index:
            assert "stablenew[analytics]" in index.damage()[0].reason
        damage = [each for each in read_records(archive.records) if isinstance(each, UnreadableLine)]
        assert "stablenew[analytics]" in damage[0].reason
        with pytest.raises(InputError, match="stablenew\\[analytics\\]"):
            query_records(archive, "select 1")
    assert {"a1", "b1", "b2"} <= set(ids(archive))


@pytest.mark.parametrize("packed", [False, True])
def test_sql_asks_everything(archive: Workspace, packed: bool) -> None:
    """Each record once, with its rating; damage is passed over; the whole record is there as JSON."""
    if packed:
        pack_file(archive.records / "run-a.jsonl")
    answer = query_records(archive, "select count(*), count(rating), sum(rating), max(steps) from records")
    assert answer.rows == [(11, 3, 11.0, 22)]
    assert query_records(archive, "select status from records where record_id = 'b1'").rows == [("ok",)]
    assert query_records(archive, "select record->>'$.prompt.prompt' as p from records where seed = 3").rows == [
        ("a 'red' fox 猫",)
    ]
    assert query_records(archive, "select tags from records where record_id = 'b2'").rows == [(["hands"],)]
    with pytest.raises(InputError):
        query_records(archive, "select nonsense from records")
    assert query_records(Workspace(root=archive.root / "empty"), "select count(*) from records").rows == [(0,)]


def test_a_pack_keeps_the_age_of_its_file(archive: Workspace) -> None:
    """So that the newest run is still the newest."""
    path = archive.records / "run-a.jsonl"
    before = path.stat().st_mtime_ns
    pack = pack_file(path)
    assert pack.stat().st_mtime_ns == before
    assert record_files(archive.records, "run-a") == [pack]
    assert Path(unpack_file(pack)).stat().st_mtime_ns == before
