"""What a run will cost, said before it starts; above a threshold a person is asked first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from stablenew.errors import InputError
from stablenew.pipeline.pace import recorded_pace
from stablenew.prompts.estimate import BYTES_PER_PIXEL, DEFAULT_SIDE, Estimate, estimate_plan

if TYPE_CHECKING:
    from stablenew.app import App
    from stablenew.prompts.randomizer import Plan

MANY_IMAGES, MANY_MINUTES, MANY_GIGABYTES = 500, 60.0, 5.0
"""Above these a run is not started without asking; see `is_large`."""


def confirm_cost(app: App, plan: Plan, *, yes: bool, quiet: bool) -> None:
    """Say the estimate (unless `quiet`) and ask where it is large (unless `yes`).

    Raises click.Abort when the person declines, InputError when it is large and nobody can be asked.
    """
    pace = recorded_pace(app.options.workspace, app.options.backend)
    native = app.backend.capabilities().native_size
    estimate = estimate_plan(
        plan,
        seconds_per_work=pace.seconds_per_work or None,
        bytes_per_pixel=pace.bytes_per_pixel or BYTES_PER_PIXEL,
        side=native[0] if native else DEFAULT_SIDE,
    )
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


def is_large(estimate: Estimate) -> bool:
    """Whether a person should be asked first; the number of images counts only while their time is not known."""
    long = estimate.images > MANY_IMAGES if estimate.minutes is None else estimate.minutes > MANY_MINUTES
    return long or estimate.gigabytes > MANY_GIGABYTES


def describe(estimate: Estimate) -> str:
    """The estimate in one line; what is not known is said to be so."""
    time = "time not known yet on this backend" if estimate.minutes is None else _minutes(estimate.minutes)
    room = f"{estimate.gigabytes:.1f} GB" if estimate.gigabytes >= 0.1 else f"{estimate.gigabytes * 1000:.0f} MB"
    plural = "" if estimate.images == 1 else "s"
    said = f"{estimate.images:,} image{plural}, {time}, up to {room}"
    changes = estimate.model_changes or 0
    return said + (f", {changes} model changes" if changes > 1 else "")


def _minutes(minutes: float) -> str:
    if minutes < 1:
        return "under a minute"
    return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.1f} h"
