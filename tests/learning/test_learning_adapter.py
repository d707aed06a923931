"""Variants of a plan: the same rows in every cell, and any prefix a smaller experiment."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.learning.plans import make_plan

from stablenew.config import PipelineConfig
from stablenew.errors import InvalidPlan
from stablenew.learning.learning_adapter import PlanVariants, variants_of
from stablenew.learning.plan_cells import balanced_ranks, cells_of, count_cells
from stablenew.prompts.randomizer import make_plan as plan_of_a_run
from stablenew.variant import PromptLine


def variants(**fields: Any) -> PlanVariants:
    return variants_of(make_plan(**fields), "e1")


def shape(**fields: Any) -> tuple[int, int]:
    """How many cells and rows."""
    whole = variants(**fields)
    return len(whole.cells), len(whole.rows)


@given(
    steps=st.lists(st.integers(1, 150), min_size=2, max_size=5, unique=True),
    samplers=st.integers(1, 3),
    models=st.integers(0, 3),
    prompts=st.integers(1, 4),
    seeds=st.integers(1, 3),
    budget=st.none() | st.integers(8, 60),
    design=st.sampled_from(["crossed", "one-at-a-time"]),
)
def test_any_prefix_is_a_smaller_experiment(
    steps: list[int], samplers: int, models: int, prompts: int, seeds: int, budget: int | None, design: str
) -> None:
    """At every point each cell has as many pictures as any other or one less, and all finished the row before."""
    settings: dict[str, list[Any]] = {"steps": steps, "sampler": ["Euler", "DDIM", "UniPC"][:samplers]}
    if models:
        settings["model"] = ["a", "b", "c"][:models]
    whole = variants(
        settings=settings,
        prompts=[f"prompt {number}" for number in range(prompts)],
        seeds=seeds,
        budget=budget,
        design=design,
    )
    made: Counter[str | None] = Counter({cell.name: 0 for cell in whole.cells})
    blocks: dict[int, set[tuple[str, int]]] = {}
    rows: dict[str | None, list[tuple[str, int]]] = {cell.name: [] for cell in whole.cells}
    for place, variant in enumerate(whole):
        assert (variant.index, variant.count, whole.row_of(variant)) == (place, len(whole), place // len(whole.cells))
        made[variant.cell] += 1
        rows[variant.cell].append((variant.prompt, variant.seed))
        blocks.setdefault(whole.row_of(variant), set()).add((variant.prompt, variant.seed))
        assert max(made.values()) - min(made.values()) <= 1
        if (place + 1) % len(whole.cells) == 0:
            assert max(made.values()) == min(made.values())
    assert len({tuple(each) for each in rows.values()}) == 1
    assert all(len(block) == 1 for block in blocks.values())
    assert budget is None or len(whole) <= budget
    assert len({variant.variant_id for variant in whole}) == len(whole)
    assert [variant.variant_id for variant in whole] == [variant.variant_id for variant in whole]


def test_a_crossed_design_has_every_combination_and_one_at_a_time_each_value_alone() -> None:
    """Cells are named by what they set; the baseline has its own cell where each value is tried alone."""
    settings = {"steps": [10, 20], "cfg_scale": [3, 7]}
    crossed = variants(settings=settings)
    assert [cell.name for cell in crossed.cells] == [
        f"steps={steps}, cfg_scale={scale}" for steps, scale in product((10, 20), (3, 7))
    ]
    single = variants(settings=settings, design="one-at-a-time")
    assert [cell.name for cell in single.cells] == ["baseline", "steps=10", "cfg_scale=3"]
    variant = next(each for each in single if each.cell == "cfg_scale=3")
    assert variant.axes == {"txt2img.steps": 20, "txt2img.cfg_scale": 3.0}
    assert (variant.config.txt2img.cfg_scale, variant.config.txt2img.steps) == (3.0, 20)
    assert (variant.experiment_id, variant.matrix_mode) == ("e1", "one-at-a-time")


def test_a_listed_design_has_its_own_cells() -> None:
    """Each as written, in the order of the settings; the baseline first where it is asked for."""
    whole = variants(design="listed", cells=[{"steps": 5}, {"cfg_scale": 3, "steps": 9}], with_baseline=True)
    assert [cell.name for cell in whole.cells] == ["baseline", "steps=5", "steps=9, cfg_scale=3"]


def test_a_budget_leaves_out_rows_and_below_four_of_them_cells() -> None:
    """Nine cells, six prompts, two seeds; with a number of images per cell, cells alone."""
    crossed = {"settings": {"steps": [10, 20, 30], "cfg_scale": [3, 5, 7]}, "prompts": list("abcdef"), "seeds": 2}
    assert shape(**crossed) == (9, 12)
    assert shape(**crossed, budget=80) == (9, 8)
    assert shape(**crossed, budget=50) == (9, 5)
    assert shape(**crossed, budget=30) == (7, 4)
    assert shape(**crossed, budget=5) == (2, 2)
    assert shape(prompts=list("abcdef"), budget=4) == (2, 2)
    assert shape(prompts=["a"], settings={"steps": list(range(1, 31))}, budget=20) == (20, 1)
    assert shape(**crossed, budget=50, images_per_cell=10) == (5, 10)
    with pytest.raises(InvalidPlan, match="too few"):
        shape(**crossed, budget=19, images_per_cell=10)


def test_images_per_cell_goes_on_with_more_seeds() -> None:
    """Ten pictures of four prompts: every prompt twice, two of them three times."""
    whole = variants(prompts=list("abcd"), images_per_cell=10)
    assert [row.prompt.prompt for row in whole.rows] == list("abcdabcdab")
    assert len({(row.prompt.prompt, row.seed) for row in whole.rows}) == 10


@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5), share=st.floats(0.05, 1.0))
def test_a_choice_of_cells_is_different_and_balanced(sizes: list[int], share: float) -> None:
    """Each combination once; while fewer than half are taken, every value equally often, give or take two."""
    total = 1
    for size in sizes:
        total *= size
    count = max(1, int(min(total, 300) * share))
    chosen = balanced_ranks(sizes, count, tuple(0 for _ in sizes))
    assert len(set(chosen)) == count
    assert chosen[0] == tuple(0 for _ in sizes)
    if count <= total // 2:
        for place, size in enumerate(sizes):
            used = Counter(dict.fromkeys(range(size), 0)) + Counter(ranks[place] for ranks in chosen)
            assert max(used.values()) - min(used.get(rank, 0) for rank in range(size)) <= 2


def test_a_choice_out_of_a_billion_combinations_is_at_hand_at_once() -> None:
    """Nothing is enumerated; the baseline is among the chosen, and every value is tried equally often."""
    settings = {"steps": list(range(1, 101)), "cfg_scale": [n / 4 for n in range(100)], "clip_skip": list(range(1, 13))}
    settings |= {"hires_steps": list(range(100)), "img2img.denoise": [n / 100 for n in range(100)]}
    plan = make_plan({"stages": "txt2img,img2img"}, settings=settings, budget=400)
    assert count_cells(plan) == 100**4 * 12
    cells = cells_of(plan, 200)
    assert {"steps": 20, "cfg_scale": 7, "clip_skip": 1, "hires_steps": 0, "img2img.denoise": 0.5} in [
        cell.settings for cell in cells
    ]
    assert set(Counter(cell.settings["steps"] for cell in cells).values()) == {2}


def test_more_cells_than_anyone_compares_are_refused() -> None:
    """Without a budget; the message says what to do."""
    with pytest.raises(InvalidPlan, match="give a budget"):
        variants(settings={"steps": list(range(1, 101)), "cfg_scale": list(range(30))})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"settings": {"steps": [10]}}, "only one cell"),
        ({"design": "listed", "cells": [{"steps": 20}], "with_baseline": True}, "same pictures"),
        ({"settings": {"upscale.method": ["lanczos", "upscaler"]}, "stage": "upscale"}, "cannot be made"),
    ],
)
def test_cells_that_make_no_comparison_are_refused(fields: dict[str, Any], words: str) -> None:
    """One cell alone, two that are the same, one that contradicts itself."""
    with pytest.raises(InvalidPlan, match=words):
        variants(**fields)


def test_models_are_changed_once_a_row() -> None:
    """The cells of a model stay together, and the next row begins with the model the last one ended with."""
    whole = variants(settings={"model": ["a", "b", "c"], "steps": [10, 20]}, seeds=4)
    models = [variant.config.model for variant in whole]
    assert sum(before != after for before, after in pairwise(models)) == 2 * len(whole.rows)


def test_the_order_of_cells_within_rows_is_shuffled() -> None:
    """No cell is always first."""
    whole = variants(settings={"steps": [10, 20, 30, 40]}, seeds=10)
    firsts = {variant.cell for variant in whole if variant.index % 4 == 0}
    assert len(firsts) > 2


def test_loras_change_the_prompt_and_sizes_both_sides() -> None:
    """As a plan of a run has them: tags behind the text; axes by declared path."""
    whole = variants(settings={"lora": ["none", "ink:0.8"], "size": ["64x128", "128x64"]}, prompts=["a fox"])
    found = {variant.cell: variant for variant in whole}
    assert found["lora=ink:0.8, size=64x128"].prompt == "a fox <lora:ink:0.8>"
    assert found["lora=none, size=64x128"].prompt == "a fox"
    assert found["lora=ink:0.8, size=64x128"].axes == {
        "lora": "ink:0.8",
        "txt2img.width": 64,
        "txt2img.height": 128,
    }


def test_what_a_line_asks_for_itself_gives_way_to_what_is_tested() -> None:
    """A line's own settings hold in every cell, but for the one under test."""
    line = PromptLine(
        pack_id="p",
        pack_name="p",
        line_number=1,
        prompt="a fox",
        settings=(("txt2img.steps", 33), ("txt2img.cfg_scale", 4.5)),
    )
    whole = variants(prompts=[line])
    assert {(each.config.txt2img.steps, each.config.txt2img.cfg_scale) for each in whole} == {(10, 4.5), (20, 4.5)}


def test_seeds_are_those_of_a_plain_run() -> None:
    """The same line with the same first seed gives the same pictures in an experiment."""
    line = PromptLine(pack_id="p", pack_name="p", line_number=1, prompt="a fox")
    for seed in (None, 4_294_967_295):
        run = plan_of_a_run(PipelineConfig(seed=seed), [line], seeds=2)
        whole = variants(baseline={} if seed is None else {"seed": seed}, prompts=[line], seeds=2)
        assert [row.seed for row in whole.rows] == [variant.seed for variant in run]
    assert [row.seed for row in variants(prompts=["a"], seeds=[5, 3]).rows] == [5, 3]


def test_cells_share_the_stages_before_the_one_under_test() -> None:
    """One source a row, made with the baseline; every cell has the same settings up to there."""
    whole = variants(
        baseline={"stages": "txt2img,img2img", "steps": 12}, settings={"img2img.denoise": [0.2, 0.5]}, seeds=2
    )
    sources = whole.sources
    assert len(sources) == len(whole.rows) == 4
    assert all(source.config.stages == ("txt2img",) for source in sources)
    for variant in whole:
        source = sources[whole.row_of(variant)]
        assert (source.prompt, source.seed, source.config.txt2img) == (
            variant.prompt,
            variant.seed,
            variant.config.txt2img,
        )
    assert variants().sources == ()
