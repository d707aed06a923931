"""`make run` on a machine that lacks something."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_a_half_made_environment_is_removed_and_what_to_install_is_said(tmp_path: Path) -> None:
    """A Python whose venv module fails half way, as Debian's without python3-venv: nothing is left of it."""
    shutil.copy(Path(__file__).parents[2] / "Makefile", tmp_path)
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\nmkdir -p .venv/bin; touch .venv/bin/python; exit 1\n')
    python.chmod(0o755)
    line = ["make", ".venv/bin/python", f"PYTHON={python}"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert "apt install python3-venv" in done.stdout
    assert not (tmp_path / ".venv").exists()
