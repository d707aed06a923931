"""The balanced order: every cell once, every prefix balanced, pairs spread evenly."""

from collections import Counter
from itertools import combinations, islice, product
from math import prod
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stablenew.prompts.balanced import BalancedOrder

LEVELS = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@settings(max_examples=80, deadline=None)
@given(LEVELS)
def test_every_cell_comes_once(levels):
    """The order is a permutation of all cells, whatever the numbers of levels."""
    order = BalancedOrder(levels)
    if order.size > 5_000:
        return
    cells = list(map(order.cell, range(order.size)))
    assert sorted(cells) == list(product(*map(range, levels)))
    assert list(order.cells()) == cells


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=7), st.integers(1, 200))
def test_in_every_prefix_levels_differ_by_at_most_one(levels, size):
    """No level of any axis is ever two pictures ahead of another, and no cell comes twice."""
    order = BalancedOrder(levels)
    seen = [Counter(dict.fromkeys(range(count), 0)) for count in levels]
    cells = set()
    for k in range(min(size, order.size)):
        cell = order.cell(k)
        cells.add(cell)
        for counter, level in zip(seen, cell, strict=True):
            counter[level] += 1
            assert max(counter.values()) - min(counter.values()) <= 1
    assert len(cells) == min(size, order.size)


@pytest.mark.parametrize(("prime", "axes"), [(2, 3), (3, 4), (5, 6), (7, 8)])
def test_prime_levels_give_an_orthogonal_array(prime, axes):
    """The first p^2 places of up to p axes with p levels hold every pair of levels of every two axes once."""
    levels = [prime] * min(axes, prime)
    cells = [BalancedOrder(levels).cell(k) for k in range(prime**2)]
    for i, j in combinations(range(len(levels)), 2):
        assert len({(cell[i], cell[j]) for cell in cells}) == prime**2


def spread(cells, levels):
    """Sum over all pairs of axes of the squared distance of each pair's count from its even share."""
    loss = 0.0
    for i, j in combinations(range(len(levels)), 2):
        counts = Counter((cell[i], cell[j]) for cell in cells)
        share = len(cells) / (levels[i] * levels[j])
        loss += sum((counts[pair] - share) ** 2 for pair in product(range(levels[i]), range(levels[j])))
    return loss


@pytest.mark.parametrize(
    "levels", [(5, 5, 5, 5), (3, 4, 5), (2, 3, 4, 5), (7, 5, 3, 2, 4), (10, 9, 8), (4,) * 5, (6, 6, 4), (2,) * 8]
)
@pytest.mark.parametrize("size", [12, 24, 40])
def test_pairs_are_spread_more_evenly_than_by_prefix_or_chance(levels, size):
    """Pairs of levels are nearer to their even share than in the first N of the grid, and than in random cells."""
    size = min(size, prod(levels) // 2)
    balanced = spread([BalancedOrder(levels).cell(k) for k in range(size)], levels)
    prefix = spread(list(islice(product(*map(range, levels)), size)), levels)
    rng = Random(7)
    cells = list(product(*map(range, levels))) if prod(levels) < 70_000 else []
    chance = sum(spread(rng.sample(cells, size), levels) for _ in range(20)) / 20
    assert balanced < prefix
    assert balanced < chance


def test_huge_grids_cost_nothing():
    """Levels beyond any list, also with factors nobody can find, have their cells at once and without a repeat."""
    order = BalancedOrder([10**30, 10**30 + 57, 3 * (10**30 + 57), 7])
    assert len({order.cell(k) for k in range(200)}) == 200
    assert len({order.cell(10**80 + k) for k in range(50)}) == 50
