"""Plans: exact, lazy, balanced when limited, and the same on every machine."""

import json
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stablenew.config import PipelineConfig
from stablenew.errors import InvalidSetting, PackError, PlanTooLarge
from stablenew.prompts.axes import parse_axis, parse_linked, parse_skip
from stablenew.prompts.expansion import ReplaceRule, SlotValues
from stablenew.prompts.pack import parse_pack
from stablenew.prompts.randomizer import make_plan, plan_from_recipe
from stablenew.prompts.wildcards import Wildcards, WildcardValues
from stablenew.variant import content_hash

GOLDEN = Path(__file__).parents[1] / "data" / "golden_plan.json"
LINES = parse_pack("a castle\nneg: blurry\n\na lighthouse", name="demo").prompt_lines()
MOODS = [SlotValues(name="Mood", values=("calm", "stormy", "bright"))]
PLACES = Wildcards(given={"place": WildcardValues(texts=("sea", "hill"))})


def lines_of(*prompts):
    return parse_pack("\n\n".join(prompts), name="p").prompt_lines()


def plan_of(*prompts, config=None, **options):
    return make_plan(config or PipelineConfig(), lines_of(*prompts), **options)


def test_count_is_lines_times_values_times_seeds():
    """Every line meets every value of every axis with every seed, once."""
    plan = make_plan(
        PipelineConfig(), LINES, axes=[parse_axis("cfg_scale=3,5,7"), parse_axis("steps=10..20:5")], seeds=2
    )
    cells = {(v.prompt, v.config.txt2img.cfg_scale, v.config.txt2img.steps, v.seed) for v in plan}
    assert plan.count == len(cells) == 36


@pytest.mark.parametrize("limit", [None, 7])
def test_a_recipe_gives_the_same_variants(limit):
    """A plan rebuilt from its recipe's JSON has identical variants, and needs no wildcard file for it."""
    axes = [
        parse_axis('sampler="Euler a",DDIM'),
        parse_axis("[[mood]]=calm,wild"),
        parse_linked("width=512,768 height=768,512"),
    ]
    plan = plan_of(
        "a [[mood]] {cat|dog} at __place__ ${v=!{x|y}} ${v}",
        config=PipelineConfig(seed=5),
        axes=axes,
        skip=[parse_skip("sampler=DDIM,[[mood]]=wild", axes)],
        seeds=2,
        limit=limit,
        slots=MOODS,
        wildcards=PLACES,
        rules=[ReplaceRule(search="cat", values=("cat", "tiger"))],
    )
    again = plan_from_recipe(json.loads(json.dumps(plan.recipe())))
    assert list(again) == list(plan)
    assert again.recipe() == plan.recipe()


@pytest.mark.parametrize("limit", [None, 40])
def test_item_k_is_that_of_the_whole_list(limit):
    """Any variant computed alone, in any order, equals the one that iteration gives."""
    plan = plan_of("a [[mood]] {x|y {1|2}}", "b __place__", "c", slots=MOODS, wildcards=PLACES, limit=limit,
                   axes=[parse_axis("model=a,b"), parse_axis("steps=10,20")], seeds=3)  # fmt: skip
    every = list(plan)
    assert [plan.variant(k) for k in reversed(range(plan.count))][::-1] == every
    assert [v.index for v in every] == list(range(plan.count))
    assert len({v.variant_id for v in every}) == plan.count
    with pytest.raises(IndexError):
        plan.variant(plan.count)


def test_describing_a_trillion_is_exact_and_lazy():
    """A plan of more than 10^12 variants is counted exactly and any of them is there at once."""
    axes = [parse_axis("steps=1..150"), parse_axis("cfg_scale=0..50:0.5"), parse_axis("img2img.denoise=0..1:0.001")]
    plan = plan_of(" ".join(["{a|b|c|d}"] * 8), axes=axes, skip=[parse_skip("steps<3,cfg_scale>49", axes)])
    assert plan.count == 4**8 * (150 * 101 - 2 * 2) * 1001
    assert plan.count > 10**11
    assert plan.variant(plan.count - 1).config.txt2img.steps == 150
    assert len(set(plan.variant(plan.count // 2).bindings)) == 8


def test_one_choice_may_have_a_trillion_texts():
    """A single choice with more texts than any list is counted, iterated, skipped over and balanced at once."""
    axes = [parse_axis("steps=10,20")]
    prompt = "{8$$" + "|".join("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN") + "}"
    each = 40 * 39 * 38 * 37 * 36 * 35 * 34 * 33
    plans = [
        plan_of(prompt, axes=axes),
        plan_of(prompt, axes=axes, skip=[parse_skip("steps<15", axes)]),
        plan_of(prompt, axes=axes, limit=30),
    ]
    assert [plan.total for plan in plans] == [2 * each, each, 2 * each]
    assert all(len({v.variant_id for v in islice(plan, 30)}) == 30 for plan in plans)


@pytest.mark.parametrize("options", [60, 3_000])
def test_a_plan_beyond_running_is_refused_with_its_size(options):
    """10^30 variants and far more are refused, with the size; a balanced part of them is not."""
    prompt = " ".join(["{a|b|c|d}"] * options)
    with pytest.raises(PlanTooLarge, match=r"10\^|,") as caught:
        plan_of(prompt)
    assert caught.value.count == 4**options
    assert len({v.prompt for v in plan_of(prompt, limit=20)}) == 20


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_limited_plan_is_balanced_in_every_axis(data):
    """For any axes and limit, the values of each setting, of the slot and the lines differ by at most one."""
    sizes = data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=3))
    names = ["steps", "cfg_scale", "clip_skip"]
    axes = [
        parse_axis(f"{name}={','.join(str(i + 1) for i in range(n))}") for name, n in zip(names, sizes, strict=False)
    ]
    prompts = [f"line {i} [[mood]]" for i in range(data.draw(st.integers(1, 4)))]
    limit = data.draw(st.integers(1, 80))
    variants = list(plan_of(*prompts, axes=axes, slots=MOODS, limit=limit))
    for axis in axes:
        counts = Counter(v.axes[axis.names[0]] for v in variants)
        assert max(counts.values()) - min(counts[row[0]] for row in axis.values) <= 1
    for counts, all_values in (
        (Counter(v.bindings["Mood"] for v in variants), MOODS[0].values),
        (Counter(v.line.prompt for v in variants), prompts),
    ):
        assert max(counts.values()) - min(counts[value] for value in all_values) <= 1


def test_lines_of_unlike_size_get_equally_many():
    """A line with many texts does not crowd out a line with one."""
    variants = list(plan_of("a {1|2|3|4|5|6|7|8|9}", "b {1|2}", "c", axes=[parse_axis("steps=1..9")], limit=18))
    assert Counter(v.prompt[0] for v in variants) == {"a": 6, "b": 6, "c": 6}
    counts = Counter(v.axes["txt2img.steps"] for v in variants)
    assert set(counts.values()) == {2}


def test_seeds_are_common_to_all_settings():
    """Each cell has the same seeds, and a line's are the same whatever the settings, the limit or the other lines."""
    axes = [parse_axis("steps=10,20,30"), parse_axis("cfg_scale=3,5")]
    plan = make_plan(PipelineConfig(), LINES, axes=axes, seeds=3, limit=18)
    by_cell: dict = {}
    for v in plan:
        by_cell.setdefault((v.line.line_number, *v.axes.values()), []).append(v.seed)
    seeds = {line: seeds for (line, *_), seeds in by_cell.items()}
    assert len(by_cell) == 6
    assert all(own == seeds[cell[0]] and len(set(own)) == 3 for cell, own in by_cell.items())
    assert [v.seed for v in make_plan(PipelineConfig(), LINES[:1], seeds=3)] == seeds[LINES[0].line_number]
    assert [v.seed for v in make_plan(PipelineConfig(seed=7), LINES[:1], seeds=3)] == [7, 8, 9]
    assert [v.seed for v in make_plan(PipelineConfig(seed=7), LINES[:1], seeds=[4, 2])] == [4, 2]
    assert [v.seed for v in make_plan(PipelineConfig(), LINES[:1], axes=[parse_axis("seed=4,2")])] == [4, 2]


def test_skip_rules_leave_out_exactly_their_cells():
    """Settings, slots, lines and seeds may stand in a rule; count and content follow, limited or not."""
    axes = [parse_axis("steps=10,20"), parse_axis("[[mood]]=calm,wild"), parse_axis("seed=1,2"), parse_axis("line=1,3")]
    skip = [parse_skip("steps<15,[[mood]]=wild", axes), parse_skip("line=3,seed=2", axes)]
    plan = plan_of("a [[mood]]", "b", axes=axes, skip=skip)
    cells = {(v.axes["txt2img.steps"], v.bindings.get("mood"), v.seed, v.line.line_number) for v in plan}
    assert cells == {
        (10, "calm", 1, 1), (10, "calm", 2, 1), (20, "calm", 1, 1), (20, "calm", 2, 1), (20, "wild", 1, 1),
        (20, "wild", 2, 1), (10, None, 1, 3), (20, None, 1, 3),
    }  # fmt: skip
    limited = list(plan_of("a [[mood]]", "b", axes=axes, skip=skip, limit=5))
    assert len({v.variant_id for v in limited}) == 5
    assert {v.variant_id for v in limited} <= {v.variant_id for v in plan}
    with pytest.raises(InvalidSetting, match="leave something"):
        plan_of("a", axes=axes[:1], skip=[parse_skip("steps>1", axes)])


def test_a_rule_that_leaves_almost_nothing_still_ends():
    """A million cells of which a rule leaves one in a thousand give a limited plan without a repeat."""
    axes = [parse_axis("steps=1..150"), parse_axis("cfg_scale=0..49:0.05"), parse_axis("clip_skip=1..7")]
    plan = plan_of("a", axes=axes, skip=[parse_skip("cfg_scale>0.04", axes)], limit=60)
    assert plan.total == 150 * 7
    assert len({v.variant_id for v in plan}) == 60


def test_expensive_changes_are_few():
    """The model is changed as rarely as can be in a full plan, and far less often than at random in a limited one."""
    axes = [parse_axis("steps=1..60"), parse_axis("model=a,b,c"), parse_axis("cfg_scale=1..9:1")]
    full = [v.config.model for v in plan_of("a", "b", axes=axes)]
    assert sum(a != b for a, b in pairwise(full)) == 2
    limited = [v.config.model for v in plan_of("a", "b", axes=axes, limit=120)]
    assert sum(a != b for a, b in pairwise(limited)) <= 2 * 120 / 12
    for size in range(12, 121, 12):
        counts = Counter(limited[:size])
        assert max(counts.values()) - min(counts.values()) <= 1


def test_modes_that_do_not_multiply():
    """A random slot is drawn by seed and the same for all settings; sequential and rotate go on by image and line."""
    axes = [parse_axis("steps=10,20")]
    slots = [
        SlotValues(name="r", values=tuple("abcdefgh"), mode="random"),
        SlotValues(name="s", values=("0", "1", "2"), mode="sequential"),
        SlotValues(name="t", values=("0", "1", "2"), mode="rotate"),
    ]
    variants = list(plan_of("x [[r]] [[s]] [[t]]", "y [[s]] [[t]]", slots=slots, axes=axes, seeds=4))
    assert len(variants) == 16
    by_seed: dict = {}
    for v in variants:
        by_seed.setdefault(v.seed, set()).add(v.prompt)
    assert all(len(prompts) == 1 for prompts in by_seed.values())
    assert len({v.bindings["r"] for v in variants if "r" in v.bindings}) > 1
    assert [v.prompt for v in variants if v.axes["txt2img.steps"] == 10 and v.prompt[0] == "y"] == [
        "y 0 1", "y 1 2", "y 2 0", "y 0 1",
    ]  # fmt: skip


def test_linked_slot_and_lora_axes():
    """A slot may move with a setting, and a lora is put at the end of the prompt."""
    axes = [parse_linked("[[mood]]=calm,wild cfg_scale=3,9"), parse_axis("lora=none,ink:0.5+line")]
    variants = list(plan_of("a [[mood]] sea <embedding:x>", axes=axes))
    assert [(v.prompt, v.config.txt2img.cfg_scale) for v in variants] == [
        ("a calm sea embedding:x", 3.0),
        ("a calm sea embedding:x <lora:ink:0.5> <lora:line:1>", 3.0),
        ("a wild sea embedding:x", 9.0),
        ("a wild sea embedding:x <lora:ink:0.5> <lora:line:1>", 9.0),
    ]
    assert variants[0].bindings == {"mood": "calm"}
    with pytest.raises(InvalidSetting, match="no line"):
        plan_of("a", axes=[parse_axis("[[mood]]=x")])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"limit": 0}, "limit"),
        ({"seeds": 0}, "seeds"),
        ({"seeds": [1, 1]}, "each once"),
        ({"axes": [parse_axis("steps=1"), parse_axis("steps=2")]}, "one axis"),
        ({"axes": [parse_axis("line=9")]}, "row where a prompt starts"),
        ({"axes": [parse_linked("line=1 steps=2")]}, "cross with all"),
    ],
)
def test_what_cannot_be_planned_says_so(options, reason):
    """Each mistake is an InvalidSetting that names what is allowed."""
    with pytest.raises(InvalidSetting, match=reason):
        plan_of("a", **options)


def test_an_unresolved_slot_or_wildcard_is_pointed_at():
    """The error has the pack, the line, the column and the nearest name."""
    with pytest.raises(PackError, match=r"p:3:3: .*did you mean \[\[Mood\]\]") as caught:
        plan_of("fine", "a [[modo]]", slots=MOODS)
    assert caught.value.line == 3
    with pytest.raises(PackError, match=r"did you mean __place__"):
        plan_of("a __plaice__", wildcards=PLACES)


def golden_plans():
    """Plans whose variants must never change: one grid and one balanced part, with most of what a plan can hold."""
    axes = [parse_axis("cfg_scale=3,5,7"), parse_axis("model=m1,m2"), parse_axis("[[time]]=dawn,dusk")]
    common = {
        "axes": axes,
        "slots": [*MOODS, SlotValues(name="luck", values=tuple("pqrs"), mode="random")],
        "wildcards": PLACES,
        "skip": [parse_skip("model=m2,cfg_scale>6", axes)],
    }
    prompts = ("a [[mood]] {cat|3::dog|{red|blue} fox} at __place__, [[luck]]", "{2$$ and $$a|b|c} at [[time]]")
    for limit, seeds in ((None, 1), (60, 2)):
        yield plan_of(*prompts, limit=limit, seeds=seeds, **common)


def golden_text():
    """What the golden file holds; a new setting that enters the ids changes it. Run this file to write it."""
    found = [
        {
            "count": plan.count,
            "first": [[v.prompt, v.seed, v.variant_id, dict(v.bindings)] for v in islice(plan, 6)],
            "all": content_hash([[v.variant_id, v.prompt, v.seed, dict(v.bindings)] for v in plan]),
        }
        for plan in golden_plans()
    ]
    return json.dumps(found, indent=1) + "\n"


def test_the_golden_plans():
    """Same inputs give the same variants, ids, seeds and order on every machine and Python version."""
    assert golden_text() == GOLDEN.read_text(encoding="utf-8")


if __name__ == "__main__":
    GOLDEN.write_text(golden_text(), encoding="utf-8")
