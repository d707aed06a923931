"""The benchmark of the advice still runs, and its worlds are still the ones that were published."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from taste_archive import baseline, named, new_archive, numbers
from taste_world import USUAL, World

SCRIPT = Path(__file__).parents[2] / "bench" / "bench_recommend.py"


@pytest.mark.parametrize(
    ("family", "best", "usual", "stars"),
    [
        ("additive", 4.6824331, 1.7857527, [3, 4, 4, 3, 3, 1, 3, 3, 3, 3, 3, 2]),
        ("diffusion", 4.6812376, 1.2384962, [3, 3, 3, 3, 4, 1, 3, 2, 4, 2, 2, 2]),
        ("gpmix", 4.7096183, 1.0455459, [3, 3, 4, 3, 3, 1, 3, 2, 3, 3, 2, 3]),
        ("needle", 4.7772092, 2.2254159, [3, 3, 3, 3, 3, 1, 3, 2, 3, 2, 2, 2]),
    ],
)
def test_a_world_is_the_same_as_ever(family: str, best: float, usual: float, stars: list[int]) -> None:
    """Published tables stay comparable: family and seed give the same landscape, person and stars."""
    world = World(family, 7, 2)
    assert world.best_stars == pytest.approx(best, abs=1e-6)
    assert world.regret(USUAL) == pytest.approx(usual, abs=1e-6)
    assert world.rate_row(world.space.random(np.random.default_rng(1), 12)) == stars


@pytest.mark.parametrize("family", ["diffusion", "needle"])
def test_the_best_of_a_world_is_better_than_what_chance_finds(family: str) -> None:
    """Regret is measured against the top: no random settings are above it."""
    world = World(family, 3)
    assert world.stars(world.space.random(np.random.default_rng(2), 2000)).max() <= world.best_stars
    assert world.regret(world.best) == pytest.approx(0)


def test_settings_keep_their_numbers_through_records() -> None:
    """What the engine is told of a picture is what the person rated: names and numbers go into records and back."""
    world = World("gpmix", 1)
    archive, rows = new_archive(world), world.space.random(np.random.default_rng(3), 6)
    archive.add_stars(rows, [1, 2, 3, 4, 5, 3])
    scored = archive.evidence().scored
    varied = set(archive.space.names)
    assert [each.stars for each in scored] == [1, 2, 3, 4, 5, 3]
    for each, row in zip(scored, rows, strict=True):
        assert numbers({**baseline(), **each.settings}) == pytest.approx(numbers(named(row)))
        assert set(each.settings) == varied
    assert len({each.row for each in scored}) == 1


def test_a_short_cold_start_prints_its_tables() -> None:
    """One world, 24 ratings: every method has a median, and the engine a ratio to each."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(SCRIPT), "--scenario", "quick", "--families", "needle", "--seeds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=True)
    for method in ("engine", "random", "sweeps", "value means"):
        line = next(line for line in done.stdout.splitlines() if line.startswith(method + "  "))
        assert all(0 <= float(regret) <= 4 for regret in line.removeprefix(method).split())
    assert "over sweeps" in done.stdout
    assert "advised in" in done.stdout
