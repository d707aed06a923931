"""Plans of lines, axes and seeds."""

import json

from stablenew.config import PipelineConfig
from stablenew.prompts.axes import parse_axis
from stablenew.prompts.pack import parse_pack
from stablenew.prompts.randomizer import make_plan, plan_from_recipe

LINES = parse_pack("a castle\nneg: blurry\n\na lighthouse", name="demo").prompt_lines()


def test_count_is_lines_times_values_times_seeds():
    """Every line meets every value of every axis with every seed, once."""
    plan = make_plan(
        PipelineConfig(), LINES, axes=[parse_axis("cfg_scale=3,5,7"), parse_axis("steps=10..20:5")], seeds=2
    )
    cells = {(v.prompt, v.config.txt2img.cfg_scale, v.config.txt2img.steps, v.seed) for v in plan}
    assert plan.count == len(cells) == 36


def test_a_recipe_gives_the_same_variants():
    """A plan rebuilt from its recipe's JSON has identical variants."""
    plan = make_plan(PipelineConfig(seed=5), LINES, axes=[parse_axis('sampler="Euler a",DDIM')], seeds=2)
    assert list(plan_from_recipe(json.loads(json.dumps(plan.recipe())))) == list(plan)
