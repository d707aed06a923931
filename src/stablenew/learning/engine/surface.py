"""Samples from the belief as small tables, one per setting and one per pair: the best settings of each are found by
climbing setting by setting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, solve_triangular

from stablenew.learning.engine.arrays import Floats, Ints
from stablenew.learning.engine.kernel import CONTEXT_VARIANCE, MEAN_VARIANCE, variance
from stablenew.learning.engine.posterior import Posterior

_SWEEPS = 8
_TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """s surfaces at once over the values a space declares.

    `constant` [s]; `mains[d]` [s, G_d]; `pairs[d, e]` [s, G_d, G_e] for d < e. Products of three settings and
    more, and the small full product, are left out: surfaces only propose candidates.
    """

    constant: Floats
    mains: tuple[Floats, ...]
    pairs: dict[tuple[int, int], Floats]

    def along(self, rows: Ints, at: int) -> Floats:
        """[s, G] how each surface varies along setting `at`, the others as in `rows`; up to a constant."""
        every = np.arange(len(rows))
        total = self.mains[at].copy()
        for other in range(len(self.mains)):
            if other < at:
                total += self.pairs[other, at][every, rows[:, other], :]
            elif other > at:
                total += self.pairs[at, other][every, :, rows[:, other]]
        return total


def climb(surface: Surface, rows: Ints) -> Ints:
    """The local optima [s, d] that each surface reaches from its row, changing one setting at a time."""
    rows = rows.copy()
    for _ in range(_SWEEPS):
        before = rows.copy()
        for at in range(rows.shape[1]):
            rows[:, at] = surface.along(rows, at).argmax(axis=1)
        if np.array_equal(before, rows):
            break
    return rows


def sampled_surfaces(belief: Posterior, count: int, rng: np.random.Generator) -> Surface:
    """`count` surfaces drawn from the belief in context 0 (Matheron's rule: a prior draw, corrected by the evidence).

    What other contexts have of their own is drawn as if it were noise: these surfaces only propose candidates.
    """
    prior, deviation = _prior_draw(belief, count, rng)
    noise = solve_triangular(
        belief.noise_factor, rng.standard_normal((len(belief.points), count)), lower=True, trans="T"
    )
    wrong = cho_solve((belief.factor, True), deviation.T + noise, check_finite=False)
    correction = _surface(belief, belief.alpha[None, :] - wrong.T)
    return Surface(
        constant=prior.constant + correction.constant,
        mains=tuple(drawn + moved for drawn, moved in zip(prior.mains, correction.mains, strict=True)),
        pairs={key: drawn + correction.pairs[key] for key, drawn in prior.pairs.items()},
    )


def _surface(belief: Posterior, alphas: Floats) -> Surface:
    """The surfaces of `alphas` [s, n]: k(x, points) alpha, for every x that the space declares."""
    hyper, centred = belief.hyper, belief.tables.centred
    here = belief.context == 0
    mixed = alphas * np.where(here, 1.0, hyper.rho)
    wide = [
        table[: knob.declared][:, belief.points[:, at]]
        for at, (table, knob) in enumerate(zip(centred, belief.encoding.tables, strict=True))
    ]
    mains = tuple(weight * mixed @ part.T for weight, part in zip(hyper.weights, wide, strict=True))
    pairs = {}
    for left, part in enumerate(wide):
        weighted = mixed[:, None, :] * part
        for right in range(left + 1, len(wide)):
            scale = hyper.pairs * hyper.weights[left] * hyper.weights[right]
            pairs[left, right] = scale * weighted @ wide[right].T
    constant = MEAN_VARIANCE * alphas.sum(axis=1) + CONTEXT_VARIANCE * alphas[:, here].sum(axis=1)
    return Surface(constant=constant, mains=mains, pairs=pairs)


def _prior_draw(belief: Posterior, count: int, rng: np.random.Generator) -> tuple[Surface, Floats]:
    """`count` surfaces of context 0 drawn from the prior, and what they are at the points [count, n]."""
    hyper = belief.hyper
    roots = [_root(table) for table in belief.tables.centred]
    constant = np.sqrt(MEAN_VARIANCE + CONTEXT_VARIANCE) * rng.standard_normal(count)
    mains = [
        np.sqrt(weight) * rng.standard_normal((count, root.shape[1])) @ root.T
        for weight, root in zip(hyper.weights, roots, strict=True)
    ]
    pairs = {}
    for left, root in enumerate(roots):
        for right in range(left + 1, len(roots)):
            scale = np.sqrt(hyper.pairs * hyper.weights[left] * hyper.weights[right])
            drawn = rng.standard_normal((count, root.shape[1], roots[right].shape[1]))
            pairs[left, right] = scale * (root @ drawn @ roots[right].T)
    points = belief.points
    at_points = np.repeat(constant[:, None], len(points), axis=1)
    for at, main in enumerate(mains):
        at_points += main[:, points[:, at]]
    for (left, right), pair in pairs.items():
        at_points += pair[:, points[:, left], points[:, right]]
    other = belief.context != 0
    rest = variance(hyper, belief.tables, points) - MEAN_VARIANCE - CONTEXT_VARIANCE
    own = np.sqrt(np.where(other, (1 - hyper.rho**2) * rest, hyper.product))
    effects = at_points - constant[:, None]
    at_points = constant[:, None] + np.where(other, hyper.rho, 1.0) * effects
    at_points += own * rng.standard_normal(at_points.shape)
    declared = [knob.declared for knob in belief.encoding.tables]
    surface = Surface(
        constant=constant,
        mains=tuple(main[:, :most] for main, most in zip(mains, declared, strict=True)),
        pairs={key: pair[:, : declared[key[0]], : declared[key[1]]] for key, pair in pairs.items()},
    )
    return surface, at_points


def _root(table: Floats) -> Floats:
    """A [G, r] with A A' = table; r is small for smooth tables."""
    values, vectors = np.linalg.eigh(table)
    kept = values > _TINY * max(1.0, float(values.max()))
    root: Floats = vectors[:, kept] * np.sqrt(values[kept])
    return root
