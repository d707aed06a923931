"""The learning record: what happened to one executed variant, as one line of JSON; and its writer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import msgspec

from stablenew.config import PipelineConfig
from stablenew.errors import NotARecord
from stablenew.learning.append_file import Durability
from stablenew.learning.execution_context import ExecutionContext, field_and_reason
from stablenew.learning.record_assembly import assemble
from stablenew.learning.record_groups import (
    SCHEMA_VERSION,
    DeviationInfo,
    FeedbackInfo,
    ImageInfo,
    OutcomeInfo,
    PipelineInfo,
    PromptInfo,
    RecordGroups,
    RunInfo,
    StageInfo,
)
from stablenew.learning.record_writer import LearningRecordWriter
from stablenew.learning.unknown_fields import put_unknown_back, take_unknown

__all__ = [
    "SCHEMA_VERSION",
    "DeviationInfo",
    "Durability",
    "ExecutionContext",
    "FeedbackInfo",
    "ImageInfo",
    "LearningRecord",
    "LearningRecordWriter",
    "OutcomeInfo",
    "PipelineInfo",
    "PromptInfo",
    "RunInfo",
    "StageInfo",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRecord:
    """What happened to one executed variant, self-contained.

    `unknown` holds what a newer schema wrote and this one does not know, by where it stood; it is written back.
    """

    run: RunInfo
    prompt: PromptInfo
    pipeline: PipelineInfo
    outcome: OutcomeInfo
    feedback: FeedbackInfo = field(default_factory=FeedbackInfo)
    unknown: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_pipeline_context(
        cls, config: PipelineConfig | Mapping[str, Any], context: ExecutionContext | Mapping[str, Any]
    ) -> LearningRecord:
        """The record of a variant executed under `config`; `context` says how it went.

        Raises InvalidSetting or UnknownSetting for a plain config, NotARecord for a plain context, that cannot be used.
        """
        run, prompt, pipeline, outcome = assemble(config, context)
        return cls(run=run, prompt=prompt, pipeline=pipeline, outcome=outcome)

    @classmethod
    def from_json(cls, text: str | bytes) -> LearningRecord:
        """The record in one line of JSON. Raises NotARecord naming the field and the reason."""
        try:
            data = msgspec.json.decode(text)
            read = msgspec.convert(data, RecordGroups)
        except msgspec.ValidationError as exc:
            raise NotARecord(*field_and_reason(exc)) from exc
        except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
            raise NotARecord("", f"{type(exc).__name__}: {exc}") from exc
        unknown = take_unknown(data, RecordGroups)
        return cls(**{name: getattr(read, name) for name in _GROUPS}, unknown=unknown)

    def to_json(self) -> str:
        """One line of JSON, without the newline."""
        return self.to_line().decode()

    def to_line(self) -> bytes:
        """The UTF-8 of `to_json`: what the writer stores, without the newline."""
        groups: Any = {
            "run": self.run,
            "prompt": self.prompt,
            "pipeline": self.pipeline,
            "outcome": self.outcome,
            "feedback": self.feedback,
        }
        if self.unknown:
            groups = put_unknown_back(msgspec.to_builtins(groups), self.unknown)
        return msgspec.json.encode(groups)

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` says as JSON types: no datetime, path, NaN or infinity."""
        data: dict[str, Any] = msgspec.json.decode(self.to_line())
        return data


_GROUPS = tuple(declared.name for declared in fields(RecordGroups))
