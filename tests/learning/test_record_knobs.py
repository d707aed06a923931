"""Which settings records differ in, and what values are considered for each."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.learning.archive import make_record
from tests.learning.person import VALUES, pictures

from stablenew.config import PipelineConfig, apply_settings
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.record_knobs import BETWEEN, LORA, MOST_VALUES, family_of, knob_settings, space_of_records
from stablenew.learning.search_space import SearchSpace, is_number


def space(records: list[LearningRecord], **asked: Any) -> SearchSpace:
    found = space_of_records(records, **asked)
    assert found is not None
    return found


def with_axis(name: str, values: list[Any]) -> list[LearningRecord]:
    return [make_record(f"r{at}", axes={name: value}) for at, value in enumerate(values)]


def test_only_what_differs_is_a_knob() -> None:
    """Seeds, prompts and what all pictures share are none; numbers ascend, categories are those seen."""
    found = space(pictures(VALUES, ["a fox", "a boat"], 2, model="dreamshaper_8"))
    assert set(found.names) == {"sampler", "cfg_scale"}
    assert set(found.knob("sampler").values) == {"Euler", "Heun"}
    guidance = found.knob("cfg_scale")
    assert guidance.numeric
    assert list(guidance.values) == sorted(guidance.values)
    assert {2.0, 5.0, 11.0} <= set(guidance.values)
    assert (guidance.values[0], guidance.values[-1]) == (2.0, 11.0)


def test_records_that_differ_in_nothing_have_no_space() -> None:
    """Nor has no record at all; a setting to keep is kept with its one value."""
    same = pictures({"sampler": ["Heun"]}, seeds=5, model="dreamshaper_8")
    assert space_of_records(same) is None
    assert space_of_records([]) is None
    assert space(same, keep=("model",)).knob("model").values == ("dreamshaper_8",)


def test_width_and_height_are_one_setting_and_so_are_loras() -> None:
    """A size is told apart as a whole; a lora axis is a category however it is written."""
    configs = [apply_settings(PipelineConfig(), {"width": width, "height": 512}) for width in (512, 768)]
    records = [
        LearningRecord.from_pipeline_context(
            config, {"record_id": f"r{at}", "run_id": "run", "timestamp": "2026-11-22T10:00:00.000Z", "prompt": "a"}
        )
        for at, config in enumerate(configs)
    ]
    assert [knob_settings(each)["size"] for each in records] == ["512x512", "768x512"]
    assert space(records).names == ("size",)
    assert space(with_axis(LORA, ["glow:0.5", "glow:1"])).knob(LORA).values == ("glow:0.5", "glow:1")


def test_what_only_follows_from_settings_is_no_knob() -> None:
    """A name that nobody can set is left out, however often it differs."""
    assert space_of_records(with_axis("weather", ["rain", "sun", "rain"])) is None


def test_a_number_most_records_lack_is_left_out_and_a_category_they_lack_is_none() -> None:
    """Half of them is enough; a VAE that some pictures were made without has "none" among its values."""
    plain = make_record("x", steps=20)
    blank = dataclasses.replace(plain, pipeline=dataclasses.replace(plain.pipeline, cfg_scale=None, stages=[]))
    two = [make_record("a", cfg_scale=3.0), make_record("b", cfg_scale=7.0)]
    assert "cfg_scale" in space([*two, blank, blank]).names
    assert space_of_records([*two, blank, blank, blank]) is None
    vaes = [*with_axis("vae", ["v.pt", "w.pt"]), make_record("without")]
    assert set(space(vaes).knob("vae").values) == {"v.pt", "w.pt", "none"}


def test_a_category_of_its_own_for_every_picture_tells_nothing() -> None:
    """Nine pictures with nine different models cannot be compared by model."""
    nine = [make_record(f"r{at}", model=f"model-{at}", steps=10 + at % 2) for at in range(9)]
    assert space(nine).names == ("steps",)


def test_of_very_many_categories_the_commonest_are_told_apart() -> None:
    """The rarest beyond MOST_VALUES are left out."""
    many = [make_record(f"r{at}", model=f"model-{at % 60}") for at in range(100)]
    values = space(many).knob("model").values
    assert len(values) == MOST_VALUES
    assert {f"model-{at}" for at in range(40)} == set(values)


def test_five_hundred_numbers_become_a_few_round_ones() -> None:
    """With the ends that were seen, so that what was tried at the edge can be advised."""
    many = [make_record(f"r{at}", cfg_scale=1 + at * 0.013) for at in range(500)]
    values = space(many).knob("cfg_scale").values
    assert len(values) <= BETWEEN + 3
    assert (values[0], values[-1]) == (1.0, pytest.approx(1 + 499 * 0.013))
    assert list(values[1:-1]) == [round(0.5 * at, 6) for at in range(3, 15)]


@given(seen=st.lists(st.integers(1, 150), min_size=2, max_size=30, unique=True))
def test_numbers_between_those_seen_are_round_and_whole_where_those_are(seen: list[int]) -> None:
    """Two values stay two; more get others between them, never outside, each a multiple of one step."""
    values = space([make_record(f"r{at}", steps=steps) for at, steps in enumerate(seen)]).knob("steps").values
    assert set(seen) <= set(values)
    assert all(isinstance(value, int) and min(seen) <= value <= max(seen) for value in values)
    added = sorted(set(values) - set(seen))
    assert not added if len(seen) == 2 else len(added) <= BETWEEN + 1
    assert any(all(value % step == 0 for value in added) for step in (1, 2, 5, 10))


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("dreamshaper_8", "dreamshaper"),
        ("models/DreamShaper_7.safetensors", "dreamshaper"),
        ("dreamshaper_v6 [0123456789]", "dreamshaper"),
        ("realisticVision-v5.1", "realisticvision"),
        ("v1-5", "v1-5"),
        ("8", "8"),
    ],
)
def test_checkpoints_of_one_name_are_one_family(model: str, family: str) -> None:
    """Whatever version, folder, ending and hash; a name that is a version alone stays."""
    assert family_of(model) == family


def test_families_reach_the_space() -> None:
    """So that a new checkpoint borrows from what is known of its older versions."""
    two = [make_record("a", model="dreamshaper_7"), make_record("b", model="dreamshaper_8")]
    assert set(space(two).knob("model").families.values()) == {"dreamshaper"}


def test_truth_values_are_categories() -> None:
    """True is not the number 1."""
    assert not is_number(True)
    assert is_number(1)
    assert is_number(1.5)
