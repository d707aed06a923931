"""One run from its first batch to its result: who is next, what to ask the backend, and what its answers mean."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stablenew.backends.base import Backend, CancelToken, GeneratedImage, Outcome, StageRequest, StepProgress, Watch
from stablenew.config import STAGES, StageName
from stablenew.errors import BackendUnavailable, Cancelled, GenerationFailed, InputError, StableNewError
from stablenew.log import get_logger
from stablenew.pipeline.desk import Desk
from stablenew.pipeline.run_folder import JournalLine, RunFolder
from stablenew.pipeline.run_values import RunObserver, timestamp
from stablenew.pipeline.stages import build_request, read_init_image, resample
from stablenew.pipeline.work import Work
from stablenew.variant import Variant

log = get_logger("stablenew.run")

LOOK_AHEAD = 4
"""Windows of variants that are looked ahead to fill a batch."""

Done = dict[tuple[int, str], dict[StageName, JournalLine]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a session works with; `strict` ends a variant at the first picture that deviates."""

    backend: Backend
    folder: RunFolder
    desk: Desk
    observer: RunObserver
    cancel: CancelToken
    clock: Callable[[], datetime]
    strict: bool
    window: int


class RunSession:
    """Executes the variants of one run, batch by batch. Lives on the run's thread."""

    def __init__(self, parts: Parts, done: Done, recorded: frozenset[str], needs_record: bool) -> None:
        self._parts, self._done, self._recorded, self._needs_record = parts, done, recorded, needs_record
        self._resuming = bool(done or recorded)
        self.abort_reason = ""

    def count_done(self, variants: Iterable[Variant]) -> int:
        """How many of `variants` an earlier start has finished, record included."""
        return sum(self._is_done(variant) for variant in variants) if self._resuming else 0

    def execute(self, variants: Iterable[Variant]) -> None:
        """Do every variant that is not done, until the end, a stop, or the loss of the backend."""
        for batch in self._batches(variants):
            if self._halting:
                return
            self._execute_batch(batch)

    @property
    def _halting(self) -> bool:
        self.abort_reason = self.abort_reason or self._parts.desk.cannot_save
        return self._parts.cancel.stopping or bool(self.abort_reason)

    def _is_done(self, variant: Variant) -> bool:
        if not self._resuming:
            return False
        if self._needs_record:
            return variant.record_id(self._parts.folder.run_id) in self._recorded
        return set(variant.config.stages) <= set(self._done.get((variant.index, variant.variant_id), ()))

    def _batches(self, variants: Iterable[Variant]) -> Iterator[list[Work]]:
        """Variants whose next request may be done together, at most a window of them, nearly in the plan's order.

        A few windows are looked ahead, so that settings which alternate in the plan still fill a batch; never across
        a change of model, which is what costs most.
        """
        waiting: dict[Hashable, list[Work]] = {}
        model: Any = None
        for variant in variants:
            if self._is_done(variant):
                continue
            if (its_model := (variant.config.model, variant.config.vae)) != model:
                yield from waiting.values()
                waiting, model = {}, its_model
            work = self._work(variant)
            if work.ended:
                continue
            key = self._key(work)
            waiting.setdefault(key, []).append(work)
            if len(waiting[key]) >= self._parts.window:
                yield waiting.pop(key)
            elif sum(map(len, waiting.values())) >= LOOK_AHEAD * self._parts.window:
                yield waiting.pop(next(iter(waiting)))
        yield from waiting.values()

    def _work(self, variant: Variant) -> Work:
        work = Work(variant=variant, record_id=variant.record_id(self._parts.folder.run_id))
        done = self._done.get((variant.index, variant.variant_id))
        if done:
            work.restore(done, self._parts.folder.workspace.root)
        if variant.config.stages[0] != "txt2img" and not work.results:
            try:
                work.picture, work.size = read_init_image(variant.config)
            except InputError as exc:  # it was there when the run began
                work.started_at = timestamp(self._parts.clock())
                self._take(work, variant.config.stages[0], exc)
        return work

    def _key(self, work: Work) -> Hashable:
        return (work.pending[0], self._stage_key(work, work.pending[0])) if work.pending else None

    def _stage_key(self, work: Work, stage: StageName) -> Hashable:
        request = self._request(work, stage)
        return None if request is None else self._parts.backend.batch_key(request)

    def _request(self, work: Work, stage: StageName) -> StageRequest | None:
        return build_request(work.variant, stage, work.picture, work.size)

    def _execute_batch(self, batch: list[Work]) -> None:
        pending = {id(work): work.pending for work in batch}
        for work in batch:
            if not work.pending:
                self._end(work)
        for stage in STAGES:
            todo = [work for work in batch if not work.ended and stage in pending[id(work)]]
            if self._halting:
                self._call_off(todo, stage)
                continue
            for group in self._groups(todo, stage):
                self._execute_stage(group, stage)
            for work in todo:
                if not work.ended and (pending[id(work)][-1] == stage or work.status == "failed"):
                    self._end(work)

    def _groups(self, todo: list[Work], stage: StageName) -> list[list[Work]]:
        """Those of a batch that may also do this stage together."""
        groups: dict[Hashable, list[Work]] = {}
        for work in todo:
            groups.setdefault(self._stage_key(work, stage), []).append(work)
        return list(groups.values())

    def _execute_stage(self, group: list[Work], stage: StageName) -> None:
        if self._halting:
            self._call_off(group, stage)
            return
        now = timestamp(self._parts.clock())
        for work in group:
            work.started_at = work.started_at or now
        requests = [request for work in group if (request := self._request(work, stage)) is not None]
        if requests:
            self._ask_backend(group, stage, requests)
        else:
            self._resample(group, stage)

    def _resample(self, group: list[Work], stage: StageName) -> None:
        for work in group:
            outcome: Outcome
            try:
                outcome = resample(work.picture, work.variant.config.upscale.scale, work.variant.seed)
            except GenerationFailed as exc:
                outcome = exc
            self._take(work, stage, outcome)

    def _ask_backend(self, group: list[Work], stage: StageName, requests: Sequence[StageRequest]) -> None:
        waiting = dict(enumerate(group))
        if len(group) == 1:
            group[0].begun = True
        error: StableNewError = GenerationFailed(self._parts.backend.name, "the backend gave no answer for this one")
        try:
            for position, outcome in self._generate(group, requests):
                self._take(waiting.pop(position), stage, outcome)
        except BackendUnavailable as exc:
            self.abort_reason, error = str(exc), exc
        except StableNewError as exc:
            error = exc
        except Exception as exc:
            log.error("the backend failed in a way it did not explain", stage=stage, exc_info=True)
            error = GenerationFailed(self._parts.backend.name, f"{type(exc).__name__}: {exc}")
            error.__cause__ = exc
        self._settle(list(waiting.values()), stage, error)

    def _generate(self, group: list[Work], requests: Sequence[StageRequest]) -> Iterator[tuple[int, Outcome]]:
        def progress(step: StepProgress) -> None:
            fractions: dict[int, float] = {}
            for position in step.indices:
                work = group[position]
                work.begun = True
                fractions[work.variant.index] = _fraction(work.variant, requests[position].stage, step)
            self._parts.observer.on_steps(fractions, step)

        yield from self._parts.backend.generate(requests, Watch(cancel=self._parts.cancel, progress=progress))

    def _settle(self, unanswered: list[Work], stage: StageName, error: StableNewError) -> None:
        """What the backend gave no answer for: failed, unless it went away before these were begun."""
        for work in unanswered:
            if self.abort_reason and not work.begun:
                work.ended = True
            else:
                self._take(work, stage, error)

    def _call_off(self, todo: list[Work], stage: StageName) -> None:
        """The rest of what was begun: cancelled on request, failed when the run cannot go on."""
        for work in todo:
            if not self.abort_reason:
                self._take(work, stage, Cancelled())
            elif work.begun:
                self._take(work, stage, BackendUnavailable(self._parts.backend.name, self.abort_reason))
            else:
                work.ended = True

    def _take(self, work: Work, stage: StageName, outcome: Outcome) -> None:
        if isinstance(outcome, GeneratedImage):
            work.picture, work.size, work.begun = outcome.picture, (outcome.width, outcome.height), True
            work.seed = outcome.seed if work.seed is None else work.seed
            self._parts.desk.keep(work, stage, outcome)
            if self._parts.strict and outcome.deviations:
                self._end(work)
        elif isinstance(outcome, Cancelled) and not work.begun:
            work.ended = True
        else:
            work.begun = True
            self._parts.desk.note(work, stage, outcome)
            self._end(work)

    def _end(self, work: Work) -> None:
        work.ended = True
        self._parts.desk.finish(work)
        work.picture = b""


def _fraction(variant: Variant, stage: StageName, step: StepProgress) -> float:
    """How far the variant is, 0..1, every one of its stages counting the same."""
    stages = variant.config.stages
    return (stages.index(stage) + min(1.0, step.step / max(1, step.steps))) / len(stages)
