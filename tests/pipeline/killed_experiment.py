"""What the kill test kills: goes on with one experiment of 60 variants on shared sources, slowly enough to be hit."""

from __future__ import annotations

import sys
from pathlib import Path

from stablenew.backends.base import StageRequest
from stablenew.controller.pipeline_controller import PipelineController, RunnerParts
from stablenew.learning.experiments import new_experiment, save_experiment
from stablenew.learning.learning_record import LearningRecordWriter
from stablenew.pipeline.pipeline_runner import PipelineRunner
from stablenew.testing.fake_backend import FakeBackend, Script
from stablenew.workspace import Workspace
from tests.learning.plans import make_plan

CELLS, ROWS = 6, 10


def main(root: Path) -> None:
    workspace = Workspace(root=root)
    if not (workspace.experiments / "e").exists():
        baseline = {"stages": "txt2img,img2img"}
        plan = make_plan(baseline, settings={"img2img.denoise": [n / 10 for n in range(1, CELLS + 1)]}, seeds=ROWS // 2)
        save_experiment(workspace, new_experiment(plan, experiment_id="e"))
    said = False

    def before(_: StageRequest) -> None:
        nonlocal said
        if not said:
            said = True
            print("working", flush=True)

    writer = LearningRecordWriter(workspace.records)

    def factory(parts: RunnerParts) -> PipelineRunner:
        return PipelineRunner(
            FakeBackend(script=Script(before=before, delay_s=0.004, window=1)),
            parts.learning_writer,
            parts.on_learning_record,
            workspace=workspace,
            observer=parts.observer,
        )

    PipelineController(factory, learning_writer=writer).start_experiment(workspace, "e").wait()
    writer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
