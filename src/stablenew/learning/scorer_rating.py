"""From scores to stars: where nobody has rated anything, a scorer may stand in; where somebody has, it is weighed."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stablenew.learning.learning_feedback import Rating, in_order, new_rating
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.rating_fold import valid
from stablenew.learning.rating_rows import plain_prompt
from stablenew.learning.score_lines import ScoreLine
from stablenew.learning.scorer_weight import Calibration, scorer_weight

SURFACE = "scorer"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedScorer:
    """A scorer beside a person's ratings: how many pictures have both, and what its word is worth (None: nothing)."""

    pairs: int
    calibration: Calibration | None


def scorer_name(scorer: str) -> str:
    """Who the ratings that a scorer stands in for say it was."""
    return f"scorer:{scorer}"


def person_scores(ratings: Iterable[Rating]) -> dict[str, float]:
    """By record id the mean of the stars that people gave themselves and that still count."""
    said: dict[tuple[str, str | None], list[Rating]] = {}
    for rating in ratings:
        said.setdefault((rating.record_id, rating.who), []).append(rating)
    found: dict[str, list[int]] = {}
    for (record_id, _), lines in said.items():
        scores = [line.score for line in valid(in_order(lines)) if line.score is not None and not line.weak]
        if scores:
            found.setdefault(record_id, []).append(scores[-1])
    return {record_id: sum(scores) / len(scores) for record_id, scores in found.items()}


def judge_scorer(
    records: Iterable[LearningRecord], scores: Mapping[str, ScoreLine], stars: Mapping[str, float]
) -> JudgedScorer:
    """What `scores` are worth beside a person's `stars` (by record id): differences within a prompt alone count."""
    pairs, prompts = [], []
    for record in records:
        score, said = scores.get(record.run.record_id), stars.get(record.run.record_id)
        if score is not None and said is not None:
            pairs.append((score.score, said))
            prompts.append(plain_prompt(record))
    return JudgedScorer(pairs=len(pairs), calibration=scorer_weight(pairs, prompts))


def stand_in_ratings(
    scorer: str, records: Iterable[LearningRecord], scores: Mapping[str, ScoreLine], ratings: Iterable[Rating]
) -> list[Rating]:
    """The weak ratings with which a scorer stands in for a person, for those of `records` that have a score.

    What counts is how far a picture's score is from the mean of its row, so that a prompt or seed that scores well
    makes no setting look good; stars are the fifths of that over all pictures, ties alike. Only what the scorer has not
    said before (`ratings`) is given. A weak line never outweighs a person's.
    """
    who, relative = scorer_name(scorer), _beside_their_row(records, scores)
    known = sorted(relative.values())
    before: dict[str, list[Rating]] = {}
    for rating in ratings:
        if rating.who == who:
            before.setdefault(rating.record_id, []).append(rating)
    found = []
    for record_id, score in sorted(relative.items()):
        stars = _fifth(known, score)
        said = [each.score for each in valid(in_order(before.get(record_id, ()))) if each.score is not None]
        if not said or said[-1] != stars:
            found.append(
                new_rating(
                    record_id,
                    image_sha256=scores[record_id].image_sha256,
                    who=who,
                    surface=SURFACE,
                    score=stars,
                    blind=True,
                    weak=True,
                )
            )
    return found


def _beside_their_row(records: Iterable[LearningRecord], scores: Mapping[str, ScoreLine]) -> dict[str, float]:
    """By record id each score less the mean of its row."""
    rows: dict[tuple[str, str, int | None], dict[str, float]] = {}
    for record in records:
        if (line := scores.get(record.run.record_id)) is not None:
            row = (plain_prompt(record), record.prompt.negative_prompt, record.prompt.seed)
            rows.setdefault(row, {})[record.run.record_id] = line.score
    means = {row: math.fsum(own.values()) / len(own) for row, own in rows.items()}
    return {record_id: score - means[row] for row, own in rows.items() for record_id, score in own.items()}


def _fifth(known: list[float], score: float) -> int:
    share = (bisect_left(known, score) + bisect_right(known, score)) / 2 / len(known)
    return 1 + min(4, int(share * 5))
