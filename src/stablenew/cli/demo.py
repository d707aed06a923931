"""`stablenew demo`: the demo pack on the embedded model, for the first five minutes."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import click

from stablenew.cli.options import json_option, workspace_option

if TYPE_CHECKING:
    from stablenew.workspace import Workspace

SWEEP = ("cfg_scale=1,4,8,15",)
EVERY = 3
"""Of the demo pack's lines without slots every third is shown: a bit of everything it can draw."""


@click.command()
@click.option("--backend", default="local", show_default=True, metavar="NAME", help="Who makes the pictures.")
@click.option("--all", "every_line", is_flag=True, help="The whole demo pack, slots included.")
@workspace_option
@json_option
def demo(backend: str, every_line: bool, workspace: Workspace, as_json: bool) -> int:
    """Make a labelled sheet of pictures with the embedded model: no server, no GPU, no download.

    The demo pack is crossed with four guidance scales. Afterwards you are told where pictures, sheet and records are.
    """
    from stablenew.app import AppOptions
    from stablenew.cli.recorded import print_recorded
    from stablenew.cli.session import exit_code, run_plan
    from stablenew.config import PipelineConfig, apply_settings
    from stablenew.prompts.axes import parse_axis
    from stablenew.prompts.pack import read_pack
    from stablenew.prompts.randomizer import make_plan, plan_pack

    with as_file(files("stablenew.models")) as folder:
        pack = read_pack(folder / "demo_pack.txt")
    config = apply_settings(PipelineConfig(learning_enabled=True, learning_tags=["demo"]), {"sampler": "Euler"})
    axes = [parse_axis(text) for text in SWEEP]
    shown = [line for line in pack.prompt_lines() if "[[" not in line.prompt][::EVERY]
    plan = plan_pack(config, pack, axes=axes) if every_line else make_plan(config, shown, axes=axes)
    options = AppOptions(workspace=workspace, source="StableNewCLI", backend=backend)
    result = run_plan(plan, options, as_json=as_json, sheet=True)
    if not as_json:
        print_recorded(workspace, result.run_id)
    return exit_code(result)
