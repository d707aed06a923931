"""What moves ratings besides the settings: the row a picture was seen in, slow drift, and plain noise.

    y = Z f + row + drift + noise,   Sigma = diag(noise) + row R R' + H H'

None of it is part of a prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky

from stablenew.learning.engine.arrays import Floats, Ints

DRIFT_SPACING = 30.0
"""Ratings between two knots of the drift: about a sitting."""
DRIFT_VARIANCE = 0.03
"""How far a sitting's mean lies from the next, in stars squared."""
SLOPE_VARIANCE = 0.05
"""Of a steady drift over SLOPE_SPAN ratings."""
SLOPE_SPAN = 160.0
MOST_KNOTS = 24


def drift_features(order: Floats) -> Floats:
    """H [n, m]: drift = H g with g standard normal. `order` is each rating's place in time, counted in ratings."""
    if len(order) == 0:
        return np.zeros((0, 0))
    first, last = float(order.min()), float(order.max())
    spacing = max(DRIFT_SPACING, (last - first) / MOST_KNOTS)
    knots = np.arange(first, last + spacing, spacing)
    bumps = np.maximum(0, 1 - np.abs(order[:, None] - knots[None, :]) / spacing)
    slope = (order - (first + last) / 2) / SLOPE_SPAN
    return np.column_stack([np.sqrt(DRIFT_VARIANCE) * bumps, np.sqrt(SLOPE_VARIANCE) * slope])


@dataclass(frozen=True, slots=True, kw_only=True)
class Nuisance:
    """The covariance Sigma of ratings around their expected stars. `row` gives each rating's row, from 0."""

    noise: Floats
    row: Ints
    row_variance: float
    drift: Floats

    def dense(self) -> Floats:
        """Sigma [n, n]."""
        same = np.equal.outer(self.row, self.row)
        return np.diag(self.noise) + self.row_variance * same + self.drift @ self.drift.T

    def precision(self) -> Precision:
        """Sigma's inverse, as something to multiply with."""
        rows = int(self.row.max()) + 1 if len(self.row) else 0
        sums = np.bincount(self.row, weights=1 / self.noise, minlength=rows)
        shrink = 1 / (1 / max(self.row_variance, 1e-12) + sums)
        solved = _without_rows(self.drift, self.noise, self.row, shrink)
        factor = cholesky(np.eye(self.drift.shape[1]) + self.drift.T @ solved, lower=True)
        return Precision(nuisance=self, shrink=shrink, solved=solved, factor=factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """Multiplies with Sigma's inverse without ever making it: n times the number of drift features."""

    nuisance: Nuisance
    shrink: Floats
    solved: Floats
    factor: Floats

    def times(self, right: Floats) -> Floats:
        """Sigma^-1 `right`, for [n, k]."""
        plain = _without_rows(right, self.nuisance.noise, self.nuisance.row, self.shrink)
        corrected: Floats = plain - self.solved @ cho_solve((self.factor, True), self.solved.T @ right)
        return corrected


def _without_rows(right: Floats, noise: Floats, row: Ints, shrink: Floats) -> Floats:
    """(diag(noise) + row R R')^-1 `right`, by Sherman and Morrison for each row."""
    scaled = right / noise[:, None]
    sums = np.zeros((len(shrink), right.shape[1]))
    np.add.at(sums, row, scaled)
    result: Floats = scaled - (shrink[:, None] * sums)[row] / noise[:, None]
    return result
