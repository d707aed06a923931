"""`stablenew gui` where something it needs is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(code: str, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    program = f"import sys\n{code}\nfrom stablenew.cli import main\nmain(['gui', '--workspace', {str(tmp_path)!r}])"
    env = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env | environment)


@pytest.mark.parametrize(
    ("module", "hint"),
    [("tkinter", "python3-tk"), ("_tkinter", "built without"), ("ttkbootstrap", "pip install 'stablenew[gui]'")],
)
def test_what_is_missing_is_named_with_how_to_get_it(module: str, hint: str, tmp_path: Path) -> None:
    """Without Tk or the extra the command ends with code 2 and one line, not a traceback."""
    done = run(f"sys.modules[{module!r}] = None", tmp_path)
    assert done.returncode == 2
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only X needs a display")
def test_without_a_display_it_says_so(tmp_path: Path) -> None:
    """No X server: one line, exit code 1."""
    pytest.importorskip("tkinter", reason="this Python has no Tk")
    pytest.importorskip("ttkbootstrap", reason="the extra gui is not installed")
    done = run("", tmp_path)
    assert done.returncode == 1
    assert "is there a display" in done.stderr
    assert "Traceback" not in done.stderr
