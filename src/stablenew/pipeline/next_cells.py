"""What advice wants to see next, as cells and seeds of a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stablenew.learning.plan_setting import LORA
from stablenew.pipeline.card_settings import asked_model
from stablenew.variant import derived_seed
from stablenew.workspace import Workspace


def cells_to_try(workspace: Workspace, rows: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Settings as advice names them, as cells of a plan: models as they are asked for, nothing that is not set.

    Reads records where a model is among them: for a worker's thread.
    """
    found: list[Mapping[str, Any]] = []
    for row in rows:
        cell = {name: value for name, value in row.items() if value is not None and (value != "none" or name == LORA)}
        if "model" in cell and (model := asked_model(workspace, str(cell.pop("model")))) is not None:
            cell["model"] = model
        if cell and cell not in found:
            found.append(cell)
    return tuple(found)


def unseen_seeds(workspace: Workspace, count: int) -> tuple[int, ...]:
    """`count` seeds for the next experiment that none before it had: pictures of its cells may have been made already
    with the seeds that a prompt gets first.
    """
    before = sum(1 for _ in workspace.experiments.iterdir()) if workspace.experiments.is_dir() else 0
    return tuple(derived_seed("next", before, number) for number in range(count))
