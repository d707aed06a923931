"""Which pictures to look at next: those after which the best choice is expected to be best.

The knowledge gradient for correlated beliefs (Frazier, Powell and Dayanik 2009), for a row of pictures at once: they
join the row one by one, each the one that adds most to the expected best mean after the row has been rated. The
expectation over what the ratings will say is an average over common random numbers.
"""

from __future__ import annotations

import numpy as np

from stablenew.learning.engine.arrays import Floats, Ints

_DRAWS = 64
_NODES, _SHARES = np.polynomial.hermite_e.hermegauss(3)
_SHARES = _SHARES / _SHARES.sum()


def choose_row(
    mean: Floats,
    covariance: Floats,
    noise: float,
    row_variance: float,
    fixed: Ints,
    size: int,
    *,
    cost: Floats | None = None,
    seed: int = 0,
) -> list[int]:
    """Indices of `size` of the m settings to rate together, `fixed` among them.

    `mean` [m] and `covariance` [m, m] of the belief about them; `noise` and `row_variance` of a rating. `cost` [m]:
    what making each picture costs; what a picture adds is then counted per unit of it.
    """
    rng = np.random.default_rng(seed)
    means = np.repeat(mean[None, :], _DRAWS, axis=0)
    left = (
        covariance + row_variance
    )  # ratings of one row share a shift: it is part of what is seen, not of what is meant
    signal = covariance.copy()
    chosen: list[int] = []
    for place in range(min(size, len(mean))):
        spread = np.sqrt(np.maximum(np.diag(left), 1e-12) + noise)
        steps = signal / spread[None, :]
        if place < len(fixed):
            pick = int(fixed[place])
        else:
            worth = _expected_best(means, steps)
            worth[chosen] = -np.inf
            if cost is not None:
                worth = np.where(np.isfinite(worth), (worth - means.max(axis=1).mean()) / cost, -np.inf)
            pick = int(worth.argmax())
        chosen.append(pick)
        means = means + rng.standard_normal((_DRAWS, 1)) * steps[None, :, pick]
        direction = left[:, pick] / spread[pick]
        signal = signal - np.outer(steps[:, pick], direction)
        left = left - np.outer(direction, direction)
    return chosen


def _expected_best(means: Floats, steps: Floats) -> Floats:
    """For each candidate [m] the expected best mean after it is rated too: over draws, and over its own rating."""
    worth = np.zeros(steps.shape[1])
    for candidate in range(steps.shape[1]):
        for node, share in zip(_NODES, _SHARES, strict=True):
            worth[candidate] += share * float((means + node * steps[None, :, candidate]).max(axis=1).mean())
    return worth
