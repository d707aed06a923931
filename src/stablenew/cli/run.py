"""`stablenew run`: packs through the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stablenew.cli.options import json_option, workspace_option

if TYPE_CHECKING:
    from stablenew.pipeline.presets import OneClickAction
    from stablenew.workspace import Workspace

_FREE_TO_CHANGE = {"backend", "url", "durability", "strict", "resume"}
"""Options that may differ when a run is resumed; the others belong to its plan."""


@click.command()
@click.argument("packs", nargs=-1, type=click.Path(path_type=Path), metavar="PACK...")
@click.option("--backend", metavar="NAME", help="Who makes the pictures [default: local, the model in the box].")
@click.option("--model", metavar="M", help="Model name, folder, hub id or file [default: the backend's own].")
@click.option("--url", metavar="URL", help="Address of the server, for backends that are one.")
@click.option("--preset", metavar="NAME", help="Start from the settings of a preset.")
@click.option("--card", metavar="NAME", help="Use the settings of a taste card: see stablenew card list.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting for the whole run; repeatable.")
@click.option("--vary", multiple=True, metavar="NAME=A,B,C", help="Try several values, such as cfg_scale=3,5,7.")
@click.option(
    "--vary-together", multiple=True, metavar="'A=1,2 B=3,4'", help="Settings that move together, such as a size."
)
@click.option("--skip", multiple=True, metavar="'A=1,B<2'", help="Leave out combinations where all of this holds.")
@click.option("--seeds", type=click.IntRange(min=1), metavar="N", help="The same N seeds in every cell.")
@click.option(
    "--mode",
    type=click.Choice(["grid", "random", "sequential", "rotate"]),
    help="How slots and wildcards are gone through [default: the pack's, else grid].",
)
@click.option("--seed", metavar="N", help="First seed [default: derived from the prompt, the same every time].")
@click.option("--images-per-prompt", metavar="N", help="Pictures per prompt and setting, each with its own seed.")
@click.option("--stages", metavar="LIST", help="Of txt2img,img2img,upscale [default: txt2img].")
@click.option(
    "--pause-before",
    type=click.Choice(["img2img", "upscale"]),
    help="Leave this stage and those after it for `runs promote`.",
)
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
@click.option("--verbose", "-v", is_flag=True, help="Show the log's lines too, which the run's log.jsonl always has.")
@click.option("--yes", is_flag=True, help="Start a large run without asking.")
@click.option("--sheet", is_flag=True, help="Write a labelled contact sheet into the run's folder.")
@workspace_option
@json_option
def run(
    packs: tuple[Path, ...],
    workspace: Workspace,
    as_json: bool,
    sheet: bool,
    yes: bool,
    verbose: bool,
    resume: str | None,
    **chosen: Any,
) -> int:
    """Run prompt packs and keep one learning record per picture.

    \b
    stablenew run heroes.txt --set steps=30 --vary cfg_scale=4,7,10
    stablenew run heroes.txt --backend webui --stages txt2img,upscale --set upscale.scale=2
    """
    from stablenew.cli.session import QUIET, SOURCE, exit_code, resume_run, run_plan
    from stablenew.run_request import Wish, parse_assignments, wished_options, wished_plan

    log_level = "info" if verbose else QUIET
    if resume is not None:
        _refuse_new_plan(packs, chosen)
        changeable = {name: value for name, value in chosen.items() if name in _FREE_TO_CHANGE}
        result = resume_run(workspace, resume, as_json=as_json, sheet=sheet, log_level=log_level, **changeable)
        return exit_code(result)
    if not packs:
        raise click.UsageError("give at least one PACK (a text file of prompts), or try: stablenew demo")
    settings = parse_assignments(chosen.pop("settings"), "--set")
    wish = Wish(packs=packs, settings=settings, **chosen)
    plan, paused = wished_plan(wish, workspace, _say)
    options = wished_options(wish, workspace, SOURCE)
    result = run_plan(plan, options, as_json=as_json, sheet=sheet, paused_stages=paused, yes=yes, log_level=log_level)
    return exit_code(result)


def run_action(action: OneClickAction, workspace: Workspace, *, backend: str | None, as_json: bool) -> int:
    """Run a one-click action and return the exit code. Raises what the run could not start for."""
    from stablenew.cli.session import SOURCE, exit_code, run_plan
    from stablenew.run_request import wish_of_action, wished_options, wished_plan

    wish = wish_of_action(action, backend)
    plan, _ = wished_plan(wish, workspace, _say)
    return exit_code(run_plan(plan, wished_options(wish, workspace, SOURCE), as_json=as_json, sheet=False))


def _refuse_new_plan(packs: tuple[Path, ...], chosen: dict[str, Any]) -> None:
    given = [name.replace("_", "-") for name, value in chosen.items() if value and name not in _FREE_TO_CHANGE]
    if packs or given:
        said = ", ".join([*given, *(["PACK"] if packs else [])])
        raise click.UsageError(f"--resume goes on with the run as it was planned; leave out: {said}")


def _say(text: str) -> None:
    click.echo(text, err=True)
