"""Cards: made of advice, kept version by version, never without evidence."""

from __future__ import annotations

import dataclasses

import pytest
from tests.cards import NEW, NOW, OLD, advice, animals, card, made

from stablenew.errors import NotFound, UnsafeName
from stablenew.learning.card_store import (
    card_history,
    card_names,
    card_path,
    current_card,
    keep_version,
    list_cards,
)
from stablenew.learning.card_text import card_lines, evidence_line, history_lines, settings_rows, state_line
from stablenew.learning.learning_feedback import RatingWriter, new_rating
from stablenew.learning.learning_reader import read_current_records
from stablenew.learning.taste_card import TasteCard, card_names_for, difference
from stablenew.workspace import Workspace


def test_a_card_carries_the_advice_and_its_numbers(workspace: Workspace) -> None:
    """Settings, old settings, changes, intervals, counts and sentences are those of the advice; it reads back equal."""
    given = advice()
    found = card(workspace, given, model="fake-model", prompt_class="animals", who="ana")
    assert found == current_card(workspace, "fake-model-animals")
    assert (found.settings, found.baseline, found.who) == (NEW, OLD, "ana")
    assert [(each.name, each.before, each.after) for each in found.changes] == [
        ("sampler", "Euler a", "DPM++ 2M"),
        ("steps", 20, 28),
        ("cfg_scale", 7.0, 5.0),
    ]
    assert (found.gain, found.expected, found.baseline_expected) == (
        given.gain,
        given.expected,
        given.baseline_expected,
    )
    assert (found.ratings, found.choices, found.statements) == (48, 6, given.statements)
    assert found.made_at == "2026-11-22T10:00:00.000000Z"


def test_without_enough_evidence_nothing_is_stored_and_the_earlier_version_stands(workspace: Workspace) -> None:
    """ "Not enough" makes no card; later it does not replace one."""
    few = advice(enough=False, reason="8 ratings, 24 are needed")
    first = made(workspace, few)
    assert (first.card, first.stored, first.said) == (None, False, "not enough evidence: 8 ratings, 24 are needed")
    assert card_names(workspace) == []
    kept = card(workspace)
    later = made(workspace, few)
    assert (later.card, later.stored) == (kept, False)
    assert len(card_history(workspace, "any")) == 1


def test_the_same_advice_writes_nothing_and_new_evidence_appends(workspace: Workspace) -> None:
    """Same numbers: the version stands. More ratings or other settings: a new line, the old ones byte for byte."""
    assert made(workspace).stored
    path = card_path(workspace, "any")
    first = path.read_bytes()
    again = made(workspace)
    assert (again.stored, again.said) == (False, "nothing new since this version")
    more = made(workspace, advice(ratings=60))
    assert (more.stored, more.said) == (True, "made anew from more evidence")
    other = made(workspace, advice({**NEW, "steps": 30}))
    assert other.said == "made anew: the settings changed"
    assert path.read_bytes().startswith(first)
    assert [each.settings["steps"] for each in card_history(workspace, "any")] == [28, 28, 30]


def test_what_was_measured_stays_with_its_settings(workspace: Workspace) -> None:
    """More evidence for the same settings keeps their state; other settings begin unproved; back again, it is known."""
    lost = dataclasses.replace(card(workspace), state="withdrawn")
    keep_version(workspace, lost, "withdrawn", reason="lost its blind pairs", now=NOW)
    same = made(workspace, advice(ratings=60))
    assert same.card is not None
    assert (same.card.state, same.said) == ("withdrawn", "these settings were withdrawn before, and stay so")
    assert same.card.in_use == OLD
    other = card(workspace, advice({**NEW, "steps": 30}))
    assert (other.state, other.in_use["steps"]) == ("unproved", 30)
    back = card(workspace, advice(ratings=70))
    assert (back.state, back.reason) == ("withdrawn", "lost its blind pairs")


def test_a_card_shows_the_pictures_that_prove_it(workspace: Workspace) -> None:
    """Proof pictures come with path, hash, stars and prompt; a record that is gone is passed over."""
    animals(workspace)
    record = next(iter(read_current_records(workspace.records)))
    writer = RatingWriter(workspace.ratings)
    writer.append(new_rating(record.run.record_id, score=5))
    writer.close()
    found = card(workspace, advice(proof=("gone0000", record.run.record_id)))
    image = record.outcome.images[-1]
    assert [(each.path, each.sha256, each.stars, each.prompt) for each in found.images] == [
        (image.path, image.sha256, 5.0, "a cat on a wall")
    ]


@pytest.mark.parametrize(
    ("model", "prompt_class", "name"),
    [
        ("sd15/dreamshaper_8.safetensors [879db523c3]", "any", "dreamshaper_8"),
        ("C:\\models\\v1.5.ckpt", "portraits", "v1.5-portraits"),
        ("any", "any", "any"),
        ("any", "portraits", "any-portraits"),
        ("a:b*c?", "x/y", "a-b-c-x-y"),
    ],
)
def test_names_are_what_people_call_models_and_safe_for_files(model: str, prompt_class: str, name: str) -> None:
    """Folder, ending and hash go; signs a file system refuses become hyphens."""
    assert card_names_for(model, prompt_class, None)[0] == name


def test_two_models_of_one_name_get_two_cards(workspace: Workspace) -> None:
    """The second of two models with the same short name is told apart, and found again."""
    first = card(workspace, model="one/dream.safetensors")
    second = card(workspace, model="two/dream.safetensors")
    assert first.name == "dream"
    assert second.name.startswith("dream-")
    assert card(workspace, advice(ratings=50), model="two/dream.safetensors").name == second.name
    assert [each.model for each in list_cards(workspace)] == ["one/dream.safetensors", "two/dream.safetensors"]


def test_two_people_have_two_cards(workspace: Workspace) -> None:
    """The second person's card of a model is called after both, and neither displaces the other."""
    assert card(workspace, model="dream", who="ana").name == "dream"
    assert card(workspace, model="dream", who="bob").name == "dream-bob"
    assert card(workspace, advice(ratings=50), model="dream", who="ana").name == "dream"
    assert [(each.name, each.ratings) for each in list_cards(workspace)] == [("dream", 50), ("dream-bob", 48)]


def test_a_card_that_is_not_there_names_those_that_are(workspace: Workspace) -> None:
    """The error says what there is; a name that is a path is refused."""
    card(workspace)
    with pytest.raises(NotFound, match="any"):
        current_card(workspace, "nothing")
    with pytest.raises(UnsafeName):
        current_card(workspace, "../any")


def test_a_torn_last_version_leaves_the_one_before(workspace: Workspace) -> None:
    """Cut anywhere inside its last line, a card's file gives the version before; the next one is whole again."""
    card(workspace)
    path = card_path(workspace, "any")
    first = path.read_bytes()
    card(workspace, advice(ratings=60))
    whole = path.read_bytes()
    for cut in range(len(first) + 1, len(whole) - 1, 97):
        path.write_bytes(whole[:cut])
        assert current_card(workspace, "any").ratings == 48
    assert card(workspace, advice(ratings=61)).ratings == 61
    assert [each.ratings for each in card_history(workspace, "any")] == [48, 61]


def test_the_difference_names_every_setting_that_differs() -> None:
    """Changed, added and missing settings, each with both values."""
    assert difference({"a": 1, "b": 2, "d": 4}, {"a": 1, "b": 3, "c": 5}) == {
        "b": (2, 3),
        "c": (None, 5),
        "d": (4, None),
    }


def test_a_card_is_json(workspace: Workspace) -> None:
    """`to_dict` holds JSON types and makes the same card again."""
    import msgspec

    found = card(workspace)
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(found.to_dict())), TasteCard) == found


def test_what_nobody_can_set_is_not_on_a_card_unless_it_changes(workspace: Workspace) -> None:
    """A device is not; a slot that the advice changes is."""
    old, new = {**OLD, "device": "cpu", "[[light]]": "dusk"}, {**NEW, "device": "cpu", "[[light]]": "dawn"}
    found = card(workspace, advice(new, old))
    assert list(found.settings) == ["sampler", "steps", "cfg_scale", "[[light]]"]


def test_every_line_of_a_card_says_numbers_of_the_card(workspace: Workspace) -> None:
    """Expected stars, the old settings' and the gain with their intervals; each change; ratings and choices; state."""
    found = card(workspace, advice(), model="dream", who="ana")
    assert card_lines(found) == [
        "4.2 (3.8..4.6) stars are expected, 3.4 (3.0..3.8) with the old settings: +0.8 (+0.4..+1.2)",
        "expected 4.2 stars (3.8..4.6, 30 images)",
    ]
    assert settings_rows(found) == [
        ("sampler", "Euler a", "DPM++ 2M", "+0.3 (-0.1..+0.7), 12 images"),
        ("steps", "20", "28", "+0.3 (-0.1..+0.7), 12 images"),
        ("cfg_scale", "7", "5", "+0.3 (-0.1..+0.7), 12 images"),
    ]
    assert evidence_line(found) == "model dream, any prompts: from 48 ratings and 6 choices, 2026-11-22, ana"
    assert state_line(found) == "not proved yet: stablenew prove makes blind pairs, old against new"
    lost = keep_version(workspace, dataclasses.replace(found, state="withdrawn"), "withdrawn", reason="mine", now=NOW)
    assert state_line(lost) == "withdrawn on 2026-11-22, the old settings are in use: mine"
    assert history_lines(card_history(workspace, "dream")) == [
        "version 1, 2026-11-22 10:00: made, 48 ratings",
        "version 2, 2026-11-22 10:00: withdrawn, mine",
    ]
