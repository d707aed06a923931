"""Raters that are killed at random moments lose at most the rating that nobody was told is stored."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.crash.programs import run_program

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork and no SIGKILL")

KILLS = 200


def test_no_announced_rating_is_lost_to_200_kills(tmp_path: Path) -> None:
    """Four busy raters at a time on one workspace, each killed: every announced rating is there once."""
    found = run_program("rating_crashes.py", tmp_path, "full", KILLS)
    assert found["said"] > KILLS
    assert (found["lost"], found["damaged"], found["doubled"]) == (0, 0, 0)


def test_the_same_kills_lose_ratings_without_the_repair(tmp_path: Path) -> None:
    """With the fragment of a killed rater left in place, the next rating is lost: the test above can fail."""
    lost = 0
    for attempt in range(8):  # kills are random: one round of them may happen to tear nothing
        (tmp_path / str(attempt)).mkdir()
        lost = run_program("rating_crashes.py", tmp_path / str(attempt), "no-repair", KILLS)["lost"]
        if lost:
            break
    assert lost
