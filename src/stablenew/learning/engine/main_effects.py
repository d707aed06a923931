"""What each setting does on its own, averaged over all others: the main effects of the belief."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from stablenew.learning.engine.arrays import Floats
from stablenew.learning.engine.posterior import Posterior


@dataclass(frozen=True, slots=True, kw_only=True)
class MainEffect:
    """Of the setting with table `at`: mean and standard deviation in stars per declared value, and its share, 0..1."""

    at: int
    mean: Floats
    sd: Floats
    share: float


def main_effects(belief: Posterior) -> tuple[MainEffect, ...]:
    """The main effect of every table in context 0. Centred kernels keep them apart."""
    mix = np.where(belief.context == 0, 1.0, belief.hyper.rho)
    means, sds = [], []
    for at, table in enumerate(belief.encoding.tables):
        centred, weight = belief.tables.centred[at], float(belief.hyper.weights[at])
        cross = weight * centred[: table.declared][:, belief.points[:, at]] * mix
        solved = solve_triangular(belief.factor, cross.T, lower=True, check_finite=False)
        prior = weight * np.diag(centred)[: table.declared]
        means.append(cross @ belief.alpha)
        sds.append(np.sqrt(np.maximum(prior - np.sum(solved**2, axis=0), 0)))
    strengths = np.asarray([float(np.mean(mean**2)) for mean in means])
    total = float(strengths.sum()) or 1.0
    return tuple(
        MainEffect(at=at, mean=mean, sd=sd, share=float(strength) / total)
        for at, (mean, sd, strength) in enumerate(zip(means, sds, strengths, strict=True))
    )
