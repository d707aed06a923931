"""Plans: every way in checks the same, and says which field is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.learning.plans import make_plan

from stablenew.errors import InputError, InvalidPlan
from stablenew.learning.learning_plan import LearningPlan, plan_from_dict, read_plan_file
from stablenew.learning.plan_checks import check_choices
from stablenew.learning.plan_setting import plan_setting
from stablenew.variant import PromptLine


def test_settings_are_tested_under_the_names_of_flat_settings_with_typed_values() -> None:
    """Aliases and declared paths come to one name; text becomes the setting's type; a size is checked side by side."""
    plan = make_plan(settings={"txt2img.steps": ["10", 20], "cfg": [3, "5.5"], "size": ["64x128", "128 x 64"]})
    assert [(setting.name, setting.values) for setting in plan.settings] == [
        ("steps", (10, 20)),
        ("cfg_scale", (3.0, 5.5)),
        ("size", ("64x128", "128x64")),
    ]
    assert plan_setting("size", ["64x128"]).changes("64x128") == {"txt2img.width": 64, "txt2img.height": 128}


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"settings": {"stepz": [1, 2]}}, "settings.stepz", "did you mean"),
        ({"settings": {"steps": [10, 999]}}, "settings.steps", "from 1 to 150"),
        ({"settings": {"steps": [10, "10"]}}, "settings.steps", "twice"),
        ({"settings": {"steps": 10}}, "settings.steps", "a list"),
        ({"settings": {"steps": []}}, "settings.steps", "at least one"),
        ({"settings": {"size": ["64x65"]}}, "settings.size", "multiples of 8"),
        ({"settings": {"size": ["large"]}}, "settings.size", "512x768"),
        ({"settings": {"lora": ["<ink>"]}}, "settings.lora", "ink:0.8"),
        ({"settings": {"seed": [1, 2]}}, "settings.seed", "give seeds"),
        ({"settings": {"img2img.denoise": [0.2, 0.4]}}, "settings.img2img.denoise", "no part in the stages txt2img"),
        ({"settings": {"steps": [1, 2]}, "stage": "img2img"}, "settings.steps", "every cell"),
        ({"settings": {}}, "settings", "needs settings"),
        ({"design": "listed", "cells": [{}]}, "cells", "needs its cells"),
        ({"design": "listed", "cells": [{"steps": 0}]}, "cells[0].steps", "from 1 to 150"),
        ({"prompts": []}, "prompts", "from 1"),
        ({"prompts": [" "]}, "prompts", "empty"),
        ({"seeds": 0}, "seeds", "from 1"),
        ({"seeds": [4, 4]}, "seeds", "each once"),
        ({"seeds": [4], "images_per_cell": 9}, "images_per_cell", "too many"),
        ({"budget": 0}, "budget", "from 1"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(fields: dict[str, Any], field: str, words: str) -> None:
    """One error per field, with what is allowed."""
    with pytest.raises(InvalidPlan, match=words) as caught:
        make_plan(**fields)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"sedes": 2}, "sedes"),
        ({"design": "all"}, "design"),
        ({"seeds": "two"}, "seeds"),
        ({"prompts": [3]}, "prompts[0]"),
        ({"prompts": [{"negative_prompt": "x"}]}, "prompts[0].prompt"),
        ({"baseline": {"steps": 0}}, "baseline"),
        ({"version": 9}, "version"),
    ],
)
def test_a_plan_from_a_file_names_its_fields_too(data: dict[str, Any], field: str) -> None:
    """What is not of the right form is refused before anything is made of it."""
    with pytest.raises(InvalidPlan) as caught:
        plan_from_dict({"settings": {"steps": [1, 2]}, "prompts": ["a"]} | data)
    assert caught.value.field == field


PLANS = st.builds(
    make_plan,
    prompts=st.lists(
        st.text("abc é", min_size=1).filter(str.strip)
        | st.builds(
            PromptLine,
            pack_id=st.just("p"),
            pack_name=st.text("xy"),
            line_number=st.integers(1, 9),
            prompt=st.just("a fox"),
            settings=st.just((("txt2img.steps", 12),)),
        ),
        min_size=1,
    ),
    settings=st.fixed_dictionaries(
        {"steps": st.lists(st.integers(1, 150), min_size=1, unique=True)},
        optional={
            "sampler": st.just(["Euler", "DDIM"]),
            "lora": st.just(["none", "ink:0.8+paper"]),
            "size": st.just(["64x64", "64x128"]),
            "model": st.just([None, "dream"]),
        },
    ),
    design=st.sampled_from(["crossed", "one-at-a-time"]),
    with_baseline=st.booleans(),
    seeds=st.integers(1, 5) | st.just([7, 9]),
    budget=st.none() | st.integers(1, 99),
    note=st.text(),
)


@given(PLANS)
def test_a_plan_survives_json(plan: LearningPlan) -> None:
    """What `to_dict` gives is JSON, and `plan_from_dict` makes the same plan of it."""
    assert plan_from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_a_plan_is_read_from_toml(tmp_path: Path) -> None:
    """The example at the top of the module, as a file; what is no TOML is said with its line."""
    path = tmp_path / "plan.toml"
    path.write_text(
        'design = "crossed"\nprompts = ["a red fox", {prompt = "a boat", negative_prompt = "blurry"}]\nseeds = 2\n'
        'budget = 60\ntags = ["class:animal"]\n[baseline]\nsampler = "UniPC"\n'
        "[settings]\nsteps = [10, 20, 30]\ncfg_scale = [3, 5, 7]\n"
    )
    plan = plan_from_dict(read_plan_file(path))
    assert [each.negative_prompt for each in plan.prompts] == ["", "blurry"]
    assert (plan.baseline.txt2img.sampler, plan.seeds, plan.budget) == ("UniPC", 2, 60)
    assert plan.baseline.learning_tags == ["class:animal"]
    path.write_text("seeds = = 2")
    with pytest.raises(InputError, match=r"plan\.toml is not TOML.*line 1"):
        read_plan_file(path)


def test_the_stage_is_the_first_that_a_setting_under_test_touches() -> None:
    """Only what may differ is made anew in every cell: the rest of the stages is shared."""
    both = {"stages": "txt2img,img2img,upscale", "upscale.method": "img2img"}
    plan = make_plan(both, settings={"img2img.denoise": [0.2, 0.5], "upscale.scale": [1.5, 2]})
    assert (plan.stage, plan.shared_stages) == ("img2img", ("txt2img",))
    plan = make_plan(both, settings={"upscale.denoise": [0.2, 0.5]})
    assert (plan.stage, plan.shared_stages) == ("upscale", ("txt2img", "img2img"))
    assert make_plan(both, settings={"steps": [1, 2], "upscale.scale": [1, 2]}).shared_stages == ()
    added = make_plan(settings={"upscale.scale": [1.5, 2]}, stage="upscale")
    assert (added.baseline.stages, added.shared_stages) == (("txt2img", "upscale"), ("txt2img",))
    repaint = {"stages": "txt2img,upscale", "upscale.method": "img2img"}
    assert make_plan(repaint, settings={"img2img.steps": [5, 9]}).stage == "upscale"
    start = {"stages": "img2img", "img2img.init_image": "a.png"}
    assert make_plan(start, settings={"steps": [5, 9]}).shared_stages == ()
    with pytest.raises(InvalidPlan, match="no part"):
        make_plan(start, settings={"width": [64, 128]})


def test_names_are_checked_against_what_the_backend_says_it_has() -> None:
    """Unknown ones are refused with the nearest; forms that backends take, and what they do not list, pass."""
    offers = {
        "sampler": ["Euler a", "DPM++ 2M"],
        "scheduler": ["Karras"],
        "model": ["dream-v8.safetensors [abcd]"],
        "vae": [],
    }
    fine = {"sampler": ["euler_a", "DPM++ 2M Karras"], "model": ["Dream v8", "/models/x.safetensors"], "vae": ["any"]}
    check_choices(make_plan(settings=fine), offers)
    with pytest.raises(InvalidPlan, match="did you mean 'Euler a'") as caught:
        check_choices(make_plan(settings={"sampler": ["Euler a", "Euler b"]}), offers)
    assert caught.value.field == "settings.sampler"
    with pytest.raises(InvalidPlan) as caught:
        check_choices(make_plan({"scheduler": "Polyexponential"}), offers)
    assert caught.value.field == "baseline.scheduler"


def test_the_same_prompt_twice_is_one() -> None:
    """A second copy would make the same pictures again."""
    assert [each.prompt for each in make_plan(prompts=["a", "b", "a"]).prompts] == ["a", "b"]
