"""Records read back from disk."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.learning.archive import make_record, naive_list, write_lines

from stablenew.errors import NotARecord
from stablenew.learning.append_file import LINE_BYTES_MAX
from stablenew.learning.learning_reader import (
    UnreadableLine,
    parse_line,
    read_current_records,
    read_records,
    record_files,
    successful_record_ids,
)
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.line_scan import ScannedLine
from stablenew.learning.record_wire import decode_record, decode_records

LINE = make_record("r1", prompt="naïve 猫", bindings={"who": "fox"}, stages=["txt2img"], images=["a.png"]).to_line()


def ids(folder: Path, run_id: str | None = None) -> list[str]:
    return [read.run.record_id for read in read_records(folder, run_id) if isinstance(read, LearningRecord)]


def test_it_goes_on_past_damage_and_says_where_and_why(tmp_path: Path) -> None:
    """Every readable record comes, and every other line with its file, its number and the reason."""
    path = tmp_path / "run-a.jsonl"
    good = [make_record(f"r{number}").to_line() for number in range(3)]
    path.write_bytes(b"\n".join([good[0], b"{torn", b"", good[1], b'{"run": {}}', b"\xff", good[2]]) + b"\n")
    found = list(read_records(tmp_path))
    assert [read.run.record_id for read in found if isinstance(read, LearningRecord)] == ["r0", "r1", "r2"]
    damage = [read for read in found if isinstance(read, UnreadableLine)]
    assert [(each.path, each.line_number) for each in damage] == [(path, 2), (path, 5), (path, 6)]
    assert damage[1].reason == "not a learning record: run.record_id: is missing"


def test_a_file_cut_at_every_byte_loses_the_cut_line_alone(tmp_path: Path) -> None:
    """However much of the last line is there, the lines before it come, and a fragment is reported once."""
    path = tmp_path / "run-a.jsonl"
    before = make_record("r0").to_line() + b"\n"
    for kept in range(len(LINE) + 2):
        path.write_bytes(before + (LINE + b"\n")[:kept])
        found = list(read_records(tmp_path))
        assert found[0].run.record_id == "r0"
        if kept >= len(LINE):
            assert found[1].run.record_id == "r1"
        elif kept:
            assert isinstance(found[1], UnreadableLine)
            assert found[1].line_number == 2
        assert len(found) == (2 if kept else 1)


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_larger_than_any_record_is_passed_over(tmp_path: Path, end: bytes) -> None:
    """Its size is said, and what comes behind it is read."""
    path = tmp_path / "run-a.jsonl"
    path.write_bytes(b"x" * (LINE_BYTES_MAX + 10) + end)
    if end:
        write_lines(path, make_record("behind"))
    found = list(read_records(tmp_path))
    assert "16,777,226" in found[0].reason
    assert len(found) == (2 if end else 1)


def test_shards_and_folders_are_read_and_hidden_files_are_not(tmp_path: Path) -> None:
    """A run's shards belong to it; what starts with a dot, is a link, or ends otherwise does not."""
    write_lines(tmp_path / "run-a.jsonl", make_record("main"))
    write_lines(tmp_path / "run-a.host-1.jsonl", make_record("shard"))
    write_lines(tmp_path / "deep" / "run-b.jsonl", make_record("deep", run_id="run-b"))
    write_lines(tmp_path / ".hidden" / "run-c.jsonl", make_record("hidden"))
    write_lines(tmp_path / "run-d.jsonl.bak", make_record("other"))
    (tmp_path / "run-e.jsonl").symlink_to(tmp_path / "run-a.jsonl")
    assert sorted(ids(tmp_path)) == ["deep", "main", "shard"]
    assert sorted(ids(tmp_path, "run-a")) == ["main", "shard"]
    assert record_files(tmp_path / "nowhere") == []


def test_a_run_whose_id_begins_like_another_is_not_mixed_up_with_it(tmp_path: Path) -> None:
    """`run-a.b` looks like a shard of `run-a`; its records say whose they are."""
    write_lines(tmp_path / "run-a.jsonl", make_record("mine"))
    write_lines(tmp_path / "run-a.b.jsonl", make_record("other", run_id="run-a.b"))
    assert ids(tmp_path, "run-a") == ["mine"]


def test_a_variant_that_was_tried_again_counts_once(tmp_path: Path) -> None:
    """A success counts before a failure, a later start before an earlier one, wherever they stand."""
    early, late = "2026-11-22T10:00:00.000Z", "2026-11-22T11:00:00.000Z"
    write_lines(
        tmp_path / "run-a.jsonl",
        make_record("a", status="failed", timestamp=late, seed=1),
        make_record("a", status="ok", timestamp=early, seed=2),
        make_record("b", timestamp=late, seed=3),
    )
    write_lines(tmp_path / "run-a.host-1.jsonl", make_record("b", timestamp=early, seed=4), make_record("c", seed=5))
    current = list(read_current_records(tmp_path))
    assert {record.run.record_id: record.prompt.seed for record in current} == {"a": 2, "b": 3, "c": 5}
    assert len(current) == 3
    assert sorted(naive_list(current)) == ["a", "b", "c"]


def test_the_ids_a_resume_leaves_out_are_those_that_succeeded(tmp_path: Path) -> None:
    """Failed and cancelled variants, and lines that cannot be read, are done again."""
    path = tmp_path / "run-a.jsonl"
    write_lines(path, make_record("a"), make_record("b", status="failed"), make_record("c", status="cancelled"))
    with path.open("ab") as file:
        file.write(make_record("d").to_line()[:-5])
    assert successful_record_ids(tmp_path, "run-a") == {"a"}


def test_fields_of_a_newer_version_come_through(tmp_path: Path) -> None:
    """At any depth they are kept, as `from_json` keeps them."""
    data = msgspec.json.decode(LINE)
    data["new"] = 1
    data["pipeline"]["stages"][0]["new"] = [2]
    (tmp_path / "a.jsonl").write_bytes(msgspec.json.encode(data) + b"\n")
    (read,) = read_records(tmp_path)
    assert isinstance(read, LearningRecord)
    assert read.to_dict() == data
    assert read == LearningRecord.from_json(msgspec.json.encode(data))


@pytest.mark.parametrize(
    "timestamp",
    ["2026-11-22T10:00:00Z", "2026-99-99T99:99:99.5Z", "2026-11-22T10:00:00Z\n", "2026-11-22t10:00:00z", "",
     "2026-11-22T10:00:00Z\n2026-11-22T10:00:00Z", "2026-11-22T10:00:00+00:00", "a\n2026-11-22T10:00:00Z"],
)  # fmt: skip
def test_the_fast_decoder_knows_a_timestamp(timestamp: str) -> None:
    """Alone and among others, it takes and refuses the same ones as a record does."""
    data = msgspec.json.decode(LINE)
    data["run"]["timestamp"] = timestamp
    line = msgspec.json.encode(data)
    try:
        accepted = LearningRecord.from_json(line).run.timestamp == timestamp
    except NotARecord:
        accepted = False
    for lines in ([line], [LINE, line, LINE]):
        try:
            data = b"".join(each + b"\n" for each in lines)
            fast = [record.run.timestamp for record in decode_records(data, list(map(len, lines)))]
        except msgspec.MsgspecError:
            fast = []
        assert (timestamp in fast) == accepted


def mutated(place: int, sign: int) -> bytes:
    place %= len(LINE)
    return LINE[:place] + bytes([sign]) + LINE[place + 1 :]


@given(st.integers(0, len(LINE) - 1), st.integers(0, 255))
def test_the_fast_decoder_accepts_what_a_record_accepts(place: int, sign: int) -> None:
    """Whatever byte of a line is changed: both read it, or neither does."""
    line = mutated(place, sign)
    try:
        record = LearningRecord.from_json(line)
    except NotARecord:
        record = None
    try:
        fast = decode_record(line)
    except (msgspec.MsgspecError, UnicodeError):
        fast = None
    assert (record is None) == (fast is None)
    if record is not None:
        assert parse_line(Path("a"), 1, ScannedLine(0, line, len(line), True)) == record
        assert fast.run.record_id == record.run.record_id
        assert fast.pipeline.steps == record.pipeline.steps
