"""One request in flight: sends jobs to a server one after another from a thread of its own.

While the caller verifies and saves one picture the server already makes the next. What may be sent again is decided
here: only what the server never got, or what it surely no longer works on. A time limit of ours does not end the job on
the server, so after one it is stopped and waited for before anything else is sent.
"""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from stablenew.backends.base import CancelToken
from stablenew.backends.http_errors import NoReply
from stablenew.backends.webui.answer import PictureAnswer, read_answer
from stablenew.backends.webui.client import Reply, WebUIClient
from stablenew.backends.webui.flavour import ServerFacts
from stablenew.backends.webui.progress import ServerState, Whose, interrupt, read_state, read_task
from stablenew.errors import BackendUnavailable, Cancelled, GenerationFailed, StableNewError

_TOO_MANY = 429
_POLITE_TRIES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds to wait for a server that is gone to come back, and for one to become idle after we gave up a job."""

    reconnect_s: float = 60.0
    idle_s: float = 120.0


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """One request to send: `body` makes its JSON for a task id; `indices` are the requests it answers, in order."""

    indices: tuple[int, ...]
    what: str
    path: str
    steps: int
    body: Callable[[str], dict[str, Any]]
    task_id: str = field(default_factory=lambda: f"task(stablenew-{uuid.uuid4().hex[:12]})")
    whose: Whose = field(default_factory=Whose)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What became of a job: the decoded answer or the error. `seconds` is how long the last try took."""

    job: Job
    outcome: PictureAnswer | StableNewError
    seconds: float = 0.0
    unfinished: bool = False


class Sender:
    """Works off `jobs`; `finished` gives each in turn. `current` is the job the server has, None in between."""

    def __init__(
        self,
        client: WebUIClient,
        facts: ServerFacts,
        jobs: Iterable[Job],
        *,
        cancel: CancelToken,
        patience: Patience,
        prepare: Callable[[], None],
    ) -> None:
        self._client, self._facts, self._jobs = client, facts, tuple(jobs)
        self._cancel, self._patience, self._prepare = cancel, patience, prepare
        self._finished: queue.Queue[Finished] = queue.Queue(maxsize=2)
        self._abandoned = threading.Event()
        self._to_hand_over: Finished | None = None
        self.current: Job | None = None
        self.current_since = 0.0
        self._last_state = ServerState(busy=False, fraction=0.0, interrupted=False, job_timestamp="")
        self._last_at = 0.0
        self._thread = threading.Thread(target=self._work, name=f"sender {client.name}", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def next(self, timeout_s: float) -> Finished | None:
        """The next finished job, None when there is none within `timeout_s` seconds."""
        try:
            return self._finished.get(block=timeout_s > 0, timeout=timeout_s)
        except queue.Empty:
            return None

    def abandon(self, wait_s: float = 5.0) -> None:
        """Send nothing more and forget what is in flight; waits up to `wait_s` seconds for the thread to end."""
        self._abandoned.set()
        deadline = time.monotonic() + wait_s
        while self._thread.is_alive() and time.monotonic() < deadline:
            # What it waits to hand over is thrown away, so that it can end.
            self.next(0.0)
            self._thread.join(0.005)

    def _work(self) -> None:
        gone: StableNewError | None = None
        for job in self._jobs:
            if self._abandoned.is_set():
                return
            finished = Finished(job=job, outcome=gone) if gone else self._one(job)
            if isinstance(finished.outcome, BackendUnavailable):
                gone = finished.outcome
            self._hand_over()
            self._to_hand_over = finished
        self._hand_over()

    def _hand_over(self) -> None:
        """Give the caller what is finished: best once the next request is out, or its work would delay that one."""
        finished, self._to_hand_over = self._to_hand_over, None
        while finished is not None and not self._abandoned.is_set():
            try:
                self._finished.put(finished, timeout=0.1)
                return
            except queue.Full:
                continue

    def _one(self, job: Job) -> Finished:
        if self._cancel.stopping:
            return Finished(job=job, outcome=Cancelled())
        try:
            body = job.body(job.task_id)
            self._look_who_runs(job)
            self.current_since = time.monotonic()
            self.current = job
            return self._exchange(job, body)
        except StableNewError as exc:
            return Finished(job=job, outcome=exc)
        finally:
            self.current = None

    def _exchange(self, job: Job, body: dict[str, Any]) -> Finished:
        """Send until there is an answer or no sense in trying again."""
        resent = False
        polite = 0
        while True:
            started = time.monotonic()
            answer = self._client.post(
                job.path,
                body,
                timeout_s=self._client.limits.picture_s,
                abandoned=self._abandoned.is_set,
                sent=self._hand_over,
            )
            seconds = time.monotonic() - started
            self._hand_over()
            if isinstance(answer, Reply):
                if answer.status == _TOO_MANY and polite < _POLITE_TRIES:
                    polite += 1
                    self._pause(answer.retry_after_s or float(polite))
                    continue
                return self._answered(job, answer, seconds)
            if self._stopped():
                return Finished(job=job, outcome=Cancelled())
            if answer.trouble == "unreached":
                self._await_server(answer)
                self._prepare_anew(answer)
                continue
            # Without a word on its progress nobody knows whether the server still works on it.
            if answer.trouble == "lost" and not resent and self._facts.progress:
                resent = True
                self._await_idle(job, answer)
                # It may have been restarted meanwhile, and have forgotten what was prepared.
                self._prepare_anew(answer)
                continue
            return self._given_up(job, answer)

    def _answered(self, job: Job, answer: Reply, seconds: float) -> Finished:
        state = self._after_job()
        if not answer.ok:
            if answer.status in (401, 403):
                raise self._client.refused(job.path, answer)
            raise self._client.failed(job.what, answer)
        decoded = read_answer(answer)
        if isinstance(decoded, NoReply):
            raise GenerationFailed(self._client.name, f"{job.what} on {self._client.url}: {decoded.text}")
        # The flag stays up until the next job begins; its timestamp says that it is about this one.
        halved = state is not None and state.interrupted and state.job_timestamp == decoded.said.job_timestamp
        return Finished(job=job, outcome=decoded, seconds=seconds, unfinished=halved)

    def _given_up(self, job: Job, why: NoReply) -> Finished:
        """The answer did not come in time, or not at all for the second time."""
        self._await_idle(job, why)
        limit = self._client.limits.picture_s
        hint = f": it was stopped; allow more than timeout_s = {limit:g}" if why.trouble == "timeout" else ""
        raise GenerationFailed(self._client.name, f"{job.what} on {self._client.url}: {why.text}{hint}")

    def _await_server(self, why: NoReply) -> None:
        """Return once a server answers again. Raises BackendUnavailable when none does in time."""
        deadline = time.monotonic() + self._patience.reconnect_s
        while not self._stopped():
            if time.monotonic() > deadline:
                raise self._client.unavailable(why)
            self._pause(min(1.0, max(0.05, self._patience.reconnect_s / 20)))
            if isinstance(self._client.get("/sdapi/v1/options"), Reply):
                return
        raise Cancelled

    def _prepare_anew(self, why: NoReply) -> None:
        """Prepare a server that answers again; one that was going down when it last did is waited for once more."""
        try:
            self._prepare()
        except BackendUnavailable:
            self._await_server(why)
            self._prepare()

    def _await_idle(self, job: Job, why: NoReply) -> None:
        """Stop our job if it still runs and return once the server no longer works on it.

        Raises BackendUnavailable when it does not answer, or does not stop.
        """
        deadline = time.monotonic() + self._patience.idle_s
        while not self._abandoned.is_set():
            if isinstance(self._client.get("/sdapi/v1/options"), NoReply):
                self._await_server(why)
                return
            state = read_state(self._client, self._facts)
            task = read_task(self._client, self._facts, job.task_id)
            if state is None or not state.busy or (task is not None and not task.active and not task.queued):
                return
            ours = interrupt(self._client, self._facts, job.task_id, job.whose)
            if time.monotonic() > deadline:
                if not ours:
                    return
                message = f"the server at {self._client.url} does not stop after {why.text}: restart it"
                raise BackendUnavailable(self._client.name, message)
            self._abandoned.wait(min(self._facts.poll_s, self._patience.idle_s / 4))

    def _look_who_runs(self, job: Job) -> None:
        """Remember what runs before our job begins, so that an interrupt can tell it from a stranger's."""
        if self._facts.task_progress or not self._facts.progress:
            return
        fresh = time.monotonic() - self._last_at < 2.0
        state = self._last_state if fresh else read_state(self._client, self._facts)
        if state is not None:
            job.whose = Whose(was_busy=state.busy, was_timestamp=state.job_timestamp)

    def _after_job(self) -> ServerState | None:
        """What the server says right after a job, before the next one resets it."""
        state = read_state(self._client, self._facts)
        if state is not None:
            self._last_state, self._last_at = state, time.monotonic()
        return state

    def _pause(self, seconds: float) -> None:
        """Sleep, unless the run is cancelled or abandoned meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._stopped():
            self._cancel.wait(min(0.1, max(0.0, end - time.monotonic())))

    def _stopped(self) -> bool:
        return self._cancel.cancelled or self._abandoned.is_set()
