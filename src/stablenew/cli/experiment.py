"""`stablenew experiment`: try settings against each other on the same prompts and seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stablenew.cli.options import json_option, workspace_option
from stablenew.cli.rate import who_option

if TYPE_CHECKING:
    from stablenew.workspace import Workspace


@click.group()
def experiment() -> None:
    """Try settings against each other on the same prompts and seeds."""


@experiment.command()
@click.argument("packs", nargs=-1, type=click.Path(path_type=Path), metavar="[PACK]...")
@click.option("--from", "plan_file", type=click.Path(path_type=Path), metavar="FILE", help="A plan as TOML.")
@click.option("--vary", multiple=True, metavar="NAME=A,B,C", help="A setting under test, as steps=10,20 or size=A,B.")
@click.option("--one-at-a-time", is_flag=True, help="The baseline and each value alone, not every combination.")
@click.option("--with-baseline", is_flag=True, help="Add the baseline where it is none of the combinations.")
@click.option("--prompt", "texts", multiple=True, metavar="TEXT", help="A prompt beside those of packs; repeatable.")
@click.option("--negative", metavar="TEXT", default="", help="Negative prompt of every --prompt.")
@click.option("--prompts", "prompt_limit", type=click.IntRange(min=1), metavar="N", help="N prompts of the packs.")
@click.option("--seeds", type=click.IntRange(min=1), metavar="N", help="Seeds of every prompt [default: 1].")
@click.option("--images-per-cell", type=click.IntRange(min=1), metavar="N", help="Pictures of each cell in all.")
@click.option("--budget", type=click.IntRange(min=1), metavar="N", help="At most N pictures, a balanced part.")
@click.option("--stage", type=click.Choice(["txt2img", "img2img", "upscale"]), help="What comes before it is shared.")
@click.option("--stages", metavar="LIST", help="Of txt2img,img2img,upscale [default: txt2img].")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of the baseline; repeatable.")
@click.option("--preset", metavar="NAME", help="Start the baseline from a preset.")
@click.option("--backend", metavar="NAME", help="Who makes the pictures [default: local].")
@click.option("--model", metavar="M", help="Model of the baseline.")
@click.option("--url", metavar="URL", help="Address of the server.")
@click.option("--seed", metavar="N", help="First seed [default: derived from the prompt].")
@click.option("--id", "experiment_id", metavar="ID", help="Its name [default: time and settings].")
@click.option("--note", metavar="TEXT", default="", help="What you want to know.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Tag the records, as class:portrait; repeatable.")
@click.option("--no-check", is_flag=True, help="Do not ask the backend whether it has the names.")
@workspace_option
@json_option
def new(workspace: Workspace, as_json: bool, **chosen: Any) -> None:
    """Plan an experiment and store the plan.

    \b
    stablenew experiment new heroes.txt --vary steps=10,20,30 --vary cfg_scale=4,7 --seeds 2 --budget 60
    stablenew experiment new --from plan.toml
    """
    from stablenew.cli.experiment_output import say_plan
    from stablenew.cli.experiment_plan import Asked, planned

    say_plan(planned(Asked(**chosen), workspace), workspace, as_json=as_json)


@experiment.command()
@click.argument("experiment_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Start a large experiment without asking.")
@click.option("--backend", metavar="NAME", help="Another backend than the plan's own.")
@click.option("--url", metavar="URL", help="Address of the server.")
@workspace_option
@json_option
def run(
    experiment_id: str, yes: bool, backend: str | None, url: str | None, workspace: Workspace, as_json: bool
) -> int:
    """Make the pictures of an experiment; those it has already are not made again."""
    from stablenew.cli.experiment_run import carry_out

    return carry_out(workspace, experiment_id, backend=backend, url=url, as_json=as_json, yes=yes)


@experiment.command()
@click.argument("experiment_id", metavar="ID")
@click.option("--backend", metavar="NAME", help="Another backend than the plan's own.")
@click.option("--url", metavar="URL", help="Address of the server.")
@workspace_option
@json_option
def resume(experiment_id: str, backend: str | None, url: str | None, workspace: Workspace, as_json: bool) -> int:
    """Go on with an experiment that was stopped or killed: what is missing and what failed is made."""
    from stablenew.cli.experiment_run import carry_out

    return carry_out(workspace, experiment_id, backend=backend, url=url, as_json=as_json, yes=True, begun=True)


@experiment.command()
@click.argument("experiment_id", metavar="ID")
@click.option("--package", "as_package", is_flag=True, help="Plan, pictures and ratings as one JSON document.")
@workspace_option
@json_option
def show(experiment_id: str, as_package: bool, workspace: Workspace, as_json: bool) -> None:
    """Show the cells of an experiment: how many pictures, their mean stars, and failures."""
    from stablenew.cli.experiment_output import say_package, say_state

    (say_package if as_package else say_state)(workspace, experiment_id, as_json=as_json)


@experiment.command()
@click.argument("experiment_id", metavar="ID")
@click.option("--scorer", metavar="NAME", help="Let a scorer rate instead: stablenew scorers list.")
@click.option("--repeats", type=click.IntRange(min=0), default=0, metavar="N", help="Show N rows twice, unannounced.")
@who_option
@workspace_option
def rate(experiment_id: str, scorer: str | None, repeats: int, who: str | None, workspace: Workspace) -> None:
    """Rate blind, row by row: one prompt and seed, settings hidden, in random order; stars, and the best of the row."""
    if scorer is not None:
        from stablenew.cli.scorers import rate_experiment

        rate_experiment(workspace, experiment_id, scorer)
    else:
        from stablenew.cli.experiment_rate import rate_rows

        rate_rows(workspace, experiment_id, who=who, repeats=repeats)


@experiment.command()
@click.argument("experiment_id", metavar="ID")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE", help="Where [default: with the plan].")
@click.option("--open", "open_it", is_flag=True, help="Show it in the browser.")
@workspace_option
def report(experiment_id: str, output: Path | None, open_it: bool, workspace: Workspace) -> None:
    """Write the experiment as one HTML file: pictures, grid, heat map, side by side."""
    from stablenew.learning.experiments import read_experiment
    from stablenew.report.html_report import write_report

    read_experiment(workspace, experiment_id)
    path = output.absolute() if output else workspace.experiments / experiment_id / "report.html"
    written = write_report(workspace, experiment_id, path)
    click.echo(f"{written.path} ({written.records:,} records)")
    if open_it:
        click.launch(written.path.as_uri())


@experiment.command("list")
@workspace_option
@json_option
def list_command(workspace: Workspace, as_json: bool) -> None:
    """List the experiments, one a line."""
    from stablenew.cli.experiment_output import say_list

    say_list(workspace, as_json=as_json)


@experiment.command("next")
@click.argument("experiment_id", metavar="[ID]", required=False)
@click.option("--images", type=click.IntRange(min=1, max=60), default=6, show_default=True, help="How many.")
@click.option("--model", metavar="M", help="For this model.")
@click.option("--pack", metavar="P", help="For this pack or prompt class.")
@click.option("--per-second", is_flag=True, help="Most for the time that making them takes.")
@click.option("--save-as", metavar="NEW", help="Store them as an experiment on the prompts of ID.")
@who_option
@workspace_option
@json_option
def next_command(experiment_id: str | None, workspace: Workspace, as_json: bool, **asked: Any) -> None:
    """Say which pictures, made and rated now, would change the advice most."""
    from stablenew.cli.experiment_next import say_next

    say_next(workspace, experiment_id, as_json=as_json, **asked)
