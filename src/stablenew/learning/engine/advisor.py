"""From evidence to the best settings known, and to the pictures worth looking at next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stablenew.learning.engine.arrays import Floats, Ints
from stablenew.learning.engine.climbing import climb_mean
from stablenew.learning.engine.doubt import doubt_alike, fit_in_doubt
from stablenew.learning.engine.fit import fit
from stablenew.learning.engine.from_evidence import encode_evidence, part_to_fit, whole_problem
from stablenew.learning.engine.kernel import Hyper
from stablenew.learning.engine.knob_tables import Encoding
from stablenew.learning.engine.knowledge_gradient import choose_row
from stablenew.learning.engine.posterior import Posterior, posterior_of
from stablenew.learning.engine.problem import Problem
from stablenew.learning.engine.surface import climb, sampled_surfaces
from stablenew.learning.evidence import Evidence

CAUTION = 1.0
"""The best settings are those whose expected stars, less so many standard deviations, are highest.

Among billions of combinations the one with the highest expectation is mostly one that was misjudged.
"""
PATIENCE = 0.3
"""A rating is counted as if it had this share of its noise: later rows will look again at what this one finds."""
SAMPLES = 32
CANDIDATES = 72
_TESTED_STARTS, _RANDOM_STARTS = 24, 24
_TESTED_KEPT = 60
_POLISHED = 2
_POLISHES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What is believed in one context: `baseline` [1, d] is encoded, `best` [1, d] are the best settings known.

    `part` is the evidence that the kernel's unknowns were learned from, and `undoubted` what they were as long as all
    of it was trusted alike. `hopeful` [m, d] are settings that might be as good: local optima of the expectation, and
    those best rated so far.
    """

    part: Problem
    undoubted: Hyper
    posterior: Posterior
    baseline: Ints
    best: Ints
    hopeful: Ints

    @property
    def encoding(self) -> Encoding:
        return self.posterior.encoding


def believe(evidence: Evidence, baseline: Mapping[str, Any], context: str) -> Belief:
    """What `evidence` comes to in `context`."""
    encoding = encode_evidence(evidence, [baseline])
    part = part_to_fit(evidence, encoding, context)
    undoubted = fit(part, encoding)
    hyper, doubted = fit_in_doubt(part, undoubted, encoding)
    whole = doubt_alike(whole_problem(evidence, encoding, context), part, doubted, len(evidence.scored))
    posterior = posterior_of(whole, hyper, encoding)
    at = encoding.encode([baseline])
    hopeful = optima(posterior, at)
    return Belief(
        part=part,
        undoubted=undoubted,
        posterior=posterior,
        baseline=at,
        best=most_certain(posterior, hopeful),
        hopeful=hopeful,
    )


def optima(posterior: Posterior, baseline: Ints, seed: int = 1) -> Ints:
    """Local optima of the expected stars, the best of the settings already rated, and the baseline."""
    rng = np.random.default_rng(seed)
    tested = _best_tested(posterior)
    starts = np.concatenate([baseline, tested[:_TESTED_STARTS], random_rows(posterior.encoding, _RANDOM_STARTS, rng)])
    return np.unique(np.concatenate([climb_mean(posterior, starts), baseline, tested]), axis=0)


def most_certain(posterior: Posterior, rows: Ints) -> Ints:
    """The settings [1, d] with the highest cautious expectation that are reached from `rows`, one setting at a time."""
    best = rows[np.argsort(-_cautious(posterior, rows))[:_POLISHED]]
    for _ in range(_POLISHES):
        pool = np.unique(np.concatenate([best, *(neighbours(posterior.encoding, row) for row in best)]), axis=0)
        better = pool[np.argsort(-_cautious(posterior, pool))[:_POLISHED]]
        if np.array_equal(better, best):
            break
        best = better
    return best[:1]


def neighbours(encoding: Encoding, row: Ints) -> Ints:
    """Every settings [m, d] that differ from `row` [d] in one setting."""
    found = []
    for at, table in enumerate(encoding.tables):
        changed = np.repeat(row[None, :], table.declared, axis=0)
        changed[:, at] = np.arange(table.declared)
        found.append(changed[changed[:, at] != row[at]])
    return np.concatenate(found)


def random_rows(encoding: Encoding, count: int, rng: np.random.Generator) -> Ints:
    """Settings [count, d] drawn evenly."""
    return np.column_stack([rng.integers(table.declared, size=count) for table in encoding.tables])


def next_rows(belief: Belief, size: int, cost: Callable[[Ints], Floats | None] | None = None, seed: int = 0) -> Ints:
    """The settings [size, d] to look at next, the best known first. `cost` gives what making each takes."""
    posterior = belief.posterior
    surfaces = sampled_surfaces(posterior, SAMPLES, np.random.default_rng(seed))
    sampled = climb(surfaces, np.repeat(belief.best, SAMPLES, axis=0))
    rest = np.unique(np.concatenate([sampled, belief.hopeful]), axis=0)
    rest = rest[(rest != belief.best).any(axis=1)]
    mean, variance = posterior.mean_and_variance(rest)
    screened = rest[np.argsort(-(mean + np.sqrt(variance)))[:CANDIDATES]]
    rows = np.concatenate([belief.best, screened])
    mean, covariance = posterior.mean_and_covariance(rows)
    hyper = posterior.hyper
    chosen = choose_row(
        mean,
        covariance,
        PATIENCE * hyper.noise,
        hyper.row,
        np.array([0]),
        size,
        cost=None if cost is None else cost(rows),
        seed=seed,
    )
    return rows[chosen]


def _cautious(posterior: Posterior, rows: Ints) -> Floats:
    mean, variance = posterior.mean_and_variance(rows)
    lower: Floats = mean - CAUTION * np.sqrt(variance)
    return lower


def _best_tested(posterior: Posterior) -> Ints:
    """Settings of this context that may be chosen and were rated, the most promising first."""
    here = posterior.points[posterior.context == 0]
    declared = np.array([table.declared for table in posterior.encoding.tables])
    tested = here[(here < declared).all(axis=1)]
    kept: Ints = tested[np.argsort(-posterior.mean(tested))[:_TESTED_KEPT]]
    return kept
