"""A card from the ratings themselves, with the real adviser in between."""

from __future__ import annotations

import dataclasses
import random

import pytest
from tests.cards import NOW, run_variants
from tests.makers import make_config, make_variants

from stablenew.errors import InputError
from stablenew.learning.card_store import make_card
from stablenew.learning.evidence import gather_evidence
from stablenew.learning.learning_feedback import RatedPicture, RatingWriter, new_rating
from stablenew.learning.learning_reader import read_current_records
from stablenew.learning.search_space import space_from_values
from stablenew.workspace import Workspace


def rated(workspace: Workspace, better: float) -> None:
    """48 pictures: guidance 3 and 9, two samplers, twelve seeds; guidance 3 has `better` stars more, with noise."""
    variants = []
    for sampler in ("Euler", "DDIM"):
        for cfg_scale in (3.0, 9.0):
            config = make_config(run_id="r", sampler=sampler, cfg_scale=cfg_scale)
            variants += make_variants(config, 12)
    count = len(variants)
    variants = [dataclasses.replace(each, index=at, count=count) for at, each in enumerate(variants)]
    run_variants(workspace, make_config(run_id="r"), variants)
    chance, writer = random.Random(5), RatingWriter(workspace.ratings, durability="none")
    for record in read_current_records(workspace.records):
        stars = 2.5 + better * (record.pipeline.cfg_scale == 3.0) + chance.gauss(0, 0.6)
        writer.append(new_rating(record.run.record_id, score=min(5, max(1, round(stars))), who="ana"))
    writer.close()


def test_a_card_changes_what_the_ratings_say_and_nothing_else(workspace: Workspace) -> None:
    """Two stars between guidances, none between samplers: the card changes the guidance, and its gain is near two."""
    rated(workspace, 2.0)
    old = {"txt2img.cfg_scale": 9.0, "txt2img.sampler": "Euler"}
    made = make_card(workspace, model="fake-model", baseline=old, who="ana", now=NOW)
    assert made.stored
    assert made.card is not None
    assert (made.card.baseline["cfg_scale"], made.card.baseline["sampler"]) == (9.0, "Euler")
    (change,) = (each for each in made.card.changes if each.name == "cfg_scale")
    assert change.after < 6
    assert made.card.gain.low < 2.0 < made.card.gain.high
    assert made.card.ratings == 48
    assert made.card.images
    assert all(image.stars is not None for image in made.card.images)


def test_where_nothing_matters_there_is_no_card(workspace: Workspace) -> None:
    """The same pictures with stars by chance alone: not enough evidence, and no card."""
    rated(workspace, 0.0)
    made = make_card(workspace, model="fake-model", who="ana")
    assert made.card is None
    assert made.said.startswith("not enough evidence: ")


def test_a_scorers_choices_do_not_count_beside_a_persons(workspace: Workspace) -> None:
    """Twenty weak choices for guidance 9 are in no card of a person's ratings; without a person they are evidence."""
    rated(workspace, 2.0)
    records = {record.run.record_id: record for record in read_current_records(workspace.records)}
    three, nine = ([name for name, each in records.items() if each.pipeline.cfg_scale == value] for value in (3.0, 9.0))
    picks = [
        new_rating(best, better_than=[RatedPicture(record_id=other)], who="scorer:eye", weak=True)
        for best, other in zip(nine[:20], three[:20], strict=True)
    ]
    writer = RatingWriter(workspace.ratings, durability="none")
    writer.append(*picks)
    writer.close()
    made = make_card(workspace, model="fake-model", baseline={"cfg_scale": 9.0})
    assert made.card is not None
    assert made.card.choices == 0
    alone = gather_evidence(records.values(), picks, space_from_values({"cfg_scale": (3.0, 9.0)}))
    assert len(alone.preferred) == 20


def test_without_a_rated_picture_the_error_says_what_to_do(workspace: Workspace) -> None:
    """An empty workspace has no card to make."""
    with pytest.raises(InputError, match="do so with stablenew rate"):
        make_card(workspace, model="fake-model")
