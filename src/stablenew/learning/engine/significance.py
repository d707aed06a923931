"""Whether settings matter at all: how much better the evidence is explained with them than by mood and noise alone."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.linalg import LinAlgError
from scipy.optimize import minimize

from stablenew.learning.engine.arrays import Floats
from stablenew.learning.engine.fit import log_evidence
from stablenew.learning.engine.kernel import Hyper
from stablenew.learning.engine.knob_tables import Encoding
from stablenew.learning.engine.posterior import posterior_of
from stablenew.learning.engine.problem import Problem, no_sites, sites_at

_NOTHING = 1e-7
_NOISE, _ROW = -3, -2


def evidence_for_settings(problem: Problem, encoding: Encoding, hyper: Hyper) -> float:
    """The log likelihood ratio of `hyper` against a world in which no setting does anything.

    That world may have whatever noise and whatever moods suit it best, so plain noise of any strength is no evidence.
    """
    sites = no_sites(len(problem.points))
    if problem.choices:
        belief = posterior_of(problem, hyper, encoding)
        sites = sites_at(problem, belief.at_points(), hyper.noise)
    count = len(encoding.tables)
    idle = dataclasses.replace(hyper, weights=np.full(count, _NOTHING), product=_NOTHING).to_vector()

    def cost(free: Floats) -> tuple[float, Floats]:
        vector = idle.copy()
        vector[[_NOISE, _ROW]] = free
        try:
            value, slope = log_evidence(vector, problem, encoding, sites)
        except LinAlgError:
            return 1e10, np.zeros(2)
        return -value, -slope[[_NOISE, _ROW]]

    start = idle[[_NOISE, _ROW]]
    bounds = [(np.log(1e-3), np.log(10.0)), (np.log(1e-6), np.log(10.0))]
    without = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 25})
    with_settings, _ = log_evidence(hyper.to_vector(), problem, encoding, sites)
    return float(with_settings + without.fun)
