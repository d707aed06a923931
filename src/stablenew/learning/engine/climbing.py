"""The settings with the highest expected stars, found by climbing the belief's mean one setting at a time."""

from __future__ import annotations

import numpy as np

from stablenew.learning.engine.arrays import Floats, Ints
from stablenew.learning.engine.posterior import Posterior

_SWEEPS = 10


def climb_mean(belief: Posterior, rows: Ints) -> Ints:
    """The local optima [s, d] of the expected stars in context 0 that are reached from each of `rows` [s, d].

    The kernel is a product over settings, so how the mean varies along one of them is a single matrix product.
    """
    rows = rows.copy()
    mixed = belief.alpha * np.where(belief.context == 0, 1.0, belief.hyper.rho)
    for _ in range(_SWEEPS):
        before = rows.copy()
        for at in range(rows.shape[1]):
            rows[:, at] = along(belief, mixed, rows, at).argmax(axis=1)
        if np.array_equal(before, rows):
            break
    return rows


def along(belief: Posterior, mixed: Floats, rows: Ints, at: int) -> Floats:
    """[s, G] how the mean varies along setting `at` with the others as in `rows`, up to a constant in each row."""
    hyper, tables = belief.hyper, belief.tables
    others, alike = (
        np.repeat(mixed[None, :], len(rows), axis=0),
        np.repeat(mixed[None, :] * hyper.product, len(rows), 0),
    )
    for other, centred in enumerate(tables.centred):
        if other != at:
            pick = np.ix_(rows[:, other], belief.points[:, other])
            others *= 1 + hyper.pairs * hyper.weights[other] * centred[pick]
            alike *= tables.plain[other][pick]
    declared = belief.encoding.tables[at].declared
    seen = belief.points[:, at]
    varied: Floats = hyper.weights[at] * others @ tables.centred[at][:declared][:, seen].T
    return varied + alike @ tables.plain[at][:declared][:, seen].T
