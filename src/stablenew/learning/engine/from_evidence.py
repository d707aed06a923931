"""Evidence as the engine's arrays, within bounds: what matters most for the context at hand is kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stablenew.learning.engine.arrays import Ints
from stablenew.learning.engine.knob_tables import Encoding, encode_space
from stablenew.learning.engine.problem import MIDDLE, Problem
from stablenew.learning.evidence import Evidence, Preferred, Scored
from stablenew.learning.search_space import Settings

MOST_POINTS = 1500
"""So many distinct settings, each in its context, are told apart: the work grows with their cube."""
FIT_RATINGS = 240
FIT_CHOICES = 60
"""The kind of landscape is learned from so many ratings and choices at most: the context's own first."""
OBSERVATIONAL_LOOSENESS = 2.0
"""A rating of an imported picture counts half: nobody chose its settings to be compared."""


def encode_evidence(evidence: Evidence, settings: Sequence[Settings] = ()) -> Encoding:
    """The tables of the evidence's space, with every value seen, and those of `settings`."""
    seen = [each.settings for each in evidence.scored]
    for choice in evidence.preferred:
        seen += [choice.best, *choice.others]
    return encode_space(evidence.space, [*seen, *settings])


def whole_problem(evidence: Evidence, encoding: Encoding, context: str) -> Problem:
    """The evidence for advice in `context`: its own first, then the newest, as many points as there may be."""
    ordered = _most_relevant_first(evidence.scored, context)
    codes = encoding.encode([evidence.scored[at].settings for at in ordered])
    points: set[tuple[object, ...]] = set()
    kept: list[int] = []
    for at, code in zip(ordered, codes, strict=True):
        point = (evidence.scored[at].context, *map(int, code))
        if point in points or len(points) < MOST_POINTS:
            points.add(point)
            kept.append(at)
    return _problem(evidence.scored, kept, evidence.preferred, encoding, context)


def part_to_fit(evidence: Evidence, encoding: Encoding, context: str) -> Problem:
    """As much of the evidence as the kind of landscape is learned from."""
    kept = _most_relevant_first(evidence.scored, context)[:FIT_RATINGS]
    preferred = sorted(evidence.preferred, key=lambda each: (each.context != context, -each.order))[:FIT_CHOICES]
    return _problem(evidence.scored, kept, preferred, encoding, context)


def _most_relevant_first(scored: Sequence[Scored], context: str) -> list[int]:
    """Where they stand in `scored`."""
    return sorted(range(len(scored)), key=lambda at: (scored[at].context != context, -scored[at].order))


def _problem(
    every: Sequence[Scored], kept: Sequence[int], preferred: Sequence[Preferred], encoding: Encoding, context: str
) -> Problem:
    rating = sorted(kept, key=lambda at: every[at].order)
    scored = [every[at] for at in rating]
    contexts = {context: 0}
    rows: dict[object, int] = {}
    points: dict[tuple[int, ...], int] = {}

    def point_of(encoded: Ints, name: str) -> int:
        number = contexts.setdefault(name, len(contexts))
        return points.setdefault((number, *map(int, encoded)), len(points))

    encoded = encoding.encode([each.settings for each in scored])
    point = [point_of(code, each.context) for code, each in zip(encoded, scored, strict=True)]
    row = [rows.setdefault(each.row or ("", at), len(rows)) for at, each in enumerate(scored)]
    choices = []
    for choice in preferred:
        codes = encoding.encode([choice.best, *choice.others])
        choices.append(np.asarray([point_of(code, choice.context) for code in codes], dtype=np.int64))
    table = np.asarray(list(points), dtype=np.int64).reshape(len(points), 1 + len(encoding.tables))
    return Problem(
        points=table[:, 1:],
        context=table[:, 0],
        stars=np.asarray([each.stars for each in scored], dtype=np.float64) - MIDDLE,
        point=np.asarray(point, dtype=np.int64),
        row=np.asarray(row, dtype=np.int64),
        order=np.asarray([each.order for each in scored], dtype=np.float64),
        looseness=np.asarray(
            [each.noise * (OBSERVATIONAL_LOOSENESS if each.observational else 1.0) for each in scored],
            dtype=np.float64,
        ),
        rating=np.asarray(rating, dtype=np.int64),
        choices=tuple(choices),
        choice_looseness=tuple(choice.noise for choice in preferred),
    )
