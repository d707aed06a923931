"""Two settings together: what matched pictures say, what was rated without a match, and what was not tested."""

from __future__ import annotations

from typing import Any

import pytest

from stablenew.errors import InputError
from stablenew.learning.evidence import Evidence, Scored
from stablenew.learning.search_space import space_from_values
from stablenew.learning.settings_map import settings_map

SPACE = space_from_values({"sampler": ["Heun", "Euler"], "steps": [10, 20, 9, 30], "model": ["one", "other"]})


def seen(
    record_id: str, stars: float, *, seed: int | None = 1, who: str = "", context: str = "", **said: Any
) -> Scored:
    settings = {"sampler": "Euler", "steps": 10, "model": "one", **said}
    row = "" if seed is None else f"{who}\n{seed}\np"
    return Scored(
        settings=settings, stars=stars, seed=seed, prompt="p", row=row, who=who, context=context, record_id=record_id
    )


def evidence(*scored: Scored) -> Evidence:
    return Evidence(space=SPACE, scored=scored)


def test_every_combination_is_measured_unmatched_or_untested() -> None:
    """Two match; one was rated without its like; the rest nobody rated. Values come in order, the tried ones alone."""
    found = settings_map(
        evidence(
            seen("a", 2, steps=20),
            seen("b", 4, sampler="Heun", steps=20),
            seen("c", 5, sampler="Heun", steps=9, seed=7),
        ),
        "",
        ("sampler", "steps"),
    )
    assert (found.firsts, found.seconds) == (("Euler", "Heun"), (9, 20))
    assert {key: (cell.mean, cell.images) for key, cell in found.cells.items()} == {
        ("Euler", 20): (-1.0, 1),
        ("Heun", 20): (1.0, 1),
    }
    assert found.rated == {("Euler", 20): 1, ("Heun", 20): 1, ("Heun", 9): 1}


def test_a_picture_counts_once_and_what_nobody_saw_does_not() -> None:
    """Two people rated one picture; a scorer's stand-in and another context's picture are not counted."""
    found = settings_map(
        evidence(
            seen("a", 2, who="ann"),
            seen("a", 3, who="bob"),
            seen("", 5, sampler="Heun", seed=None),
            seen("b", 5, steps=30, context="elsewhere"),
        ),
        "",
        ("sampler", "steps"),
    )
    assert found.rated == {("Euler", 10): 1}
    assert found.cells == {}


@pytest.mark.parametrize("names", [("sampler",), ("sampler", "sampler"), ("sampler", "stepz"), ("a", "b", "c")])
def test_anything_but_two_settings_that_varied_is_refused(names: tuple[str, ...]) -> None:
    """With those that did."""
    with pytest.raises(InputError, match="two of the settings that varied: sampler, steps, model"):
        settings_map(evidence(seen("a", 2)), "", names)
