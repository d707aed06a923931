"""The runs of a workspace: what each has done, from its own folder, with or without learning records."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stablenew.config import StageName
from stablenew.errors import InputError
from stablenew.pipeline.run_folder import RunFolder, RunManifest, open_run, read_manifest
from stablenew.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """Where a run stands. `unfinished` variants were never started, or stopped, or lost to a crash."""

    manifest: RunManifest
    folder: Path
    ok: int
    failed: int

    @property
    def unfinished(self) -> int:
        return max(0, self.manifest.variant_count - self.ok - self.failed)


def list_runs(workspace: Workspace) -> Iterator[RunSummary]:
    """Every run, oldest first; a folder without a readable manifest is passed over."""
    if not workspace.runs.is_dir():
        return
    for path in sorted(workspace.runs.iterdir()):
        try:
            yield summarise_run(workspace, path.name)
        except InputError:
            continue


def summarise_run(workspace: Workspace, run_id: str) -> RunSummary:
    """Where the run stands. Raises NotFound, UnsafeName, or InputError when its manifest cannot be read."""
    manifest = read_manifest(workspace, run_id)
    folder = RunFolder(workspace, run_id)
    stages = tuple(manifest.config.get("stages", ()))
    ended = last_statuses(folder)
    ok = sum(_is_complete(statuses, stages) for statuses in ended.values())
    failed = sum("failed" in statuses.values() for statuses in ended.values())
    return RunSummary(manifest=manifest, folder=folder.path, ok=ok, failed=failed)


def unfinished_runs(workspace: Workspace, newest: int = 20) -> list[RunSummary]:
    """Of the `newest` runs those that can be resumed and have variants left, the newest first."""
    if not workspace.runs.is_dir():
        return []
    names = sorted((path.name for path in workspace.runs.iterdir() if path.is_dir()), reverse=True)
    found = []
    for name in names[:newest]:
        try:
            summary = summarise_run(workspace, name)
        except InputError:
            continue
        if summary.unfinished and summary.manifest.recipe is not None:
            found.append(summary)
    return sorted(found, key=lambda summary: summary.manifest.created_at, reverse=True)


def last_statuses(folder: RunFolder) -> dict[int, dict[StageName, str]]:
    """By variant index: the newest status of each of its stages."""
    found: dict[int, dict[StageName, str]] = {}
    for line in folder.read_journal():
        found.setdefault(line.index, {})[line.result.stage] = line.result.status
    return found


def failed_indices(workspace: Workspace, run_id: str) -> frozenset[int]:
    """The variants whose newest try failed. Raises as `read_manifest` does."""
    read_manifest(workspace, run_id)
    statuses = last_statuses(RunFolder(workspace, run_id))
    return frozenset(index for index, stages in statuses.items() if "failed" in stages.values())


def delete_run(workspace: Workspace, run_id: str) -> None:
    """Remove the run's folder with its pictures; its learning records stay. Raises NotFound, RunBusy."""
    read_manifest(workspace, run_id)
    with open_run(workspace, run_id) as folder:
        folder.manifest_path.unlink()
        for path in folder.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != ".lock":  # ours, and open: Windows removes no open file
                path.unlink()
    shutil.rmtree(folder.path)


def _is_complete(statuses: Mapping[StageName, str], stages: tuple[Any, ...]) -> bool:
    return bool(stages) and all(statuses.get(stage) == "ok" for stage in stages)
