"""Experiments through the pipeline: shared sources, and a process that is killed over and over."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from stablenew.learning.learning_reader import read_current_records, read_records
from stablenew.learning.learning_record import LearningRecord
from stablenew.workspace import Workspace
from tests.pipeline.killed_experiment import CELLS, ROWS

KILLS = 20


def test_killed_over_and_over_an_experiment_is_made_once_from_the_same_sources(tmp_path: Path) -> None:
    """SIGKILL at random moments: 60 good records in 6 cells of 10, no picture made twice, one source a row for all."""
    rng = random.Random(20261122)
    kills = 0
    while kills < KILLS:
        process = _start(tmp_path)
        assert process.stdout is not None
        if process.stdout.readline() == b"":
            break
        time.sleep(rng.random() * 0.03)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process.stdout.close()
    final = _start(tmp_path)
    final.communicate(timeout=240)
    assert (final.returncode, kills) == (0, KILLS)
    workspace = Workspace(root=tmp_path)
    every = [record for record in read_records(workspace.records, "e") if isinstance(record, LearningRecord)]
    assert Counter(record.pipeline.variant_index for record in every) == Counter(range(CELLS * ROWS))
    assert {record.outcome.status for record in every} == {"ok"}
    records = list(read_current_records(workspace.records, "e"))
    assert set(Counter(record.run.cell for record in records).values()) == {ROWS}
    assert {record.run.experiment_id for record in records} == {"e"}
    sources: dict[tuple[str, int | None], set[str]] = {}
    for record in records:
        sources.setdefault((record.prompt.prompt, record.prompt.seed), set()).add(record.outcome.images[0].sha256)
        assert [stage.stage for stage in record.pipeline.stages] == ["txt2img", "img2img"]
        assert record.outcome.images[0].path.startswith("runs/e-sources/images/")
    assert len(sources) == ROWS
    assert all(len(each) == 1 for each in sources.values())
    made = sorted(path.name for path in (workspace.runs / "e" / "images").glob("*.png"))
    assert len(made) == len({name.split("-")[0] for name in made}) == CELLS * ROWS
    assert len(list((workspace.runs / "e-sources" / "images").glob("*.png"))) == ROWS
    assert list(read_current_records(workspace.records, "e-sources")) == []


def _start(root: Path) -> subprocess.Popen[bytes]:
    """A process that goes on with the experiment; it prints a line once the first picture of this start is made."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.pipeline.killed_experiment", str(root)], stdout=subprocess.PIPE, env=environment
    )
