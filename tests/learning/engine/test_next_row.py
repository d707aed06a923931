"""The pictures to make next: a balanced start, and the best known first once something is known."""

from __future__ import annotations

import dataclasses
from collections import Counter
from itertools import chain

import pytest
from tests.learning.engine.landscape import BASELINE, SPACE, evidence_of, good_taste, rated_rows

from stablenew.learning.evidence import Preferred, Scored
from stablenew.learning.recommend import next_batch
from stablenew.learning.search_space import SearchSpace, Settings, space_from_values

START = 12


def played(size: int, rows: int, space: SearchSpace = SPACE, baseline: Settings = BASELINE) -> list[Settings]:
    """The settings asked for in `rows` batches, each rated before the next is asked for."""
    scored: list[Scored] = []
    for row in range(rows):
        batch = next_batch(evidence_of(scored, space), baseline, size=size)
        scored += [
            Scored(settings=each, stars=3, row=str(row), order=float(len(scored) + n)) for n, each in enumerate(batch)
        ]
    return [each.settings for each in scored]


def test_a_balanced_start_tries_every_value_about_equally_often() -> None:
    """Of twelve: four samplers three times, four steps three times, six guidances twice; give or take the baseline."""
    asked = played(START, 1)
    assert asked[0] == BASELINE
    for name, times in (("sampler", 3), ("steps", 3), ("cfg_scale", 2)):
        counts = Counter(each[name] for each in asked)
        assert set(counts) == set(SPACE.knob(name).values)
        assert all(abs(count - times) <= 1 for count in counts.values())
        assert sum(abs(count - times) for count in counts.values()) <= 2


@pytest.mark.parametrize("size", [2, 3, 6])
def test_the_start_goes_on_where_it_left_off(size: int) -> None:
    """In rows of any length the first twelve pictures are the same, none asked for twice."""
    assert played(size, START // size) == played(START, 1)


def test_a_knob_of_very_many_numbers_is_spread_over_its_whole_range() -> None:
    """Twelve pictures of five hundred numbers: one in nearly every twelfth of them."""
    numbers = [round(0.01 * n, 2) for n in range(500)]
    asked = played(START, 1, space_from_values({"cfg_scale": numbers}), {"cfg_scale": 1.0})
    twelfths = Counter(numbers.index(each["cfg_scale"]) * START // 500 for each in asked[1:])
    assert len(twelfths) >= START - 2


def test_choices_count_as_looked_at() -> None:
    """A row of twelve that somebody chose from is a start, too: what comes then goes by what was learned."""
    rows = [each.settings for each in rated_rows(good_taste, 2)]
    rows.sort(key=good_taste, reverse=True)
    evidence = evidence_of([], preferred=(Preferred(best=rows[0], others=tuple(rows[1:])),))
    batch = next_batch(evidence, BASELINE)
    assert len(batch) == 6
    assert batch[0] != BASELINE


def test_the_best_known_comes_first_and_the_rest_is_new() -> None:
    """After sixty pictures the first is what this person loves, as far as is known; all of the row differ."""
    batch = next_batch(evidence_of(rated_rows(good_taste, 10)), BASELINE)
    assert good_taste(batch[0]) > good_taste(BASELINE) + 1
    assert len({tuple(each.values()) for each in batch}) == len(batch) == 6


def test_for_the_time_they_take_quicker_pictures_are_asked_for() -> None:
    """Steps 40 take a hundred times as long as 5: `per_second` asks for fewer of them in all."""
    scored = rated_rows(good_taste, 10, seed=4)
    timed = [dataclasses.replace(each, seconds=(each.settings["steps"] / 5) ** 2) for each in scored]
    plain, quick = (next_batch(evidence_of(timed), BASELINE, per_second=each) for each in (False, True))
    assert plain[0] == quick[0]
    assert sum(each["steps"] for each in quick) < sum(each["steps"] for each in plain)
    assert set(chain.from_iterable(quick)) == set(BASELINE)
