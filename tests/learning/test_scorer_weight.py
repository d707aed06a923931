"""What a scorer's word is worth: nothing for a useless one, more for a better one, whatever its scale."""

from __future__ import annotations

import math
import random

import pytest

from stablenew.learning.scorer_weight import Calibration, scorer_weight

CASES = 200


def person(worth: float, chance: random.Random) -> float:
    """Stars of a picture, with noise as of a person."""
    return float(min(5, max(1, round(3 + worth + chance.gauss(0, 0.67)))))


def judged(seed: int, count: int, scorer_noise: float | None) -> Calibration | None:
    """A scorer that sees a picture's worth with noise, on a bent scale; None: one that draws lots."""
    chance = random.Random(seed)
    worths = [chance.gauss(0, 1) for _ in range(count)]
    stars = [person(worth, chance) for worth in worths]
    if scorer_noise is None:
        scores = [chance.random() for _ in worths]
    else:
        scores = [math.exp(3 * (worth + chance.gauss(0, scorer_noise))) for worth in worths]
    return scorer_weight(list(zip(scores, stars, strict=True)))


@pytest.mark.parametrize("count", [12, 30, 100, 300])
def test_a_scorer_that_draws_lots_gets_no_weight(count: int) -> None:
    """In at least 95 of 100 simulated cases, however many pictures there are."""
    given = sum(judged(seed, count, None) is not None for seed in range(CASES))
    assert given <= CASES * 0.05


def test_a_good_scorer_gets_weight_and_a_better_one_more() -> None:
    """With sixty pictures nearly always; the weight rises and the noise falls with what the scorer sees."""
    good = [judged(seed, 60, 0.7) for seed in range(CASES)]
    better = [judged(seed, 60, 0.1) for seed in range(CASES)]
    assert sum(each is not None for each in good) >= CASES * 0.95
    assert all(better)
    weights = [sum(each.weight for each in kind if each) / CASES for kind in (good, better)]
    noise = [sum(each.noise_sd for each in kind if each) / CASES for kind in (good, better)]
    assert weights[0] < weights[1] < 1
    assert noise[0] > noise[1]


def test_pseudo_stars_are_calibrated() -> None:
    """New pictures' stars lie within one stated standard deviation about two times in three."""
    inside = asked = 0
    for seed in range(50):
        chance = random.Random(seed)
        pairs = []
        for _ in range(140):
            worth = chance.gauss(0, 0.7)
            pairs.append((worth + chance.gauss(0, 0.5), 3 + worth + chance.gauss(0, 0.5)))
        found = scorer_weight(pairs[:100])
        assert found is not None
        for score, stars in pairs[100:]:
            told = found.stars(score)
            inside += abs(told.stars - stars) <= told.sd
            asked += 1
    assert 0.62 <= inside / asked <= 0.74


def test_pseudo_stars_rise_with_the_score_within_one_to_five() -> None:
    """Beyond every score seen, too."""
    found = judged(1, 200, 0.1)
    assert found is not None
    told = [found.stars(score).stars for score in (-1e9, 0.001, 1.0, 20.0, 1e9)]
    assert told == sorted(told)
    assert 1 <= told[0] < told[-1] <= 5


def test_only_the_order_of_scores_counts() -> None:
    """Any rising scale gives the same weight."""
    chance = random.Random(5)
    pairs = [(worth := chance.gauss(0, 1), person(worth, chance)) for _ in range(50)]
    first = scorer_weight(pairs)
    bent = scorer_weight([(math.exp(score) * 1000, stars) for score, stars in pairs])
    assert first is not None
    assert bent is not None
    assert (first.weight, first.slope) == (bent.weight, bent.slope)


def test_a_scorer_that_likes_what_the_person_dislikes_gets_no_weight() -> None:
    """Turned round it would be good; as it is, it is of no use."""
    chance = random.Random(6)
    pairs = [(-(worth := chance.gauss(0, 1)), person(worth, chance)) for _ in range(80)]
    assert scorer_weight(pairs) is None


def test_within_groups_a_scorer_that_only_knows_the_prompt_gets_no_weight() -> None:
    """It agrees with the person about prompts, which is of no use for choosing settings."""
    chance = random.Random(7)
    pairs, prompts = [], []
    for prompt in range(20):
        liking = chance.gauss(0, 1)
        for _ in range(6):
            pairs.append((liking + chance.gauss(0, 0.01), person(liking + chance.gauss(0, 0.3), chance)))
            prompts.append(prompt)
    assert scorer_weight(pairs) is not None
    assert scorer_weight(pairs, prompts) is None


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [(0.5, 3.0)],
        [(n / 10, float(1 + n % 5)) for n in range(5)],
        [(0.5, float(1 + n % 5)) for n in range(50)],
        [(n / 10, 3.0) for n in range(50)],
    ],
)
def test_too_little_to_tell_is_no_weight(pairs: list[tuple[float, float]]) -> None:
    """No pictures, few, all the same score, all the same stars."""
    assert scorer_weight(pairs) is None
    assert scorer_weight(pairs, list(range(len(pairs)))) is None


def test_what_is_no_number_is_refused() -> None:
    """NaN would make every figure after it NaN."""
    with pytest.raises(ValueError, match="finite"):
        scorer_weight([(math.nan, 3.0)] * 20)
