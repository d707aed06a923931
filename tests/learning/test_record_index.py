"""The index: quick answers that agree with a full scan, and never fewer of them."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.learning.archive import (
    USUAL,
    group_sums,
    make_record,
    naive_groups,
    naive_list,
    naive_records,
    open_index,
    rate,
    write_lines,
)

from stablenew.errors import InputError, NotFound, RecordError
from stablenew.learning import index_catch_up, index_store
from stablenew.learning.index_files import FileState
from stablenew.learning.index_rows import RowWriter
from stablenew.learning.learning_feedback import RatingWriter, undo_of
from stablenew.learning.learning_reader import UnreadableLine
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.line_scan import ScannedLine
from stablenew.learning.record_filter import parse_condition
from stablenew.learning.record_index import Query, RecordIndex
from stablenew.learning.record_packs import PACK_SUFFIX

LATE = "2026-12-01T00:00:00Z"
RECORDS = [
    make_record(
        f"{number:02d}-record",
        run_id=f"run-{number % 3}",
        sampler=("Euler", "DDIM")[number % 2],
        steps=20 + number % 3,
        cfg_scale=(5.0, 7.5)[number % 2],
        prompt=("a red fox", "a blue Fox at golden hour", "golden lighthouse, oil")[number % 3],
        timestamp=f"2026-11-{1 + number % 5:02d}T10:00:{number:02d}.250Z",
        status=("ok", "ok", "failed", "cancelled")[number % 4],
        duration_s=(None, 0.125 * number)[number % 2],
        seed=number,
        bindings={"light": ("dusk", "neon")[number % 2]},
        axes={"txt2img.steps": 20 + number % 3},
        images=[{"path": f"i{number}.png", "sha256": f"{number:064x}"}],
        learning_tags=["first"] if number < 4 else [],
    )
    for number in range(24)
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An archive of 24 records in three runs, some of them rated."""
    for record in RECORDS:
        write_lines(tmp_path / "records" / f"{record.run.run_id}.jsonl", record)
    writer = RatingWriter(tmp_path / "ratings", durability="none")
    for number in range(0, 24, 2):
        writer.append(rate(f"{number:02d}-record", 1 + number % 5, number, who="ann"))
        writer.append(rate(f"{number:02d}-record", 3, number, who="bob", add_tags=["hands"] if number % 4 else []))
    writer.close()
    return tmp_path


@pytest.fixture
def index(folder: Path) -> Iterator[RecordIndex]:
    with open_index(folder) as opened:
        yield opened


def ids(index: RecordIndex, **query: object) -> list[str]:
    return [read.run.record_id for read in index.records(Query(**query)) if isinstance(read, LearningRecord)]


CONDITIONS = [
    "steps>=21", "steps=20", "steps!=20", "cfg>5", "sampler=Euler", "sampler!=Euler", "sampler~eul", "vae=none",
    "vae!=none", "status=failed", "run=run-1", "seed<5", "prompt.bindings.light=dusk", "light=neon", "time>=2026-11-03",
    "day=2026-11-02", "rating>3", "rating=none", "rating!=none", "tag=hands", "tag!=hands", "tag=none", "tag~HAN",
    "seconds>1", "learning_tags=first", "pipeline.axes.txt2img.steps=22", "steps=many", "steps!=many", "model>a",
    "pack_name=", f"image={3:064x}", "prompt~FOX", "outcome.images.0.path=i7.png", "rating>=2.5",
]  # fmt: skip


@pytest.mark.parametrize("text", CONDITIONS)
def test_any_field_can_be_asked_for(index: RecordIndex, folder: Path, text: str) -> None:
    """A condition means the same to the index as to a scan of every record."""
    if text.startswith("light"):
        with pytest.raises(InputError, match="no field"):
            parse_condition(text)
        return
    where = (parse_condition(text),)
    truth = naive_records(folder)
    assert ids(index, where=where) == naive_list(truth, where)
    assert group_sums(index.groups(["sampler"], where)) == naive_groups(truth, ["sampler"], where)


@pytest.mark.parametrize(
    "by",
    [USUAL, ["run_id"], ["status", "steps"], ["day"], ["seed"],
     ["prompt.bindings.light"], ["rating"], ["prompt"], []],
)  # fmt: skip
def test_records_can_be_grouped_by_any_fields(index: RecordIndex, folder: Path, by: list[str]) -> None:
    """Counts, sums and sums of squares of every group are those of a full scan."""
    assert group_sums(index.groups(by)) == naive_groups(naive_records(folder), by)


def test_the_groups_know_their_mean_and_spread(index: RecordIndex) -> None:
    """Of the scores 1 and 3, and 3 and 3, ..., as a calculator has them; the best group comes first."""
    groups = index.groups(["steps"])
    means = [group.mean_rating for group in groups]
    assert means == sorted(means, reverse=True)
    scores = [(1 + number % 5 + 3) / 2 for number in range(0, 24, 2) if number % 3 == 0]
    mean = sum(scores) / len(scores)
    spread = (sum((score - mean) ** 2 for score in scores) / (len(scores) - 1)) ** 0.5
    group = next(group for group in groups if group.values == (20,))
    assert group.mean_rating == pytest.approx(mean)
    assert group.rating_sd == pytest.approx(spread)


@pytest.mark.parametrize(
    ("words", "expected"),
    [("fox", 16), ("FOX -red", 8), ('"golden hour"', 8), ("golden", 16), ("gold*", 16), ("golden oil", 8),
     ("hour golden", 8),     ('"hour golden"', 0), ("light*", 8), ("zebra", 0)],
)  # fmt: skip
def test_prompts_are_searched_by_words(index: RecordIndex, folder: Path, words: str, expected: int) -> None:
    """All words, phrases, starts of words, words left out; the same as going through every prompt."""
    assert ids(index, words=words) == naive_list(naive_records(folder), words=words)
    assert len(ids(index, words=words)) == expected


def test_without_fts5_words_are_found_by_reading(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A Python whose SQLite cannot search text gives the same answers, and says why it takes longer."""
    monkeypatch.setattr(index_store, "words_supported", lambda: False)
    with open_index(folder) as index:
        assert ids(index, words="fox -red") == naive_list(naive_records(folder), words="fox -red")
    assert "no FTS5" in caplog.text


def test_a_search_for_nothing_is_refused(index: RecordIndex) -> None:
    """Only words to leave out, or no word at all, is an error."""
    for words in ("", "-red", "..."):
        with pytest.raises(InputError, match="no word"):
            ids(index, words=words)


def test_the_newest_the_best_and_the_slowest(index: RecordIndex, folder: Path) -> None:
    """Each order, both ways, with a limit and over page boundaries."""
    truth = {record.run.record_id: record for record in naive_records(folder)}
    rated = ids(index, sort="rating")
    scores = [truth[each].feedback.rating for each in rated]
    assert scores == sorted(scores, reverse=True)
    assert len(rated) == 12
    slow = ids(index, sort="seconds", limit=3)
    assert slow == ["23-record", "21-record", "19-record"]
    assert ids(index, descending=False) == ids(index)[::-1]
    assert ids(index, limit=5) == ids(index)[:5]


def test_a_record_is_found_by_its_id_or_the_start_of_it(index: RecordIndex) -> None:
    """With its feedback; an id that fits several, or none, is an error."""
    assert index.get("07-record").prompt.seed == 7
    assert index.get("06-r").feedback.rating == 2.5
    with pytest.raises(NotFound):
        index.get("99-record")
    with pytest.raises(NotFound):
        index.get("0")
    write_lines(index._records / "run-x.jsonl", make_record("06-rival"))
    with pytest.raises(InputError, match="several"):
        index.get("06-r")


def test_catching_up_reads_only_what_was_appended(index: RecordIndex, folder: Path) -> None:
    """Not a line is read twice; an unfinished one is read when it is finished."""
    assert index.catch_up().lines == 24 + 24
    assert index.catch_up().lines == 0
    path = folder / "records" / "run-0.jsonl"
    write_lines(path, make_record("new"))
    line = make_record("newer").to_line()
    with path.open("ab") as file:
        file.write(line[:100])
    assert index.catch_up().lines == 1
    assert index.overview().pending_bytes == 100
    with path.open("ab") as file:
        file.write(line[100:] + b"\n")
    assert index.catch_up().lines == 1
    assert {"new", "newer"} <= set(ids(index))


def test_lines_of_any_length_are_found_where_they_stand(tmp_path: Path) -> None:
    """Many at a time, across the ends of blocks, with damage between them, and some longer than a block."""
    path = tmp_path / "records" / "a.jsonl"
    for number in range(300):
        size = (50, 7000, 70_000)[0 if number % 7 else 1 if number % 5 else 2]
        write_lines(path, make_record(f"r{number}", prompt="fox " * (size // 4), seed=number))
        if number in (40, 41, 170, 299):
            with path.open("ab") as file:
                file.write(b'\n{"no": "record"}\n')
    with open_index(tmp_path) as index:
        assert index.catch_up().lines == 300 + 8
        assert ids(index) == naive_list(naive_records(tmp_path))
        assert all(isinstance(read, LearningRecord) for read in index.records())
        assert [each.line_number for each in index.damage()] == [43, 46, 177, 308]


def test_two_records_on_one_line_are_damage(tmp_path: Path) -> None:
    """Also where an empty line, or a record on two lines, makes as many records as lines."""
    path = tmp_path / "records" / "a.jsonl"
    write_lines(path, make_record("a"))
    line = make_record("b").to_line()
    with path.open("ab") as file:
        file.write(line + line + b"\n\n" + line + b" " + line + b"\n" + line.replace(b",", b",\n", 1) + b"\n")
    write_lines(path, make_record("c"))
    with open_index(tmp_path) as index:
        assert {read.run.record_id for read in index.records()} == {"a", "c"}
        assert [each.line_number for each in index.damage()] == [2, 4, 5, 6]


@pytest.mark.parametrize("lines_at_once", [20, 1000])
def test_what_a_pack_gives_before_it_breaks_off_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines_at_once: int
) -> None:
    """As a scan has it: the lines before the error, damaged ones said, and that the file cannot be read; in a catch-up
    that takes fewer lines at once, too.
    """
    readings = iter(range(5))

    def breaking_off(_: Path) -> Iterator[ScannedLine]:
        next(readings)  # an endless catch-up ends here
        for place in range(70):
            data = b"{torn" if place == 66 else make_record(f"r{place}").to_line()
            yield ScannedLine(place, data, len(data), True)
        raise RecordError("the rest is gone")

    (tmp_path / "records").mkdir()
    (tmp_path / "records" / f"a{PACK_SUFFIX}").touch()
    monkeypatch.setattr(index_catch_up, "pack_lines", breaking_off)
    with open_index(tmp_path, lines_at_once=lines_at_once) as index:
        assert index.overview().records.n == 69
        assert sorted(each.line_number for each in index.damage()) == [0, 67]


def test_damage_is_remembered_with_file_line_and_reason(index: RecordIndex, folder: Path) -> None:
    """As the reader says it, after a catch-up in pieces too."""
    path = folder / "records" / "run-1.jsonl"
    for _ in range(2):
        with path.open("ab") as file:
            file.write(b"{torn\n")
        index.catch_up()
    assert [(each.path, each.line_number) for each in index.damage()] == [(path, 9), (path, 10)]
    assert index.overview().damaged == 2


def test_a_copied_or_renamed_file_does_not_count_twice(index: RecordIndex, folder: Path) -> None:
    """The same record ids in another file supersede or are superseded; deleting either loses nothing."""
    path = folder / "records" / "run-0.jsonl"
    before = index.groups(["sampler"])
    shutil.copy(path, path.with_name("copy.jsonl"))
    assert index.groups(["sampler"]) == before
    path.unlink()
    assert index.groups(["sampler"]) == before
    path.with_name("copy.jsonl").rename(path)
    assert index.groups(["sampler"]) == before


def replaced_in_place(folder: Path, name: str) -> bool:
    """Whether the index notices that a file was overwritten by a longer one."""
    path = folder / "records" / "run-0.jsonl"
    with open_index(folder) as index:
        index.catch_up()
        path.write_bytes(b"")
        write_lines(path, *(make_record(f"{name}-{number}") for number in range(30)))
        return ids(index) == naive_list(naive_records(folder))


def test_an_overwritten_file_is_noticed_by_its_ends(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks of what was read before find it; without them the answers would be wrong."""
    assert replaced_in_place(folder, "one")
    (folder / "index.sqlite").unlink()
    monkeypatch.setattr(FileState, "still_starts_as_read", lambda *_: True)
    assert not replaced_in_place(folder, "another")


def test_without_precedence_a_later_failure_would_hide_a_success(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What picks the line that counts is needed: a later failure does not replace a success."""
    write_lines(folder / "records" / "run-0.jsonl", make_record("00-record", status="failed", timestamp=LATE))
    with open_index(folder) as index:
        assert index.get("00-record").outcome.status == "ok"
    (folder / "index.sqlite").unlink()
    monkeypatch.setattr(RowWriter, "_rank", lambda *_: 0)
    with open_index(folder) as index:
        assert index.get("00-record").outcome.status == "failed"


def test_totals_follow_every_change_of_mind(index: RecordIndex, folder: Path) -> None:
    """After rating, rating again, undo and deletion of the ratings the totals are those of a full scan."""
    writer = RatingWriter(folder / "ratings", durability="none")
    said = [rate("01-record", 5, 100), rate("01-record", 2, 101), rate("02-record", 1, 102, who="ann")]
    for line in [*said, undo_of(said[1]), undo_of(said[2])]:
        writer.append(line)
        for by in (USUAL, ["steps"]):
            assert group_sums(index.groups(by)) == naive_groups(naive_records(folder), by)
    writer.close()
    (folder / "ratings" / "ratings.jsonl").unlink()
    assert sum(group.rated for group in index.groups(["steps"])) == 0
    for by in (USUAL, ["steps"]):
        assert sum(group.n for group in index.groups(by)) == 24


def test_what_the_files_looked_like_before_another_process_wrote_is_looked_at_again(
    index: RecordIndex, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may be back by the time the transaction begins, and read by another process: it is not forgotten."""
    look = index_catch_up.find_news
    file, away = folder / "records" / "new.jsonl", folder / "away"
    write_lines(file, make_record("new"))
    with open_index(folder) as other:
        index.catch_up()
        file.rename(away)

        def look_and_be_overtaken(*asked: Any) -> index_catch_up.News:
            monkeypatch.setattr(index_catch_up, "find_news", look)
            news = look(*asked)
            away.rename(file)
            write_lines(file, make_record("newer"))
            assert other.catch_up().lines == 1
            return news

        monkeypatch.setattr(index_catch_up, "find_news", look_and_be_overtaken)
        done = index.catch_up()
        assert (done.lines, done.forgotten) == (0, 0)
        assert group_sums(index.groups(USUAL)) == naive_groups(naive_records(folder), USUAL)


def test_an_index_whose_groups_are_not_readable_is_made_anew(index: RecordIndex, folder: Path) -> None:
    """What SQLite cannot know to be wrong costs time, and no answer."""
    index.catch_up()
    with contextlib.closing(sqlite3.connect(folder / "index.sqlite")) as db, db:
        db.execute("UPDATE setting SET summary = substr(summary, 2)")
    assert group_sums(index.groups(USUAL)) == naive_groups(naive_records(folder), USUAL)
    with open_index(folder) as another:
        assert group_sums(another.groups(USUAL)) == naive_groups(naive_records(folder), USUAL)


def test_the_usual_groups_add_up_what_differs_in_other_settings(tmp_path: Path) -> None:
    """Sizes are not among the fields records are usually grouped by; names keep every character, and none is none."""
    names = ['a "quoted" \\ näme\n', "[1,2]", ""]
    records = [
        make_record(f"{model}-{width}", model=model, width=width, height=512, duration_s=1.5)
        for model in names
        for width in (512, 640, 768)
    ]
    records = [replace(each, pipeline=replace(each.pipeline, sampler=None)) for each in records]
    write_lines(tmp_path / "records" / "a.jsonl", *records)
    writer = RatingWriter(tmp_path / "ratings", durability="none")
    writer.append(rate(f"{names[0]}-640", 4))
    writer.close()
    with open_index(tmp_path) as index:
        found = index.groups(USUAL)
        assert group_sums(found) == naive_groups(naive_records(tmp_path), USUAL)
        assert (found[0].n, found[0].mean_rating) == (3, 4.0)
        assert len(found) == 3
        assert group_sums(index.groups(USUAL[::-1])) == naive_groups(naive_records(tmp_path), USUAL[::-1])


def test_feedback_written_with_a_record_counts_until_somebody_rates(tmp_path: Path) -> None:
    """An exported record keeps its rating in another workspace; what is said there replaces it."""
    import dataclasses

    from stablenew.learning.record_groups import FeedbackInfo

    written = dataclasses.replace(make_record("r"), feedback=FeedbackInfo(rating=4.5, tags=["hands"]))
    write_lines(tmp_path / "records" / "a.jsonl", written)
    with open_index(tmp_path) as index:
        assert index.get("r").feedback.rating == 4.5
        assert index.groups([])[0].mean_rating == 4.5
        assert ids(index, where=(parse_condition("tag=hands"),)) == ["r"]
        writer = RatingWriter(tmp_path / "ratings", durability="none")
        line = rate("r", 2, 1)
        writer.append(line)
        assert index.groups([])[0].mean_rating == 2
        assert ids(index, where=(parse_condition("tag=hands"),)) == []
        writer.append(undo_of(line))
        writer.close()
        assert index.groups([])[0].mean_rating == 4.5


def spoil_old(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 1")
    db.execute("UPDATE record SET status = 1")
    db.commit()
    db.close()


def spoil_foreign(path: Path) -> None:
    path.unlink()
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE record (x)")
    db.commit()
    db.close()


def spoil_text(path: Path) -> None:
    path.write_bytes(b"this is no database at all" * 1000)


def spoil_cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def spoil_empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 4096 * 6)


@pytest.mark.parametrize("spoil", [spoil_old, spoil_foreign, spoil_text, spoil_cut, spoil_empty, spoil_middle])
def test_a_spoiled_index_is_made_anew(folder: Path, spoil: object) -> None:
    """One of an older format, of another program, or damaged costs time and no answer, and is whole afterwards."""
    with open_index(folder) as index:
        truth = index.groups(["sampler", "steps"]), ids(index), ids(index, words="fox")
    path = folder / "index.sqlite"
    spoil(path)  # type: ignore[operator]
    with open_index(folder) as index:
        assert (index.groups(["sampler", "steps"]), ids(index), ids(index, words="fox")) == truth
        assert not index._private
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def test_a_locked_index_costs_no_answer(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While another process holds it, a private copy answers; afterwards the shared one goes on."""
    with open_index(folder) as index:
        index.catch_up()
    write_lines(folder / "records" / "run-0.jsonl", make_record("new"))
    holder = sqlite3.connect(folder / "index.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with caplog.at_level(logging.WARNING), open_index(folder, lock_timeout_s=0.05) as index:
        assert ids(index) == naive_list(naive_records(folder))
        assert index._private
    assert "cannot be used" in caplog.text
    holder.execute("ROLLBACK")
    holder.close()
    with open_index(folder) as index:
        assert "new" in ids(index)
        assert not index._private


@pytest.mark.parametrize("there_before", [True, False])
def test_a_place_that_cannot_be_written_costs_no_answer(folder: Path, there_before: bool) -> None:
    """Nothing is written there; what the index there holds is used, and what is new is read beside it."""
    place = folder / "place" / "index.sqlite"
    if there_before:
        with RecordIndex(folder / "records", folder / "ratings", place) as index:
            index.catch_up()
        write_lines(folder / "records" / "run-0.jsonl", make_record("new"))
    else:
        place = folder / "records" / "run-0.jsonl" / "index.sqlite"  # a file stands where the folder should be
    if there_before:
        # Root may write anywhere: a lock file that is a folder stops everybody.
        Path(f"{place}.lock").unlink(missing_ok=True)
        Path(f"{place}.lock").mkdir()
    with RecordIndex(folder / "records", folder / "ratings", place, lock_timeout_s=0.05) as index:
        assert ids(index) == naive_list(naive_records(folder))
        assert index.groups(["steps"])
        assert index._private


def test_an_empty_workspace_has_no_index(tmp_path: Path) -> None:
    """Asking writes nothing where nothing was ever recorded."""
    with open_index(tmp_path / "nowhere") as index:
        assert ids(index) == []
        assert index.overview().records.n == 0
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_goes_away_while_it_is_read_is_reported(index: RecordIndex, folder: Path) -> None:
    """The rest still comes; the record that cannot be read any more is said."""
    found = index.records(Query())
    first = next(found)
    assert isinstance(first, LearningRecord)
    for path in (folder / "records").iterdir():
        path.write_bytes(b"")
    rest = list(found)
    assert len(rest) == 23
    assert all(isinstance(read, UnreadableLine) for read in rest)


def test_a_cut_at_every_byte_gives_the_answers_of_a_full_scan(tmp_path: Path) -> None:
    """One index goes through every length of the last line, shrinking and growing."""
    path = tmp_path / "records" / "run-a.jsonl"
    write_lines(path, make_record("r0"), make_record("r1", steps=33))
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    with open_index(tmp_path) as index:
        for size in [*range(start, len(whole) + 1), *range(len(whole), start, -7)]:
            path.write_bytes(whole[:size])
            assert index.overview().records.n == (2 if size >= len(whole) - 1 else 1), size


@pytest.mark.skipif(os.name == "nt", reason="this system has no SIGKILL")
def test_two_processes_index_while_a_third_appends(tmp_path: Path) -> None:
    """Every record and rating is in the index once, however the processes meet; three more are killed."""
    program = Path(__file__).with_name("index_race.py")
    (tmp_path / "records").mkdir()
    commands = [
        [sys.executable, str(program), str(tmp_path), role]
        for role in ("append", "index", "index", "0.02", "0.06", "0.1")
    ]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    ends = [process.communicate(timeout=120)[1] for process in started]
    assert [process.returncode for process in started[:3]] == [0, 0, 0], ends
    assert [process.returncode for process in started[3:]] == [-signal.SIGALRM] * 3
    truth = naive_records(tmp_path)
    with open_index(tmp_path) as index:
        assert not index._private
        assert len(truth) == 600
        assert ids(index) == naive_list(truth)
        assert group_sums(index.groups(["sampler"])) == naive_groups(truth, ["sampler"])
