"""An assessment of a belief, put in the terms of the people and pictures it came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from stablenew.learning.engine.advisor import Belief, believe
from stablenew.learning.engine.arrays import Ints
from stablenew.learning.engine.assess import Assessment, Candidate, Normal, assess
from stablenew.learning.engine.main_effects import MainEffect
from stablenew.learning.engine.significance import evidence_for_settings
from stablenew.learning.evidence import Evidence, Scored
from stablenew.learning.matched_effects import MatchedValue, confounded, matched_values, seed_share
from stablenew.learning.recommendation import (
    Alternative,
    Change,
    Estimate,
    Purpose,
    Recommendation,
    SettingEffect,
    ValueEffect,
    estimate,
)
from stablenew.learning.scorer_rating import scorer_name
from stablenew.learning.search_space import SearchSpace, Settings

LEAST_RATINGS = 24
LARGEST_SD = 0.45
CERTAINTY = 0.9
"""How probable it must be that the advised settings are better than the baseline."""
LEAST_RATIO = 2.0
"""How much likelier (its logarithm) the ratings must be with settings that matter than without. Noise comes to 1.4
or less in 95 % of worlds with 24 ratings, and to less with more (docs/benchmarks.md).
"""
SCORER_PREFIX = scorer_name("")
PROOF_IMAGES = 6
NOT_TESTED_SHOWN = 12
FEW_OWN = 12


def conclude(evidence: Evidence, baseline: Settings, context: str, purpose: Purpose) -> Recommendation:
    """The advice, without its sentences. There must be something in `evidence`."""
    belief = believe(evidence, baseline, context)
    found = assess(belief, evidence.scored, for_time=purpose == "time")
    own = [each for each in evidence.scored if each.context == context]
    # Doubts follow from believing in the settings: whether these matter is asked of the ratings as they were given.
    matters = evidence_for_settings(belief.part, belief.encoding, belief.undoubted)
    reason = _missing(evidence, found, purpose, matters)
    advised = found.best if not reason else found.baseline
    settings = _settings(belief, advised.row, baseline)
    return Recommendation(
        settings=settings,
        baseline=dict(baseline),
        context=context,
        enough=not reason,
        reason=reason,
        changes=() if reason else tuple(_changes(belief, found, baseline, own, evidence.scored)),
        expected=_stars(advised.stars, own),
        baseline_expected=_stars(found.baseline.stars, own),
        gain=_difference(found.gain if not reason else Normal(mean=0.0, sd=0.0), len(own)),
        certainty=found.gain.certainty,
        effect_sd=found.effect_sd,
        more_possible=found.more_possible,
        alternatives=tuple(_alternative(belief, each, baseline, own) for each in found.alternatives),
        cheapest=None if found.cheapest is None else _alternative(belief, found.cheapest, baseline, own),
        effects=tuple(_effect(belief, effect, own) for effect in found.effects),
        seed_share=seed_share(own),
        not_tested=tuple(_not_tested(evidence.space, evidence.scored)),
        warnings=tuple(_warnings(evidence, own, context)),
        proof=_proof(settings, evidence.space, own),
        ratings=len(evidence.scored),
        choices=len(evidence.preferred),
        statements=(),
    )


def _missing(evidence: Evidence, found: Assessment, purpose: Purpose, matters: float) -> str:
    """Why there is no advice; empty where there is."""
    count = len(evidence.scored) + len(evidence.preferred)
    if count < LEAST_RATINGS:
        return f"{count} ratings are too few: {LEAST_RATINGS} are the least that anything is concluded from"
    if matters < LEAST_RATIO:
        return (
            "chance and the mood of a row explain the ratings as well as the settings do (log likelihood ratio "
            f"{matters:.1f}, and {LEAST_RATIO:g} is asked for)"
        )
    if found.effect_sd >= LARGEST_SD:
        return (
            "how far the best settings lie above the mean of all is known to "
            f"{found.effect_sd:.2f} stars (one standard deviation), and {LARGEST_SD:g} is the most that counts as known"
        )
    if (found.best.row == found.baseline.row).all():
        return "nothing was found that is expected to do better than your settings"
    if purpose == "quality" and found.gain.certainty < CERTAINTY:
        return (
            f"the best settings found are better than yours with a probability of {found.gain.certainty:.0%}, "
            f"and {CERTAINTY:.0%} is asked for"
        )
    return ""


def _settings(belief: Belief, row: Ints, baseline: Settings) -> dict[str, Any]:
    return {**baseline, **belief.encoding.decode(row[0])}


def _stars(believed: Normal, own: Sequence[Scored]) -> Estimate:
    return estimate(believed.mean, believed.sd, len(own))


def _difference(believed: Normal, images: int) -> Estimate:
    return estimate(believed.mean, believed.sd, images, difference=True)


def _alternative(belief: Belief, each: Candidate, baseline: Settings, own: Sequence[Scored]) -> Alternative:
    return Alternative(
        settings=_settings(belief, each.row, baseline), expected=_stars(each.stars, own), seconds=each.seconds
    )


def _changes(
    belief: Belief, found: Assessment, baseline: Settings, own: Sequence[Scored], every: Sequence[Scored]
) -> Iterator[Change]:
    settings = _settings(belief, found.best.row, baseline)
    for at, gain in found.changes:
        name = belief.encoding.tables[at].knob.name
        images = sum(each.settings[name] == settings[name] for each in own)
        yield Change(
            name=name,
            before=baseline[name],
            after=settings[name],
            gain=_difference(gain, images),
            tested=any(each.settings[name] == settings[name] for each in every),
            images=images,
        )


def _effect(belief: Belief, effect: MainEffect, own: Sequence[Scored]) -> SettingEffect:
    table = belief.encoding.tables[effect.at]
    images = Counter(each.settings[table.knob.name] for each in own)
    matched = {each.value: each for each in matched_values(own, table.knob.name)}
    values = [
        ValueEffect(
            value=value,
            stars=estimate(float(mean), float(sd), images[value], difference=True),
            pairs=matched[value].pairs if value in matched else 0,
            images=images[value],
            tested=images[value] > 0,
            matched=_matched(matched.get(value)),
        )
        for value, mean, sd in zip(table.values, effect.mean, effect.sd, strict=False)
    ]
    return SettingEffect(name=table.knob.name, share=effect.share, values=tuple(values))


def _matched(found: MatchedValue | None) -> Estimate | None:
    if found is None or found.error is None:
        return None
    return estimate(found.mean, found.error, found.pairs, difference=True)


def _not_tested(space: SearchSpace, scored: Sequence[Scored]) -> Iterator[str]:
    """Categories no rated picture has; numbers between tested ones are not listed."""
    shown = 0
    for knob in space.knobs:
        if knob.numeric:
            continue
        seen = {each.settings[knob.name] for each in scored}
        for value in knob.values:
            if value not in seen and shown < NOT_TESTED_SHOWN:
                shown += 1
                yield f"{knob.name}={value}"


def _warnings(evidence: Evidence, own: Sequence[Scored], context: str) -> Iterator[str]:
    scorers = {each.who for each in own if each.who.startswith(SCORER_PREFIX)}
    if own and all(each.who in scorers for each in own):
        named = ", ".join(sorted(who.removeprefix(SCORER_PREFIX) for who in scorers))
        yield f"no person rated these pictures: the stars are what {named} made of them"
    observational = sum(each.observational for each in own)
    if observational:
        yield (
            f"{observational} of {len(own)} ratings are of imported pictures, whose settings nobody chose to compare: "
            "they count half, and what they say about cause is weak"
        )
    for knob in evidence.space.knobs:
        if confounded(own, knob.name):
            yield f"{knob.name} never varied within a prompt: whether it or the prompt did it cannot be told"
    others = len(evidence.scored) - len(own)
    if others and len(own) < FEW_OWN:
        yield f"only {len(own)} ratings are of {context or 'this kind'}: the rest comes from {others} others"
    if evidence.unusable:
        yield f"{evidence.unusable} ratings were left out: their records do not say enough about the settings"


def _proof(settings: Settings, space: SearchSpace, own: Sequence[Scored]) -> tuple[str, ...]:
    """The records of the best rated pictures whose settings are those advised but for a few."""

    def differs(each: Scored) -> int:
        return sum(each.settings[name] != settings[name] for name in space.names)

    close = sorted((each for each in own if each.record_id), key=lambda each: (differs(each), -each.stars))
    near = [each for each in close if differs(each) <= max(1, len(space.names) // 3)]
    best = sorted(near[: 3 * PROOF_IMAGES], key=lambda each: (-each.stars, differs(each)))
    return tuple(dict.fromkeys(each.record_id for each in best))[:PROOF_IMAGES]
