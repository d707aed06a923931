"""The log: what it says must reach whom it can, and cost nobody else anything."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stablenew.log import get_logger, run_log


class ClosedPipe:
    """A stderr whose reader has gone."""

    def write(self, _: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    def flush(self) -> None:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_line_that_nobody_reads_fails_nobody_and_is_in_the_runs_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the terminal gone an error is logged to the run's file, and whoever logs it goes on."""
    monkeypatch.setattr(sys, "stderr", ClosedPipe())
    with run_log(tmp_path / "log.jsonl", "r"):
        get_logger("test").error("a learning record was lost", variant=3)
    assert '"variant":3' in (tmp_path / "log.jsonl").read_text()
