"""How long settings take, from pictures that were timed: the same kind of model, on the logarithm of the seconds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stablenew.learning.engine.arrays import Floats, Ints
from stablenew.learning.engine.kernel import Hyper
from stablenew.learning.engine.knob_tables import Encoding
from stablenew.learning.engine.posterior import posterior_of
from stablenew.learning.engine.problem import Problem
from stablenew.learning.evidence import Scored

LEAST_TIMED = 6
MOST_TIMED = 400


def seconds_at(scored: Sequence[Scored], encoding: Encoding, rows: Ints) -> Floats | None:
    """Seconds [m] a picture with the encoded settings `rows` takes; None where too few pictures were timed.

    Steps, sizes, samplers and models multiply, so their logarithms add: nothing else about them is assumed.
    """
    timed = [each for each in scored if each.seconds is not None and each.seconds > 0][-MOST_TIMED:]
    if len(timed) < LEAST_TIMED:
        return None
    logs = np.log([each.seconds or 1.0 for each in timed])
    codes = encoding.encode([each.settings for each in timed])
    points, point = np.unique(codes, axis=0, return_inverse=True)
    problem = Problem(
        points=points,
        context=np.zeros(len(points), dtype=np.int64),
        stars=logs - logs.mean(),
        point=point.reshape(-1).astype(np.int64),
        row=np.arange(len(timed)),
        order=np.zeros(len(timed)),
        looseness=np.ones(len(timed)),
        rating=np.arange(len(timed)),
    )
    belief = posterior_of(problem, _assumed(len(encoding.tables)), encoding)
    seconds: Floats = np.exp(belief.mean(rows) + logs.mean())
    return seconds


def _assumed(tables: int) -> Hyper:
    return Hyper(
        weights=np.full(tables, 0.3),
        lengths=np.full(tables, 1.0),
        pairs=0.1,
        product=1e-4,
        noise=0.01,
        row=1e-6,
        rho=0.99,
    )
