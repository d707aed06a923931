"""What the Learn tab says: numbers and settings as texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stablenew.config import PipelineConfig
from stablenew.gui.tabs.learn_draft import Designed
from stablenew.learning.card_text import value_text
from stablenew.learning.experiments import Experiment
from stablenew.learning.recommendation import Estimate
from stablenew.pipeline.cost import describe


def cell_text(settings: Mapping[str, Any]) -> str:
    """The settings of a cell in a line: "steps 20, cfg_scale 7"; of one that sets nothing, "the baseline"."""
    return ", ".join(f"{name} {value_text(value)}" for name, value in settings.items()) or "the baseline"


def shared_settings(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What every cell sets alike."""
    first = cells[0] if cells else {}
    return {name: value for name, value in first.items() if all(each.get(name) == value for each in cells)}


def baseline_text(config: PipelineConfig) -> str:
    """What an experiment would start from, in a line."""
    own = config.txt2img
    size = f"{own.width}x{own.height}" if own.width and own.height else "the model's own size"
    parts = [
        config.model or "the backend's model",
        own.sampler,
        f"{own.steps} steps",
        f"cfg {value_text(own.cfg_scale)}",
        size,
    ]
    return ", ".join([*parts, *(f"then {stage}" for stage in config.stages[1:])])


def cost_text(designed: Designed) -> str:
    """What an experiment comes to, and what it will cost."""
    whole = designed.whole
    cells, rows = len(whole.cells), len(whole.rows)
    said = f"{counted(cells, 'cell')} x {counted(rows, 'row')} (a prompt with a seed)"
    if designed.plan.shared_stages:
        said += f", all cells of a row on the same picture of {designed.plan.shared_stages[-1]}"
    return f"{said}: {describe(designed.estimate)}"


def tested_text(experiment: Experiment) -> str:
    """What an experiment tests, in a few words."""
    return ", ".join(setting.name for setting in experiment.plan.tested)


def counted(number: int, what: str) -> str:
    """ "1 picture", "1,200 pictures"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def stars_text(estimate: Estimate) -> str:
    """ "4.2 (3.8 to 4.6)"."""
    return f"{estimate.mean:.1f} ({estimate.low:.1f} to {estimate.high:.1f})"


def gain_text(estimate: Estimate) -> str:
    """ "+0.6 (+0.2 to +1.0)"."""
    return f"{estimate.mean:+.1f} ({estimate.low:+.1f} to {estimate.high:+.1f})"
