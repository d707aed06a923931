"""A gate passed: the chosen pictures of one run go through the remaining stages as a run of their own.

The new run starts with the old one's finished stages in its journal, so that nothing is made twice, and keeps its own
records: the old run's say what was done then, the new run's what was done with the chosen ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from stablenew.config import STAGES, StageName
from stablenew.errors import InputError
from stablenew.pipeline.run_folder import JournalLine, RunFolder, RunManifest, open_run
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
