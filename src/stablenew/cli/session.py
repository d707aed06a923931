"""One run from a plan to its last line of output, for every command that starts one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stablenew.app import AppOptions, open_app
from stablenew.cli import EXIT_INTERRUPTED, EXIT_OK, EXIT_SOME_FAILED
from stablenew.cli.cost import confirm_cost
from stablenew.cli.progress import follow
from stablenew.log import set_console_level
from stablenew.run_request import continued_run
from stablenew.workspace import open_workspace

if TYPE_CHECKING:
    from stablenew.config import StageName
    from stablenew.learning.learning_record import Durability
    from stablenew.pipeline.run_values import RunResult
    from stablenew.prompts.randomizer import Plan
    from stablenew.workspace import Workspace

SOURCE = "StableNewCLI"
"""How records name this face."""

QUIET = "critical"
"""The progress display says what a person must know, and the run's log file has the rest."""


def run_plan(
    plan: Plan,
    options: AppOptions,
    *,
    as_json: bool,
    sheet: bool,
    paused_stages: tuple[StageName, ...] = (),
    yes: bool = False,
    log_level: str = QUIET,
) -> RunResult:
    """Run `plan`, show it and say what came of it. Raises what the run could not start for.

    `paused_stages` were asked for but are left for `runs promote`. A large run asks first unless `yes`.
    """
    set_console_level(log_level)
    with open_app(options) as app:
        confirm_cost(app, plan, yes=yes, quiet=as_json)
        handle = app.controller.start(plan.config, plan, recipe=plan.recipe(), paused_stages=paused_stages)
        result = follow(handle, as_json=as_json)
    _conclude(result, options, plan.config.learning_enabled, as_json=as_json, sheet=sheet)
    return result


def resume_run(
    workspace: Workspace,
    run_id: str,
    *,
    backend: str | None = None,
    url: str | None = None,
    durability: Durability = "background",
    strict: bool = False,
    as_json: bool = False,
    sheet: bool = False,
    only: frozenset[int] | None = None,
    log_level: str = QUIET,
) -> RunResult:
    """Go on with a run where it ended, on its own backend unless another is named; `only` these variant indices.

    Raises NotFound, or InputError when the run was not started from a plan.
    """
    going_on = continued_run(
        workspace, run_id, SOURCE, backend=backend, url=url, durability=durability, strict=strict, only=only
    )
    set_console_level(log_level)
    with open_app(going_on.options) as app:
        result = follow(app.controller.start(going_on.config, going_on.variants, resume=True), as_json=as_json)
    _conclude(result, going_on.options, going_on.config.learning_enabled, as_json=as_json, sheet=sheet)
    return result


def exit_code(result: RunResult) -> int:
    """0 all made, 1 some failed or the backend went away, 130 stopped on request."""
    if result.status == "stopped":
        return EXIT_INTERRUPTED
    return EXIT_SOME_FAILED if result.failed or result.not_started or result.cancelled else EXIT_OK


def say_result(result: RunResult, workspace: Workspace, *, learning: bool) -> None:
    """What became of the run and where everything is, on stdout."""
    click.echo(_summary(result))
    if result.abort_reason:
        click.echo(f"ended early: {result.abort_reason}")
    if result.status != "done" or result.failed:
        elsewhere = "" if workspace == open_workspace() else f" --workspace {workspace.root}"
        click.echo(f"go on with:  stablenew run --resume {result.run_id}{elsewhere}")
    click.echo(f"images       {result.folder / 'images'}")
    if learning:
        click.echo(f"records      {workspace.records / (result.run_id + '.jsonl')}  ({_records_said(result)})")
    else:
        click.echo("records      none: learning is off (--no-learning)")


def _conclude(result: RunResult, options: AppOptions, learning: bool, *, as_json: bool, sheet: bool) -> None:
    from stablenew.report.run_sheet import write_run_sheet

    if not as_json:
        say_result(result, options.workspace, learning=learning)
    if not sheet:
        return
    try:
        path = write_run_sheet(options.workspace, result.run_id)
    except OSError as exc:  # the pictures are there: a sheet that is not says so and no more
        click.echo(f"the contact sheet could not be written: {exc}", err=True)
        return
    if path is not None and not as_json:
        click.echo(f"sheet        {path}")


def _summary(result: RunResult) -> str:
    parts = [f"{result.ok} made"]
    for number, word in (
        (result.already_done, "made before"),
        (result.failed, "failed"),
        (result.cancelled, "cancelled"),
        (result.not_started, "not started"),
        (result.deviations, "deviations"),
    ):
        if number:
            parts.append(f"{number} {word}")
    return f"run {result.run_id}: {', '.join(parts)} in {result.duration_s:.1f} s"


def _records_said(result: RunResult) -> str:
    said = f"{result.records_written} written"
    if result.lost_records:
        said += f", {result.lost_records} LOST: see {result.folder / 'log.jsonl'}"
    return said if result.records_durable else said + ", perhaps not on disk yet: see the run's log"
