"""The run's folder: whole files or none, one process at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stablenew.atomic_file import write_atomically
from stablenew.errors import InputError, NotFound
from stablenew.pipeline.run_folder import open_run, read_manifest
from stablenew.workspace import Workspace

KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from stablenew import atomic_file

def die(descriptor):
    os.kill(os.getpid(), signal.SIGKILL)

os.fsync = die
atomic_file.write_atomically(Path(sys.argv[1]), b"x" * 100_000, durable=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_kill_in_the_middle_of_a_write_leaves_no_half_file(workspace: Workspace) -> None:
    """Killed with all bytes written and not yet in place: the name does not exist, and the next start cleans up."""
    path = workspace.runs / "r" / "images" / "a.png"
    path.parent.mkdir(parents=True)
    done = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    assert len(list(path.parent.iterdir())) == 1
    with open_run(workspace, "r"):
        assert list(path.parent.iterdir()) == []


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old file stays whole, and no temporary one is left."""
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new", durable=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_run_is_named_with_the_way_to_find_others(workspace: Workspace) -> None:
    """No such run: the error says how to list them."""
    with pytest.raises(NotFound, match="runs list"):
        read_manifest(workspace, "nope")


def test_a_manifest_that_is_none_is_named(workspace: Workspace) -> None:
    """A damaged manifest is an error with its path."""
    (workspace.runs / "r").mkdir(parents=True)
    (workspace.runs / "r" / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match=r"manifest\.json"):
        read_manifest(workspace, "r")
