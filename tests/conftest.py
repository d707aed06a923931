"""Fixtures every folder may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from stablenew.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace of the test's own."""
    return Workspace(root=tmp_path / "workspace")
