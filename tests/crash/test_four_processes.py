"""Four processes write records of one run to one file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.crash.programs import run_program

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def test_every_record_of_four_processes_is_there_exactly_once(tmp_path: Path) -> None:
    """4 x 500 records of 1 to 31 KB: each once, none damaged, no shard."""
    found = run_program("sharing.py", tmp_path, "full", 500)
    assert found == {"failed": 0, "damaged": 0, "once": 2000, "often": 0, "files": 1}


def test_without_the_lock_records_are_lost(tmp_path: Path) -> None:
    """One process takes the half-written line of another for a torn tail: the test above can fail."""
    once = 2000
    for attempt in range(8):
        (tmp_path / str(attempt)).mkdir()
        once = run_program("sharing.py", tmp_path / str(attempt), "no-lock", 500)["once"]
        if once < 2000:
            break
    assert once < 2000
