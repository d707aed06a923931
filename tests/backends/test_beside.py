"""Importing torch and diffusers without holding up other threads."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("torch")

PROGRAM = """
import ctypes, gc, os, sys
from importlib.util import find_spec
from pathlib import Path
from stablenew.backends.diffusers_local.beside import importing_beside_others
assert gc.isenabled()
with importing_beside_others():
    assert not gc.isenabled(), "garbage is collected meanwhile"
    assert "torch" not in sys.modules
    if sys.platform == "linux":
        library = Path(find_spec("torch").origin).parent / "lib" / "libtorch_cpu.so"
        ctypes.CDLL(str(library), mode=os.RTLD_NOLOAD | os.RTLD_LAZY)  # raises where it is not loaded yet
assert gc.isenabled()
assert gc.get_freeze_count() > 0
before = gc.get_freeze_count()
sys.modules["diffusers"] = sys
with importing_beside_others():
    assert gc.isenabled(), "a later import is an ordinary one"
assert gc.get_freeze_count() == before
"""


def test_the_first_import_finds_its_libraries_loaded_and_no_garbage_collected() -> None:
    """Torch's libraries are loaded through a foreign call, collections wait until the import is done, and only once."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
