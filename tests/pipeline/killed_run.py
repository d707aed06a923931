"""What the kill test kills: resumes one run of 300 variants of two stages, slowly enough to be hit at work."""

from __future__ import annotations

import sys
from pathlib import Path

from stablenew.backends.base import StageRequest
from stablenew.learning.learning_record import LearningRecordWriter
from stablenew.pipeline.pipeline_runner import PipelineRunner
from stablenew.testing.fake_backend import FakeBackend, Script
from stablenew.workspace import Workspace
from tests.makers import make_config, make_variants


def main(root: Path) -> None:
    workspace = Workspace(root=root)
    said = False

    def before(_: StageRequest) -> None:
        nonlocal said
        if not said:
            said = True
            print("working", flush=True)

    config = make_config(run_id="r", stages="txt2img,upscale")
    writer = LearningRecordWriter(workspace.records)
    runner = PipelineRunner(
        FakeBackend(script=Script(before=before, delay_s=0.004, window=1)), writer, workspace=workspace
    )
    resume = (workspace.runs / "r" / "manifest.json").exists()
    runner.run(config, make_variants(config, 300), resume=resume)
    writer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
