"""Whoever reads what the program prints may go away: the pictures are made all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("as_json", "stream"), [(True, "stdout"), (False, "stderr")])
def test_a_run_goes_on_when_nobody_reads_its_progress_any_more(tmp_path: Path, as_json: bool, stream: str) -> None:
    """The reader of progress leaves after the first line; all twelve pictures and records are there in the end."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "backends.toml").write_text('[slow]\nkind = "fake"\ndelay_s = 0.05\nwindow = 1\n')
    (tmp_path / "pack.txt").write_text("a cat\n")
    command = [sys.executable, "-m", "stablenew", "run", "pack.txt", "--backend", "slow", "--run-id", "r"]
    process = subprocess.Popen(
        [*command, "--images-per-prompt", "12", *(["--json"] if as_json else [])],
        cwd=tmp_path,
        env=os.environ | {"STABLENEW_WORKSPACE": str(workspace)},
        stdout=subprocess.PIPE if stream == "stdout" else subprocess.DEVNULL,
        stderr=subprocess.PIPE if stream == "stderr" else subprocess.DEVNULL,
    )
    pipe = getattr(process, stream)
    pipe.readline()
    pipe.close()
    process.wait(timeout=60)
    assert len(list((workspace / "runs/r/images").glob("*.png"))) == 12
    assert len((workspace / "learning/records/r.jsonl").read_text().splitlines()) == 12
