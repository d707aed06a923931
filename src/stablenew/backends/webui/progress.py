"""How far a server is, and stopping it: the two progress routes read with their quirks, and an interrupt for one job.

`/sdapi/v1/progress` describes whoever runs, without saying who. `/internal/progress` answers per task, but is there
only with the UI. Facts measured on A1111 v1.10.1 and Forge f2.0.1.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from stablenew.backends.http_errors import NoReply
from stablenew.backends.webui.client import Reply, WebUIClient, decode
from stablenew.backends.webui.flavour import ServerFacts

LOOK_S = 5.0
"""How long a look at the progress may take: meanwhile nobody notices that the picture is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """Whatever the server does now. `job_timestamp` names its current or last job; `fraction` counts 0..1."""

    busy: bool
    fraction: float
    interrupted: bool
    job_timestamp: str
    preview: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """One task of ours: `active` while it runs, `queued` before."""

    active: bool
    queued: bool
    fraction: float
    preview: bytes | None = None


def read_state(client: WebUIClient, facts: ServerFacts, *, preview: bool = False) -> ServerState | None:
    """What the server does now, None when it does not say."""
    if not facts.progress:
        return None
    path = "/sdapi/v1/progress"
    body = _object(client.get(path, LOOK_S) if preview else client.peek(f"{path}?skip_current_image=true", LOOK_S))
    state = body.get("state") if body is not None else None
    if body is None or not isinstance(state, dict):
        return None
    jobs = state.get("job_count")
    # job_count is -1 while a model loads, and the fraction 0.01 while anything holds the queue.
    fraction = _fraction(body.get("progress"))
    return ServerState(
        busy=(isinstance(jobs, int) and jobs != 0) or fraction > 0,
        fraction=fraction,
        interrupted=bool(state.get("interrupted")) or bool(state.get("skipped")),
        job_timestamp=str(state.get("job_timestamp") or ""),
        preview=_picture(body.get("current_image")),
    )


def read_task(client: WebUIClient, facts: ServerFacts, task_id: str, *, preview: bool = False) -> TaskState | None:
    """How far our task is, None when the server does not answer per task."""
    if not facts.task_progress:
        return None
    asked = {"id_task": task_id, "id_live_preview": -1, "live_preview": preview}
    body = _object(client.post("/internal/progress", asked, timeout_s=LOOK_S))
    if body is None:
        return None
    return TaskState(
        active=body.get("active") is True,
        queued=body.get("queued") is True,
        fraction=_fraction(body.get("progress")),
        preview=_picture(body.get("live_preview")),
    )


@dataclass(slots=True, kw_only=True)
class Whose:
    """What tells our job from a stranger's on a server without task ids: what it did just before we sent ours.

    `own_timestamp` is our job's own, once it was seen to run.
    """

    was_busy: bool = False
    was_timestamp: str = ""
    own_timestamp: str = ""

    def is_ours(self, state: ServerState) -> bool:
        """Whether the job that runs now is the one we sent, as far as the server lets us know."""
        if not state.busy:
            return False
        if self.own_timestamp:
            return state.job_timestamp == self.own_timestamp
        ours = not self.was_busy or state.job_timestamp != self.was_timestamp
        if ours and state.job_timestamp != self.was_timestamp:
            self.own_timestamp = state.job_timestamp
        return ours


def interrupt(client: WebUIClient, facts: ServerFacts, task_id: str, whose: Whose) -> bool:
    """Stop our job, and only ours. False when it does not run now: it waits its turn, is done, or cannot be stopped.

    An interrupt reaches whatever runs, so it is sent only once that is our job.
    """
    if not facts.progress:
        return False
    task = read_task(client, facts, task_id)
    if task is not None:
        ours = task.active
    else:
        state = read_state(client, facts)
        ours = state is not None and whose.is_ours(state)
    if not ours:
        return False
    answer = client.post("/sdapi/v1/interrupt", {}, timeout_s=LOOK_S)
    return isinstance(answer, Reply) and answer.ok


def _object(answer: Reply | NoReply) -> dict[str, Any] | None:
    if isinstance(answer, NoReply) or not answer.ok:
        return None
    body = decode(answer, dict[str, Any])
    return None if isinstance(body, NoReply) else body


def _fraction(value: object) -> float:
    return min(1.0, max(0.0, float(value))) if isinstance(value, (int, float)) else 0.0


def _picture(value: object) -> bytes | None:
    """The bytes of a preview, plain base64 or a data address; None for anything else."""
    if not isinstance(value, str) or not value:
        return None
    try:
        return base64.b64decode(value.rpartition(",")[2], validate=True) or None
    except (binascii.Error, ValueError):
        return None
