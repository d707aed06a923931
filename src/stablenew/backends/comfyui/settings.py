"""What a configuration may say about a ComfyUI server beyond its address, each setting declared once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from stablenew.config import Side, StageName
from stablenew.errors import InvalidSetting

DEFAULT_URL = "http://127.0.0.1:8188"
IGNORE = "ignore"

Seconds = Annotated[float, Meta(gt=0, le=86_400)]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowSettings:
    """A person's own graph for a stage.

    `file`: exported in API format; a relative path is taken from the workspace. `mapping`: from our name of a setting
    to "NODE.INPUT" (node id or title), several of them, or "ignore"; what it leaves out is found by itself where only
    one input of the graph fits. "output" names the node whose picture counts.
    """

    file: str
    mapping: Mapping[str, str | list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComfySettings:
    """How we work with one server."""

    depth: Annotated[int, Meta(ge=1, le=64, description="Jobs kept on the server, so that it never waits for us")] = 2
    timeout_s: Annotated[Seconds, Meta(description="How long the server may take to answer a call")] = 30.0
    connect_timeout_s: Annotated[Seconds, Meta(description="How long it may take to reach the server")] = 5.0
    poll_s: Annotated[Seconds, Meta(description="How often a quiet server is asked about our jobs")] = 1.0
    restart_wait_s: Annotated[float, Meta(ge=0, description="How long to wait for a server that went away")] = 90.0
    job_timeout_s: Annotated[Seconds | None, Meta(description="How long a job may run; none is without limit")] = None
    previews: Annotated[bool, Meta(description="Pass on the server's previews while a picture is made")] = True
    width: Annotated[Side | None, Meta(description="Width where a request leaves it open; none: the server's")] = None
    height: Annotated[Side | None, Meta(description="Height where a request leaves it open; none: the server's")] = None
    clips: Annotated[tuple[str, ...], Meta(max_length=2, description="Text encoders of a diffusion model")] = ()
    clip_type: Annotated[str, Meta(description="Family of those text encoders, such as sdxl or flux")] = (
        "stable_diffusion"
    )
    workflows: Annotated[
        Mapping[StageName, WorkflowSettings], Meta(description="Your own graphs, one for each stage that has one")
    ] = field(default_factory=dict)


def read_settings(name: str, raw: Mapping[str, Any]) -> ComfySettings:
    """The settings of the backend called `name`, checked. Raises InvalidSetting naming the one that is wrong."""
    known = [declared.name for declared in dataclasses.fields(ComfySettings)]
    for key, value in raw.items():
        if key not in known:
            raise InvalidSetting(f"{name}.{key}", value, f"nothing: a ComfyUI server has {', '.join(known)}")
    try:
        return msgspec.convert(dict(raw), ComfySettings)
    except msgspec.ValidationError as exc:
        reason, _, path = str(exc).partition(" - at ")
        key = path.strip("`$.") or "settings"
        raise InvalidSetting(f"{name}.{key}", raw.get(key, dict(raw)), reason) from exc
