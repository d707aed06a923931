"""Runs the programs of this folder in a fresh interpreter, as crashes need one they may break."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def run_program(name: str, *arguments: object) -> Any:
    """What the program printed as JSON."""
    command = [sys.executable, str(HERE / name), *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
