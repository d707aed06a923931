"""How far to trust each rating: one that all others make unlikely counts for less.

A slip of the finger, a mood, a picture that came out oddly: ratings have heavier tails than a normal distribution. The
noise is taken as Student's t with few degrees of freedom, fitted as a normal one whose variance differs from rating to
rating (Lange, Little and Taylor 1989): expected weights and unknowns in turns. The weights are taken from what the
other ratings say of each, so that a rating alone at its settings cannot vouch for itself.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from stablenew.learning.engine.arrays import Floats
from stablenew.learning.engine.fit import fit, left_out
from stablenew.learning.engine.kernel import Hyper
from stablenew.learning.engine.knob_tables import Encoding
from stablenew.learning.engine.problem import Problem

FREEDOM = 4.0
"""Degrees of freedom: as Lange, Little and Taylor advise where there are too few data to learn them."""
_ROUNDS = 2


def fit_in_doubt(part: Problem, undoubted: Hyper, encoding: Encoding) -> tuple[Hyper, Problem]:
    """The most probable unknowns, and `part` with each rating as loose as it turned out to be doubtful.

    `undoubted` are the most probable unknowns where all ratings are trusted alike.
    """
    hyper, doubted = undoubted, part
    for _ in range(_ROUNDS if len(part.stars) else 0):
        doubted = dataclasses.replace(
            part, looseness=part.looseness * _doubts(doubted, part.looseness, hyper, encoding)
        )
        hyper = fit(doubted, encoding)
    return hyper, doubted


def doubt_alike(whole: Problem, part: Problem, doubted: Problem, ratings: int) -> Problem:
    """`whole` with the looseness that the ratings of its `part` have in `doubted`; all others count as much as those
    do on average. `ratings`: of how many the evidence consists.
    """
    if not len(part.stars):
        return whole
    doubts = doubted.looseness / part.looseness
    of_each = np.full(ratings, 1 / np.mean(1 / doubts))
    of_each[part.rating] = doubts
    return dataclasses.replace(whole, looseness=whole.looseness * of_each[whole.rating])


def _doubts(problem: Problem, looseness: Floats, hyper: Hyper, encoding: Encoding) -> Floats:
    """How many times its usual variance, `looseness` times the noise, each rating [N] has."""
    off, variance = left_out(problem, hyper, encoding)
    doubts: Floats = (FREEDOM + off**2 / (variance + hyper.noise * looseness)) / (FREEDOM + 1)
    return doubts
