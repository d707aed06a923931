"""The caller's eye on the job in flight: tells how far it is, and stops it once the run is cancelled."""

from __future__ import annotations

import time

from stablenew.backends.base import StepProgress, Watch
from stablenew.backends.webui.client import WebUIClient
from stablenew.backends.webui.flavour import ServerFacts
from stablenew.backends.webui.progress import ServerState, TaskState, interrupt, read_state, read_task
from stablenew.backends.webui.sender import Job, Sender
from stablenew.backends.webui.settings import WebUISettings

_TICK_S = 0.05
"""How soon a request to stop is noticed, in seconds."""
_SETTLE_S = 30.0
"""How long a cancelled run waits for the server to end what it is making."""


class Overseer:
    """Watches the job in flight from the caller's thread: tells progress, and stops it once the run is cancelled."""

    def __init__(
        self, client: WebUIClient, facts: ServerFacts, sender: Sender, settings: WebUISettings, watch: Watch
    ) -> None:
        self._client, self._facts, self._sender, self._watch = client, facts, sender, watch
        self._poll_s = settings.poll_s or facts.poll_s
        self._previews = settings.previews
        self.tick_s = min(_TICK_S, self._poll_s)
        self._looked_at = time.monotonic()
        self._steps: dict[str, int] = {}
        self._stopped: set[str] = set()
        self._cancelled_at: float | None = None
        self._interrupted_at = 0.0

    @property
    def given_up(self) -> bool:
        """True once the run is cancelled and the server cannot be stopped, or does not stop in time."""
        if self._cancelled_at is None:
            return False
        patience = _SETTLE_S if self._facts.progress else 0.0
        return time.monotonic() - self._cancelled_at > patience

    def stopped(self, job: Job) -> bool:
        """Whether we stopped this job, so that its picture is half made."""
        return job.task_id in self._stopped

    def look(self) -> None:
        """Ask how far the server is, if it is time to; stop it if the run is cancelled."""
        job, now = self._sender.current, time.monotonic()
        if self._watch.cancel.cancelled:
            self._stop(job, now)
        elif job is not None and now - max(self._looked_at, self._sender.current_since) >= self._poll_s:
            self._looked_at = now
            self._tell(job)

    def complete(self, job: Job) -> None:
        """Tell that the job's last step is done."""
        self._watch.progress(StepProgress(indices=job.indices, step=job.steps, steps=job.steps))

    def _stop(self, job: Job | None, now: float) -> None:
        if self._cancelled_at is None:
            self._cancelled_at = now
        # Repeated, because an interrupt that arrives while a model loads is lost.
        if job is not None and now - self._interrupted_at > 1.0:
            if interrupt(self._client, self._facts, job.task_id, job.whose):
                self._stopped.add(job.task_id)
                self._interrupted_at = now
            else:
                self._interrupted_at = now - 0.9

    def _tell(self, job: Job) -> None:
        seen: TaskState | ServerState | None
        seen = read_task(self._client, self._facts, job.task_id, preview=self._previews)
        if seen is None:
            seen = read_state(self._client, self._facts, preview=self._previews)
            if seen is None or not job.whose.is_ours(seen):
                return
        step = max(self._steps.get(job.task_id, 0), min(job.steps, int(seen.fraction * job.steps)))
        if step > self._steps.get(job.task_id, -1) or seen.preview:
            self._steps[job.task_id] = step
            report = StepProgress(indices=job.indices, step=step, steps=job.steps, preview=seen.preview)
            self._watch.progress(report)
