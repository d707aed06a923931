"""An experiment from its plan to the last line of output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from stablenew.app import AppOptions, open_app
from stablenew.cli import EXIT_INTERRUPTED, EXIT_OK, EXIT_SOME_FAILED
from stablenew.cli.progress import follow
from stablenew.cli.session import QUIET
from stablenew.controller.events import Event, ExperimentFinished
from stablenew.errors import InputError
from stablenew.learning.experiments import read_experiment
from stablenew.learning.learning_adapter import variants_of
from stablenew.log import set_console_level
from stablenew.pipeline.cost import MANY_IMAGES

if TYPE_CHECKING:
    from stablenew.learning.learning_runner import LearningResult
    from stablenew.pipeline.run_values import RunResult
    from stablenew.workspace import Workspace


def carry_out(
    workspace: Workspace,
    experiment_id: str,
    *,
    backend: str | None,
    url: str | None,
    as_json: bool,
    yes: bool,
    begun: bool = False,
) -> int:
    """Make what is missing, show it, and return the exit code. `begun`: it must have been started before.

    Raises NotFound, InputError, click.Abort, and what the run could not start for.
    """
    experiment = read_experiment(workspace, experiment_id)
    if begun and not (workspace.runs / experiment_id).exists():
        raise InputError(f"experiment {experiment_id} was not started yet: stablenew experiment run {experiment_id}")
    _confirm(len(variants_of(experiment.plan, experiment_id)), yes=yes)
    options = AppOptions(
        workspace=workspace,
        source="StableNewCLI",
        backend=backend or experiment.backend,
        model=experiment.plan.baseline.model,
        url=url or (None if backend else experiment.backend_url),
    )
    set_console_level(QUIET)
    found: list[LearningResult] = []

    def watch(event: Event) -> None:
        if isinstance(event, ExperimentFinished):
            found.append(event.result)

    with open_app(options) as app:
        app.controller.watch(watch)
        result = follow(app.controller.start_experiment(workspace, experiment_id), as_json=as_json)
    if not as_json:
        _say(found[-1], result)
    return _exit_code(found[-1], result)


def _confirm(pictures: int, *, yes: bool) -> None:
    if yes or pictures <= MANY_IMAGES:
        return
    if not sys.stdin.isatty():
        raise InputError(f"the experiment has {pictures:,} pictures: give --yes to start it")
    click.confirm(f"the experiment has {pictures:,} pictures: start it?", abort=True, err=True)


def _say(found: LearningResult, result: RunResult) -> None:
    name = found.experiment_id
    parts = [f"{len(found.records)} pictures in {len(found.cells)} cells"]
    parts += [f"{len(found.failures)} failed"] if found.failures else []
    parts += [f"{found.missing} missing"] if found.missing else []
    click.echo(f"experiment {name}: {', '.join(parts)}")
    if result.abort_reason:
        click.echo(f"ended early: {result.abort_reason}")
    if result.lost_records:
        click.echo(f"{result.lost_records} records LOST: see {result.folder / 'log.jsonl'}")
    for failure in found.failures[:3]:
        click.echo(f"  {failure.record_id[:8]} failed: {failure.reason}")
    if found.complete:
        click.echo(f"rate it with: stablenew experiment rate {name}")
    else:
        click.echo(f"go on with:   stablenew experiment resume {name}")


def _exit_code(found: LearningResult, result: RunResult) -> int:
    if result.status == "stopped":
        return EXIT_INTERRUPTED
    return EXIT_OK if found.complete else EXIT_SOME_FAILED
