"""Each sentence is backed by the numbers beside it: whatever it says stands in the recommendation's other fields."""

from __future__ import annotations

import dataclasses
import itertools
import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from tests.cards import NEW, OLD, advice, estimate
from tests.learning.engine.landscape import BASELINE, evidence_of, good_taste, no_taste, random_settings, rated_rows

from stablenew.learning.evidence import Evidence, Preferred
from stablenew.learning.recommend import recommend
from stablenew.learning.recommendation import Alternative, Purpose, Recommendation, SettingEffect, ValueEffect
from stablenew.learning.statements import statements_of

DEFINITIONS = ("95 %:", "80 % certainty", "0.25 stars worse")
"""What a sentence says of itself: which interval, and which loss and certainty the cheapest settings are held to."""
_NUMBER = re.compile(r"(?<![\w.])[+-]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?%?")


def some_evidence(seed: int) -> Evidence:
    """Archives of all kinds: small and large, timed, imported, with choices, of another context, of no taste."""
    chance = random.Random(seed)
    taste = chance.choice([good_taste, good_taste, no_taste])
    scored = rated_rows(taste, chance.choice([2, 5, 7]), seed=seed, noise=chance.choice([0.2, 0.6]))
    if chance.random() < 0.5:
        scored = [dataclasses.replace(each, seconds=each.settings["steps"] * 0.137) for each in scored]
    if chance.random() < 0.4:
        scored = [dataclasses.replace(each, observational=chance.random() < 0.5) for each in scored]
    if chance.random() < 0.4:
        scored += rated_rows(taste, 3, seed=seed + 100, context="other")
    preferred = [
        Preferred(best=a.settings, others=(b.settings,), order=float(at))
        for at, (a, b) in enumerate(itertools.pairwise(scored))
        if a.stars > b.stars and chance.random() < 0.3
    ]
    return evidence_of(scored, preferred=tuple(preferred))


def printed(number: float) -> Iterator[str]:
    """The ways in which a sentence may print a number; a difference with its sign."""
    yield from (f"{number:.2f}", f"{number:+.2f}", f"{number:g}", f"{number:.2g}", f"{number:.0%}", str(number))
    if float(number).is_integer():
        yield from (f"{int(number)}", f"{int(number):,}")


def numbers_in(value: Any) -> Iterator[float]:
    """Every number in a field, and how many entries a list of it has."""
    if isinstance(value, bool):
        return
    if isinstance(value, (int, float)):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from numbers_in(each)
    elif isinstance(value, (list, tuple)):
        yield float(len(value))
        for each in value:
            yield from numbers_in(each)


def unbacked(given: Recommendation) -> list[str]:
    """The numbers in its sentences that stand in none of its fields."""
    fields = given.to_dict()
    said_elsewhere = [fields.pop(name) for name in ("statements", "reason", "warnings", "not_tested", "context")]
    known = {text for number in numbers_in(fields) for text in printed(number)}
    texts = [said_elsewhere[1], *said_elsewhere[2], *said_elsewhere[3]]
    found = []
    for sentence in given.statements:
        # Texts that are fields themselves are repeated word for word; what they say is looked at where they are made.
        for text in (*texts, *DEFINITIONS):
            sentence = sentence.replace(text, "") if text else sentence
        for number in _NUMBER.findall(sentence.replace("..", " to ")):
            if number not in known:
                found.append(f"{number} in: {sentence}")
    return found


@pytest.mark.parametrize("seed", range(8))
def test_every_number_in_a_sentence_stands_in_a_field(seed: int) -> None:
    """At the precision at which it is printed, over archives of all kinds and for both purposes."""
    chance = random.Random(seed)
    evidence = some_evidence(seed)
    baseline = chance.choice([BASELINE, random_settings(evidence.space, np.random.default_rng(seed))])
    purpose: Purpose = chance.choice(["quality", "time"])
    given = recommend(evidence, baseline, purpose=purpose)
    assert given.statements
    assert unbacked(given) == []


def test_the_check_finds_a_number_that_is_nowhere() -> None:
    """An invented figure is caught, one that is there is not."""
    given = recommend(some_evidence(3), BASELINE)
    invented = dataclasses.replace(given, statements=(*given.statements, "This is +7.77 stars better."))
    assert unbacked(invented) == ["+7.77 in: This is +7.77 stars better."]


@pytest.mark.parametrize("seed", range(3))
def test_signs_are_right(seed: int) -> None:
    """The gain and its interval are printed as they are, sign and all."""
    given = recommend(some_evidence(seed), BASELINE)
    if given.enough:
        gain = given.gain
        assert any(
            f"gain {gain.mean:+.2f} stars (95 %: {gain.low:+.2f}..{gain.high:+.2f})" in each
            for each in given.statements
        )


def test_warnings_count_what_the_evidence_has() -> None:
    """Imported ratings, those of others, and what was left out."""
    scored = rated_rows(good_taste, 2, seed=1)
    imported = [dataclasses.replace(each, observational=at < 5) for at, each in enumerate(scored)]
    others = rated_rows(good_taste, 5, seed=2, context="other")
    given = recommend(evidence_of([*imported, *others], unusable=7), BASELINE)
    said = " ".join(given.warnings)
    assert "5 of 12 ratings are of imported pictures" in said
    assert "7 ratings were left out" in said
    few = recommend(evidence_of([*imported[:6], *others]), BASELINE)
    assert "only 6 ratings are of this kind: the rest comes from 30 others" in " ".join(few.warnings)


def test_without_advice_no_sentence_says_to_change_anything() -> None:
    """The reason, what the present settings are expected to get, and no gain."""
    given = recommend(evidence_of(rated_rows(good_taste, 2)), BASELINE)
    assert not given.enough
    first, second = given.statements[:2]
    assert first == f"Not enough evidence: {given.reason}."
    assert second.startswith("Your settings are expected to get ")
    assert "from 12 ratings" in second
    assert not any(each.startswith(("Change", "Expected:")) for each in given.statements)


def test_what_other_packs_add_is_not_counted_as_the_packs_own() -> None:
    """All ratings behind a sentence, and how many of them are about what was asked."""
    scored = rated_rows(good_taste, 2, seed=1, context="portraits")
    given = recommend(evidence_of([*scored, *rated_rows(good_taste, 5, seed=2)]), BASELINE, context="portraits")
    assert "from 42 ratings (12 of portraits)" in " ".join(given.statements)
    alone = recommend(evidence_of(scored), BASELINE, context="portraits")
    assert "from 12 ratings." in alone.statements[1]


def test_each_change_says_what_it_brings_and_whether_it_was_tried() -> None:
    """By name, before and after; one that no picture has is said to be concluded from its neighbours."""
    changes = advice(NEW, OLD).changes
    untested = dataclasses.replace(changes[2], tested=False, images=0)
    said = statements_of(advice(NEW, OLD, changes=(*changes[:2], untested)))
    assert said[0] == "Change sampler Euler a -> DPM++ 2M, steps 20 -> 28, cfg_scale 7 -> 5."
    assert "steps=28 alone brings +0.30 stars (95 %: -0.10..+0.70) (12 rated images have it)." in said
    assert any(
        each.startswith("cfg_scale=5 alone") and "not tested, concluded from its neighbours" in each for each in said
    )


def test_what_is_not_known_is_left_out() -> None:
    """No seed share, no alternatives, nothing cheaper, nothing more to find, nothing untested: no sentence about it."""
    bare = advice(seed_share=None, not_tested=(), more_possible=0.049)
    said = " ".join(statements_of(bare))
    for words in ("seed", "Not tested", "Another +", "told apart", "Cheapest", "Note:"):
        assert words not in said
    more = Alternative(settings={**NEW, "steps": 12}, expected=estimate(4.0), seconds=2.34)
    full = advice(more_possible=0.05, alternatives=(more,), cheapest=more, warnings=("look out",))
    said = " ".join(statements_of(full))
    assert "40% of the variance of stars" in said
    assert "Not tested: sampler=DDIM." in said
    assert "Another +0.05 stars may be found" in said
    assert "Cheapest: steps 12: about 2.3 s a picture" in said
    assert "Note: look out." in said


def effect(name: str, low: float, share: float = 0.5, **said: Any) -> SettingEffect:
    best = dataclasses.replace(estimate(0.4), low80=low)
    values = (
        ValueEffect(value="good", stars=best, pairs=5, images=9, tested=True, **said),
        ValueEffect(value="bad", stars=estimate(-0.4), pairs=5, images=9, tested=True),
    )
    return SettingEffect(name=name, share=share, values=values)


def test_an_effect_is_told_only_where_it_is_one() -> None:
    """The best value must be better than the mean with 80 % certainty; matched pairs are told where there are any."""
    told, untold = effect("sampler", 0.1, matched=estimate(0.6)), effect("steps", -0.01)
    said = [each for each in statements_of(advice(effects=(told, untold))) if "is best" in each]
    assert len(said) == 1
    assert said[0].startswith("sampler: good is best (+0.40 stars")
    assert "50% of what settings explain; in 5 matched pairs good is +0.60 stars" in said[0]


def test_a_value_that_nobody_tried_is_not_called_the_best() -> None:
    """Between two that were tried it may be expected to be better: the best of those tried is named."""
    tried = effect("steps", 0.1)
    between = ValueEffect(value="in-between", stars=estimate(0.9), pairs=0, images=0, tested=False)
    said = statements_of(advice(effects=(dataclasses.replace(tried, values=(*tried.values, between)),)))
    assert any(each.startswith("steps: good is best") for each in said)
    assert not any("in-between" in each for each in said)
    untried = dataclasses.replace(tried, values=(between,))
    assert not any("is best" in each for each in statements_of(advice(effects=(untried,))))
