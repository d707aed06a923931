"""An experiment with everything people said about it, as one plain dict: for a person or a language model."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stablenew.config import PipelineConfig, declared_settings, setting_value
from stablenew.learning.experiments import Experiment
from stablenew.learning.learning_adapter import PlanVariants, variants_of
from stablenew.learning.learning_feedback import Rating, in_order
from stablenew.learning.learning_plan import LearningPlan
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.learning_runner import CellResult, summarise
from stablenew.learning.rating_fold import fold, valid
from stablenew.variant import Variant

FORMAT = "stablenew-experiment-ratings-1"

HOW_TO_READ = (
    "Every cell is one combination of settings; what a cell does not set is as in the baseline.",
    "Every cell was tried on the same rows (a prompt with a seed): compare pictures of one row with each other first.",
    "Stars go from 1 to 5 and are the mean over people; null means not rated. Weak stars come from a scorer or another "
    "program, not from a person's judgement of this picture.",
    "A choice says that one picture was preferred to others of its row.",
    "Means of few pictures are uncertain: give the number behind each statement, and say so where it is too small.",
)


def package(experiment: Experiment, records: Iterable[LearningRecord], ratings: Iterable[Rating]) -> dict[str, Any]:
    """JSON types, the same for the same records and ratings, in whatever order they come. Raises InvalidPlan."""
    whole = variants_of(experiment.plan, experiment.experiment_id)
    known = {record.run.record_id: record for record in records}
    result = summarise(whole, sorted(known.values(), key=lambda record: record.run.record_id))
    said: dict[str, list[Rating]] = {}
    for rating in ratings:
        if rating.record_id in known:
            said.setdefault(rating.record_id, []).append(rating)
    pictures = _pictures(whole, {known[each].prompt.variant_id: known[each] for each in result.records}, said)
    choices = _choices(pictures, said)
    best = Counter(choice["cell"] for choice in choices)
    return {
        "format": FORMAT,
        "experiment_id": experiment.experiment_id,
        "created_at": experiment.created_at,
        "how_to_read": list(HOW_TO_READ),
        "plan": _plan(experiment.plan, whole),
        "cells": [_cell(each, pictures, best[each.cell.name]) for each in result.cells],
        "pictures": pictures,
        "choices": choices,
        "failures": [{"record_id": each.record_id, "reason": each.reason} for each in result.failures],
    }


def _plan(plan: LearningPlan, whole: PlanVariants) -> dict[str, Any]:
    return {
        "note": plan.note,
        "design": plan.design,
        "stage": plan.stage,
        "shared_stages": list(plan.shared_stages),
        "settings_under_test": {setting.name: list(setting.values) for setting in plan.tested},
        "baseline": _told(plan.baseline),
        "prompts": [
            {"prompt": each.prompt, "negative_prompt": each.negative_prompt, "bindings": dict(each.bindings)}
            for each in plan.prompts
        ],
        "rows": len(whole.rows),
        "pictures_planned": len(whole),
    }


def _told(config: PipelineConfig) -> dict[str, Any]:
    """The settings of the baseline: those always told, and every other that is not at its default."""
    always = {"model", "stages", *(f"txt2img.{name}" for name in ("sampler", "scheduler", "steps", "cfg_scale"))}
    found: dict[str, Any] = {}
    for path, declared in declared_settings().items():
        value = setting_value(config, path)
        if path in always or value != declared.default:
            found[path.removeprefix("txt2img.")] = list(value) if isinstance(value, tuple) else value
    return found


def _pictures(
    whole: PlanVariants, good: Mapping[str, LearningRecord], said: Mapping[str, Sequence[Rating]]
) -> list[dict[str, Any]]:
    return [
        _picture(whole.row_of(variant), variant, good[variant.variant_id], said)
        for variant in whole
        if variant.variant_id in good
    ]


def _picture(
    row: int, variant: Variant, record: LearningRecord, said: Mapping[str, Sequence[Rating]]
) -> dict[str, Any]:
    ratings = said.get(record.run.record_id, ())
    feedback = fold(ratings)
    strong = any(rating.score is not None and not rating.weak for rating in valid(in_order(ratings)))
    return {
        "record_id": record.run.record_id,
        "row": row,
        "cell": variant.cell,
        "prompt": record.prompt.prompt,
        "negative_prompt": record.prompt.negative_prompt,
        "seed": record.prompt.seed,
        "stars": feedback.score if feedback else None,
        "weak": bool(feedback and feedback.score is not None and not strong),
        "people": feedback.people if feedback else 0,
        "rejected": bool(feedback and feedback.rejected),
        "favourite": bool(feedback and feedback.favourite),
        "tags": list(feedback.tags) if feedback else [],
        "notes": feedback.notes if feedback else "",
        "seconds": record.outcome.duration_s,
    }


def _choices(pictures: Sequence[Mapping[str, Any]], said: Mapping[str, Sequence[Rating]]) -> list[dict[str, Any]]:
    """Every preference that still counts, in the order of the pictures."""
    cells = {picture["record_id"]: picture["cell"] for picture in pictures}
    return [
        {
            "cell": picture["cell"],
            "preferred": picture["record_id"],
            "over": sorted(other.record_id for other in rating.better_than),
            "over_cells": sorted({cells[o.record_id] for o in rating.better_than if o.record_id in cells}),
        }
        for picture in pictures
        for rating in valid(in_order(said.get(picture["record_id"], ())))
        if rating.better_than
    ]


def _cell(result: CellResult, pictures: Sequence[Mapping[str, Any]], preferred: int) -> dict[str, Any]:
    own = [picture for picture in pictures if picture["cell"] == result.cell.name]
    stars = [picture["stars"] for picture in own if picture["stars"] is not None]
    tags = Counter(tag for picture in own for tag in picture["tags"])
    return {
        "cell": result.cell.name,
        "settings": dict(result.cell.settings),
        "pictures": len(result.records),
        "failures": len(result.failures),
        "missing": result.missing,
        "rated": len(stars),
        "mean_stars": round(math.fsum(stars) / len(stars), 4) if stars else None,
        "sd_stars": round(statistics.stdev(stars), 4) if len(stars) > 1 else None,
        "preferred": preferred,
        "rejected": sum(picture["rejected"] for picture in own),
        "favourites": sum(picture["favourite"] for picture in own),
        "tags": dict(sorted(tags.items())),
    }
