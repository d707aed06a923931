"""Evidence as arrays: which part of it counts, and that it does not matter in which order it comes."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
from tests.learning.engine.landscape import evidence_of, good_taste, rated_rows

from stablenew.learning.engine.from_evidence import FIT_RATINGS, encode_evidence, part_to_fit, whole_problem
from stablenew.learning.engine.problem import MIDDLE, Problem

OWN = rated_rows(good_taste, 50, seed=2, context="mine")


def as_set(problem: Problem) -> list[tuple[float, ...]]:
    """Each rating with all that is known of it, in an order of its own."""
    points, context = problem.points[problem.point], problem.context[problem.point]
    columns = np.column_stack([points, context, problem.stars, problem.order, problem.looseness])
    return sorted(map(tuple, columns.tolist()))


def test_what_is_learned_from_goes_by_time_and_not_by_place_in_a_list() -> None:
    """More ratings than the kind of landscape is learned from: shuffled, they are the same, and the newest."""
    evidence = evidence_of(OWN)
    encoding = encode_evidence(evidence)
    part = part_to_fit(evidence, encoding, "mine")
    shuffled = evidence_of(random.Random(3).sample(OWN, len(OWN)))
    assert as_set(part_to_fit(shuffled, encoding, "mine")) == as_set(part)
    assert len(part.stars) == FIT_RATINGS < len(OWN)
    assert part.order.min() == len(OWN) - FIT_RATINGS


def test_a_contexts_own_ratings_come_first() -> None:
    """Newer ratings of another context do not crowd them out."""
    newer = [dataclasses.replace(each, order=each.order + 1000) for each in rated_rows(good_taste, 50, context="other")]
    evidence = evidence_of([*OWN[:60], *newer])
    part = part_to_fit(evidence, encode_evidence(evidence), "mine")
    assert int((part.context[part.point] == 0).sum()) == 60


def test_repeated_settings_are_one_point_in_each_context() -> None:
    """Rated three times here and twice elsewhere: two points, five ratings."""
    first = dataclasses.replace(OWN[0], row="")
    evidence = evidence_of([first] * 3 + [dataclasses.replace(first, context="other")] * 2)
    problem = whole_problem(evidence, encode_evidence(evidence), "mine")
    assert len(problem.points) == 2
    assert sorted(np.bincount(problem.point)) == [2, 3]
    assert (problem.stars == first.stars - MIDDLE).all()
    assert len(set(problem.row)) == 5


def test_an_imported_picture_counts_half_and_a_doubtful_one_as_its_noise_says() -> None:
    """Twice the variance, times the noise it has anyway."""
    kinds = [OWN[0], dataclasses.replace(OWN[0], observational=True), dataclasses.replace(OWN[0], noise=3.0)]
    kinds.append(dataclasses.replace(OWN[0], observational=True, noise=3.0))
    evidence = evidence_of(kinds)
    problem = whole_problem(evidence, encode_evidence(evidence), "mine")
    assert problem.looseness.tolist() == [1.0, 2.0, 3.0, 6.0]
