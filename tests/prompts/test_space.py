"""Cells of a plan: every one once, in both orders, with rules and without."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from stablenew.prompts.space import BalancedSpace, Cell, GridSpace, Level

SIZES = st.lists(st.integers(1, 4), max_size=3).map(tuple)


def levels(draw, sizes, rules):
    return [
        Level(size, tuple(draw(st.lists(st.integers(0, 2**rules - 1), min_size=size, max_size=size)))) for size in sizes
    ]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_grid_numbers_exactly_the_cells_that_no_rule_skips(data):
    """Count, order and content of a grid with rules equal a plain nested loop that leaves the skipped cells out."""
    rules = data.draw(st.integers(0, 3))
    outer, inner = (levels(data.draw, data.draw(SIZES), rules) for _ in range(2))
    image = Level(data.draw(st.integers(1, 2)))
    texts = [levels(data.draw, sizes, rules) for sizes in data.draw(st.lists(SIZES, min_size=1, max_size=3))]
    (lines,) = levels(data.draw, [len(texts)], rules)
    space = GridSpace(outer, lines, texts, [*inner, image], rules)
    expected = []
    for first in product(*(range(level.size) for level in outer)):
        for line, own in enumerate(texts):
            for ranks in product(*(range(level.size) for level in own)):
                for rest in product(*(range(level.size) for level in [*inner, image])):
                    alive = 2**rules - 1
                    for level, rank in zip(outer, first, strict=True):
                        alive &= level.meets[rank]
                    alive &= lines.meets[line]
                    for level, rank in zip([*own, *inner], (*ranks, *rest[:-1]), strict=True):
                        alive &= level.meets[rank]
                    if not alive:
                        expected.append(Cell(line, ranks, (*first, *rest[:-1]), rest[-1]))
    assert space.count == len(expected)
    assert [space.cell(k) for k in range(space.count)] == expected
    assert not any(space.skips(cell) for cell in expected)


@settings(max_examples=100, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=4), SIZES)
def test_the_balanced_order_has_every_cell_once(texts, axes):
    """Lines of unlike sizes included, the balanced order is a permutation of the grid."""
    space = BalancedSpace(texts, axes)
    cells = {space.place(k) for k in range(space.count)}
    assert len(cells) == space.count
    assert cells == {
        (line, ranks, values)
        for line, sizes in enumerate(texts)
        for ranks in product(*map(range, sizes))
        for values in product(*map(range, axes))
    }
