"""Evidence as arrays: distinct points (settings in a context), ratings that point at them, and choices among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stablenew.learning.engine.arrays import Floats, Ints

MIDDLE = 3.0
"""The middle of the scale: stars are counted from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """n points, N ratings, and choices.

    `points` [n, d] are table indices, `context` [n] numbers contexts (0: the one advice is for). Of each rating:
    `stars` (from MIDDLE), the `point` it is about, its `row` (numbered from 0), its place in time `order` (counted in
    ratings), how many times the usual noise variance it has (`looseness`), and which of the evidence's scored pictures
    it is (`rating`). `choices`: the first of these points was
    preferred to the others; a choice counts as 1 / its `choice_looseness` of
    one (1 where none are given).
    """

    points: Ints
    context: Ints
    stars: Floats
    point: Ints
    row: Ints
    order: Floats
    looseness: Floats
    rating: Ints
    choices: tuple[Ints, ...] = ()
    choice_looseness: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """Choices as what Laplace's method makes of them: pseudo-observations `matrix` f + standard normal = `target`."""

    matrix: Floats
    target: Floats


def no_sites(points: int) -> Sites:
    return Sites(matrix=np.zeros((0, points)), target=np.zeros(0))


def sites_at(problem: Problem, expected: Floats, noise: float) -> Sites:
    """The choices' sites where the points' expected stars are `expected` [n].

    A choice's likelihood is a softmax whose spread is that of the rating noise: a Gumbel variable of variance `noise`
    on each picture (McFadden 1974). Its negative Hessian, (diag(p) - p p') / t^2, is R R' with
    R = (diag(sqrt p) - p sqrt(p)') / t (Rasmussen and Williams 2006, section 3.5).
    """
    spread = _spread(noise)
    matrices: list[Floats] = []
    targets: list[Floats] = []
    for choice, loose in zip(problem.choices, _looseness(problem), strict=True):
        chance = _softmax(expected[choice] / spread)
        root = np.sqrt(chance)
        factor = (np.diag(root) - np.outer(chance, root)) / spread
        matrix = np.zeros((len(choice), len(problem.points)))
        np.add.at(matrix.T, choice, factor)
        pull = -root
        pull[0] = (1 - chance[0]) / root[0]
        counted = 1 / np.sqrt(loose)
        matrices.append(counted * matrix)
        targets.append(counted * (factor.T @ expected[choice] + pull))
    if not matrices:
        return no_sites(len(problem.points))
    return Sites(matrix=np.concatenate(matrices), target=np.concatenate(targets))


def choice_log_likelihood(problem: Problem, expected: Floats, noise: float) -> float:
    """Log probability of the choices made, given expected stars."""
    spread = _spread(noise)
    chances = [_softmax(expected[choice] / spread)[0] for choice in problem.choices]
    return float(np.log(chances) @ (1 / np.asarray(_looseness(problem)))) if chances else 0.0


def _spread(noise: float) -> float:
    """Of the softmax: a Gumbel variable of that spread has the variance `noise`."""
    return float(np.sqrt(6 * noise) / np.pi)


def _looseness(problem: Problem) -> tuple[float, ...]:
    return problem.choice_looseness or (1.0,) * len(problem.choices)


def _softmax(values: Floats) -> Floats:
    powers = np.exp(values - values.max())
    shares: Floats = np.maximum(powers / powers.sum(), 1e-6)
    return shares
