"""What installed scorers say about pictures nobody rated, as far as people's own stars show that it means something."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from stablenew.learning.evidence import Evidence, Scored
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.rating_rows import plain_prompt
from stablenew.learning.record_index import RecordIndex
from stablenew.learning.record_knobs import knob_settings
from stablenew.learning.score_lines import ScoreLine, newest_by_scorer
from stablenew.learning.scorer_rating import judge_scorer, scorer_name
from stablenew.learning.scorer_weight import Calibration
from stablenew.workspace import Workspace

USUAL_VARIANCE = 0.45
"""Of a person's rating, in stars squared: what the noise of stand-in stars is counted in."""
MOST = 300
"""So many unrated pictures of one scorer count at most, the newest: what it says must not drown what people said."""


def scorer_evidence(
    workspace: Workspace,
    evidence: Evidence,
    own: Sequence[LearningRecord],
    context_of: Callable[[LearningRecord], str],
) -> Iterator[Scored]:
    """Stand-in stars for pictures that a scorer saw and nobody rated; a scorer that is of no use says nothing.

    `own` are the rated records asked about. Each scorer's weight is learned from them, within prompts.
    """
    lines = newest_by_scorer(workspace.scores)
    if not lines:
        return
    stars = {each.record_id: each.stars for each in evidence.scored}
    with RecordIndex.of(workspace) as index:
        for newest in lines.values():
            calibration = judge_scorer(own, newest, stars).calibration
            if calibration is not None:
                yield from _stand_ins(index, newest, calibration, frozenset(stars), context_of)


def _stand_ins(
    index: RecordIndex,
    newest: dict[str, ScoreLine],
    calibration: Calibration,
    rated: frozenset[str],
    context_of: Callable[[LearningRecord], str],
) -> Iterator[Scored]:
    unrated = sorted((line for line in newest.values() if line.record_id not in rated), key=lambda line: line.timestamp)
    for line in unrated[-MOST:]:
        record = index.find(line.record_id)
        if record is None or record.outcome.status != "ok":
            continue
        told = calibration.stars(line.score)
        prompt = plain_prompt(record)
        yield Scored(
            settings=knob_settings(record),
            stars=told.stars,
            context=context_of(record),
            row=f"{scorer_name(line.scorer)}\n{record.prompt.seed}\n{prompt}",
            who=scorer_name(line.scorer),
            observational=True,
            noise=max(told.sd**2, USUAL_VARIANCE) / USUAL_VARIANCE,
            seconds=record.outcome.duration_s,
        )
