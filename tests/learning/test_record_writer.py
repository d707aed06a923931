"""The record writer, on disk and in memory."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablenew.errors import RecordNotWritten, UnsafeName
from stablenew.learning.learning_record import LearningRecord, LearningRecordWriter
from stablenew.learning.safe_name import NAME_BYTES_MAX, inside, safe_name
from stablenew.testing.memory_writer import InMemoryLearningRecordWriter

HOSTILE = {
    "parent": "../escape",
    "deep parent": "a/../../escape",
    "only dots": "..",
    "dot": ".",
    "empty": "",
    "absolute": "/etc/passwd",
    "windows absolute": "C:\\escape",
    "windows drive": "C:escape",
    "windows share": "\\\\host\\share",
    "slash": "a/b",
    "backslash": "a\\b",
    "NUL": "a\0b",
    "newline": "a\nb",
    "escape sign": "a\x1b[2Jb",
    "stream": "a:stream",
    "wildcard": "a*",
    "device": "CON",
    "device, small letters": "nul",
    "device with extension": "com1.txt",
    "device with superscript": "COM\u00b9",
    "device and space": "aux .x",
    "300 characters": "x" * 300,
    "130 bytes in 44 characters": "\u4e2d" * 44,
    "division slash": "a\u2215b",
    "fraction slash": "a\u2044b",
    "fullwidth slash": "\uff0e\uff0e\uff0fescape",
    "fullwidth backslash": "a\uff3cb",
    "two dot leader": "\u2025",
    "big solidus": "a\u29f8b",
    "box diagonal": "a\u2571b",
    "account of": "a\u2100b",
    "right to left": "a\u202egnp",
    "zero width": "a\u200bb",
    "line separator": "a\u2028b",
    "half a surrogate": "a\ud800b",
    "trailing dot": "a.",
    "trailing space": "a ",
    "leading space": " a",
    "leading dot": ".hidden",
}
HARMLESS = [
    "run-1",
    "2026-11-22T23.50",
    "a b",
    "naïve",
    "日本語",
    "x" * NAME_BYTES_MAX,
    "a.b.c",
    "con1",
    "console",
    "(1)",
    "a..b",
]


def a_record(run_id: str = "run-1", prompt: str = "a cat") -> LearningRecord:
    return LearningRecord.from_pipeline_context(
        {}, {"run_id": run_id, "prompt": prompt, "timestamp": "2026-11-22T23:50:00.000Z"}
    )


def everything_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


# --- what it writes ---


def test_records_are_lines_of_their_runs_file(tmp_path: Path) -> None:
    """One file per run, one line per record, and each line reads back as the record."""
    writer = LearningRecordWriter(tmp_path / "records")
    records = [a_record("one", "a"), a_record("two", "b"), a_record("one", "c")]
    for record in records:
        writer.write_record(record)
    writer.barrier()
    writer.close()
    assert everything_in(tmp_path) == ["records/one.jsonl", "records/two.jsonl"]
    lines = writer.path_for("one").read_bytes().splitlines()
    assert [LearningRecord.from_json(line) for line in lines] == [records[0], records[2]]


def test_making_a_writer_touches_no_file(tmp_path: Path) -> None:
    """Nor does asking where a run's records are, or closing it unused."""
    writer = LearningRecordWriter(tmp_path / "records")
    assert writer.path_for("r") == tmp_path / "records" / "r.jsonl"
    writer.barrier()
    writer.close()
    assert everything_in(tmp_path) == []
    assert not (tmp_path / "records").exists()


def test_a_second_writer_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    """A resumed run appends to its file; what was there stays byte for byte."""
    for count in range(1, 4):
        before = everything_in(tmp_path) and (tmp_path / "run-1.jsonl").read_bytes()
        writer = LearningRecordWriter(tmp_path)
        writer.write_record(a_record(prompt=str(count)))
        writer.close()
        after = (tmp_path / "run-1.jsonl").read_bytes()
        assert after.startswith(before or b"")
        assert len(after.splitlines()) == count


@pytest.mark.parametrize("pattern", ["{run_id}/records.jsonl", "records.jsonl", "a/b/{run_id}-x.jsonl", "{run_id}"])
def test_the_pattern_decides_the_file(tmp_path: Path, pattern: str) -> None:
    """With folders, without the run, or with more around it."""
    writer = LearningRecordWriter(tmp_path, pattern)
    writer.write_record(a_record("r"))
    writer.close()
    assert everything_in(tmp_path) == [pattern.replace("{run_id}", "r")]


def test_many_runs_do_not_keep_many_files_open(tmp_path: Path) -> None:
    """A writer of a long-lived process holds few descriptors, and its barrier still covers every run."""
    writer = LearningRecordWriter(tmp_path)
    for number in range(60):
        writer.write_record(a_record(f"run-{number}"))
    if Path("/proc/self/fd").exists():
        ours = [link for link in Path("/proc/self/fd").iterdir() if str(tmp_path) in os.path.realpath(link)]
        assert len(ours) <= 17
    writer.write_record(a_record("run-0"))
    writer.close()
    assert len(everything_in(tmp_path)) == 60
    assert len((tmp_path / "run-0.jsonl").read_bytes().splitlines()) == 2


# --- what it refuses ---


@pytest.mark.parametrize("run_id", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_run_id_writes_nothing_anywhere(tmp_path: Path, run_id: str) -> None:
    """UnsafeName, and neither the folder nor its neighbours change."""
    base = tmp_path / "base"
    base.mkdir()
    record = a_record()
    record = dataclasses.replace(record, run=dataclasses.replace(record.run, run_id=run_id))
    with pytest.raises(UnsafeName):
        LearningRecordWriter(base).write_record(record)
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize(
    "pattern",
    ["../{run_id}.jsonl", "/{run_id}.jsonl", "{run_id}/../../x", "", "a//b", "{run_id}.", "CON/{run_id}", "a\\{run_id}",
     "{run_id.__class__}", "{0}", "{host}-{run_id}", "./{run_id}", "x" * 300],
)  # fmt: skip
def test_a_hostile_pattern_is_refused_at_once(tmp_path: Path, pattern: str) -> None:
    """When the writer is made, before any run."""
    with pytest.raises(UnsafeName):
        LearningRecordWriter(tmp_path, pattern)


@pytest.mark.parametrize("run_id", HARMLESS)
def test_a_harmless_run_id_is_its_files_name(tmp_path: Path, run_id: str) -> None:
    """Nothing is altered: two names never share a file."""
    writer = LearningRecordWriter(tmp_path)
    writer.write_record(a_record(run_id))
    writer.close()
    assert everything_in(tmp_path) == [f"{run_id}.jsonl"]


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_no_name_leaves_its_folder(name: str) -> None:
    """Whatever a name is, it is refused or names something directly in the folder."""
    folder = Path("base").absolute()
    try:
        safe = safe_name(name, folder)
    except UnsafeName:
        return
    assert safe == name
    assert (folder / safe).resolve().parent == folder.resolve()


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    """A folder inside base_dir that is a link to elsewhere, or a file that is one, gets no record."""
    base, outside = tmp_path / "base", tmp_path / "outside"
    base.mkdir()
    outside.mkdir()
    (base / "run-1").symlink_to(outside, target_is_directory=True)
    with pytest.raises(UnsafeName, match="link"):
        LearningRecordWriter(base, "{run_id}/records.jsonl").write_record(a_record())
    (base / "run-1.jsonl").symlink_to(outside / "x")
    with pytest.raises(UnsafeName, match="link"):
        LearningRecordWriter(base).write_record(a_record())
    assert everything_in(outside) == []


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_base_dir_itself_may_be_a_link(tmp_path: Path) -> None:
    """People keep their workspace on another disk and link to it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "base").symlink_to(tmp_path / "real", target_is_directory=True)
    writer = LearningRecordWriter(tmp_path / "base")
    writer.write_record(a_record())
    writer.close()
    assert everything_in(tmp_path / "real") == ["run-1.jsonl"]
    assert inside(tmp_path / "base" / "x", tmp_path / "base") == tmp_path / "base" / "x"


def test_a_record_that_cannot_be_encoded_is_said(tmp_path: Path) -> None:
    """A record put together by hand with something that is no JSON: RecordNotWritten, and the file is untouched."""
    writer = LearningRecordWriter(tmp_path)
    writer.write_record(a_record())
    for wrong in (object(), "\ud800"):
        record = a_record()
        pipeline = dataclasses.replace(record.pipeline, axes={"a": wrong})
        with pytest.raises(RecordNotWritten, match="encoded"):
            writer.write_record(dataclasses.replace(record, pipeline=pipeline))
    writer.close()
    assert len((tmp_path / "run-1.jsonl").read_bytes().splitlines()) == 1


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """base_dir lies under a file: RecordNotWritten with the path."""
    (tmp_path / "file").touch()
    with pytest.raises(RecordNotWritten, match="file"):
        LearningRecordWriter(tmp_path / "file" / "records").write_record(a_record())


def test_one_runs_trouble_at_the_barrier_does_not_hide_anothers(tmp_path: Path) -> None:
    """Every file is closed even when one fails, and the failure is raised."""
    writer = LearningRecordWriter(tmp_path)
    writer.write_record(a_record("one"))
    writer.write_record(a_record("two"))
    os.close(writer._files["one"]._fd)  # as a disk that is pulled out
    with pytest.raises(RecordNotWritten, match=r"one\.jsonl"):
        writer.close()
    assert writer._files["two"]._fd == -1


# --- in memory ---


def test_the_writer_in_memory_keeps_the_instances() -> None:
    """For tests: the very records, in order, with the same face; it can be told to fail."""
    writer = InMemoryLearningRecordWriter()
    records = [a_record(prompt="a"), a_record(prompt="b")]
    for record in records:
        writer.write_record(record)
    writer.barrier()
    writer.close()
    assert all(kept is given for kept, given in zip(writer.records, records, strict=True))
    assert writer.closed
    writer.error = RecordNotWritten("x", "told to")
    with pytest.raises(RecordNotWritten):
        writer.write_record(records[0])
    assert len(writer.records) == 2


def test_both_writers_have_the_same_face() -> None:
    """What can be called on one can be called on the other."""
    for name in ("write_record", "barrier", "close", "path_for"):
        assert callable(getattr(LearningRecordWriter, name))
        assert callable(getattr(InMemoryLearningRecordWriter, name))
