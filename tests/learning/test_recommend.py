"""Advice from evidence: what goes right where averages go wrong, what is refused, and what is never concluded."""

from __future__ import annotations

import dataclasses
import math
import random
from collections import defaultdict
from typing import Any

import pytest
from tests.learning.engine.landscape import (
    BASELINE,
    SPACE,
    evidence_of,
    good_taste,
    no_taste,
    rated_rows,
)

from stablenew.errors import InputError
from stablenew.learning.evidence import Evidence, Preferred, Scored
from stablenew.learning.recommend import next_batch, recommend
from stablenew.learning.recommendation import Recommendation
from stablenew.learning.search_space import space_from_values

TWO = space_from_values({"sampler": ["A", "B"]})


def rated(value: str, stars: float, count: int, first: int = 0) -> list[Scored]:
    """Pictures of one value, each of a prompt of its own."""
    return [
        Scored(settings={"sampler": value}, stars=stars, order=float(n), prompt=f"p{n}", seed=n, row=f"row{n}")
        for n in range(first, first + count)
    ]


def expected(advice: Recommendation, value: str) -> float:
    """The mean of the effect of a value of the first setting."""
    return next(each.stars.mean for each in advice.effects[0].values if each.value == value)


def alike(one: Recommendation, other: Recommendation) -> bool:
    """The same advice, with numbers that differ by rounding at most."""
    numbers = [(each.expected.mean, each.expected.sd, each.gain.mean, each.more_possible) for each in (one, other)]
    return (
        one.settings == other.settings
        and one.enough == other.enough
        and numbers[0] == pytest.approx(numbers[1], abs=1e-3)
    )


def test_six_of_two_stars_do_not_outweigh_four_of_five() -> None:
    """However much more often A was tried, B is expected to be better, from either baseline."""
    evidence = evidence_of([*rated("A", 2, 6), *rated("B", 5, 4, first=6)], TWO)
    for baseline in ("A", "B"):
        advice = recommend(evidence, {"sampler": baseline})
        assert expected(advice, "B") > expected(advice, "A") + 0.5
        assert not (advice.enough and advice.settings["sampler"] == "A")
    often = evidence_of([*rated("A", 2, 60), *rated("B", 5, 12, first=60)], TWO)
    advice = recommend(often, {"sampler": "A"})
    assert advice.enough
    assert advice.settings == {"sampler": "B"}
    assert advice.expected.mean > advice.baseline_expected.mean + 1.5


def test_a_value_that_was_tried_with_good_company_is_not_given_the_credit() -> None:
    """Steps 40 mostly came with the sampler that is loved: its mean is the best, and it does nothing. A mean per value
    falls into the trap; advice compares what differs in nothing else.
    """
    space = space_from_values({"sampler": ["bad", "good"], "steps": [10, 40]})
    often = {("bad", 10): 30, ("good", 40): 30, ("bad", 40): 6, ("good", 10): 6}
    rng = random.Random(1)
    scored: list[Scored] = []
    for (sampler, steps), count in often.items():
        for _ in range(count):
            worth = (4.5 if sampler == "good" else 2.2) - (0.4 if steps == 40 else 0.0) + rng.gauss(0, 0.3)
            place = len(scored)
            scored.append(
                Scored(
                    settings={"sampler": sampler, "steps": steps}, stars=min(5, max(1, worth)),
                    prompt=f"p{place}", seed=place, row=str(place), order=float(rng.random() * 72),
                )
            )  # fmt: skip
    by_steps: dict[int, list[float]] = defaultdict(list)
    for each in scored:
        by_steps[each.settings["steps"]].append(each.stars)
    mean = {steps: sum(stars) / len(stars) for steps, stars in by_steps.items()}
    assert mean[40] > mean[10] + 0.5
    advice = recommend(evidence_of(scored, space), {"sampler": "bad", "steps": 40})
    assert advice.enough
    assert advice.settings == {"sampler": "good", "steps": 10}
    steps = next(effect for effect in advice.effects if effect.name == "steps")
    assert {each.value: each.stars.mean > 0 for each in steps.values} == {10: True, 40: False}


def test_the_order_of_the_evidence_does_not_matter() -> None:
    """Shuffled, with places in time as they were: the same advice."""
    scored = rated_rows(good_taste, 10, seed=2)
    preferred = [
        Preferred(best=a.settings, others=(b.settings,), order=float(n))
        for n, (a, b) in enumerate(zip(scored[:8], scored[8:16], strict=True))
    ]
    first = evidence_of(scored, preferred=tuple(preferred))
    chance = random.Random(3)
    shuffled = evidence_of(chance.sample(scored, len(scored)), preferred=tuple(chance.sample(preferred, 8)))
    assert alike(recommend(first, BASELINE), recommend(shuffled, BASELINE))


def test_good_settings_are_found() -> None:
    """From sixty pictures the settings this person loves, as far as sixty pictures can tell."""
    advice = recommend(evidence_of(rated_rows(good_taste, 10)), BASELINE)
    assert advice.enough
    assert good_taste(advice.settings) > good_taste(BASELINE) + 1
    assert {each.name for each in advice.changes} == {
        name for name in SPACE.names if advice.settings[name] != BASELINE[name]
    }
    assert advice.expected.low <= good_taste(advice.settings) <= advice.expected.high


def test_where_nothing_matters_nothing_is_advised() -> None:
    """A person who finds everything equally good: in at least 11 of 12 archives no advice, and the reason said."""
    given = 0
    for seed in range(12):
        advice = recommend(evidence_of(rated_rows(no_taste, 6, seed=seed)), BASELINE)
        given += advice.enough
        assert advice.enough or (advice.settings == BASELINE and advice.reason)
    assert given <= 1


def test_fewer_than_twenty_four_ratings_conclude_nothing() -> None:
    """However clear they look: 23 and the reason says how many there are; with one more there is advice."""
    scored = [*rated("A", 1, 12), *rated("B", 5, 12, first=12)]
    few = recommend(evidence_of(scored[1:], TWO), {"sampler": "A"})
    assert not few.enough
    assert "23 ratings are too few" in few.reason
    assert few.settings == {"sampler": "A"}
    assert recommend(evidence_of(scored, TWO), {"sampler": "A"}).enough


def test_nothing_rated_is_no_advice_and_no_error() -> None:
    """The baseline comes back, and every number is what may be thought beforehand."""
    advice = recommend(Evidence(space=SPACE), BASELINE)
    assert (advice.enough, advice.settings, advice.ratings) == (False, BASELINE, 0)
    assert advice.statements == ("Not enough evidence: nothing has been rated yet.",)
    batch = next_batch(Evidence(space=SPACE), BASELINE)
    assert len(batch) == 6
    assert batch[0] == BASELINE


@pytest.mark.parametrize(
    "scored",
    [
        pytest.param(rated_rows(good_taste, 1, size=1), id="one rating"),
        pytest.param([dataclasses.replace(each, stars=3.0) for each in rated_rows(good_taste, 8)], id="all equal"),
        pytest.param([dataclasses.replace(each, stars=5.0) for each in rated_rows(good_taste, 8)], id="all five"),
        pytest.param(rated_rows(good_taste, 1, size=1) * 40, id="one picture, forty times"),
    ],
)
def test_evidence_that_tells_nothing_advises_nothing(scored: list[Scored]) -> None:
    """Finite numbers, no advice, and pictures to look at next."""
    advice = recommend(evidence_of(scored), BASELINE)
    assert not advice.enough
    assert all(math.isfinite(each) for each in (advice.expected.mean, advice.expected.sd, advice.more_possible))
    batch = next_batch(evidence_of(scored), BASELINE)
    assert len(batch) == 6
    assert all(SPACE.covers(row) for row in batch)


def test_one_value_of_everything_leaves_nothing_to_choose() -> None:
    """Which is said, by the names of the settings; a baseline with another value is a choice."""
    space = space_from_values({"sampler": ["A"], "steps": [20]})
    scored = [Scored(settings={"sampler": "A", "steps": 20}, stars=1 + n % 5, row=str(n)) for n in range(30)]
    for ask in (recommend, next_batch):
        with pytest.raises(InputError, match="sampler, steps: each has a single value"):
            ask(evidence_of(scored, space), {"sampler": "A", "steps": 20})
    assert not recommend(evidence_of(scored, space), {"sampler": "A", "steps": 30}).enough


def test_choices_alone_are_evidence() -> None:
    """Thirty times the better of two, without a star: what wins is advised, and counted as choices."""
    rng = random.Random(5)
    scored = rated_rows(good_taste, 30, seed=4, size=4)
    preferred = []
    for row in range(30):
        best, *others = sorted((each.settings for each in scored[4 * row : 4 * row + 4]), key=good_taste, reverse=True)
        rng.shuffle(others)
        preferred.append(Preferred(best=best, others=tuple(others), order=float(row)))
    advice = recommend(Evidence(space=SPACE, preferred=tuple(preferred)), BASELINE)
    assert (advice.ratings, advice.choices) == (0, 30)
    sampler = next(effect for effect in advice.effects if effect.name == "sampler")
    assert max(sampler.values, key=lambda each: each.stars.mean).value == "DDIM"
    if advice.enough:
        assert good_taste(advice.settings) > good_taste(BASELINE)


def test_ten_thousand_ratings_are_no_trouble() -> None:
    """All of them count and the advice is what this person loves most."""
    advice = recommend(evidence_of(rated_rows(good_taste, 1667)), BASELINE)
    assert advice.ratings == 10_002
    assert advice.settings == {"sampler": "DDIM", "steps": 40, "cfg_scale": 5.0}
    assert advice.expected.sd < 0.15


def test_a_knob_of_five_hundred_numbers() -> None:
    """Advice stands near what is loved."""
    space = space_from_values({"cfg_scale": [round(1 + n * 0.02, 2) for n in range(500)]})
    rng = random.Random(2)
    scored = [
        Scored(
            settings={"cfg_scale": guidance},
            stars=round(4.6 - abs(guidance - 5) / 2 + rng.gauss(0, 0.2)) if guidance < 11 else 1,
            row=str(n),
        )
        for n, guidance in enumerate(rng.sample([value for value in space.knobs[0].values if value < 11], 60))
    ]
    scored = [dataclasses.replace(each, stars=min(5.0, max(1.0, each.stars))) for each in scored if each.stars >= 1]
    advice = recommend(evidence_of(scored, space), {"cfg_scale": 10.0})
    assert advice.enough
    assert 3 <= advice.settings["cfg_scale"] <= 7


def test_a_baseline_outside_the_space_is_compared_all_the_same() -> None:
    """Its values join those that may be chosen; one that lacks a setting is refused by name."""
    baseline = {"sampler": "PLMS", "steps": 150, "cfg_scale": 30.0}
    advice = recommend(evidence_of(rated_rows(good_taste, 10)), baseline)
    assert advice.baseline == baseline
    assert advice.baseline_expected.sd > advice.expected.sd or not advice.enough
    assert next_batch(evidence_of([]), baseline)[0] == baseline
    with pytest.raises(InputError, match=r"does not say steps, cfg_scale"):
        recommend(evidence_of([]), {"sampler": "Euler"})
    with pytest.raises(InputError, match=r"does not say cfg_scale"):
        recommend(evidence_of([]), {**BASELINE, "cfg_scale": math.nan})


def test_a_batch_has_at_least_one_picture() -> None:
    """Asked for none, it says what to ask for."""
    with pytest.raises(InputError, match="ask for 1 or more"):
        next_batch(evidence_of([]), BASELINE, size=0)


@pytest.mark.parametrize("value", [math.nan, math.inf, None, "many"])
def test_settings_that_cannot_be_are_refused(value: Any) -> None:
    """A rating or choice whose settings lack a number, or have none that is finite, by the setting's name."""
    broken = {**BASELINE, "cfg_scale": value}
    for evidence in (
        evidence_of([*rated_rows(good_taste, 5), Scored(settings=broken, stars=3)]),
        evidence_of(rated_rows(good_taste, 5), preferred=(Preferred(best=BASELINE, others=(broken,)),)),
    ):
        with pytest.raises(InputError, match="cfg_scale"):
            recommend(evidence, BASELINE)
        with pytest.raises(InputError, match="cfg_scale"):
            next_batch(evidence, BASELINE)


def test_intervals_widen_for_a_context_with_few_ratings_of_its_own() -> None:
    """Fifty ratings of other packs help, and are not taken for one's own; the advice says where it comes from."""
    others = rated_rows(good_taste, 8, seed=7, context="other")
    few = rated_rows(good_taste, 1, seed=8, context="mine")
    many = rated_rows(good_taste, 6, seed=8, context="mine")
    borrowed = recommend(evidence_of([*others, *few]), BASELINE, context="mine")
    alone = recommend(evidence_of(few), BASELINE, context="mine")
    own = recommend(evidence_of([*others, *many]), BASELINE, context="mine")
    assert own.baseline_expected.sd < borrowed.baseline_expected.sd < alone.baseline_expected.sd
    assert any("only 6 ratings are of mine" in each and "48 others" in each for each in borrowed.warnings)
    assert not any("ratings are of mine" in each for each in own.warnings)


def test_a_context_without_a_rating_of_its_own_borrows_and_says_so() -> None:
    """What others showed is all there is; it is surer of its own context than of this one."""
    others = rated_rows(good_taste, 8, seed=7, context="other")
    advice = recommend(evidence_of(others), BASELINE, context="new")
    there = recommend(evidence_of(others), BASELINE, context="other")
    assert advice.baseline_expected.sd > there.baseline_expected.sd
    assert any("only 0 ratings are of new" in each for each in advice.warnings)
    assert advice.proof == ()


def test_imported_pictures_count_less_and_are_named() -> None:
    """Against as many of one's own that say the opposite they lose; a warning says how many they are."""
    own, imported = rated("B", 5, 15), [dataclasses.replace(e, observational=True) for e in rated("A", 5, 15, first=15)]
    rest = [*rated("A", 2, 15, first=30), *[dataclasses.replace(e, observational=True) for e in rated("B", 2, 15, 45)]]
    advice = recommend(evidence_of([*own, *imported, *rest], TWO), {"sampler": "A"})
    assert expected(advice, "B") > expected(advice, "A")
    assert [each for each in advice.warnings if "imported" in each] == [
        "30 of 60 ratings are of imported pictures, whose settings nobody chose to compare: they count half, and what "
        "they say about cause is weak"
    ]
    plain = [dataclasses.replace(each, observational=False) for each in (*own, *imported, *rest)]
    assert recommend(evidence_of(plain, TWO), {"sampler": "A"}).warnings == tuple(
        each for each in advice.warnings if "imported" not in each
    )


def test_a_setting_that_went_with_the_prompt_is_warned_of() -> None:
    """Each prompt had its own sampler: which of them did it cannot be told, and is said."""
    scored = rated_rows(good_taste, 8, seed=1)
    tied = [
        dataclasses.replace(each, settings={**each.settings, "sampler": ["Euler", "DDIM"][(each.seed or 0) % 2]})
        for each in scored
    ]
    advice = recommend(evidence_of(tied), BASELINE)
    assert [each for each in advice.warnings if "never varied" in each] == [
        "sampler never varied within a prompt: whether it or the prompt did it cannot be told"
    ]


@pytest.mark.parametrize("noise", [3.0, 20.0])
def test_doubtful_ratings_move_less(noise: float) -> None:
    """Ten faded or weak 5-star pictures of A against ten of B with 2 stars lift A less than plain ones do."""
    plain = [*rated("A", 5, 10), *rated("B", 2, 10, first=10)]
    doubted = [dataclasses.replace(each, noise=noise) if each.settings["sampler"] == "A" else each for each in plain]
    first, second = (recommend(evidence_of(each, TWO), {"sampler": "A"}) for each in (plain, doubted))
    assert second.baseline_expected.mean < first.baseline_expected.mean
    assert second.baseline_expected.sd > first.baseline_expected.sd


def test_for_time_the_quickest_that_is_hardly_worse() -> None:
    """Twice the steps take twice the time and bring nothing: the fewest are the cheapest, advised when asked for."""
    space = space_from_values({"sampler": ["bad", "good"], "steps": [10, 20, 40]})
    rng = random.Random(0)
    scored = []
    for place in range(90):
        settings = {"sampler": rng.choice(["bad", "good"]), "steps": rng.choice([10, 20, 40])}
        worth = (4.2 if settings["sampler"] == "good" else 2.0) + rng.gauss(0, 0.4)
        stars = float(min(5, max(1, round(worth))))
        scored.append(
            Scored(settings=settings, stars=stars, row=str(place), order=float(place), seconds=settings["steps"] / 10)
        )
    baseline = {"sampler": "bad", "steps": 40}
    advice = recommend(evidence_of(scored, space), baseline, purpose="time")
    assert advice.enough
    assert advice.settings == {"sampler": "good", "steps": 10}
    assert advice.cheapest is not None
    assert advice.cheapest.settings == advice.settings
    assert advice.cheapest.seconds == pytest.approx(1.0, rel=0.15)
    untimed = [dataclasses.replace(each, seconds=None) for each in scored]
    assert recommend(evidence_of(untimed, space), baseline).cheapest is None


def test_the_next_pictures_are_whole_different_and_start_with_the_best_known() -> None:
    """What is not under consideration is as in the baseline; the first is what advice would be."""
    evidence = evidence_of(rated_rows(good_taste, 10))
    baseline = {**BASELINE, "clip_skip": 2}
    batch = next_batch(evidence, baseline, size=5)
    assert len(batch) == 5
    assert len({tuple(sorted(row.items())) for row in batch}) == 5
    assert all(row["clip_skip"] == 2 for row in batch)
    advice = recommend(evidence, baseline)
    assert good_taste(batch[0]) >= good_taste(advice.settings) - 0.5
    assert next_batch(evidence, baseline, size=5) == batch


def test_the_proof_are_well_rated_pictures_of_such_settings() -> None:
    """At most six, all of them among those rated, and better liked than most."""
    scored = rated_rows(good_taste, 12)
    advice = recommend(evidence_of(scored), BASELINE)
    stars = {each.record_id: each.stars for each in scored}
    assert 1 <= len(advice.proof) <= 6
    proved = [stars[name] for name in advice.proof]
    assert sum(proved) / len(proved) > sum(stars.values()) / len(stars) + 0.5


def test_advice_can_be_written_as_json() -> None:
    """As JSON types, with the sentences."""
    import msgspec

    advice = recommend(evidence_of(rated_rows(good_taste, 10)), BASELINE)
    again = msgspec.json.decode(msgspec.json.encode(advice.to_dict()))
    assert again["settings"] == advice.settings
    assert again["statements"] == list(advice.statements)
    assert again["expected"]["mean"] == advice.expected.mean
