"""How fast this machine was lately, from the journals of its own runs: what an estimate is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from statistics import median

from stablenew.errors import InputError
from stablenew.pipeline.run_folder import JournalLine, RunFolder, read_manifest
from stablenew.workspace import Workspace

RUNS, STAGES_EACH = 5, 200
"""How far back it looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Medians over what was recorded. `seconds_per_work`: by stage, seconds per megapixel and step (times denoise).

    `bytes_per_pixel` is that of the saved files, None when there are none.
    """

    seconds_per_work: dict[str, float] = field(default_factory=dict)
    bytes_per_pixel: float | None = None


def recorded_pace(workspace: Workspace, backend: str) -> Pace:
    """The pace of the newest runs on that backend; empty when there are none."""
    seconds: dict[str, list[float]] = {}
    sizes: list[float] = []
    for line in _recent(workspace, backend):
        image, used = line.result.image, line.result.effective
        if line.result.status != "ok" or image is None or used is None:
            continue
        work = image.width * image.height / 1e6 * (used.steps or 1) * (used.denoise or 1.0)
        seconds.setdefault(line.result.stage, []).append(line.result.seconds / work)
        path = workspace.root / image.path
        if path.is_file():
            sizes.append(path.stat().st_size / (image.width * image.height))
    return Pace(
        seconds_per_work={stage: median(each) for stage, each in seconds.items()},
        bytes_per_pixel=median(sizes) if sizes else None,
    )


def _recent(workspace: Workspace, backend: str) -> Iterator[JournalLine]:
    if not workspace.runs.is_dir():
        return
    newest = sorted(workspace.runs.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in islice(newest, RUNS):
        try:
            manifest = read_manifest(workspace, path.name)
        except InputError:
            continue
        if manifest.backend == backend:
            yield from islice(RunFolder(workspace, path.name).read_journal(), STAGES_EACH)
