"""An experiment's run: the pictures that cells share are made first, as a run of their own, then every cell.

The shared stages go into the journal of the experiment's run as if it had made them, so that each cell begins where
they end: with the same picture, which is made once per prompt and seed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from stablenew.backends.base import CancelToken
from stablenew.config import PipelineConfig, StageName
from stablenew.learning.experiments import SOURCES
from stablenew.learning.learning_runner import LearningJob
from stablenew.pipeline.promotion import carried_over
from stablenew.pipeline.run_folder import JournalLine, RunFolder, open_run
from stablenew.pipeline.run_values import RunResult
from stablenew.variant import Variant
from stablenew.workspace import Workspace


class VariantRunner(Protocol):
    """What is needed of a runner."""

    def run(
        self,
        config: PipelineConfig,
        variants: Iterable[Variant],
        *,
        recipe: Mapping[str, Any] | None = None,
        cancel: CancelToken | None = None,
        resume: bool = False,
    ) -> RunResult: ...


def run_experiment(runner: VariantRunner, workspace: Workspace, job: LearningJob, cancel: CancelToken) -> RunResult:
    """Make what is missing of an experiment; blocks. The result is that of its run, or of sources that ended early.

    Raises as the runner's `run` does.
    """
    plan, recipe = job.whole.plan, {"experiment": job.experiment_id}
    config = dataclasses.replace(plan.baseline, run_id=job.experiment_id, learning_enabled=True)
    if job.whole.sources:
        made = _make_sources(runner, workspace, job, config, cancel)
        if made.status != "done":
            return made
        _hand_over(workspace, job)
    resume = RunFolder(workspace, job.experiment_id).manifest_path.exists()
    return runner.run(config, job.missing, recipe=recipe, cancel=cancel, resume=resume)


def _make_sources(
    runner: VariantRunner, workspace: Workspace, job: LearningJob, config: PipelineConfig, cancel: CancelToken
) -> RunResult:
    """The shared pictures of the rows that lack something. They get no records: those of the cells name every stage."""
    name = f"{job.experiment_id}{SOURCES}"
    rows = {job.whole.row_of(variant) for variant in job.missing}
    own = dataclasses.replace(config, run_id=name, learning_enabled=False, stages=job.whole.plan.shared_stages)
    return runner.run(
        own,
        [source for source in job.whole.sources if source.index in rows],
        recipe={"experiment": job.experiment_id},
        cancel=cancel,
        resume=RunFolder(workspace, name).manifest_path.exists(),
    )


def _hand_over(workspace: Workspace, job: LearningJob) -> None:
    """Note the shared stages as done for every missing variant; a row whose source failed is left to its cells."""
    made: dict[int, Mapping[StageName, JournalLine]] = {}
    for (index, _), stages in RunFolder(workspace, f"{job.experiment_id}{SOURCES}").done_stages().items():
        made[index] = stages
    with open_run(workspace, job.experiment_id) as folder:
        there = folder.done_stages()
        for variant in job.missing:
            noted = there.get((variant.index, variant.variant_id), {})
            for stage, line in made.get(job.whole.row_of(variant), {}).items():
                if stage not in noted:
                    folder.append_journal(carried_over(line, variant))
