"""A gate passed: the chosen pictures of one run go through the remaining stages as a run of their own.

The new run starts with the old one's finished stages in its journal, so that nothing is made twice, and keeps its own
records: the old run's say what was done then, the new run's what was done with the chosen ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from stablenew.config import STAGES, StageName
from stablenew.errors import InputError
from stablenew.pipeline.run_folder import JournalLine, RunFolder, RunManifest, open_run, read_manifest
from stablenew.pipeline.run_values import timestamp
from stablenew.prompts.randomizer import Plan
from stablenew.prompts.selection import select, variants_from_recipe
from stablenew.variant import Variant
from stablenew.workspace import Workspace


def stages_left(manifest: RunManifest, named: tuple[StageName, ...]) -> tuple[StageName, ...]:
    """All stages of the promoted run, in order: those the run has and the `named` ones, else those it paused at.

    Raises InputError when there is no stage left.
    """
    done: tuple[StageName, ...] = tuple(manifest.config["stages"])
    left = {stage for stage in named or manifest.paused_stages if stage not in done}
    if not left:
        raise InputError(f"run {manifest.run_id} has no stage left to continue with: name them with --stages")
    return tuple(stage for stage in STAGES if stage in left.union(done))


def begin_promotion(
    workspace: Workspace, parent: RunManifest, promoted: RunManifest, variants: Iterable[Variant]
) -> None:
    """Make the folder of the run `promoted` of the run `parent`, ready to be resumed with `variants`.

    Raises InputError when a chosen variant has no picture, or the run is already there.
    """
    old = RunFolder(workspace, parent.run_id).done_stages()
    by_index: dict[int, Mapping[StageName, JournalLine]] = {index: stages for (index, _), stages in old.items()}
    chosen = list(variants)
    missing = [str(variant.index + 1) for variant in chosen if variant.index not in by_index]
    if missing:
        raise InputError(f"run {parent.run_id} has no picture of variant {', '.join(missing)}")
    with open_run(workspace, promoted.run_id) as folder:
        if folder.manifest_path.exists():
            raise InputError(f"run {promoted.run_id} is already in {folder.path}: choose another --run-id")
        for variant in chosen:
            for line in by_index[variant.index].values():
                folder.append_journal(carried_over(line, variant))
        folder.write_manifest(promoted)  # last: a run that a kill left without one is not there


def carried_over(line: JournalLine, variant: Variant) -> JournalLine:
    """The line of a finished stage as one of `variant`, so that it is not made again."""
    return JournalLine(
        index=variant.index,
        variant_id=variant.variant_id,
        started_at=line.started_at,
        seed=line.seed,
        result=line.result,
    )


def promoted_config(parent: RunManifest, run_id: str, stages: tuple[StageName, ...]) -> dict[str, Any]:
    """The parent's config for the promoted run."""
    return {**parent.config, "run_id": run_id, "stages": list(stages)}


def promote_run(
    workspace: Workspace,
    run_id: str,
    indices: frozenset[int],
    stages: tuple[StageName, ...] = (),
    new_run_id: str | None = None,
) -> str:
    """Make the folder of a run that goes on with the pictures `indices` of a run, ready to be resumed; its run id.

    `stages` are those to go on with, else the ones the run paused at. Raises InputError, NotFound.
    """
    parent = read_manifest(workspace, run_id)
    if parent.recipe is None:
        raise InputError(f"run {run_id} was not started from packs and cannot be promoted here")
    every = stages_left(parent, stages)
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


def rated_at_least(workspace: Workspace, run_id: str, min_rating: float) -> frozenset[int]:
    """The variants of a run (indices from 0) that are rated that well."""
    from stablenew.learning.learning_reader import read_current_records
    from stablenew.learning.rating_fold import read_feedback

    scores = {record_id: said.score for record_id, said in read_feedback(workspace.ratings).items()}
    return frozenset(
        record.pipeline.variant_index
        for record in read_current_records(workspace.records, run_id)
        if (scores.get(record.run.record_id) or 0) >= min_rating
    )
