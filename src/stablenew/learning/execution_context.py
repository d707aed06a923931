"""What is known about one executed variant when its record is made."""

from __future__ import annotations

import platform
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from pathlib import PurePath
from typing import Any

import msgspec

from stablenew.errors import Cancelled, NotARecord
from stablenew.learning.json_safe import json_safe, text_safe
from stablenew.variant import Failure, StageResult, Status, VariantResult


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputImage:
    """A picture as a caller names it; what is not known is left out."""

    path: str
    sha256: str = ""
    width: int | None = None
    height: int | None = None
    stage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionContext:
    """One executed variant: where, what, how it went. Every field has a benign default.

    `timestamp` is when it started, UTC as "2026-11-22T23:50:00.123Z". `status` None: failed when there is a `failure`,
    else ok. `variant_index` counts from 0.
    """

    run_id: str | None = None
    record_id: str | None = None
    timestamp: str | None = None
    source: str = "StableNew"
    host_id: str | None = None
    user_id: str | None = None
    software: Mapping[str, str] | None = None
    experiment_id: str | None = None
    cell: str | None = None
    pack_id: str = ""
    pack_name: str = ""
    line_number: int | None = None
    template: str | None = None
    negative_template: str | None = None
    bindings: Mapping[str, str] = field(default_factory=dict)
    prompt: str = ""
    negative_prompt: str = ""
    seed: int | None = None
    variant_id: str = ""
    backend: str = ""
    backend_version: str = ""
    variant_index: int = 0
    variant_count: int = 1
    matrix_mode: str = "none"
    fanout: int = 1
    axes: Mapping[str, Any] = field(default_factory=dict)
    status: Status | None = None
    stages: tuple[StageResult, ...] = ()
    images: tuple[OutputImage, ...] = ()
    failure: Failure | None = None
    duration_s: float | None = None

    @classmethod
    def from_result(
        cls,
        result: VariantResult,
        *,
        run_id: str,
        source: str,
        host_id: str | None = None,
        software: Mapping[str, str] | None = None,
        user_id: str | None = None,
    ) -> ExecutionContext:
        """The context of a variant the runner has just finished. None: this machine, these versions, nobody."""
        variant = result.variant
        return cls(
            run_id=run_id,
            record_id=result.record_id,
            timestamp=result.started_at,
            source=source,
            host_id=host_id,
            user_id=user_id,
            software=software,
            experiment_id=variant.experiment_id,
            cell=variant.cell,
            pack_id=variant.line.pack_id,
            pack_name=variant.line.pack_name,
            line_number=variant.line.line_number,
            template=variant.line.prompt,
            negative_template=variant.line.negative_prompt,
            bindings=variant.bindings,
            prompt=variant.prompt,
            negative_prompt=variant.negative_prompt,
            seed=result.seed,
            variant_id=variant.variant_id,
            backend=result.backend,
            backend_version=result.backend_version,
            variant_index=variant.index,
            variant_count=variant.count,
            matrix_mode=variant.matrix_mode,
            fanout=variant.fanout,
            axes=variant.axes,
            status=result.status,
            stages=result.stages,
            images=tuple(
                OutputImage(
                    path=image.path, sha256=image.sha256, width=image.width, height=image.height, stage=image.stage
                )
                for image in result.images
            ),
            failure=result.failure,
            duration_s=result.duration_s,
        )


CONTEXT_FIELDS = frozenset(declared.name for declared in fields(ExecutionContext))
_OTHER_NAMES = {
    "outputs": "images",
    "output_images": "images",
    "error": "failure",
    "started_at": "timestamp",
    "seconds": "duration_s",
    "duration": "duration_s",
}
CONTEXT_NAMES = CONTEXT_FIELDS | set(_OTHER_NAMES)


def context_from_mapping(data: Mapping[str, Any]) -> ExecutionContext:
    """A context from the obvious keys (the fields of ExecutionContext, `error`, `outputs`); others are passed by.

    Raises NotARecord naming the field and the reason when a value cannot be what its key says.
    """
    known = {_OTHER_NAMES.get(key, key): value for key, value in data.items() if value is not None}
    known = {key: value for key, value in known.items() if key in CONTEXT_FIELDS}
    error = known.pop("failure", None)
    if error is not None and error is not False:
        known["failure"] = as_failure(error)
        known.setdefault("status", "cancelled" if isinstance(error, (Cancelled, KeyboardInterrupt)) else "failed")
    if "timestamp" in known:
        known["timestamp"] = as_timestamp(known["timestamp"])
    if "images" in known:
        known["images"] = [_as_output(image) for image in _as_list(known["images"])]
    if "stages" in known:
        known["stages"] = [_as_stage(stage) for stage in _as_list(known["stages"])]
    for key in ("bindings", "software"):
        if isinstance(known.get(key), Mapping):
            known[key] = {str(name): text_safe(str(value)) for name, value in known[key].items()}
    try:
        return msgspec.convert(json_safe(known), ExecutionContext, strict=False)
    except msgspec.ValidationError as exc:
        raise NotARecord(*field_and_reason(exc)) from exc


def as_failure(error: object) -> Failure:
    """An exception, a {"type", "message"}, or a plain text as a Failure."""
    if isinstance(error, Failure):
        return error
    if isinstance(error, BaseException):
        return Failure(type=type(error).__name__, message=str(error))
    if isinstance(error, Mapping):
        return Failure(type=str(error.get("type") or "Error"), message=str(error.get("message") or ""))
    return Failure(type="Error", message="" if error is True else str(error))


def as_timestamp(moment: object) -> str:
    """A datetime, seconds since 1970, or ISO text as UTC text with Z; text that has that form is kept as it is."""
    if isinstance(moment, str) and _UTC_TEXT.fullmatch(moment):
        return moment
    try:
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment)
        elif isinstance(moment, (int, float)):
            moment = datetime.fromtimestamp(moment, UTC)
        if isinstance(moment, datetime):
            return utc_text(moment)
    except (ValueError, OverflowError, OSError) as exc:
        raise NotARecord("run.timestamp", f"{moment!r} is not a time") from exc
    raise NotARecord("run.timestamp", f"{moment!r} is not a time")


def utc_text(moment: datetime) -> str:
    """`moment` as "2026-11-22T23:50:00.123Z"; one without a zone is taken as UTC."""
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def this_host() -> str:
    """The name of this machine, as records carry it."""
    return text_safe(socket.gethostname())


@cache
def software_versions() -> dict[str, str]:
    """The versions that matter on every run: StableNew and Python."""
    from importlib import metadata  # slow to import, and not needed before there is a record

    try:
        ours = metadata.version("stablenew")
    except metadata.PackageNotFoundError:
        ours = "unknown"
    return {"stablenew": ours, "python": platform.python_version()}


def field_and_reason(error: msgspec.ValidationError) -> tuple[str, str]:
    """The dotted field and the reason in words out of msgspec's "Expected `int`, got `str` - at `$.a[0].b`"."""
    reason, _, path = str(error).partition(" - at `$")
    name = path.rstrip("`").lstrip(".")
    missing = re.fullmatch(r"Object missing required field `(.+)`", reason)
    if missing:
        return ".".join(part for part in (name, missing[1]) if part), "is missing"
    return name, reason


_UTC_TEXT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z")


def _as_list(value: object) -> list[Any]:
    if isinstance(value, (str, PurePath, Mapping)) or not hasattr(value, "__iter__"):
        return [value]
    return list(value)


def _as_output(image: object) -> Any:
    """A path alone, or something with fields of OutputImage."""
    if isinstance(image, PurePath):
        image = image.as_posix()
    return {"path": image} if isinstance(image, str) else image


def _as_stage(stage: object) -> Any:
    """A stage's name alone, or something with fields of StageResult."""
    if isinstance(stage, str):
        return {"stage": stage, "status": "ok", "seconds": 0.0}
    return {"status": "ok", "seconds": 0.0, **stage} if isinstance(stage, Mapping) else stage
