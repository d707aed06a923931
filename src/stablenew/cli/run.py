"""`stablenew run`: packs through the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stablenew.cli.options import json_option, parse_assignments, workspace_option

if TYPE_CHECKING:
    from stablenew.app import AppOptions
    from stablenew.config import PipelineConfig
    from stablenew.prompts.randomizer import Plan
    from stablenew.workspace import Workspace

_PLANNED = ("model", "settings", "vary", "seed", "images_per_prompt", "stages", "limit", "run_id", "tags")
"""What belongs to the plan of a run and cannot be changed when it is resumed."""


@click.command()
@click.argument("packs", nargs=-1, type=click.Path(path_type=Path), metavar="PACK...")
@click.option("--backend", metavar="NAME", help="Who makes the pictures [default: local, the model in the box].")
@click.option("--model", metavar="M", help="Model name, folder, hub id or file [default: the backend's own].")
@click.option("--url", metavar="URL", help="Address of the server, for backends that are one.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting for the whole run; repeatable.")
@click.option("--vary", multiple=True, metavar="NAME=A,B,C", help="Try several values, such as cfg_scale=3,5,7.")
@click.option("--seed", metavar="N", help="First seed [default: derived from the prompt, the same every time].")
@click.option("--images-per-prompt", metavar="N", help="Pictures per prompt and setting, each with its own seed.")
@click.option("--stages", metavar="LIST", help="Of txt2img,img2img,upscale [default: txt2img].")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Run a balanced choice of N variants.")
@click.option("--run-id", metavar="ID", help="Name of the run [default: time and a few digits].")
@click.option("--resume", metavar="RUN_ID", help="Go on with an earlier run: what it has is kept, the rest is made.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Tag the records; repeatable.")
@click.option("--no-learning", is_flag=True, help="Write no learning records.")
@click.option(
    "--durability",
    type=click.Choice(["background", "record", "none"]),
    default="background",
    show_default=True,
    help="How soon a record is safe from a power cut: within 50 ms, before going on, or when the system likes.",
)
@click.option("--strict", is_flag=True, help="A picture made with other settings than asked counts as failed.")
@click.option("--sheet", is_flag=True, help="Write a labelled contact sheet into the run's folder.")
@workspace_option
@json_option
def run(packs: tuple[Path, ...], workspace: Workspace, as_json: bool, sheet: bool, **chosen: Any) -> int:
    """Run prompt packs and keep one learning record per picture.

    \b
    stablenew run heroes.txt --set steps=30 --vary cfg_scale=4,7,10
    stablenew run heroes.txt --backend webui --stages txt2img,upscale --set upscale.scale=2
    """
    from stablenew.cli.session import run_plan

    if chosen["resume"]:
        return _resume(packs, workspace, as_json, sheet, chosen)
    if not packs:
        raise click.UsageError("give at least one PACK (a text file of prompts), or try: stablenew demo")
    plan = _plan(packs, chosen)
    return run_plan(plan, _options(workspace, chosen), as_json=as_json, sheet=sheet)


def _resume(packs: tuple[Path, ...], workspace: Workspace, as_json: bool, sheet: bool, chosen: dict[str, Any]) -> int:
    from stablenew.cli.session import resume_run

    given = [name.replace("_", "-") for name in _PLANNED if chosen[name]] + ["PACK"] * bool(packs)
    if given:
        raise click.UsageError(f"--resume goes on with the run as it was planned; leave out: {', '.join(given)}")
    return resume_run(
        workspace,
        chosen["resume"],
        backend=chosen["backend"],
        url=chosen["url"],
        durability=chosen["durability"],
        strict=chosen["strict"],
        as_json=as_json,
        sheet=sheet,
    )


def _plan(packs: tuple[Path, ...], chosen: dict[str, Any]) -> Plan:
    from stablenew.prompts.axes import parse_axis
    from stablenew.prompts.pack import read_pack
    from stablenew.prompts.randomizer import make_plan

    lines = [line for path in packs for line in read_pack(path).prompt_lines()]
    axes = [parse_axis(text) for text in chosen["vary"]]
    return make_plan(_config(chosen), lines, axes=axes, limit=chosen["limit"])


def _config(chosen: dict[str, Any]) -> PipelineConfig:
    from stablenew.config import PipelineConfig, apply_settings

    changes: dict[str, object] = dict(parse_assignments(chosen["settings"], "--set"))
    for name in ("model", "seed", "images_per_prompt", "stages"):
        if chosen[name] is not None:
            changes[name] = chosen[name]
    base = PipelineConfig(
        run_id=chosen["run_id"], learning_enabled=not chosen["no_learning"], learning_tags=list(chosen["tags"])
    )
    return apply_settings(base, changes)


def _options(workspace: Workspace, chosen: dict[str, Any]) -> AppOptions:
    from stablenew.app import AppOptions
    from stablenew.backends.registry import DEFAULT_BACKEND

    return AppOptions(
        workspace=workspace,
        source="StableNewCLI",
        backend=chosen["backend"] or DEFAULT_BACKEND,
        model=chosen["model"],
        url=chosen["url"],
        durability=chosen["durability"],
        strict=chosen["strict"],
    )
