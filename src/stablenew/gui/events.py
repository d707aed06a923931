"""What travels inside the window, all frozen: news that every tab is told, and requests of one tab to another.

The events of a run (`controller/events.py`) travel the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from stablenew.backends.base import Capabilities
from stablenew.learning.learning_record import LearningRecord

BackendState = Literal["opening", "ready", "unavailable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendChoice:
    """Who is to make the pictures: as `run --backend NAME --url URL --model M` would say it."""

    name: str
    url: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendChanged:
    """The chosen backend is now `state`. `capabilities` when it answered, `problem` when it did not."""

    choice: BackendChoice
    state: BackendState
    capabilities: Capabilities | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordWritten:
    """A learning record went to the writer during a run of this window."""

    record: LearningRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningSwitched:
    """Runs from here on do (or do not) keep learning records."""

    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ThemeChanged:
    """The window is now light or dark: what is drawn by hand must be drawn anew."""

    dark: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingsChanged:
    """Something was said about these records, or taken back. The window's book knows it, the disk does not yet."""

    record_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingsStored:
    """What had been said is on disk: it can be read anew. Another follows for what is said meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """Show the run in Review, from `record_id` on where one is given."""

    run_id: str
    record_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenGrid:
    """Show the run in Grid."""

    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenExperiment:
    """Show the experiment in Learn; `go_on`: and make what is missing of it."""

    experiment_id: str
    go_on: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareRecords:
    """Show these records (2 to 4) side by side in Compare."""

    record_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeSettings:
    """Show in Run what these settings would change, and take them over once the person agrees.

    Names as `resolve_setting` takes them; `origin` says where they come from ("picture cat.png", "recommendation").
    `prompt` and `negative_prompt` may come with them: Run offers them as a pack of one line.
    """

    settings: Mapping[str, Any]
    origin: str
    prompt: str = ""
    negative_prompt: str = ""
    left_out: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesDropped:
    """Files were dropped on the window: packs, or a picture whose settings are wanted."""

    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRun:
    """Go on with a run that ended before it was done."""

    run_id: str
