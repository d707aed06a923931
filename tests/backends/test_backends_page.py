"""The page about backends names every backend that is installed."""

from __future__ import annotations

import re
from pathlib import Path

from stablenew.backends.diffusers_local.samplers import SAMPLERS, SCHEDULERS
from stablenew.backends.registry import installed_kinds

PAGE = (Path(__file__).parents[2] / "docs" / "backends.md").read_text("utf-8")
WORDS = " ".join(PAGE.split())


def test_every_backend_has_its_row() -> None:
    """Each installed backend has a row in the table."""
    rows = set(re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE))
    ours = {name for name, point in installed_kinds().items() if point.value.startswith("stablenew.")}
    assert ours <= rows


def test_every_sampler_and_schedule_is_on_the_page() -> None:
    """The page lists the samplers and schedules of the local backend, neither more nor fewer samplers."""
    listed = re.search(r"by the names people use: (.*?)\. ", WORDS)
    assert listed is not None
    assert tuple(listed[1].split(", ")) == SAMPLERS
    assert all(schedule in WORDS for schedule in SCHEDULERS)
