"""How experiments are printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from stablenew.learning.experiment_state import CellState, ExperimentState, experiment_state
from stablenew.learning.experiments import Experiment, list_experiments, read_experiment, records_of_experiment
from stablenew.learning.learning_adapter import variants_of
from stablenew.learning.record_index import RecordIndex

if TYPE_CHECKING:
    from stablenew.workspace import Workspace


def say_plan(experiment: Experiment, workspace: Workspace, *, as_json: bool) -> None:
    """A stored plan: its cells and rows, and how to go on."""
    whole = variants_of(experiment.plan, experiment.experiment_id)
    cells, rows = len(whole.cells), len(whole.rows)
    path = workspace.experiments / experiment.experiment_id / "plan.json"
    if as_json:
        said = {"experiment_id": experiment.experiment_id, "path": str(path), "cells": cells, "rows": rows}
        click.echo(msgspec.json.encode(said | {"pictures": len(whole), "shared": len(whole.sources)}).decode())
        return
    shared = experiment.plan.shared_stages
    click.echo(f"experiment   {experiment.experiment_id}")
    click.echo(f"plan         {path}")
    click.echo(f"pictures     {cells} cells x {rows} rows (a prompt with a seed) = {len(whole)}")
    if shared:
        click.echo(f"shared       {rows} pictures through {','.join(shared)}, each the start of every cell's")
    for cell in whole.cells[:12]:
        click.echo(f"  {cell.name}")
    if cells > 12:
        click.echo(f"  and {cells - 12} more")
    click.echo(f"run it with: stablenew experiment run {experiment.experiment_id}")


def say_state(workspace: Workspace, experiment_id: str, *, as_json: bool) -> None:
    """The cells of an experiment with what there is of each. Raises NotFound."""
    state = _state(workspace, read_experiment(workspace, experiment_id))
    if as_json:
        for cell in state.cells:
            said = {**msgspec.to_builtins(cell), "cell": cell.cell.name, "settings": dict(cell.cell.settings)}
            click.echo(msgspec.json.encode(said).decode())
        return
    from rich.table import Table

    from stablenew.cli.output import table_console

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("cell", overflow="fold")
    for heading in ("made", "rated", "mean", "sd", "seconds", "failed", "missing"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cell in state.cells:
        table.add_row(cell.cell.name, *_numbers(cell))
    table_console().print(table)
    click.echo(f"{len(state.cells)} cells x {state.rows} rows: {state.made} made, {state.rated} rated")
    if note := state.experiment.plan.note:
        click.echo(note)


def say_package(workspace: Workspace, experiment_id: str, *, as_json: bool) -> None:
    """Plan, pictures and ratings as one JSON document; indented unless `as_json`."""
    from stablenew.learning.learning_feedback import Rating, package_ratings, read_ratings

    experiment = read_experiment(workspace, experiment_id)
    with RecordIndex.of(workspace) as index:
        records = records_of_experiment(index, experiment_id)
    ratings = (each for each in read_ratings(workspace.ratings) if isinstance(each, Rating))
    data = msgspec.json.encode(package_ratings(experiment, records, ratings))
    click.echo((data if as_json else msgspec.json.format(data, indent=2)).decode())


def say_list(workspace: Workspace, *, as_json: bool) -> None:
    """Every experiment, one a line."""
    rows = [(each, _state(workspace, each)) for each in list_experiments(workspace)]
    if as_json:
        for experiment, state in rows:
            click.echo(msgspec.json.encode(_line(experiment, state)).decode())
        return
    if not rows:
        click.echo(f"no experiments in {workspace.experiments}: stablenew experiment new --help", err=True)
        return
    from rich.table import Table

    from stablenew.cli.output import table_console

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("experiment", "created", "settings"):
        table.add_column(heading, no_wrap=True)
    for heading in ("cells", "made", "rated", "missing"):
        table.add_column(heading, justify="right", no_wrap=True)
    for experiment, state in rows:
        tested = ", ".join(setting.name for setting in experiment.plan.tested)
        numbers = (len(state.cells), state.made, state.rated, state.missing)
        created = experiment.created_at[:16].replace("T", " ")
        table.add_row(experiment.experiment_id, created, tested, *map(str, numbers))
    table_console().print(table)


def _state(workspace: Workspace, experiment: Experiment) -> ExperimentState:
    with RecordIndex.of(workspace) as index:
        return experiment_state(experiment, records_of_experiment(index, experiment.experiment_id))


def _numbers(cell: CellState) -> tuple[str, ...]:
    def said(value: float | None) -> str:
        return "" if value is None else f"{value:.2f}"

    failed, missing = (str(number) if number else "" for number in (cell.failed, cell.missing))
    return (str(cell.made), str(cell.rated), said(cell.mean), said(cell.sd), said(cell.seconds), failed, missing)


def _line(experiment: Experiment, state: ExperimentState) -> dict[str, Any]:
    return {
        "experiment_id": experiment.experiment_id,
        "created_at": experiment.created_at,
        "note": experiment.plan.note,
        "settings": [setting.name for setting in experiment.plan.tested],
        "cells": len(state.cells),
        "made": state.made,
        "rated": state.rated,
        "failed": state.failed,
        "missing": state.missing,
    }
