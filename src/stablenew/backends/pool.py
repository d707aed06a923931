"""A backend made of several: work goes to whoever is free, by measured speed and by which has the model.

Each member is used by a thread of its own, one at a time. A member whose server dies gives its unfinished requests
back, others do them, and it is tried again later; every request has exactly one outcome.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from stablenew.backends.base import (
    Backend,
    CancelToken,
    Capabilities,
    GeneratedImage,
    Outcome,
    StageRequest,
    StepProgress,
    Watch,
)
from stablenew.backends.pool_board import Board, Seat
from stablenew.backends.registry import BackendOptions
from stablenew.backends.registry import open_backend as open_member
from stablenew.errors import BackendUnavailable, Cancelled, GenerationFailed, InputError, InvalidSetting, StableNewError
from stablenew.log import get_logger

log = get_logger("stablenew.backends")

_TICK_S = 0.05
Event: TypeAlias = "tuple[int, Outcome] | StepProgress"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """`members`: names of other backends. Seconds: `retry_s` until a dead member is tried again, `reconnect_s` until
    a run gives up when all are dead."""

    members: Annotated[tuple[str, ...], Meta(min_length=1)]
    retry_s: Annotated[float, Meta(ge=0, le=3600)] = 10.0
    reconnect_s: Annotated[float, Meta(ge=0, le=86_400)] = 60.0


class PoolBackend:
    """Several backends as one. `members` are opened already and belong to the pool, which closes them."""

    def __init__(
        self, *, name: str, members: Sequence[Backend], retry_s: float = 10.0, reconnect_s: float = 60.0
    ) -> None:
        self._name, self._members = name, tuple(members)
        self._retry_s, self._reconnect_s = retry_s, reconnect_s
        self._seconds: dict[str, float] = {}
        self._loaded: dict[str, Hashable] = {}
        self._down: dict[str, tuple[float, BackendUnavailable]] = {}

    @property
    def name(self) -> str:
        """The name it is configured under."""
        return self._name

    def capabilities(self) -> Capabilities:
        """What any of its members can do. Raises BackendUnavailable when none answers."""
        found: list[Capabilities] = []
        refusals: list[StableNewError] = []
        for member in self._members:
            try:
                found.append(self._asked(member).capabilities())
            except BackendUnavailable as exc:
                refusals.append(self._note_down(member, exc))
        if not found:
            raise refusals[0]
        sizes = {can.native_size for can in found}
        return Capabilities(
            stages=frozenset(stage for can in found for stage in can.stages),
            version=" + ".join(can.version or "?" for can in found),
            samplers=_union([can.samplers for can in found]),
            schedulers=_union([can.schedulers for can in found]),
            models=_union([can.models for can in found]),
            vaes=_union([can.vaes for can in found]),
            upscalers=_union([can.upscalers for can in found]),
            adetailer_models=_union([can.adetailer_models for can in found if "adetailer_model" in can.extras]),
            extras=frozenset(extra for can in found for extra in can.extras),
            window=sum(can.window for can in found),
            native_size=sizes.pop() if len(sizes) == 1 else None,
        )

    def check(self, request: StageRequest) -> None:
        """Return when some member can do the request. Raises the error of one that cannot."""
        refusal = self._refusal(request)
        if refusal is not None:
            raise refusal

    def batch_key(self, request: StageRequest) -> Hashable:
        """Any requests of one stage: the pool sorts them by model itself."""
        return request.stage

    def generate(self, requests: Sequence[StageRequest], watch: Watch) -> Iterator[tuple[int, Outcome]]:
        """Yield each outcome as some member brings it. Raises BackendUnavailable when all members stay dead."""
        if not requests:
            return
        if watch.cancel.stopping:
            yield from ((position, Cancelled()) for position in range(len(requests)))
            return
        refused = {
            position: refusal for position, request in enumerate(requests) if (refusal := self._refusal(request))
        }
        gone = [refusal for refusal in refused.values() if isinstance(refusal, BackendUnavailable)]
        if len(gone) == len(requests):
            raise gone[0]
        yield from refused.items()
        waiting = [position for position in range(len(requests)) if position not in refused]
        if waiting:
            yield from self._run(requests, waiting, watch)

    def close(self) -> None:
        """Close every member; may be called twice."""
        for member in self._members:
            member.close()

    def _refusal(self, request: StageRequest) -> StableNewError | None:
        """Why no member can do the request; None when one can. What a person can mend comes before a dead server."""
        refusals: list[StableNewError] = []
        for member in self._members:
            try:
                self._asked(member).check(request)
            except BackendUnavailable as exc:
                refusals.append(self._note_down(member, exc))
            except StableNewError as exc:
                refusals.append(exc)
            else:
                return None
        return next((exc for exc in refusals if not isinstance(exc, BackendUnavailable)), refusals[0])

    def _asked(self, member: Backend) -> Backend:
        """`member`, unless it was found dead a moment ago: asking it again for every request would take for ever."""
        since, failure = self._down.get(member.name, (0.0, None))
        if failure is not None and time.monotonic() - since < self._retry_s:
            raise failure
        self._down.pop(member.name, None)
        return member

    def _note_down(self, member: Backend, failure: BackendUnavailable) -> BackendUnavailable:
        if member.name not in self._down:
            self._down[member.name] = (time.monotonic(), failure)
            log.warning("a member of the pool does not answer", pool=self._name, member=member.name, why=str(failure))
        return failure

    def _run(
        self, requests: Sequence[StageRequest], waiting: Sequence[int], watch: Watch
    ) -> Iterator[tuple[int, Outcome]]:
        seats = [self._seat(member, requests, waiting) for member in self._members]
        board = Board([request.model for request in requests], seats, waiting)
        shift = _Shift(board=board, requests=requests, retry_s=self._retry_s)
        left = set(waiting)
        with ThreadPoolExecutor(len(seats), thread_name_prefix=f"pool {self._name}") as executor:
            threads = [
                # With the run's own log beside it, which threads do not inherit.
                executor.submit(copy_context().run, shift.work, seat, member)
                for seat, member in zip(seats, self._members, strict=True)
            ]
            try:
                for event in self._events(shift, threads, watch, left):
                    if isinstance(event, StepProgress):
                        watch.progress(event)
                        continue
                    left.discard(event[0])
                    yield event
            finally:
                shift.cancel.cancel() if left else shift.cancel.stop()
                board.close()
        self._seconds |= {seat.name: seat.seconds for seat in seats if seat.seconds is not None}
        self._loaded |= {seat.name: seat.model for seat in seats}
        yield from ((position, Cancelled()) for position in sorted(left))

    def _seat(self, member: Backend, requests: Sequence[StageRequest], waiting: Sequence[int]) -> Seat:
        """The member's place: what it can do, and what is known of it from before."""
        able = set()
        depth = 1
        for position in waiting:
            try:
                self._asked(member).check(requests[position])
                able.add(position)
            except BackendUnavailable as exc:
                self._note_down(member, exc)
                break
            except StableNewError:
                continue
        if able:
            depth = member.capabilities().window
        return Seat(
            name=member.name,
            able=frozenset(able),
            depth=depth,
            seconds=self._seconds.get(member.name),
            model=self._loaded.get(member.name),
        )

    def _events(self, shift: _Shift, threads: Sequence[Future[None]], watch: Watch, left: set[int]) -> Iterator[Event]:
        """Outcomes and progress from the members' threads, until every request has its outcome."""
        dead_since: float | None = None
        while left:
            if watch.cancel.stopping:
                shift.stop(at_once=watch.cancel.cancelled)
                if shift.idle:
                    yield from shift.drain()
                    return
            try:
                yield shift.events.get(timeout=_TICK_S)
                continue
            except queue.Empty:
                for thread in threads:
                    if thread.done():
                        thread.result()
            if shift.events.empty() and all(thread.done() for thread in threads):
                raise shift.failure or BackendUnavailable(self._name, "no member of the pool can do the rest any more")
            if shift.failure is None or shift.anybody:
                dead_since = None
                continue
            dead_since = dead_since or time.monotonic()
            if time.monotonic() - dead_since >= self._reconnect_s:
                raise shift.failure


class _Shift:
    """One `generate` of a pool, shared by its members' threads."""

    def __init__(self, *, board: Board, requests: Sequence[StageRequest], retry_s: float) -> None:
        self._board, self._requests, self._retry_s = board, requests, retry_s
        self.events: queue.Queue[Event] = queue.Queue()
        self.cancel = CancelToken()
        self.failure: BackendUnavailable | None = None
        self._busy: set[str] = set()
        self._dead: set[str] = set()
        self._members: set[str] = set()
        self._lock = threading.Lock()

    @property
    def idle(self) -> bool:
        """True while no member works."""
        with self._lock:
            return not self._busy

    @property
    def anybody(self) -> bool:
        """True while some member is not dead; one that was is so until it brings a picture."""
        with self._lock:
            return bool(self._members - self._dead)

    def stop(self, *, at_once: bool) -> None:
        """Begin nothing new; `at_once`: end what is being made, too."""
        self._board.close()
        if at_once:
            self.cancel.cancel()
        else:
            self.cancel.stop()

    def drain(self) -> Iterator[Event]:
        """What was brought and not fetched yet."""
        while True:
            try:
                yield self.events.get_nowait()
            except queue.Empty:
                return

    def work(self, seat: Seat, member: Backend) -> None:
        """A member's thread: take, do, bring, until there is nothing left to do."""
        with self._lock:
            self._members.add(seat.name)
        try:
            while True:
                with self._lock:
                    self._busy.add(seat.name)
                share = self._board.take(seat)
                if share is None:
                    return
                try:
                    self._do(seat, member, share)
                except BackendUnavailable as exc:
                    self._gone(seat, exc)
                    if not self._rest(seat):
                        return
        finally:
            with self._lock:
                self._busy.discard(seat.name)
                self._members.discard(seat.name)
                self._dead.discard(seat.name)

    def _do(self, seat: Seat, member: Backend, share: Sequence[int]) -> None:
        def progress(report: StepProgress) -> None:
            indices = tuple(share[index] for index in report.indices)
            self.events.put(dataclasses.replace(report, indices=indices))

        requests = [self._requests[position] for position in share]
        began = time.monotonic()
        unavailable: BackendUnavailable | None = None
        unanswered = set(share)
        for index, outcome in member.generate(requests, Watch(cancel=self.cancel, progress=progress)):
            if isinstance(outcome, BackendUnavailable):
                unavailable = outcome
                continue
            now = time.monotonic()
            unanswered.discard(share[index])
            self._bring(seat, share[index], outcome, now - began)
            began = now
        if unavailable is not None:
            raise unavailable
        for position in sorted(unanswered):
            self._bring(seat, position, GenerationFailed(seat.name, f"{seat.name} gave no answer for this one"), 0.0)

    def _bring(self, seat: Seat, position: int, outcome: Outcome, seconds: float) -> None:
        made = isinstance(outcome, GeneratedImage)
        if made:
            with self._lock:
                self._dead.discard(seat.name)
        self._board.bring(seat, position, seconds if made else None)
        self.events.put((position, _signed(outcome, seat.name)))

    def _gone(self, seat: Seat, why: BackendUnavailable) -> None:
        if not seat.on_trial:
            log.warning("a member of the pool is gone: its work goes to the others", member=seat.name, why=str(why))
        with self._lock:
            self.failure = why
            self._dead.add(seat.name)
            self._busy.discard(seat.name)
        for position in self._board.give_back(seat):
            self.events.put((position, why))

    def _rest(self, seat: Seat) -> bool:
        """Wait until the member may be tried again; False when the run ended meanwhile."""
        until = time.monotonic() + self._retry_s
        while time.monotonic() < until:
            if self._board.closed or self.cancel.stopping:
                return False
            self.cancel.wait(min(_TICK_S, self._retry_s))
        self._board.revive(seat)
        return True


def open_backend(options: BackendOptions) -> PoolBackend:
    """The pool of the backends named in `members`. Raises InvalidSetting, or what opening a member raises."""
    try:
        settings = msgspec.convert(dict(options.settings), PoolSettings)
    except msgspec.ValidationError as exc:
        raise InvalidSetting(f"backend {options.name}", dict(options.settings), str(exc)) from exc
    if options.name in settings.members or len(set(settings.members)) < len(settings.members):
        raise InputError(f"the pool {options.name} must name other backends, each once")
    members = [
        open_member(BackendOptions(name=name, model=options.model, workspace=options.workspace, pooled=True))
        for name in settings.members
    ]
    return PoolBackend(name=options.name, members=members, retry_s=settings.retry_s, reconnect_s=settings.reconnect_s)


def _signed(outcome: Outcome, member: str) -> Outcome:
    """The picture with the name of the member that made it, as `server`."""
    if not isinstance(outcome, GeneratedImage):
        return outcome
    extra = {**outcome.effective.extra, "server": member}
    return dataclasses.replace(outcome, effective=dataclasses.replace(outcome.effective, extra=extra))


def _union(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Every name of any list; none when one of them does not say what it has."""
    if not all(lists):
        return ()
    return tuple(dict.fromkeys(name for names in lists for name in names))
