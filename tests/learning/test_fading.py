"""Ratings from before a change of taste count less, and as before when that is taken back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from stablenew.errors import InputError
from stablenew.learning.fading import FILE_NAME, fade, fading_of, fadings, unfade
from stablenew.workspace import Workspace

OLD, NEW = "2026-05-31T23:59:59.999Z", "2026-06-01T00:00:00Z"


def test_only_older_ratings_fade_and_by_the_factor(workspace: Workspace) -> None:
    """A rating of the day itself counts in full; one a millisecond older has 1/0.3 times the variance."""
    assert fading_of(workspace)(OLD) == 1
    fade(workspace, "2026-06-01", 0.3)
    noise = fading_of(workspace)
    assert noise(OLD) == pytest.approx(1 / 0.3)
    assert noise(NEW) == 1


def test_two_changes_of_taste_multiply_and_the_newest_is_taken_back_first(workspace: Workspace) -> None:
    """Before both: both factors. Undone, undone again: as it was; a third time there is nothing."""
    fade(workspace, "2026-06-01", 0.5, now=datetime(2026, 6, 1, tzinfo=UTC))
    fade(workspace, "2026-08-01T12:00:00+02:00", 0.5, now=datetime(2026, 8, 1, tzinfo=UTC))
    assert fading_of(workspace)(OLD) == 4
    assert fading_of(workspace)("2026-08-01T09:59:59Z") == 2
    taken = unfade(workspace, now=datetime(2026, 8, 2, tzinfo=UTC))
    assert taken is not None
    assert taken.before == "2026-08-01T10:00:00.000000Z"
    assert fading_of(workspace)(OLD) == 2
    assert unfade(workspace) is not None
    assert fading_of(workspace)(OLD) == 1
    assert unfade(workspace) is None


def test_nothing_is_rewritten_and_a_torn_line_costs_itself_alone(workspace: Workspace) -> None:
    """Every call appends; a file cut inside its last line keeps the lines before it."""
    fade(workspace, "2026-06-01")
    path = workspace.taste / FILE_NAME
    first = path.read_bytes()
    fade(workspace, "2026-07-01")
    whole = path.read_bytes()
    assert whole.startswith(first)
    path.write_bytes(whole[:-20])
    assert len(fadings(workspace)) == 1
    fade(workspace, "2026-08-01")
    assert [each.before for each in fadings(workspace)] == [
        "2026-06-01T00:00:00.000000Z",
        "2026-08-01T00:00:00.000000Z",
    ]


@pytest.mark.parametrize(("before", "factor"), [("June", 0.3), ("2026-06-01", 0.0), ("2026-06-01", 1.5)])
def test_what_cannot_be_meant_is_refused(workspace: Workspace, before: str, factor: float) -> None:
    """No day, or a factor outside 0 to 1: an error, and nothing is written."""
    with pytest.raises(InputError):
        fade(workspace, before, factor)
    assert not (workspace.taste / FILE_NAME).exists()
