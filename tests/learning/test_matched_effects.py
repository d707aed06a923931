"""What matched pictures say on their own, against answers worked out by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from stablenew.learning.evidence import Scored
from stablenew.learning.matched_effects import (
    MapCell,
    MatchedValue,
    confounded,
    matched_values,
    seed_share,
    two_way_map,
)


def seen(
    stars: float, *, seed: int | None = 1, prompt: str = "p", who: str = "", context: str = "", **settings: Any
) -> Scored:
    row = "" if seed is None else f"{who}\n{seed}\n{prompt}"
    return Scored(settings=settings, stars=stars, seed=seed, prompt=prompt, row=row, who=who, context=context)


def by_value(found: tuple[MatchedValue, ...]) -> dict[Any, MatchedValue]:
    return {each.value: each for each in found}


def test_a_value_is_compared_with_the_mean_of_its_matches() -> None:
    """B is 2 and then 1 above A: 1.5 on average, and a standard error of half the difference of the two."""
    rows = [seen(2, a="A"), seen(4, a="B"), seen(3, a="A", seed=2), seen(4, a="B", seed=2)]
    best, worst = matched_values(rows, "a")
    assert (best.value, best.mean, best.pairs) == ("B", 1.5, 2)
    assert best.error == pytest.approx(0.5)
    assert (worst.value, worst.mean, worst.pairs) == ("A", -1.5, 2)


def test_of_three_values_each_meets_the_two_others() -> None:
    """C's 5 against the mean of 1 and 3; one group has no standard error."""
    found = by_value(matched_values([seen(1, a="A"), seen(3, a="B"), seen(5, a="C")], "a"))
    assert (found["C"].mean, found["C"].pairs, found["C"].error) == (3.0, 2, None)
    assert found["B"].mean == 0.0


def test_many_pictures_of_one_value_weigh_no_more_than_one() -> None:
    """Six times 2 stars against four times 5: the difference is 3, whichever was tried more."""
    rows = [seen(2, a="A")] * 6 + [seen(5, a="B")] * 4
    found = by_value(matched_values(rows, "a"))
    assert (found["A"].mean, found["B"].mean) == (-3.0, 3.0)
    assert found["A"].pairs == 1


@pytest.mark.parametrize(
    "other",
    [
        seen(5, a="B", seed=2),
        seen(5, a="B", prompt="q"),
        seen(5, a="B", who="bob"),
        seen(5, a="B", b=2),
        seen(5, a="B", context="heroes"),
        seen(5, a="B", seed=None),
    ],
)
def test_pictures_that_differ_in_anything_else_do_not_match(other: Scored) -> None:
    """Another seed, prompt, person, setting or context, or no known seed."""
    mine = seen(1, a="A", b=1) if "b" in other.settings else seen(1, a="A")
    assert matched_values([mine, other], "a") == ()


def test_a_map_of_two_settings_says_how_far_above_its_group_each_pair_is() -> None:
    """A two-by-two group of 1, 2, 3, 5 has the mean 2.75; cells come in the order of their values."""
    group = [seen(1, a=10, b="x"), seen(2, a=10, b="y"), seen(3, a=2, b="x"), seen(5, a=2, b="y")]
    found = two_way_map(group, "a", "b")
    assert [(cell.first, cell.second) for cell in found] == [(2, "x"), (2, "y"), (10, "x"), (10, "y")]
    assert [cell.mean for cell in found] == [0.25, 2.25, -1.75, -0.75]
    assert all(cell.images == 1 and cell.error is None for cell in found)
    twice = two_way_map([seen(s, seed=n, a=a, b="x") for n in (1, 2) for a, s in ((1, 2), (2, 4))], "a", "b")
    assert twice[0] == MapCell(first=1, second="x", mean=-1.0, error=0.0, images=2)


def test_a_picture_that_two_people_rated_is_one_picture_of_its_cell() -> None:
    """Each person's stars are compared with their own; what is counted are pictures."""
    group = [
        dataclasses.replace(seen(stars, a=a, b="x", who=who), record_id=f"picture {a}")
        for who in ("ann", "bob")
        for a, stars in ((1, 2), (2, 4))
    ]
    assert [(cell.mean, cell.images) for cell in two_way_map(group, "a", "b")] == [(-1.0, 1), (1.0, 1)]


def test_the_share_of_the_seed_is_the_variance_within_one_setting() -> None:
    """1 where nothing but the seed differs; 0 where it makes no difference; the known share in between."""
    alone = [seen(1 + n % 2, seed=n, a="A") for n in range(12)]
    assert seed_share(alone) == 1.0
    without = [seen(stars, seed=n, a=a) for a, stars in (("A", 2), ("B", 4)) for n in range(6)]
    assert seed_share(without) == 0.0
    mixed = [seen(stars + n % 2, seed=n, a=a) for a, stars in (("A", 1), ("B", 3)) for n in range(6)]
    # Within: 12 squares of 0.25 over 10; in all: 12 * (1 + 0.25) over 11.
    assert seed_share(mixed) == pytest.approx((3 / 10) / (15 / 11))


def test_the_share_of_the_seed_needs_enough_pictures() -> None:
    """Eleven are too few; other prompts are no repetition; stars that are all alike have no variance to share."""
    assert seed_share([seen(1 + n % 2, seed=n, a="A") for n in range(11)]) is None
    assert seed_share([seen(1 + n % 2, prompt=str(n), a="A") for n in range(30)]) is None
    assert seed_share([seen(3, seed=n, a="A") for n in range(30)]) is None


def test_setting_and_prompt_are_confounded_when_no_prompt_had_two_values() -> None:
    """One prompt alone, one value alone, or one prompt with both are not."""
    assert confounded([seen(1, prompt="p", a="A"), seen(2, prompt="q", a="B")], "a")
    assert not confounded([seen(1, prompt="p", a="A"), seen(2, prompt="q", a="B"), seen(2, prompt="p", a="B")], "a")
    assert not confounded([seen(1, a="A"), seen(2, a="B")], "a")
    assert not confounded([seen(1, prompt="p", a="A"), seen(2, prompt="q", a="A")], "a")
    assert not confounded([], "a")
