"""Which settings to look at next: a balanced start while nothing is known, then the knowledge gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from stablenew.learning.engine.advisor import believe, next_rows
from stablenew.learning.engine.arrays import Floats, Ints
from stablenew.learning.engine.from_evidence import encode_evidence
from stablenew.learning.engine.knob_tables import Encoding
from stablenew.learning.engine.timing import seconds_at
from stablenew.learning.evidence import Evidence
from stablenew.learning.search_space import Settings

BALANCED_START = 12
"""So many pictures are spread evenly over all values before anything is concluded from ratings."""
_SEED = 20


def next_settings(
    evidence: Evidence, baseline: Settings, context: str, size: int, *, per_second: bool
) -> list[dict[str, Any]]:
    """`size` settings under consideration, the incumbent first."""
    known = len(evidence.scored) + sum(1 + len(each.others) for each in evidence.preferred)
    if known < BALANCED_START:
        encoding = encode_evidence(evidence, [baseline])
        rows = _balanced(encoding, encoding.encode([baseline]), known, size)
        return [encoding.decode(row) for row in rows]
    belief = believe(evidence, baseline, context)

    def cost(rows: Ints) -> Floats | None:
        return seconds_at(evidence.scored, belief.encoding, rows) if per_second else None

    return [belief.encoding.decode(row) for row in next_rows(belief, size, cost=cost, seed=known)]


def _balanced(encoding: Encoding, baseline: Ints, known: int, size: int) -> Ints:
    """The next `size` rows of a start in which every value of every setting comes equally often; the first is the
    baseline. The same start whoever asks, continued where `known` ratings left it.
    """
    rng = np.random.default_rng(_SEED)
    whole = max(BALANCED_START, known + size)
    columns = [_spread(table.declared, whole, rng, numeric=table.places is not None) for table in encoding.tables]
    rows = np.column_stack(columns) if columns else np.zeros((whole, 0), dtype=np.int64)
    rows[0] = baseline[0]
    return rows[known : known + size]


def _spread(values: int, count: int, rng: np.random.Generator, *, numeric: bool) -> Ints:
    """`count` indices below `values`, each value as often as any other; numbers by Latin hypercube."""
    if numeric:
        return np.floor((rng.permutation(count) + rng.random(count)) / count * values).astype(np.int64)
    rounds = -(-count // values)
    return np.concatenate([rng.permutation(values) for _ in range(rounds)])[:count].astype(np.int64)
