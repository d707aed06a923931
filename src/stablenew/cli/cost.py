"""What a run will cost, said before it starts; above a threshold a person is asked first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from stablenew.errors import InputError
from stablenew.pipeline.cost import describe, estimate_run, is_large

if TYPE_CHECKING:
    from stablenew.app import App
    from stablenew.prompts.randomizer import Plan


def confirm_cost(app: App, plan: Plan, *, yes: bool, quiet: bool) -> None:
    """Say the estimate (unless `quiet`) and ask where it is large (unless `yes`).

    Raises click.Abort when the person declines, InputError when it is large and nobody can be asked.
    """
    options = app.options
    estimate = estimate_run(plan, options.workspace, options.backend, app.backend.capabilities().native_size)
    said = describe(estimate)
    if not quiet:
        click.echo(said, err=True)
    if yes or not is_large(estimate):
        return
    if not sys.stdin.isatty():
        raise InputError(
            f"this is a large run ({said}): give --yes to start it, or --limit N for a balanced part of it"
        )
    click.confirm("that is a lot: start it?", abort=True, err=True)
