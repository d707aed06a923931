"""Pictures to look at: which, in which order, with what was said."""

from __future__ import annotations

import dataclasses

import pytest
from tests.gui_v2.many_pictures import make_workspace

from stablenew.errors import InputError
from stablenew.learning.learning_feedback import RatingWriter, new_rating
from stablenew.learning.record_filter import parse_condition
from stablenew.learning.record_index import RecordIndex
from stablenew.learning.recorded_picture import PictureWish, RecordedPicture, picture_of, read_pictures
from stablenew.workspace import Workspace


def read(workspace: Workspace, **wish: object) -> list[RecordedPicture]:
    with RecordIndex.of(workspace) as index:
        return [picture for page in read_pictures(index, PictureWish(**wish)) for picture in page]  # type: ignore[arg-type]


def test_the_newest_come_first_a_page_at_a_time(workspace: Workspace) -> None:
    """600 pictures come in three pages, newest first, each with its settings and axes."""
    make_workspace(workspace, 600)
    with RecordIndex.of(workspace) as index:
        pages = list(read_pictures(index, PictureWish()))
    assert [len(page) for page in pages] == [250, 250, 100]
    first = pages[0][0]
    assert first.record_id == "night-00599"
    assert first.axes == ("steps", "sampler")
    assert first.settings["steps"] in (10, 20, 30, 40)
    assert first.path == "runs/night/images/00599.png"


def test_any_field_orders_them_and_what_has_none_comes_last(workspace: Workspace) -> None:
    """By steps either way; by a field that only some have, those come first, also descending."""
    records = make_workspace(workspace, 24)
    ups = [picture.settings["steps"] for picture in read(workspace, sort="steps", descending=False)]
    assert ups == sorted(ups)
    downs = [picture.settings["steps"] for picture in read(workspace, sort="steps")]
    assert downs == sorted(ups, reverse=True)
    writer = RatingWriter(workspace.ratings)
    writer.append(new_rating(records[3].run.record_id, notes="a note"))
    writer.close()
    for descending in (True, False):
        assert read(workspace, sort="notes", descending=descending)[-1].ratings == ()
    with pytest.raises(InputError, match="no field"):
        read(workspace, sort="nonsense")


def test_conditions_words_and_a_limit_are_kept(workspace: Workspace) -> None:
    """Only what fulfils all of them, and no more than asked for."""
    make_workspace(workspace, 48)
    found = read(workspace, where=(parse_condition("steps=20"),), words="lighthouse")
    assert {(picture.settings["steps"], picture.prompt) for picture in found} == {(20, "a lighthouse at dusk")}
    assert len(read(workspace, limit=7)) == 7


def test_everything_said_about_a_picture_comes_with_it(workspace: Workspace) -> None:
    """The rating lines themselves, so that one person's can be told from another's."""
    records = make_workspace(workspace, 3)
    lines = [new_rating(records[1].run.record_id, score=score, who=who) for score, who in ((2, "ann"), (5, None))]
    writer = RatingWriter(workspace.ratings)
    writer.append(*lines)
    writer.close()
    assert [list(picture.ratings) for picture in read(workspace, descending=False)] == [[], lines, []]


def test_a_record_without_a_picture_is_left_out_of_a_list_but_can_be_shown(workspace: Workspace) -> None:
    """`picture_of` gives it an empty path and says why."""
    (record,) = make_workspace(workspace, 1)
    outcome = dataclasses.replace(record.outcome, status="failed", error=True, images=[], error_message="out of memory")
    failed = picture_of(dataclasses.replace(record, outcome=outcome))
    assert (failed.path, failed.problem, failed.status) == ("", "out of memory", "failed")
