"""A disk that is full costs the records that do not fit, and no other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.programs import run_program

pytestmark = pytest.mark.skipif(os.name == "nt", reason="this system has neither tmpfs nor file size limits")


@pytest.fixture(params=["tmpfs", "file size limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A folder of 256 KiB, or one where no file may be larger than that (given as second value)."""
    if request.param == "file size limit":
        yield tmp_path, 256 * 1024
        return
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root mounts a small tmpfs, on Linux; the file size limit stands in for it")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this container may not mount; the file size limit stands in for it")
    try:
        yield tmp_path, 0
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_full_disk_costs_only_what_does_not_fit(disk: tuple[Path, int]) -> None:
    """Every line that was stored is whole, each refusal is said, and when there is room again lines go on."""
    folder, limit = disk
    found = run_program("full_disk.py", folder, limit, "full")
    assert found["stored"] > 100
    assert found["refused_again"] == 5
    assert found["ends_whole"]
    assert found["whole"]
    assert found["last"] == '{"number":-1}'
    assert found["lines_later"] == found["stored"] + 1


def test_without_the_rollback_a_full_disk_leaves_a_torn_line(disk: tuple[Path, int]) -> None:
    """The short write stays: the test above can fail."""
    folder, limit = disk
    assert not run_program("full_disk.py", folder, limit, "no-rollback")["ends_whole"]
