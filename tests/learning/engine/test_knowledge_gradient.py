"""Which pictures to look at next, where the answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from stablenew.learning.engine.knowledge_gradient import choose_row

NONE = np.zeros(0, dtype=np.int64)


def chosen(mean: list[float], covariance: Any, size: int = 1, fixed: Any = NONE, **asked: Any) -> list[int]:
    matrix = np.diag(covariance) if np.ndim(covariance) == 1 else np.asarray(covariance)
    return choose_row(np.asarray(mean), matrix.astype(float), 0.4, asked.pop("row", 0.05), fixed, size, **asked)


def test_an_unknown_candidate_is_worth_more_than_a_known_one() -> None:
    """Of equally good ones the one nothing is known about: what is known cannot change the choice."""
    assert chosen([0.0, 0.0, 0.0], [1e-6, 1.0, 1e-6]) == [1]


def test_of_equally_unknown_ones_the_one_that_may_be_best() -> None:
    """One that is far behind is not worth a look, however little is known of it."""
    assert chosen([0.0, -3.0, -0.1], [1e-6, 0.3, 0.3]) == [2]


def test_the_fixed_are_always_in_the_row() -> None:
    """First, in their order, whatever else would tell more."""
    assert chosen([0.0, 0.0, 0.0, 0.0], [1e-6, 1.0, 1e-6, 0.5], 3, np.array([2, 0]))[:2] == [2, 0]
    row = chosen([5.0, 0.0, 0.0, 0.0], [0.1, 1.0, 1.0, 1.0], 2, np.array([3]))
    assert row[0] == 3
    assert len(set(row)) == 2


def test_a_duplicate_adds_nothing() -> None:
    """Two candidates that are one and the same thing, and a third that is as unknown: not both of the two."""
    covariance = [[0.001, 0, 0, 0], [0, 1.0, 1.0, 0], [0, 1.0, 1.0, 0], [0, 0, 0, 0.9]]
    row = chosen([0.0, 0.0, 0.0, 0.0], covariance, 3, np.array([0]))
    assert 3 in row
    assert len({1, 2} & set(row)) == 1


def test_what_a_picture_costs_counts() -> None:
    """The slightly less telling one is taken where it costs a tenth; with equal costs it is not."""
    mean, spread = [0.0, 0.0, 0.0], [1e-6, 1.0, 0.8]
    assert chosen(mean, spread) == [1]
    assert chosen(mean, spread, cost=np.array([1.0, 10.0, 1.0])) == [2]
    assert chosen(mean, spread, cost=np.ones(3)) == [1]


def test_a_row_has_no_picture_twice_and_no_more_than_there_are() -> None:
    """Six of three are three, even where looking again at the one that is unknown would tell more."""
    assert sorted(chosen([0.0, 0.1, 0.2], [1.0, 1.0, 1.0], 6)) == [0, 1, 2]
    assert sorted(chosen([0.0, 0.0, 0.0], [4.0, 1e-9, 1e-9], 3)) == [0, 1, 2]


def test_the_same_question_has_the_same_answer() -> None:
    """Chance is drawn from the seed alone."""
    rng = np.random.default_rng(2)
    root = rng.normal(size=(20, 20))
    mean, covariance = rng.normal(size=20).tolist(), root @ root.T / 20
    assert chosen(mean, covariance, 6, seed=4) == chosen(mean, covariance, 6, seed=4)
