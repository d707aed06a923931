"""A catch-up that is interrupted anywhere leaves an index that goes on where the last whole one ended."""

from __future__ import annotations

from pathlib import Path

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

from stablenew.learning.index_places import Places
from stablenew.learning.index_ratings import RatingRows
from stablenew.learning.index_rows import RowWriter
from stablenew.learning.learning_feedback import RatingWriter
from stablenew.learning.record_index import Query, RecordIndex

STEPS = [
    (Places, "_merge"),
    (Places, "_insert"),
    (RowWriter, "settle"),
    (RowWriter, "_account"),
    (RatingRows, "settle"),
]


def same_as_a_scan(index: RecordIndex, folder: Path) -> bool:
    truth = naive_records(folder)
    return (
        [read.run.record_id for read in index.records(Query(words="heron"))] == naive_list(truth, words="heron")
        and group_sums(index.groups(["steps", "run_id"])) == naive_groups(truth, ["steps", "run_id"])
        and group_sums(index.groups(USUAL)) == naive_groups(truth, USUAL)
        and group_sums(index.groups(["sampler"])) == naive_groups(truth, ["sampler"])
        and {read.run.record_id: read for read in index.records()} == {read.run.record_id: read for read in truth}
    )


@pytest.mark.parametrize(("owner", "step"), STEPS)
@pytest.mark.parametrize("opened_anew", [True, False])
def test_an_interrupted_catch_up_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type, step: str, opened_anew: bool
) -> None:
    """After any step; what was remembered of the tables is forgotten with the transaction that made it."""
    path = tmp_path / "records" / "a.jsonl"
    write_lines(path, *(make_record(f"r{number}", prompt="a heron") for number in range(8)))
    index = open_index(tmp_path, lines_at_once=6)  # three keys may wait
    index.catch_up()
    new = tmp_path / "records" / "new.jsonl"
    write_lines(new, *(make_record(f"new{number}", run_id="new", steps=77, prompt="new heron") for number in range(2)))
    write_lines(new, make_record("r1", status="failed"))
    ratings = RatingWriter(tmp_path / "ratings", durability="none")
    ratings.append(rate("new0", 4), rate("r1", 2))
    ratings.close()
    done, reached = getattr(owner, step), []

    def then_interrupted(*values: object) -> object:
        done(*values)
        reached.append(step)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, then_interrupted)
        with pytest.raises(KeyboardInterrupt):
            index.catch_up()
    assert reached == [step]
    new.unlink()
    write_lines(new, make_record("other", run_id="new", steps=78, prompt="an egret"))
    write_lines(new, make_record("new0", run_id="new", steps=77, prompt="new heron"))
    if opened_anew:
        index.close()
    assert same_as_a_scan(index, tmp_path)
    index.close()
