"""From evidence to advice: the settings expected to be liked best, and the pictures worth looking at next.

    advice = recommend(evidence, baseline, context="portraits")
    row = next_batch(evidence, baseline, context="portraits", size=6)

The numbers are made in `engine/`, which brings numpy and scipy and is imported when the first advice is asked for.
"""

from __future__ import annotations

import dataclasses
from itertools import chain
from typing import Any

from stablenew.errors import InputError
from stablenew.learning.evidence import Evidence
from stablenew.learning.recommendation import Purpose, Recommendation, estimate
from stablenew.learning.search_space import SearchSpace, Settings, with_values
from stablenew.learning.statements import statements_of

ROW_SIZE = 6


def recommend(
    evidence: Evidence, baseline: Settings, *, context: str = "", purpose: Purpose = "quality"
) -> Recommendation:
    """The advice for `context`, compared with `baseline`, which must name every setting of the evidence's space.

    For `time` it is the quickest settings that are hardly worse than the best. Raises InputError where the baseline
    or a rating misses a setting, and where the space leaves nothing to choose.
    """
    evidence = _ready(evidence, baseline)
    if not evidence.scored and not evidence.preferred:
        found = _nothing_known(baseline, context)
    else:
        from stablenew.learning.engine.conclude import conclude

        found = conclude(evidence, baseline, context, purpose)
    return dataclasses.replace(found, statements=statements_of(found))


def next_batch(
    evidence: Evidence, baseline: Settings, *, context: str = "", size: int = ROW_SIZE, per_second: bool = False
) -> tuple[dict[str, Any], ...]:
    """Settings of `size` pictures which, rated side by side, would improve the advice most; the best known is first.

    While there is next to no history they are a balanced start. `per_second`: most for the time they take. The
    settings are whole: what is not under consideration is as in `baseline`.
    """
    evidence = _ready(evidence, baseline)
    if size < 1:
        raise InputError(f"a batch of {size} pictures cannot be made: ask for 1 or more")
    from stablenew.learning.engine.next_row import next_settings

    rows = next_settings(evidence, baseline, context, size, per_second=per_second)
    return tuple({**baseline, **row} for row in rows)


def _ready(evidence: Evidence, baseline: Settings) -> Evidence:
    """`evidence` with the baseline's values among those that may be chosen. Raises InputError where nothing follows."""
    space = with_values(evidence.space, baseline)
    if missing := _missing(space, baseline):
        raise InputError(f"the baseline does not say {missing}: only whole settings can be compared")
    if space.count == 1:
        raise InputError(f"{', '.join(space.names)}: each has a single value, so there is nothing to choose")
    said = chain(
        (each.settings for each in evidence.scored),
        chain.from_iterable((each.best, *each.others) for each in evidence.preferred),
    )
    for settings in said:
        if not space.covers(settings):
            raise InputError(f"{dict(settings)} was rated and says nothing usable about {_missing(space, settings)}")
    return dataclasses.replace(evidence, space=space)


def _missing(space: SearchSpace, settings: Settings) -> str:
    """The knobs that `settings` say nothing usable about."""
    return ", ".join(knob.name for knob in space.knobs if not SearchSpace(knobs=(knob,)).covers(settings))


def _nothing_known(baseline: Settings, context: str) -> Recommendation:
    unknown = estimate(3.0, 1.0, 0)
    return Recommendation(
        settings=dict(baseline),
        baseline=dict(baseline),
        context=context,
        enough=False,
        reason="nothing has been rated yet",
        changes=(),
        expected=unknown,
        baseline_expected=unknown,
        gain=estimate(0.0, 0.0, 0, difference=True),
        certainty=0.0,
        effect_sd=1.0,
        more_possible=0.0,
        alternatives=(),
        cheapest=None,
        effects=(),
        seed_share=None,
        not_tested=(),
        warnings=(),
        proof=(),
        ratings=0,
        choices=0,
        statements=(),
    )
