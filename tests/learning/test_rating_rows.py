"""Rows to rate blind, and an experiment packed with what people said."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest
from tests.learning.plans import make_plan
from tests.learning.test_learning_runner import Studio, record_of

from stablenew.learning.execution_context import ExecutionContext, OutputImage
from stablenew.learning.experiments import Experiment, new_experiment
from stablenew.learning.learning_adapter import variants_of
from stablenew.learning.learning_feedback import Rating, new_rating, package_ratings, undo_of
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.rating_rows import rated_by, row_ratings, rows_to_rate
from stablenew.variant import Variant


def record_with_picture(variant: Variant) -> LearningRecord:
    context = ExecutionContext(
        run_id="e1",
        record_id=f"record-{variant.index}",
        experiment_id="e1",
        cell=variant.cell,
        prompt=variant.prompt,
        seed=variant.seed,
        variant_id=variant.variant_id,
        images=(OutputImage(path=f"{variant.index}.png", sha256=f"{variant.index:064}"),),
    )
    return LearningRecord.from_pipeline_context(variant.config, context)


@pytest.fixture
def experiment() -> Experiment:
    return new_experiment(make_plan(settings={"steps": [10, 20, 30, 40]}, note="steps?"), experiment_id="e1")


@pytest.fixture
def records(experiment: Experiment) -> list[LearningRecord]:
    """Four cells of two rows."""
    return [record_with_picture(variant) for variant in variants_of(experiment.plan, "e1")]


def test_a_row_is_one_prompt_and_seed_in_random_order(records: list[LearningRecord]) -> None:
    """All its cells, each once; what was made without a picture is not shown."""
    failed = Studio(lambda _: "no")
    rows = rows_to_rate([*records, *failed.records], frozenset(), random.Random(1))
    assert sorted(row.prompt for row in rows) == ["a blue boat", "a red fox"]
    for row in rows:
        assert len({picture.record_id for picture in row.pictures}) == 4
    orders = {
        tuple(picture.record_id for picture in row.pictures)
        for seed in range(20)
        for row in rows_to_rate(records, frozenset(), random.Random(seed))
        if row.prompt == "a red fox"
    }
    assert len(orders) > 5


def test_loras_under_test_are_neither_shown_nor_another_row() -> None:
    """Pictures with and without one belong to the same row, whose prompt does not tell."""
    plan = make_plan(settings={"lora": ["none", "ink:0.8"]}, prompts=["a fox <lora:base:1> at night"])
    rows = rows_to_rate(map(record_with_picture, variants_of(plan, "e1")), frozenset(), random.Random(1))
    assert [(row.prompt, len(row.pictures)) for row in rows] == [("a fox at night", 2)]


def test_what_is_rated_is_not_shown_again(records: list[LearningRecord]) -> None:
    """A finished row is left out; a picture left alone gets a rated one for company."""
    first_row = [record.run.record_id for record in records[:4]]
    assert len(rows_to_rate(records, frozenset(first_row), random.Random(1))) == 1
    rows = rows_to_rate(records[:4], frozenset(first_row[1:]), random.Random(1))
    assert len(rows) == 1
    assert len(rows[0].pictures) == 2
    assert first_row[0] in {picture.record_id for picture in rows[0].pictures}
    assert rows_to_rate(records[:1], frozenset(), random.Random(1)) == []


def test_long_rows_come_in_parts_of_about_equal_length(records: list[LearningRecord]) -> None:
    """Never one picture alone."""
    for size in (2, 3):
        parts = rows_to_rate(records, frozenset(), random.Random(2), size=size)
        assert [len(part.pictures) for part in parts] == [2, 2, 2, 2]


def test_repeats_come_later_and_newly_shuffled(records: list[LearningRecord]) -> None:
    """Each row at most twice, the second time marked."""
    rows = rows_to_rate(records, frozenset(), random.Random(3), repeats=1, size=2)
    assert [row.repeat for row in rows].count(True) == 1
    again = next(place for place, row in enumerate(rows) if row.repeat)
    ids = frozenset(picture.record_id for picture in rows[again].pictures)
    shown = [place for place, row in enumerate(rows) if {p.record_id for p in row.pictures} == ids]
    assert shown == [0, again]
    assert again >= 3
    assert len(rows_to_rate(records, frozenset(), random.Random(3), repeats=99)) == 4


def test_stars_and_the_best_of_a_row_become_ratings(records: list[LearningRecord]) -> None:
    """A line a picture, blind; the best one names those it beat; a picture without stars says nothing."""
    row = rows_to_rate(records, frozenset(), random.Random(1))[0]
    said = row_ratings(row, [3, None, 5, None], 2, who="ann", decided_ms=4000)
    assert [(rating.record_id, rating.score) for rating in said] == [
        (row.pictures[0].record_id, 3),
        (row.pictures[2].record_id, 5),
    ]
    assert [rating.shown for rating in said] == [[], [picture.record_id for picture in row.pictures]]
    assert {other.record_id for other in said[1].better_than} == {row.pictures[n].record_id for n in (0, 1, 3)}
    assert {(rating.blind, rating.surface, rating.who, rating.decided_ms) for rating in said} == {
        (True, "experiment", "ann", 1000)
    }
    best_alone = row_ratings(row, [None] * 4, 1, who=None)
    assert [(rating.score, len(rating.better_than)) for rating in best_alone] == [(None, 3)]


def test_who_has_rated_what() -> None:
    """Only the person's own stars that still count; tags and choices alone are no stars."""
    mine = new_rating("a", score=3, who="ann")
    others = [new_rating("b", score=3, who="bob"), new_rating("c", add_tags=["hands"], who="ann")]
    weak = new_rating("d", score=3, who="ann", weak=True)
    assert rated_by([mine, *others, weak], "ann") == {"a"}
    assert rated_by([mine, undo_of(mine)], "ann") == frozenset()


def test_a_package_is_plain_and_the_same_in_any_order(experiment: Experiment, records: list[LearningRecord]) -> None:
    """JSON types; plan, cells with their numbers, pictures row by row, choices that still count."""
    ratings: list[Rating] = [
        new_rating("record-0", score=5, who="ann", notes="soft"),
        new_rating("record-0", score=3, who="bob", add_tags=["hands"]),
        new_rating("record-1", score=2, who="scorer:s", weak=True),
        new_rating("record-0", better_than=[{"record_id": "record-1"}], who="ann"),
        new_rating("elsewhere", score=1),
    ]
    gone = new_rating("record-2", better_than=[{"record_id": "record-3"}], who="ann")
    ratings += [gone, undo_of(gone)]
    packed = package_ratings(experiment, records, ratings)
    shuffled = random.Random(4)
    for _ in range(5):
        shuffled.shuffle(records)
        shuffled.shuffle(ratings)
        assert json.dumps(package_ratings(experiment, records, ratings)) == json.dumps(packed)
    assert packed["plan"]["settings_under_test"] == {"steps": [10, 20, 30, 40]}
    assert packed["plan"]["note"] == "steps?"
    pictures = {picture["record_id"]: picture for picture in packed["pictures"]}
    assert [picture["row"] for picture in packed["pictures"]] == [0] * 4 + [1] * 4
    assert (pictures["record-0"]["stars"], pictures["record-0"]["people"]) == (4.0, 2)
    assert (pictures["record-0"]["tags"], pictures["record-0"]["notes"]) == (["hands"], "soft")
    assert (pictures["record-1"]["stars"], pictures["record-1"]["weak"]) == (2.0, True)
    assert [choice["preferred"] for choice in packed["choices"]] == ["record-0"]
    cells = {cell["cell"]: cell for cell in packed["cells"]}
    own = cells[pictures["record-0"]["cell"]]
    assert (own["rated"], own["mean_stars"], own["preferred"], own["tags"]) == (1, 4.0, 1, {"hands": 1})
    assert Counter(cell["pictures"] for cell in packed["cells"]) == {2: 4}


def test_a_package_lists_failures(experiment: Experiment) -> None:
    """With the reason, and without a picture."""
    variant = next(iter(variants_of(experiment.plan, "e1")))
    packed = package_ratings(experiment, [record_of(variant, "out of memory")], [])
    assert [failure["reason"] for failure in packed["failures"]] == ["out of memory"]
    assert packed["pictures"] == []
