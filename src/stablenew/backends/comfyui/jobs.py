"""Keeps a few jobs on a ComfyUI server so that it never waits for us, and finds out what became of each.

The truth is asked for: a job in the history has ended, one in the queue has not, and one in neither is gone. A job is
in one of the two at any moment, so the history is read again after the queue before it counts as gone. Then either
somebody deleted it while it waited (nothing is announced and nothing remembered), or the server was started anew (its
history is lost): the latter is tried once more. The websocket only says when asking is worth it.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from stablenew.backends.base import GeneratedImage, Outcome, StageRequest, StepProgress, Watch
from stablenew.backends.comfyui.answers import Finished, ImageRef
from stablenew.backends.comfyui.client import ComfyClient
from stablenew.backends.comfyui.events import ComfyEvents, Event
from stablenew.backends.comfyui.job import Job
from stablenew.backends.comfyui.picture import read_picture
from stablenew.backends.comfyui.settings import ComfySettings
from stablenew.errors import BackendError, BackendUnavailable, Cancelled, GenerationFailed, StableNewError
from stablenew.log import get_logger

log = get_logger("stablenew.backends")

MakeJob = Callable[[StageRequest, str], Job]
"""The job for a request and the unique marker its file name shall hold."""

_ATTEMPTS = 2
_LOSSES = 5
_VIEW_ATTEMPTS = 3
_SLICE_S = 0.1
_FIRST_POLL_S = 0.05
_MOMENT_S = 0.01
_ENDING_WAIT_S = 0.3
_LOOK_TWICE_S = 0.2
_INTERRUPT_WAIT_S = 3.0


@dataclass(slots=True, kw_only=True)
class _Live:
    """A job on the server.

    `certain`: nothing since its handing over hints that the server may have forgotten it. `suspect`: when the server
    lost its jobs, this one was at work, as far as is known.
    """

    index: int
    job: Job
    prompt_id: str
    submitted_at: float
    attempt: int
    certain: bool
    started_at: float | None = None
    told: int = 0
    ended: bool = False
    suspect: bool = False
    missed_at: float | None = None


@dataclass(slots=True, kw_only=True)
class JobLine:
    """The jobs of one call of `generate`, on one thread.

    `reached`: the server took a job of ours, in an earlier call or in this one, so it is worth waiting for.
    """

    client: ComfyClient
    events: ComfyEvents
    settings: ComfySettings
    requests: Sequence[StageRequest]
    make_job: MakeJob
    watch: Watch
    clock: Callable[[], float] = time.monotonic
    reached: bool = False
    _waiting: deque[tuple[int, int]] = field(default_factory=deque)
    _live: dict[str, _Live] = field(default_factory=dict)
    _losses: Counter[int] = field(default_factory=Counter)
    _next_poll: float = 0.0
    _pause_s: float = _FIRST_POLL_S
    _deaf: bool = True
    _trouble_since: float | None = None
    _withdrawn: bool = False

    def outcomes(self) -> Iterator[tuple[int, Outcome]]:
        """Yield (position, outcome) once for each request. Raises BackendUnavailable when the server stays away."""
        self._waiting.extend((index, 1) for index in range(len(self.requests)))
        try:
            while self._waiting or self._live:
                try:
                    yield from self._turn()
                except BackendError as exc:
                    self._wait_for_server(exc)
        finally:
            self._abandon()

    def _turn(self) -> Iterator[tuple[int, Outcome]]:
        cancel = self.watch.cancel
        if cancel.stopping:
            yield from self._cancel_waiting()
        yield from self._fill()
        self._listen(_SLICE_S)
        if cancel.cancelled:
            yield from self._cancel_live()
            return
        if cancel.stopping and not self._withdrawn:
            self._withdraw()
        ended = self._ended()
        self._trouble_since = None
        for live, finished in ended:
            if cancel.cancelled:
                return
            del self._live[live.prompt_id]
            # The next job goes off before this one's picture is fetched: the server works while we read.
            yield from self._fill_ahead()
            yield from self._outcome(live, finished)

    def _fill(self) -> Iterator[tuple[int, Outcome]]:
        while self._waiting and len(self._live) < self.settings.depth and not self.watch.cancel.stopping:
            index, attempt = self._waiting[0]
            try:
                self._submit(index, attempt)
            except BackendUnavailable:
                raise
            except StableNewError as exc:
                self._waiting.popleft()
                yield index, exc
                continue
            self._waiting.popleft()

    def _fill_ahead(self) -> Iterator[tuple[int, Outcome]]:
        try:
            yield from self._fill()
        except BackendUnavailable as exc:
            # There is a picture to fetch first; the next turn meets the trouble again.
            log.debug("a ComfyUI server does not answer", backend=self.client.backend, why=str(exc))

    def _submit(self, index: int, attempt: int) -> None:
        self.events.open()
        certain = self.events.connected
        job = self.make_job(self.requests[index], uuid.uuid4().hex)
        submission = self.client.submit(job.graph, prompt_id=str(uuid.uuid4()), client_id=self.events.client_id)
        self.reached = True
        self._live[submission.prompt_id] = _Live(
            index=index,
            job=job,
            prompt_id=submission.prompt_id,
            submitted_at=self.clock(),
            attempt=attempt,
            certain=certain and submission.certain,
        )

    def _listen(self, timeout_s: float) -> None:
        """Take in what the server announced; waits at most `timeout_s` seconds, and not past the next poll."""
        wait_s = max(0.0, min(timeout_s, self._next_poll - self.clock()))
        for event in self.events.wait(wait_s):
            self._hear(event)

    def _hear(self, event: Event) -> None:
        if event.kind == "lost":
            self._deaf = True
            for each in self._live.values():
                each.certain = False
            return
        live = self._live.get(event.prompt_id)
        if live is None:
            return
        self._deaf = False
        if event.kind == "ended":
            live.ended = True
        elif live.started_at is None:
            live.started_at = self.clock()
        if event.kind == "progress":
            self._tell(live, event.step, event.steps)
        elif event.kind == "preview" and self.settings.previews:
            report = StepProgress(indices=(live.index,), step=live.told, steps=live.job.steps, preview=event.preview)
            self.watch.progress(report)

    def _tell(self, live: _Live, step: int, steps: int) -> None:
        live.told = step
        self.watch.progress(StepProgress(indices=(live.index,), step=step, steps=steps))

    def _ended(self) -> list[tuple[_Live, Finished | None]]:
        """The jobs that are over: with their ending, or None for those that are gone."""
        hinted = [live for live in self._live.values() if live.ended]
        found: list[tuple[_Live, Finished | None]] = []
        for live in hinted:
            finished = self.client.finished(live.prompt_id)
            if finished is not None:
                found.append((live, finished))
        if hinted and not found:
            # The announcement comes a moment before the history has the job.
            self._next_poll = min(self._next_poll, self.clock() + _MOMENT_S)
        if not found and self.clock() >= self._next_poll:
            found = self._poll()
            self._deaf = self._deaf or bool(found and not hinted)
        if found:
            self._pause_s = _FIRST_POLL_S
            self._next_poll = self.clock() + (self._pause_s if self._deaf else self.settings.poll_s)
        return found

    def _poll(self) -> list[tuple[_Live, Finished | None]]:
        found: list[tuple[_Live, Finished | None]] = []
        open_ones: list[_Live] = []
        for live in self._live.values():
            finished = self.client.finished(live.prompt_id)
            if finished is None:
                open_ones.append(live)
            else:
                self._await_ending(live)
                found.append((live, finished))
        if open_ones and not found:
            found = self._look_in_queue(open_ones)
        self._pause_s = min(self._pause_s * 1.5, self.settings.poll_s)
        missed = any(live.missed_at is not None for live in open_ones)
        self._next_poll = self.clock() + (self._pause_s if self._deaf or missed else self.settings.poll_s)
        return found

    def _look_in_queue(self, open_ones: Sequence[_Live]) -> list[tuple[_Live, Finished | None]]:
        found: list[tuple[_Live, Finished | None]] = []
        queue = self.client.queue()
        for live in open_ones:
            if live.prompt_id in queue.running:
                live.started_at = live.started_at or self.clock()
                if self._overdue(live):
                    self.client.interrupt(live.prompt_id)
                    reason = f"the job ran for more than {self.settings.job_timeout_s:g} s and was stopped"
                    found.append((live, Finished(ending="error", error=reason)))
            elif live.prompt_id not in queue.pending:
                finished = self.client.finished(live.prompt_id)
                if finished is None and live.certain and self._just_missed(live):
                    continue
                # Jobs are worked off in order: the first that is missing is the one that was at work.
                first = not any(other is None for _, other in found)
                live.suspect = finished is None and (live.started_at is not None or first)
                found.append((live, finished))
        return found

    def _just_missed(self, live: _Live) -> bool:
        """Whether to look again first: the word that the connection broke may still be on its way."""
        now = self.clock()
        live.missed_at = live.missed_at or now
        return now - live.missed_at < _LOOK_TWICE_S

    def _overdue(self, live: _Live) -> bool:
        limit = self.settings.job_timeout_s
        return limit is not None and live.started_at is not None and self.clock() - live.started_at > limit

    def _await_ending(self, live: _Live) -> None:
        """Let the last announcements of a job that is over come in, so that its progress is told whole."""
        until = self.clock() + _ENDING_WAIT_S
        while not self._deaf and self.events.connected and not live.ended and self.clock() < until:
            for event in self.events.wait(_SLICE_S / 2):
                self._hear(event)

    def _outcome(self, live: _Live, finished: Finished | None) -> Iterator[tuple[int, Outcome]]:
        if finished is None:
            yield from self._gone(live)
            return
        try:
            yield live.index, self._picture(live, finished)
        except BackendUnavailable:
            # The picture is made, but the server went away with it.
            live.suspect = True
            yield from self._gone(live, certain=False)
            raise
        except StableNewError as exc:
            yield live.index, exc

    def _gone(self, live: _Live, *, certain: bool | None = None) -> Iterator[tuple[int, Outcome]]:
        """A job the server does not know any more: made again when the server lost it, else an error."""
        certain = live.certain and live.started_at is None if certain is None else certain
        if self.watch.cancel.stopping:
            yield live.index, Cancelled()
            return
        if certain:
            yield live.index, self._failure("the job was removed from the server's queue by somebody else")
            return
        self._losses[live.index] += 1
        attempt = live.attempt + live.suspect
        if attempt > _ATTEMPTS or self._losses[live.index] >= _LOSSES:
            yield live.index, self._failure("the server lost the job again: see its log, it may have run out of memory")
        else:
            log.warning(
                "a ComfyUI server lost a job: it is made again", backend=self.client.backend, prompt_id=live.prompt_id
            )
            self._waiting.appendleft((live.index, attempt))

    def _picture(self, live: _Live, finished: Finished) -> GeneratedImage:
        """The job's picture. Raises GenerationFailed when there is none that can be believed."""
        if finished.ending == "interrupted":
            raise self._failure("the job was interrupted on the server by somebody else")
        if finished.ending == "error":
            raise self._failure(f"the server failed: {finished.error}")
        refs = self._refs(live.job, finished)
        started = live.submitted_at if live.started_at is None else live.started_at
        seconds = self.clock() - started if finished.seconds is None else finished.seconds
        made = self._fetch(refs[0], live.job, seconds)
        if live.told < live.job.steps:
            self._tell(live, live.job.steps, live.job.steps)
        return made

    def _refs(self, job: Job, finished: Finished) -> Sequence[ImageRef]:
        listed = [refs for node_id, refs in finished.images.items() if job.output in (None, node_id)]
        refs = [ref for each in listed for ref in each]
        # A cached job may be answered with an older job's file: ours carries our mark.
        ours = [ref for ref in refs if job.marker in ref.filename]
        if not ours:
            what = "with another job's picture" if refs else "without a picture"
            raise self._failure(f"the server says the job succeeded, {what}")
        return ours

    def _fetch(self, ref: ImageRef, job: Job, seconds: float) -> GeneratedImage:
        for attempt in range(1, _VIEW_ATTEMPTS + 1):
            try:
                return read_picture(self.client.view(ref), job, seconds=seconds, backend=self.client.backend)
            except GenerationFailed:
                if attempt == _VIEW_ATTEMPTS:
                    raise
                self.watch.cancel.wait(_SLICE_S)
        raise AssertionError("the last attempt returns or raises")

    def _cancel_waiting(self) -> Iterator[tuple[int, Outcome]]:
        while self._waiting:
            index, _ = self._waiting.popleft()
            yield index, Cancelled()

    def _cancel_live(self) -> Iterator[tuple[int, Outcome]]:
        self._stop_all()
        while self._live:
            _, live = self._live.popitem()
            yield live.index, Cancelled()

    def _withdraw(self) -> None:
        """Take back what waits on the server: only what is being made is finished."""
        self.client.delete(list(self._live))
        self._withdrawn = True
        self._next_poll = 0.0

    def _stop(self, prompt_ids: Sequence[str]) -> None:
        """Delete our waiting jobs and interrupt our running one, and only ours.

        An interrupt that comes while a job is about to start is forgotten by the server, so it is repeated until the
        job is gone or a few seconds have passed.
        """
        ours = frozenset(prompt_ids)
        self.client.delete(prompt_ids)
        until = self.clock() + _INTERRUPT_WAIT_S
        while self.clock() < until:
            queue = self.client.queue()
            if not ours & (queue.running | queue.pending):
                return
            for prompt_id in ours & queue.running:
                self.client.interrupt(prompt_id)
            time.sleep(_FIRST_POLL_S)

    def _stop_all(self) -> None:
        try:
            self._stop(list(self._live))
        except BackendError as exc:
            log.warning("jobs may be left on a ComfyUI server", backend=self.client.backend, why=str(exc))

    def _abandon(self) -> None:
        """Leave nothing of ours on the server, whatever ended the call."""
        if self._live:
            self._stop_all()
            self._live.clear()

    def _wait_for_server(self, trouble: BackendError) -> None:
        """Return once the server answers again, or on cancel. Raises BackendUnavailable when it stays away too long."""
        for live in self._live.values():
            live.certain = False
        now = self.clock()
        since = self._trouble_since = now if self._trouble_since is None else self._trouble_since
        patience_s = self.settings.restart_wait_s if self.reached and not self.watch.cancel.stopping else 0.0
        log.warning("a ComfyUI server does not answer", backend=self.client.backend, why=str(trouble))
        while True:
            if self.clock() - since >= patience_s and not self.watch.cancel.cancelled:
                raise BackendUnavailable(self.client.backend, str(trouble)) from trouble
            if self.watch.cancel.wait(min(0.25, self.settings.poll_s)):
                return
            try:
                self.client.queue()
            except BackendError as still:
                trouble = still
            else:
                self._next_poll = 0.0
                return

    def _failure(self, reason: str) -> GenerationFailed:
        return GenerationFailed(self.client.backend, f"{reason} ({self.client.url})")
