"""What people said about pictures, as evidence about settings."""

from __future__ import annotations

import dataclasses
import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.learning.archive import make_record, rate
from tests.learning.person import PROMPTS, VALUES, likes_heun_at_five, pictures, stars_for

from stablenew.errors import InputError
from stablenew.learning.evidence import WEAK_NOISE, Evidence, Scored, gather_evidence
from stablenew.learning.learning_feedback import RatedPicture, Rating, undo_of
from stablenew.learning.record_knobs import space_of_records
from stablenew.learning.search_space import SearchSpace, space_from_values

RECORDS = pictures(VALUES, PROMPTS)
SPACE = space_from_values(VALUES)


def gathered(ratings: list[Rating], **asked: Any) -> Evidence:
    return gather_evidence(asked.pop("records", RECORDS), ratings, asked.pop("space", SPACE), **asked)


def better(winner: str, *losers: str, second: int = 500, **said: Any) -> Rating:
    return rate(winner, second=second, better_than=[RatedPicture(record_id=name) for name in losers], **said)


def one(evidence: Evidence) -> Scored:
    (found,) = evidence.scored
    return found


def test_the_order_of_records_and_lines_does_not_matter() -> None:
    """Shuffled in any way they are the same evidence: time is in the lines themselves."""
    ratings = [*stars_for(RECORDS, likes_heun_at_five), better("r1", "r0", "r2"), rate("r3", 2, 501)]
    ratings += [undo_of(ratings[4], moment=None), better("r7", "r8", second=502)]
    expected = gathered(ratings)
    chance = random.Random(4)
    for _ in range(5):
        records, lines = chance.sample(RECORDS, len(RECORDS)), chance.sample(ratings, len(ratings))
        assert gathered(lines, records=records) == expected


@given(
    said=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5), st.sampled_from(["ann", "bob"])), max_size=30),
    more=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5), st.booleans()), max_size=8),
)
@settings(max_examples=60, deadline=None)
def test_what_is_said_and_taken_back_changes_nothing(
    said: list[tuple[int, int, str]], more: list[tuple[int, int, bool]]
) -> None:
    """However much is said before, in between and after: stars, rejections and preferences that were undone."""
    lines = [rate(f"r{at}", stars, 10 * second, who=who) for second, (at, stars, who) in enumerate(said)]
    lines.append(better("r10", "r11", second=10_000, who="ann"))
    expected = gathered(lines)
    for second, (at, stars, prefers) in enumerate(more):
        name = f"r{at}"
        line = (
            better(name, "r20", second=10 * second + 3, who="ann")
            if prefers
            else rate(name, stars, 10 * second + 3, who="ann", rejected=True)
        )
        lines += [line, undo_of(line)]
    assert gathered(lines) == expected


def test_rating_again_is_as_if_the_last_stars_had_been_given_then() -> None:
    """The earlier stars count for nothing at all; other pictures keep theirs."""
    first = [rate("r0", 1, 0), rate("r1", 3, 1), rate("r2", 2, 2)]
    again = gathered([*first, rate("r0", 5, 3)])
    assert again == gathered([rate("r1", 3, 1), rate("r2", 2, 2), rate("r0", 5, 3)])
    at_once = gathered([rate("r0", 5, 0), *first[1:]])
    assert {each.record_id: each.stars for each in again.scored} == {
        each.record_id: each.stars for each in at_once.scored
    }


def test_people_are_told_apart() -> None:
    """Each person's last stars count, each in a row of their own; `who` takes one person's."""
    ratings = [rate("r0", 2, 0, who="ann"), rate("r0", 5, 1, who="bob"), rate("r0", 4, 2, who="ann")]
    both = gathered(ratings)
    assert [(each.who, each.stars) for each in both.scored] == [("bob", 5.0), ("ann", 4.0)]
    assert both.scored[0].row != both.scored[1].row
    assert one(gathered(ratings, who="bob")).stars == 5.0
    assert gathered(ratings, who="eve").scored == ()
    preferences = [better("r0", "r1", who="ann"), better("r1", "r0", second=501, who="bob")]
    assert len(gathered(preferences, who="bob").preferred) == 1


def test_an_undo_by_somebody_else_takes_nothing_back() -> None:
    """Only the person who said it can."""
    said = rate("r0", 4, 0, who="ann")
    foreign = dataclasses.replace(undo_of(said), who="bob")
    assert one(gathered([said, foreign])).stars == 4.0


@pytest.mark.parametrize(
    ("said", "stars"),
    [
        ([{"rejected": True}], 1.0),
        ([{"favourite": True}], 5.0),
        ([{"score": 3}, {"favourite": True}], 3.0),
        ([{"score": 4}, {"rejected": True}], 1.0),
        ([{"rejected": True}, {"rejected": False}, {"score": 4}], 4.0),
    ],
)
def test_verdicts_without_stars(said: list[dict[str, Any]], stars: float) -> None:
    """Rejected counts as 1, a favourite without stars as 5; the last word on each holds."""
    assert one(gathered([rate("r0", second=second, **words) for second, words in enumerate(said)])).stars == stars


def test_tags_and_notes_are_no_stars() -> None:
    """What says nothing about how good the picture is makes no evidence."""
    assert gathered([rate("r0", notes="hm"), rate("r1", rejected=False), rate("r2", add_tags=["x"])]).scored == ()


def test_what_nobody_said_counts_less_and_only_where_nobody_said_anything() -> None:
    """Beside a person's stars a weak line counts a third; for the same picture not at all; alone it is all there is."""
    weak = [rate("r0", 5, 0, weak=True, who="scorer:x"), rate("r1", 1, 1, weak=True, who="scorer:x")]
    assert [each.noise for each in gathered(weak).scored] == [1.0, 1.0]
    mixed = gathered([*weak, rate("r0", 2, 2, who="ann")])
    assert [(each.record_id, each.stars, each.noise) for each in mixed.scored] == [
        ("r1", 1.0, WEAK_NOISE),
        ("r0", 2.0, 1.0),
    ]


def test_faded_ratings_have_more_variance() -> None:
    """As much as `noise_of` their time says, and with what else there is to doubt."""
    noise = {rate("r0", 1, 0).timestamp: 4.0}
    ratings = [rate("r0", 3, 0), rate("r1", 3, 1)]
    found = gathered(ratings, noise_of=lambda timestamp: noise.get(timestamp, 1.0))
    assert [each.noise for each in found.scored] == [4.0, 1.0]
    weak = gathered([rate("r0", 3, 0, weak=True), ratings[1]], noise_of=lambda timestamp: noise.get(timestamp, 1.0))
    assert [each.noise for each in weak.scored] == [4.0 * WEAK_NOISE, 1.0]


def test_a_preference_names_settings_in_the_order_of_time() -> None:
    """The best first, then the others; one that was undone is none."""
    lost = better("r5", "r3", second=502)
    found = gathered([better("r1", "r0", second=501), better("r4", "r3", "r5", second=500), lost, undo_of(lost)])
    first, second = found.preferred
    assert first.best == {"sampler": "Heun", "cfg_scale": 5.0}
    assert first.others == ({"sampler": "Heun", "cfg_scale": 2.0}, {"sampler": "Heun", "cfg_scale": 11.0})
    assert second.best == {"sampler": "Euler", "cfg_scale": 5.0}
    assert first.order < second.order


def test_what_says_too_little_is_counted_and_left_out() -> None:
    """A record without a number of the space, and a preference over it, are unusable; unknown records are no matter."""
    known = make_record("vague", sampler="Euler")
    vague = dataclasses.replace(known, pipeline=dataclasses.replace(known.pipeline, cfg_scale=None, stages=[]))
    found = gathered(
        [rate("vague", 3), rate("r0", 4, 1), better("r0", "vague"), rate("nowhere", 2, 3)], records=[*RECORDS, vague]
    )
    assert [each.record_id for each in found.scored] == ["r0"]
    assert found.preferred == ()
    assert found.unusable == 2


def test_each_entry_says_where_it_comes_from() -> None:
    """Context, prompt, seed, row, time taken, and whether another tool made the picture."""
    ours = make_record("a", sampler="Euler", cfg_scale=5.0, seed=3, duration_s=1.5, pack_name="heroes")
    theirs = make_record("b", sampler="Heun", cfg_scale=5.0, seed=3, source="import-a1111", negative_prompt="blurry")
    found = gathered(
        [rate("a", 4, 0), rate("b", 4, 1)], records=[ours, theirs], context_of=lambda each: each.prompt.pack_name
    )
    first, second = found.scored
    assert (first.context, first.seed, first.seconds, first.observational) == ("heroes", 3, 1.5, False)
    assert (second.context, second.observational) == ("", True)
    assert first.row != second.row
    assert first.prompt != second.prompt


def test_a_picture_without_a_seed_is_in_no_row() -> None:
    """Nothing is known that it shares with others."""
    found = gathered([rate("a", 4)], records=[make_record("a", sampler="Euler", cfg_scale=5.0)])
    assert one(found).row == ""


@pytest.mark.parametrize("said", [{"stars": math.nan}, {"stars": 0.0}, {"stars": 6.0}, {"stars": math.inf}])
def test_stars_that_cannot_be_are_refused(said: dict[str, float]) -> None:
    """NaN above all, which would make every figure after it NaN."""
    with pytest.raises(InputError, match="give 1 to 5"):
        Scored(settings={}, **said)


@pytest.mark.parametrize("noise", [0.0, -1.0, math.nan, math.inf])
def test_a_variance_that_cannot_be_is_refused(noise: float) -> None:
    """It must be a finite number above 0."""
    with pytest.raises(InputError, match="above 0"):
        Scored(settings={}, stars=3.0, noise=noise)


def test_nothing_said_is_no_evidence() -> None:
    """No ratings, or none of these records."""
    assert gathered([]) == Evidence(space=SPACE)
    found = space_of_records(RECORDS)
    assert isinstance(found, SearchSpace)
    assert gathered([rate("zzz", 3)], space=found).scored == ()
