"""Experiments in a workspace: `experiments/ID/plan.json`, written once; all else about one follows from records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from stablenew.atomic_file import write_atomically
from stablenew.errors import InputError, InvalidPlan, NotFound
from stablenew.learning.execution_context import utc_text
from stablenew.learning.learning_adapter import with_layout
from stablenew.learning.learning_plan import LearningPlan, plan_from_dict
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.record_filter import Condition
from stablenew.learning.record_index import Query, RecordIndex
from stablenew.learning.safe_name import safe_name
from stablenew.workspace import Workspace

SOURCES = "-sources"
"""What the run of an experiment's shared pictures is called, behind the experiment's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A plan with a name, and the backend it is for. Its run has the same name."""

    experiment_id: str
    plan: LearningPlan
    created_at: str
    backend: str = "local"
    backend_url: str | None = None


def new_experiment(
    plan: LearningPlan,
    *,
    experiment_id: str | None = None,
    backend: str = "local",
    backend_url: str | None = None,
    moment: datetime | None = None,
) -> Experiment:
    """An experiment, not stored yet; without a name of its own it is called by time and what it tests.

    Its cells and rows are settled here. Raises InvalidPlan.
    """
    moment = moment or datetime.now(UTC)
    tested = "-".join(re.sub(r"[^a-z0-9]+", "_", setting.name) for setting in plan.tested)[:40].strip("_-")
    return Experiment(
        experiment_id=experiment_id or f"{moment:%Y%m%d-%H%M%S}-{tested}",
        plan=with_layout(plan),
        created_at=utc_text(moment),
        backend=backend,
        backend_url=backend_url,
    )


def save_experiment(workspace: Workspace, experiment: Experiment) -> Path:
    """Store the experiment's plan and return its file. Raises InputError where the name is taken, UnsafeName."""
    name = experiment.experiment_id
    path = _plan_path(workspace, name)
    for taken in (path, workspace.runs / name, workspace.runs / f"{name}{SOURCES}"):
        if taken.exists():
            raise InputError(f"there is already {taken}: choose another name for the experiment")
    data = {
        "experiment_id": name,
        "created_at": experiment.created_at,
        "backend": experiment.backend,
        "backend_url": experiment.backend_url,
        "plan": experiment.plan.to_dict(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n", durable=True)
    return path


def read_experiment(workspace: Workspace, experiment_id: str) -> Experiment:
    """The experiment of that name. Raises NotFound, UnsafeName, or InputError when its plan cannot be read."""
    path = _plan_path(workspace, experiment_id)
    try:
        data = msgspec.json.decode(path.read_bytes(), type=_Stored)
        plan = plan_from_dict(data.plan)
    except (FileNotFoundError, NotADirectoryError) as exc:
        hint = "stablenew experiment list shows those there are"
        raise NotFound("experiment", experiment_id, workspace.experiments, hint) from exc
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    except (msgspec.DecodeError, msgspec.ValidationError, InvalidPlan) as exc:
        raise InputError(f"{path} is not the plan of an experiment: {exc}") from exc
    return Experiment(
        experiment_id=experiment_id,
        plan=plan,
        created_at=data.created_at,
        backend=data.backend,
        backend_url=data.backend_url,
    )


def list_experiments(workspace: Workspace) -> Iterator[Experiment]:
    """Every experiment, by name; a folder without a readable plan is passed over."""
    if not workspace.experiments.is_dir():
        return
    for path in sorted(workspace.experiments.iterdir()):
        try:
            yield read_experiment(workspace, path.name)
        except InputError:
            continue


def records_of_experiment(index: RecordIndex, experiment_id: str) -> list[LearningRecord]:
    """Every record of the experiment, oldest first, each once and with what people said about it."""
    mine = Condition(field="run.experiment_id", operator="=", value=experiment_id)
    found = index.records(Query(where=(mine,), descending=False))
    return [record for record in found if isinstance(record, LearningRecord)]


class _Stored(msgspec.Struct):
    plan: Mapping[str, Any]
    created_at: str = ""
    backend: str = "local"
    backend_url: str | None = None


def _plan_path(workspace: Workspace, name: str) -> Path:
    return workspace.experiments / safe_name(name, workspace.experiments) / "plan.json"
