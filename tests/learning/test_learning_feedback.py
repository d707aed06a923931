"""What people say about pictures, and what holds of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.learning.archive import make_record, rate

from stablenew.errors import InputError
from stablenew.learning.learning_feedback import (
    RatedPicture,
    Rating,
    RatingWriter,
    new_rating,
    read_ratings,
    undo_of,
)
from stablenew.learning.learning_reader import UnreadableLine
from stablenew.learning.rating_fold import fold, last_said, read_feedback, taking_back_verdict, with_feedback


def test_a_rating_is_read_back_as_it_was_said(tmp_path: Path) -> None:
    """Who, when, how, and every kind of thing that can be said survive the disk."""
    said = new_rating(
        "r1",
        image_sha256="ab" * 32,
        who="ann",
        score=4,
        rejected=False,
        favourite=True,
        add_tags=["good hands"],
        remove_tags=["blurry"],
        notes="nicht übel",
        better_than=[RatedPicture(record_id="r2", image_sha256="cd" * 32)],
        blind=True,
        surface="pairs",
        decided_ms=812,
    )
    writer = RatingWriter(tmp_path)
    writer.append(said)
    writer.append(undo_of(said))
    writer.close()
    found = list(read_ratings(tmp_path))
    assert found[0] == said
    assert found[1].undoes == said.rating_id


@pytest.mark.parametrize("said", [{"score": 6}, {"score": 0}, {"score": "good"}, {"decided_ms": -1}, {"add_tags": "x"}])
def test_what_cannot_be_said_is_refused(said: dict[str, Any]) -> None:
    """A score outside 1 to 5, and values of the wrong kind, are errors that name the field."""
    with pytest.raises(InputError, match=next(iter(said))):
        new_rating("r1", **said)


def test_the_last_word_of_each_person_counts_and_scores_are_averaged() -> None:
    """Ann's second score replaces her first; Bob's stands beside it."""
    folded = fold([rate("r", 1, 1, who="ann"), rate("r", 5, 2, who="ann"), rate("r", 2, 3, who="bob")])
    assert folded is not None
    assert (folded.score, folded.people) == (3.5, 2)


def test_what_is_not_said_stays_as_it_was() -> None:
    """A tag leaves the score alone, a score leaves the notes alone; each can be taken away."""
    said = [
        rate("r", 4, 1, notes="soft light", add_tags=["hands", "eyes"]),
        rate("r", None, 2, remove_tags=["eyes"], favourite=True),
        rate("r", 3, 3),
    ]
    folded = fold(said)
    assert folded is not None
    assert (folded.score, folded.tags, folded.notes, folded.favourite) == (3, ("hands",), "soft light", True)
    gone = fold([*said, rate("r", None, 4, notes="", favourite=False, rejected=True)])
    assert gone is not None
    assert (gone.notes, gone.favourite, gone.rejected) == ("", False, True)
    assert gone.as_info().tags == ["hands", "rejected"]


def test_undo_brings_back_what_held_before_and_can_be_undone() -> None:
    """Undo, undo of the undo, and undo of what is undone."""
    first, second = rate("r", 2, 1), rate("r", 5, 2)
    undo = undo_of(second)
    again = undo_of(undo)
    scores = [fold(said) for said in ([first, second], [first, second, undo], [first, second, undo, again])]
    assert [folded.score if folded else None for folded in scores] == [5, 2, 5]
    assert fold([first, undo_of(first)]) is None
    assert last_said([first, second, undo], None) == first


def test_nobody_takes_back_what_another_person_said() -> None:
    """An undo counts for its own person's line alone."""
    said = rate("r", 5, 1, who="ann")
    foreign = undo_of(rate("r", 1, 2, who="bob"))
    stolen = new_rating("r", who="bob", undoes=said.rating_id)
    folded = fold([said, foreign, stolen])
    assert folded is not None
    assert folded.score == 5


def test_a_conclusion_never_outweighs_what_somebody_said() -> None:
    """A star from another tool counts until a person rates, in whichever order they come."""
    weak = rate("r", 5, 9, weak=True)
    assert fold([weak]).score == 5
    assert fold([rate("r", 2, 1), weak]).score == 2
    assert fold([rate("r", 2, 1, who="ann"), weak]).score == 2


@given(st.permutations([rate("r", 1 + n % 5, n, who="ab"[n % 2], add_tags=[f"t{n % 3}"]) for n in range(6)]))
def test_the_order_of_the_files_does_not_matter(said: list[Rating]) -> None:
    """What holds is decided by when things were said, not by where they stand."""
    assert fold(said) == fold(sorted(said, key=lambda rating: rating.timestamp))


def test_the_reader_folds_ratings_into_the_record(tmp_path: Path) -> None:
    """`record.feedback` holds rating, tags and notes; a record nobody spoke about is as it was written."""
    writer = RatingWriter(tmp_path, durability="none")
    writer.append(rate("r1", 4, 1, add_tags=["hands"], notes="nice", favourite=True))
    writer.close()
    feedback = read_feedback(tmp_path)
    rated = with_feedback(make_record("r1"), feedback.get("r1"))
    assert (rated.feedback.rating, rated.feedback.tags, rated.feedback.notes) == (4, ["favourite", "hands"], "nice")
    assert with_feedback(make_record("r2"), feedback.get("r2")) == make_record("r2")


def test_a_ratings_file_cut_at_every_byte_loses_the_cut_line_alone(tmp_path: Path) -> None:
    """And the next rating is stored whole behind what is left."""
    lines = []
    for number in range(2):
        writer = RatingWriter(tmp_path / "x", durability="none")
        writer.append(rate(f"r{number}", 3, number, notes="naïve 猫"))
        writer.close()
    whole = (tmp_path / "x" / "ratings.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    path = tmp_path / "y" / "ratings.jsonl"
    path.parent.mkdir()
    for kept in range(len(lines[1]) + 1):
        path.write_bytes(lines[0] + lines[1][:kept])
        writer = RatingWriter(path.parent, durability="none")
        writer.append(rate("r2", 5, 9))
        writer.close()
        found = list(read_ratings(path.parent))
        assert not any(isinstance(read, UnreadableLine) for read in found)
        whole_tail = kept >= len(lines[1]) - 1
        assert [read.record_id for read in found] == (["r0", "r1", "r2"] if whole_tail else ["r0", "r2"])


def test_taking_a_verdict_back_leaves_everything_else_that_was_said() -> None:
    """Stars and rejection go, however often they were given; tags, notes and what came after them stay as they were."""
    said = [
        rate("r", 2, 1, who="ann", add_tags=["hands", "eyes"]),
        rate("r", None, 2, who="ann", remove_tags=["eyes"], notes="soft"),
        rate("r", 4, 3, who="ann", rejected=True),
        rate("r", 5, 4, who="bob"),
    ]
    folded = fold([*said, *taking_back_verdict(said, "ann")])
    assert folded is not None
    assert (folded.score, folded.rejected, folded.tags, folded.notes) == (5, False, ("hands",), "soft")
    assert taking_back_verdict([said[1]], "ann") == []


def test_what_took_a_verdict_back_can_be_undone() -> None:
    """Undoing those lines in reverse gives the feedback there was before."""
    said = [rate("r", 2, 1, add_tags=["hands"]), rate("r", 4, 2, rejected=True)]
    back = taking_back_verdict(said, None)
    undone = [undo_of(line) for line in reversed(back)]
    assert fold([*said, *back, *undone]) == fold(said)
