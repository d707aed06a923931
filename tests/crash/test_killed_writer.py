"""Writers that are killed at random moments lose at most the line that nobody was told is stored."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.crash.programs import run_program

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork and no SIGKILL")

KILLS = 240


def test_no_announced_line_is_lost_to_240_kills(tmp_path: Path) -> None:
    """Four busy writers at a time on one file, each killed: every announced line is there once, none is damaged."""
    found = run_program("killing.py", tmp_path / "a.jsonl", "full", KILLS)
    assert found["said"] > KILLS
    assert (found["lost"], found["damaged"], found["doubled"]) == (0, 0, 0)
    assert found["unannounced"] <= KILLS  # a line may be whole although its writer died before saying so


@pytest.mark.parametrize("protection", ["no-repair", "no-lock"])
def test_the_same_kills_lose_lines_without_the_protection(tmp_path: Path, protection: str) -> None:
    """With the fragment left in place, or without the lock, lines are lost: the test above can fail."""
    lost = 0
    for attempt in range(8):  # kills are random: one round of them may happen to tear nothing
        found = run_program("killing.py", tmp_path / f"{attempt}.jsonl", protection, KILLS)
        (tmp_path / f"{attempt}.jsonl").unlink()
        lost = found["lost"]
        if lost:
            break
    assert lost
