"""From what stands in the Run tab to a run: planning, resuming and continuing, all of it for a worker's thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stablenew.backends.base import Capabilities
from stablenew.config import PipelineConfig, StageName
from stablenew.controller.pipeline_controller import PipelineController, RunHandle
from stablenew.errors import InputError
from stablenew.pipeline.cost import estimate_run
from stablenew.prompts.estimate import Estimate
from stablenew.prompts.pack import Pack, PackLine, make_pack, read_pack, write_pack
from stablenew.prompts.randomizer import Plan
from stablenew.prompts.template import escape_text
from stablenew.run_request import Wish, wished_config, wished_plan
from stablenew.workspace import Workspace

PACKS = "packs"
"""Where in the workspace packs lie that the window made, and those a person put there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A wish, planned: `paused` stages are left for later, `notes` say what in the packs was passed over."""

    plan: Plan
    paused: tuple[StageName, ...]
    estimate: Estimate
    notes: tuple[str, ...] = ()


def plan_wish(wish: Wish, workspace: Workspace, backend: str, can: Capabilities | None) -> Planned:
    """The plan of the wish and what it will cost. Raises InputError."""
    if not wish.packs:
        raise InputError("no pack is chosen")
    notes: list[str] = []
    plan, paused = wished_plan(wish, workspace, notes.append)
    estimate = estimate_run(plan, workspace, backend, can.native_size if can else None)
    return Planned(plan=plan, paused=paused, estimate=estimate, notes=tuple(notes))


def start_planned(controller: PipelineController, planned: Planned) -> RunHandle:
    """Begin the run. Raises RunBusy."""
    plan = planned.plan
    return controller.start(plan.config, plan, recipe=plan.recipe(), paused_stages=planned.paused)


def pack_settings(paths: Sequence[Path], workspace: Workspace) -> tuple[PipelineConfig, tuple[str, ...]]:
    """What a run of these packs would take if nothing else were asked for, and the names of their slots.

    A pack that cannot be read is passed over: its own line in the list says so.
    """
    packs: list[Pack] = []
    for path in paths:
        try:
            packs.append(read_pack(path))
        except (InputError, OSError):
            continue
    slots = dict.fromkeys(slot.name for pack in packs if pack.matrix.enabled for slot in pack.matrix.slots)
    return wished_config(Wish(packs=tuple(paths)), workspace, packs), tuple(slots)


def listed_packs(workspace: Workspace) -> list[Path]:
    """The packs lying in the workspace's own folder."""
    folder = workspace.root / PACKS
    return sorted(folder.glob("*.txt")) if folder.is_dir() else []


def write_one_line_pack(workspace: Workspace, stem: str, prompt: str, negative: str) -> Path:
    """A pack of that one prompt, under a name that is free. The prompt is taken literally."""
    folder = workspace.root / PACKS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.txt"
    number = 2
    while path.exists():
        path, number = folder / f"{stem}-{number}.txt", number + 1
    line = PackLine(line_number=1, prompt=escape_text(prompt), negative_prompt=escape_text(negative))
    write_pack(make_pack([line], name=path.stem, path=path), path)
    return path
