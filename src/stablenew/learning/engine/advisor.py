"""From evidence to the best settings and to the pictures worth looking at next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stablenew.learning.engine.arrays import Floats, Ints
from stablenew.learning.engine.climbing import climb_mean
from stablenew.learning.engine.fit import fit
from stablenew.learning.engine.from_evidence import encode_evidence, part_to_fit, whole_problem
from stablenew.learning.engine.kernel import Hyper
from stablenew.learning.engine.knob_tables import Encoding
from stablenew.learning.engine.knowledge_gradient import choose_row
from stablenew.learning.engine.posterior import Posterior, posterior_of
from stablenew.learning.engine.problem import Problem
from stablenew.learning.engine.surface import climb, sampled_surfaces
from stablenew.learning.evidence import Evidence

STARTS = 48
SAMPLES = 32
CANDIDATES = 72


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What is believed in one context: `baseline` [1, d] is encoded, `best` [1, d] has the highest expected stars."""

    problem: Problem
    posterior: Posterior
    baseline: Ints
    best: Ints

    @property
    def encoding(self) -> Encoding:
        return self.posterior.encoding


def believe(evidence: Evidence, baseline: Mapping[str, Any], context: str, start: Hyper | None = None) -> Belief:
    encoding = encode_evidence(evidence, [baseline])
    hyper = fit(part_to_fit(evidence, encoding, context), encoding, start=start)
    problem = whole_problem(evidence, encoding, context)
    posterior = posterior_of(problem, hyper, encoding)
    at = encoding.encode([baseline])
    return Belief(problem=problem, posterior=posterior, baseline=at, best=_best(posterior, at))


def _best(posterior: Posterior, baseline: Ints) -> Ints:
    rows = optima(posterior, baseline)
    mean = posterior.mean(rows)
    return rows[[int(mean.argmax())]]


def optima(posterior: Posterior, baseline: Ints, seed: int = 1) -> Ints:
    rng = np.random.default_rng(seed)
    starts = np.concatenate([baseline, _declared_points(posterior), random_rows(posterior.encoding, STARTS, rng)])
    return np.unique(np.concatenate([climb_mean(posterior, starts), baseline, _declared_points(posterior)]), axis=0)


def _declared_points(posterior: Posterior) -> Ints:
    here = posterior.points[posterior.context == 0]
    declared = np.array([table.declared for table in posterior.encoding.tables])
    kept: Ints = here[(here < declared).all(axis=1)][-200:]
    return kept


def random_rows(encoding: Encoding, count: int, rng: np.random.Generator) -> Ints:
    return np.column_stack([rng.integers(table.declared, size=count) for table in encoding.tables])


def next_rows(belief: Belief, size: int, cost: Callable[[Ints], Floats | None] | None = None, seed: int = 0) -> Ints:
    posterior = belief.posterior
    rng = np.random.default_rng(seed)
    surfaces = sampled_surfaces(posterior, SAMPLES, rng)
    starts = np.concatenate([np.repeat(belief.best, SAMPLES, axis=0), random_rows(posterior.encoding, SAMPLES, rng)])
    doubled = surfaces.repeated(1)
    sampled = climb(doubled, starts[:SAMPLES])
    rest = np.concatenate([sampled, optima(posterior, belief.baseline)])
    rest = np.unique(rest[(rest != belief.best).any(axis=1)], axis=0)
    mean, var = posterior.mean_and_variance(rest)
    order = np.argsort(-(mean + 1.0 * np.sqrt(var)))[:CANDIDATES]
    rows = np.concatenate([belief.best, rest[order]])
    mean, covariance = posterior.mean_and_covariance(rows)
    hyper = posterior.hyper
    picks = choose_row(
        mean, covariance, hyper.noise, hyper.row, np.array([0]), size, cost=cost(rows) if cost else None, seed=seed
    )
    return rows[picks]
