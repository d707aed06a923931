"""What kind of landscape this is: the kernel's unknowns, most probable after the evidence (MAP, analytic gradients)."""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_solve, cholesky
from scipy.optimize import minimize

from stablenew.learning.engine.arrays import Floats
from stablenew.learning.engine.kernel import (
    Hyper,
    Prior,
    blocks_of,
    default_prior,
    gradient_of,
    tables_at,
)
from stablenew.learning.engine.knob_tables import Encoding
from stablenew.learning.engine.nuisance import Nuisance
from stablenew.learning.engine.posterior import nuisance_of, posterior_of
from stablenew.learning.engine.problem import Problem, Sites, no_sites, sites_at

MOST_ITERATIONS = 40


def log_evidence(
    vector: Floats, problem: Problem, encoding: Encoding, sites: Sites | None = None
) -> tuple[float, Floats]:
    """The log probability of the stars (and of choices as `sites`) given the unknowns, and its gradient.

    Raises LinAlgError where the covariance is not positive definite.
    """
    hyper = Hyper.from_vector(vector)
    sites = sites or no_sites(len(problem.points))
    tables = tables_at(encoding, hyper)
    blocks = blocks_of(hyper, tables, problem.points, problem.context)
    nuisance = nuisance_of(problem, hyper)
    observe, total, target = _observed(problem, blocks.matrix, nuisance, sites)
    ratings = len(problem.stars)
    factor = cholesky(total, lower=True, check_finite=False)
    solved = cho_solve((factor, True), target, check_finite=False)
    value = -0.5 * float(target @ solved) - float(np.log(np.diag(factor)).sum())
    pull = 0.5 * (np.outer(solved, solved) - cho_solve((factor, True), np.eye(len(target)), check_finite=False))
    gradient = gradient_of(blocks, hyper, tables, problem.points, observe.T @ pull @ observe)
    stars = pull[:ratings, :ratings]
    gradient[-3] = float(np.diag(stars) @ nuisance.noise)
    gradient[-2] = hyper.row * float(np.sum(stars[np.equal.outer(problem.row, problem.row)]))
    return value, gradient


def left_out(problem: Problem, hyper: Hyper, encoding: Encoding) -> tuple[Floats, Floats]:
    """How far each rating [N] lies from what all the others say it should be, and the variance of that without its
    own noise (Rasmussen and Williams 2006, section 5.4.2). Choices are among the others.
    """
    sites = _sites(problem, hyper, encoding)
    nuisance = nuisance_of(problem, hyper)
    blocks = blocks_of(hyper, tables_at(encoding, hyper), problem.points, problem.context)
    _, total, target = _observed(problem, blocks.matrix, nuisance, sites)
    factor = cholesky(total, lower=True, check_finite=False)
    inverse = cho_solve((factor, True), np.eye(len(total)), check_finite=False)
    precision = np.diag(inverse)[: len(problem.stars)]
    off = (inverse @ target)[: len(problem.stars)] / precision
    return off, np.maximum(1 / precision - nuisance.noise, 0.0)


def fit(problem: Problem, encoding: Encoding, *, prior: Prior | None = None) -> Hyper:
    """The most probable unknowns."""
    prior = prior or default_prior(len(encoding.tables))
    vector = prior.centre
    for _ in range(2 if problem.choices else 1):
        sites = _sites(problem, Hyper.from_vector(vector), encoding)
        vector = _climb(vector, problem, encoding, sites, prior)
    return Hyper.from_vector(vector)


def _sites(problem: Problem, hyper: Hyper, encoding: Encoding) -> Sites:
    if not problem.choices:
        return no_sites(len(problem.points))
    belief = posterior_of(problem, hyper, encoding)
    return sites_at(problem, belief.at_points(), hyper.noise)


def _observed(problem: Problem, prior: Floats, nuisance: Nuisance, sites: Sites) -> tuple[Floats, Floats, Floats]:
    """What is seen, ratings and then sites [k]: its matrix [k, n] on the points, its covariance, and what it said."""
    ratings = len(problem.stars)
    observe = np.concatenate([np.eye(len(problem.points))[problem.point], sites.matrix])
    total = observe @ prior @ observe.T
    total[:ratings, :ratings] += nuisance.dense()
    total[ratings:, ratings:] += np.eye(len(sites.target))
    return observe, total, np.concatenate([problem.stars, sites.target])


def _climb(vector: Floats, problem: Problem, encoding: Encoding, sites: Sites, prior: Prior) -> Floats:
    def cost(at: Floats) -> tuple[float, Floats]:
        density, density_slope = prior.log_density(at)
        try:
            value, slope = log_evidence(at, problem, encoding, sites)
        except LinAlgError:
            return 1e10, -density_slope
        return -value - density, -slope - density_slope

    bounds = list(zip(prior.centre - 4 * prior.spread, prior.centre + 4 * prior.spread, strict=True))
    found = minimize(
        cost, vector, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": MOST_ITERATIONS, "ftol": 1e-5}
    )
    best: Floats = found.x
    return best
