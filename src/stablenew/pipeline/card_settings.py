"""A card's settings as settings of a run: what can be set, by which path, and the model as it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stablenew.config import declared_settings, parse_value
from stablenew.errors import InputError, InvalidSetting
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.prompt_class import same_model
from stablenew.learning.record_filter import parse_condition
from stablenew.learning.record_index import Query, RecordIndex
from stablenew.pipeline.run_folder import read_manifest
from stablenew.workspace import Workspace

LORA, SIZE, NO_LORA = "lora", "size", "none"
LOOKED_AT = 5000
"""So many of the newest records are looked through for a model's name as it was asked for."""


def config_changes(settings: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Path -> value of what a run can be told, and the names of what it cannot (loras are no setting of a run).

    Names are those of `flat_settings`; "size" stands for both sides. Raises InvalidSetting for a value out of range.
    """
    known = declared_settings()
    found: dict[str, Any] = {}
    passed_over: list[str] = []
    for name, value in settings.items():
        if value is None or name == LORA:
            continue
        if name == SIZE:
            found |= _sides(value)
            continue
        path = name if name in known else f"txt2img.{name}"
        if path in known:
            found[path] = parse_value(known[path], value)
        else:
            passed_over.append(name)
    return found, tuple(passed_over)


def lora_of(settings: Mapping[str, Any]) -> str | None:
    """The loras of `settings` as an axis has them ("ink:0.8+paper"), None where there are none."""
    value = settings.get(LORA)
    return None if value is None or str(value).strip().casefold() in ("", NO_LORA) else str(value)


def asked_model(workspace: Workspace, recorded: str) -> str | None:
    """The name by which `recorded` (a model as records carry it) was asked for in the newest run that used it.

    None where that run took its backend's own; `recorded` itself where no run of ours used it.
    """
    with RecordIndex.of(workspace) as index:
        for record in index.records(Query(where=(parse_condition("status=ok"),), limit=LOOKED_AT)):
            if isinstance(record, LearningRecord) and same_model(record.pipeline.model or "", recorded):
                return model_asked_for(workspace, record)
    return recorded


def model_asked_for(workspace: Workspace, record: LearningRecord) -> str | None:
    """The model as the run of `record` asked for it, None: the backend's own; as recorded where no run says."""
    varied = record.pipeline.axes.get("model")
    if varied is not None:
        return str(varied)
    try:
        said = read_manifest(workspace, record.run.run_id).config.get("model")
    except InputError:  # imported, or its folder was deleted
        return record.pipeline.model
    return None if said is None else str(said)


def _sides(value: object) -> dict[str, Any]:
    width, _, height = str(value).casefold().partition("x")
    known = declared_settings()
    try:
        return {
            f"txt2img.{side}": parse_value(known[f"txt2img.{side}"], int(number))
            for side, number in (("width", width), ("height", height))
        }
    except ValueError as exc:
        raise InvalidSetting(SIZE, value, "WIDTHxHEIGHT in pixels, such as 512x768") from exc
