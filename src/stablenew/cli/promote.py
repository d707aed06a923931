"""`stablenew runs promote`: which pictures were chosen, and the run that goes on with them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import click

from stablenew.config import StageName, parse_value, resolve_setting
from stablenew.errors import InputError
from stablenew.pipeline.promotion import begin_promotion, promoted_config, stages_left
from stablenew.pipeline.run_folder import read_manifest
from stablenew.pipeline.run_values import timestamp
from stablenew.prompts.randomizer import Plan
from stablenew.prompts.selection import select, variants_from_recipe

if TYPE_CHECKING:
    from stablenew.workspace import Workspace


def chosen_indices(workspace: Workspace, run_id: str, variants: str | None, min_rating: float | None) -> frozenset[int]:
    """The variant indices (from 0) that `variants` (numbers from 1) and `min_rating` name together.

    Raises click.UsageError when neither is given or a number is none, InputError when nothing is rated that well.
    """
    if variants is None and min_rating is None:
        raise click.UsageError("say which: --variants 3,7 or --min-rating 4")
    chosen = frozenset(_numbers(variants or ""))
    if min_rating is None:
        return chosen
    rated = _rated_at_least(workspace, run_id, min_rating)
    if not rated and not chosen:
        raise InputError(f"nothing in run {run_id} is rated {min_rating:g} or better")
    return chosen | rated


def begin(
    workspace: Workspace, run_id: str, indices: frozenset[int], stages: str | None, new_run_id: str | None
) -> str:
    """Make the promoted run's folder and return its run id. Raises InputError, NotFound."""
    parent = read_manifest(workspace, run_id)
    if parent.recipe is None:
        raise InputError(f"run {run_id} was not started from packs and cannot be promoted here")
    every = stages_left(parent, _stages(stages))
    planned = variants_from_recipe(parent.recipe)
    selection = select(planned if isinstance(planned, Plan) else planned.plan, indices, every)
    promoted = dataclasses.replace(
        parent,
        run_id=new_run_id or f"{run_id}-promoted",
        created_at=timestamp(datetime.now(UTC)),
        variant_count=len(selection),
        recipe=selection.recipe(),
        paused_stages=(),
        promoted_from=run_id,
    )
    promoted = dataclasses.replace(promoted, config=promoted_config(parent, promoted.run_id, every))
    begin_promotion(workspace, parent, promoted, selection)
    return promoted.run_id


def _stages(text: str | None) -> tuple[StageName, ...]:
    if text is None:
        return ()
    return cast("tuple[StageName, ...]", parse_value(resolve_setting("stages"), text))


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) - 1 for part in text.split(",") if part.strip()]
    except ValueError as exc:
        raise click.UsageError(f"--variants takes numbers such as 3,7, not {text!r}") from exc


def _rated_at_least(workspace: Workspace, run_id: str, min_rating: float) -> frozenset[int]:
    from stablenew.learning.learning_reader import read_current_records
    from stablenew.learning.rating_fold import read_feedback

    scores = {record_id: said.score for record_id, said in read_feedback(workspace.ratings).items()}
    return frozenset(
        record.pipeline.variant_index
        for record in read_current_records(workspace.records, run_id)
        if (scores.get(record.run.record_id) or 0) >= min_rating
    )
