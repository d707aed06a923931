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
    ratings = len(problem.stars)
    observe = np.concatenate([np.eye(len(problem.points))[problem.point], sites.matrix])
    total = observe @ blocks.matrix @ observe.T
    nuisance = nuisance_of(problem, hyper)
    total[:ratings, :ratings] += nuisance.dense()
    total[ratings:, ratings:] += np.eye(len(sites.target))
    target = np.concatenate([problem.stars, sites.target])
    factor = cholesky(total, lower=True, check_finite=False)
    solved = cho_solve((factor, True), target, check_finite=False)
    value = -0.5 * float(target @ solved) - float(np.log(np.diag(factor)).sum())
    pull = 0.5 * (np.outer(solved, solved) - cho_solve((factor, True), np.eye(len(target)), check_finite=False))
    gradient = gradient_of(blocks, hyper, tables, problem.points, observe.T @ pull @ observe)
    stars = pull[:ratings, :ratings]
    gradient[-3] = float(np.diag(stars) @ nuisance.noise)
    gradient[-2] = hyper.row * float(np.sum(stars[np.equal.outer(problem.row, problem.row)]))
    return value, gradient


def fit(problem: Problem, encoding: Encoding, *, prior: Prior | None = None) -> Hyper:
    """The most probable unknowns."""
    prior = prior or default_prior(len(encoding.tables))
    vector = prior.centre
    for _ in range(2 if problem.choices else 1):
        sites = None
        if problem.choices:
            hyper = Hyper.from_vector(vector)
            belief = posterior_of(problem, hyper, encoding)
            sites = sites_at(problem, belief.at_points(), hyper.noise)
        vector = _climb(vector, problem, encoding, sites, prior)
    return Hyper.from_vector(vector)


def _climb(vector: Floats, problem: Problem, encoding: Encoding, sites: Sites | None, prior: Prior) -> Floats:
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
