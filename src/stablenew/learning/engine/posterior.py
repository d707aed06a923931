"""What is believed about expected stars after the evidence: a Gaussian over the points, and from there over anything.

Stars enter exactly, repeated settings aggregated into one point each; choices by Laplace's method (Rasmussen and
Williams 2006, algorithm 3.1, here with a dense W).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular

from stablenew.learning.engine.arrays import Floats, Ints
from stablenew.learning.engine.kernel import (
    CONTEXT_VARIANCE,
    MEAN_VARIANCE,
    Hyper,
    Tables,
    covariance,
    tables_at,
    variance,
)
from stablenew.learning.engine.knob_tables import Encoding
from stablenew.learning.engine.nuisance import Nuisance, drift_features
from stablenew.learning.engine.problem import Problem, Sites, no_sites, sites_at

JITTER = 1e-4
"""A precision every point gets: it makes points known from choices alone solvable, and is worth nothing."""
_ROUNDS = 12
_CLOSE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """The belief. `alpha` [n] and `factor` (lower Cholesky factor of K + W^-1) answer for any settings.

    `noise_factor` is the lower Cholesky factor of W, the precision of the evidence about the points.
    """

    hyper: Hyper
    encoding: Encoding
    tables: Tables
    points: Ints
    context: Ints
    alpha: Floats
    factor: Floats
    noise_factor: Floats

    def mean(self, rows: Ints, context: int = 0) -> Floats:
        """Expected stars [m], from MIDDLE, of encoded settings [m, d] in a context."""
        cross = self._cross(rows, context)
        mean: Floats = cross @ self.alpha
        return mean

    def mean_and_variance(self, rows: Ints, context: int = 0) -> tuple[Floats, Floats]:
        """Expected stars [m], from MIDDLE, and how uncertain each is, in stars squared."""
        cross = self._cross(rows, context)
        solved = solve_triangular(self.factor, cross.T, lower=True, check_finite=False)
        left = variance(self.hyper, self.tables, rows) - np.sum(solved**2, axis=0)
        return cross @ self.alpha, np.maximum(left, 1e-9)

    def mean_and_covariance(self, rows: Ints, context: int = 0) -> tuple[Floats, Floats]:
        """Expected stars [m], from MIDDLE, and their covariance [m, m]."""
        cross = self._cross(rows, context)
        solved = solve_triangular(self.factor, cross.T, lower=True, check_finite=False)
        here = np.full(len(rows), context)
        prior = covariance(self.hyper, self.tables, rows, rows, here, here)
        return cross @ self.alpha, prior - solved.T @ solved

    def effect_variance(self, rows: Ints) -> Floats:
        """How uncertain it is [m] how far encoded settings lie from the mean of all settings, in stars squared."""
        level = MEAN_VARIANCE + CONTEXT_VARIANCE
        cross = self._cross(rows, 0) - MEAN_VARIANCE - CONTEXT_VARIANCE * (self.context == 0)
        solved = solve_triangular(self.factor, cross.T, lower=True, check_finite=False)
        left: Floats = variance(self.hyper, self.tables, rows) - level - np.sum(solved**2, axis=0)
        return np.maximum(left, 1e-9)

    def at_points(self) -> Floats:
        """Expected stars [n], from MIDDLE, at the points of the evidence, each in its own context."""
        points, context = self.points, self.context
        prior = covariance(self.hyper, self.tables, points, points, context, context)
        expected: Floats = prior @ self.alpha
        return expected

    def _cross(self, rows: Ints, context: int) -> Floats:
        here = np.full(len(rows), context)
        return covariance(self.hyper, self.tables, rows, self.points, here, self.context)


def posterior_of(problem: Problem, hyper: Hyper, encoding: Encoding) -> Posterior:
    """The belief after `problem`, for what is assumed of the landscape."""
    tables = tables_at(encoding, hyper)
    prior = covariance(hyper, tables, problem.points, problem.points, problem.context, problem.context)
    precision, pull = _stars(problem, hyper)
    expected = np.zeros(len(problem.points))
    sites = no_sites(len(problem.points))
    for _ in range(_ROUNDS if problem.choices else 1):
        if problem.choices:
            sites = sites_at(problem, expected, hyper.noise)
        alpha, factor, noise_factor = _solve(prior, precision, pull, sites)
        moved = float(np.abs(prior @ alpha - expected).max()) if len(expected) else 0.0
        expected = prior @ alpha
        if moved < _CLOSE:
            break
    return Posterior(
        hyper=hyper, encoding=encoding, tables=tables, points=problem.points, context=problem.context,
        alpha=alpha, factor=factor, noise_factor=noise_factor,
    )  # fmt: skip


def nuisance_of(problem: Problem, hyper: Hyper) -> Nuisance:
    """What moves the ratings besides the settings."""
    return Nuisance(
        noise=hyper.noise * problem.looseness,
        row=problem.row,
        row_variance=hyper.row,
        drift=drift_features(problem.order),
    )


def _stars(problem: Problem, hyper: Hyper) -> tuple[Floats, Floats]:
    """The precision [n, n] and the pull [n] that all star ratings together have on the points: Z'S^-1 Z, Z'S^-1 y."""
    count = len(problem.points)
    if len(problem.stars) == 0:
        return np.zeros((count, count)), np.zeros(count)
    precision = nuisance_of(problem, hyper).precision()
    inverse_noise = 1 / precision.nuisance.noise
    per_row = np.zeros((len(precision.shrink), count))
    np.add.at(per_row, (problem.row, problem.point), inverse_noise)
    total: Floats = np.diag(np.bincount(problem.point, weights=inverse_noise, minlength=count)).astype(np.float64)
    total -= per_row.T @ (precision.shrink[:, None] * per_row)
    drift = np.zeros((count, precision.solved.shape[1]))
    np.add.at(drift, problem.point, precision.solved)
    total -= drift @ cho_solve((precision.factor, True), drift.T)
    pull = np.zeros(count)
    np.add.at(pull, problem.point, precision.times(problem.stars[:, None])[:, 0])
    return total, pull


def _solve(prior: Floats, precision: Floats, pull: Floats, sites: Sites) -> tuple[Floats, Floats, Floats]:
    """alpha with f = K alpha, and the factors of K + W^-1 and of W."""
    whole = precision + sites.matrix.T @ sites.matrix
    whole[np.diag_indices_from(whole)] += JITTER
    root = cholesky(whole, lower=True, check_finite=False)
    noise = cho_solve((root, True), np.eye(len(whole)), check_finite=False)
    target = noise @ (pull + sites.matrix.T @ sites.target)
    total = prior + (noise + noise.T) / 2
    factor = cholesky(total, lower=True, check_finite=False)
    return cho_solve((factor, True), target, check_finite=False), factor, root
