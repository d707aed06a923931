"""Fixtures every folder may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from stablenew.workspace import Workspace

# No test asserts a time: a machine may be as busy as it likes.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# Before torch is imported: waiting threads of one test process must not spin on the cores the other one needs.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace of the test's own."""
    return Workspace(root=tmp_path / "workspace")
