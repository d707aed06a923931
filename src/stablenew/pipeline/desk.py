"""The desk: a second thread that saves pictures and writes records while the next pictures are being made."""

from __future__ import annotations

import contextvars
import errno
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from stablenew.backends.base import GeneratedImage
from stablenew.config import StageName
from stablenew.errors import Cancelled, StableNewError
from stablenew.log import get_logger
from stablenew.pipeline.image_store import ImageStore
from stablenew.pipeline.recorder import Recorder
from stablenew.pipeline.run_folder import JournalLine, RunFolder
from stablenew.pipeline.run_values import RunObserver
from stablenew.pipeline.work import Work
from stablenew.variant import Deviation, Failure, StageResult, Status, VariantResult

log = get_logger("stablenew.run")

MAX_WAITING = 32
UNIT_PIXELS = 2**22
"""At most 32 units of 4 megapixels (12 MB) each wait to be saved; more than that and the run waits for the disk."""

NO_ROOM = frozenset({errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)})
FAILURES_IN_A_ROW = 3
"""Saving that fails for want of room, or so often for any reason, will not get better by making more pictures."""


class Desk:
    """Takes what the run's thread hands over and works it off in order. What it could not do is in the results."""

    def __init__(
        self,
        *,
        folder: RunFolder,
        store: ImageStore,
        recorder: Recorder,
        observer: RunObserver,
        backend: str,
        backend_version: str,
        strict: bool,
    ) -> None:
        self._folder, self._store, self._recorder, self._observer = folder, store, recorder, observer
        self._backend, self._backend_version, self._strict = backend, backend_version, strict
        self._room = threading.BoundedSemaphore(MAX_WAITING)
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stablenew-desk")
        self._context = contextvars.copy_context()
        self._broken: BaseException | None = None
        self._unsaved_in_a_row = 0
        self.counts: Counter[Status] = Counter()
        self.cannot_save = ""
        self.deviations = 0

    def keep(self, work: Work, stage: StageName, image: GeneratedImage) -> None:
        """Save a stage's picture and note the stage as done."""
        self._submit(self._keep, work, stage, image, units=_units(image.width * image.height))

    def note(self, work: Work, stage: StageName, error: StableNewError) -> None:
        """Note a stage that ended without a picture."""
        self._submit(self._note, work, stage, error)

    def finish(self, work: Work) -> None:
        """No stage follows: make the result and the record."""
        self._submit(self._finish, work)

    def close(self) -> None:
        """Wait until everything handed over is done. Raises what went wrong in here by a mistake of ours."""
        self._executor.shutdown(wait=True)
        if self._broken is not None:
            raise self._broken

    def _submit(self, task: Callable[..., None], *args: Any, units: int = 1) -> None:
        if self._broken is not None:
            raise self._broken
        for _ in range(units):
            self._room.acquire()

        def done(future: Future[None]) -> None:
            self._room.release(units)
            self._broken = self._broken or future.exception()

        self._executor.submit(self._context.run, task, *args).add_done_callback(done)

    def _keep(self, work: Work, stage: StageName, image: GeneratedImage) -> None:
        result = self._saved(work, stage, image)
        for deviation in image.deviations:
            self._warn(work, stage, deviation)
        self._add(work, result, image.seed)

    def _saved(self, work: Work, stage: StageName, image: GeneratedImage) -> StageResult:
        failure = _strict_failure(image.deviations) if self._strict and image.deviations else None
        try:
            saved = self._store.save(image, work.variant, stage, work.effective)
            self._unsaved_in_a_row = 0
        except OSError as exc:
            saved, failure = None, self._unsaved(work, stage, exc)
        return StageResult(
            stage=stage,
            status="failed" if failure else "ok",
            seconds=image.seconds,
            effective=image.effective,
            image=saved,
            deviations=image.deviations,
            failure=failure,
            backend=self._backend,
            backend_version=self._backend_version,
        )

    def _unsaved(self, work: Work, stage: StageName, error: OSError) -> Failure:
        log.error("a picture could not be saved", variant=work.variant.index, stage=stage, reason=str(error))
        self._unsaved_in_a_row += 1
        if error.errno in NO_ROOM or self._unsaved_in_a_row >= FAILURES_IN_A_ROW:
            self.cannot_save = f"pictures cannot be saved in {self._folder.images}: {error.strerror or error}"
        return Failure(type=type(error).__name__, message=f"the picture could not be saved: {error}")

    def _note(self, work: Work, stage: StageName, error: StableNewError) -> None:
        status: Status = "cancelled" if isinstance(error, Cancelled) else "failed"
        failure = Failure(type=type(error).__name__, message=_printable(str(error)))
        if status == "failed":
            log.warning("a stage failed", variant=work.variant.index, stage=stage, reason=failure.message)
        result = StageResult(
            stage=stage,
            status=status,
            seconds=0.0,
            failure=failure,
            backend=self._backend,
            backend_version=self._backend_version,
        )
        self._add(work, result, work.variant.seed)

    def _add(self, work: Work, result: StageResult, seed: int) -> None:
        work.results.append(result)
        line = JournalLine(
            index=work.variant.index,
            variant_id=work.variant.variant_id,
            started_at=work.started_at,
            seed=seed,
            result=result,
        )
        try:
            self._folder.append_journal(line)
        except OSError as exc:
            log.error("a finished stage could not be noted: a resume will repeat it", reason=str(exc))

    def _finish(self, work: Work) -> None:
        result = VariantResult(
            variant=work.variant,
            record_id=work.record_id,
            status=work.status,
            stages=tuple(work.results),
            started_at=work.started_at,
            duration_s=sum(stage.seconds for stage in work.results),
            seed=work.variant.seed if work.seed is None else work.seed,
            backend=work.results[0].backend or self._backend,
            backend_version=work.results[0].backend_version or self._backend_version,
        )
        self.counts[result.status] += 1
        kept = self._recorder.record(result)
        self._observer.on_result(result)
        if not kept:
            self._observer.on_lost(result)

    def _warn(self, work: Work, stage: StageName, deviation: Deviation) -> None:
        self.deviations += 1
        log.warning(
            "the backend did otherwise than asked",
            variant=work.variant.index,
            stage=stage,
            setting=deviation.setting,
            asked=deviation.asked,
            done=deviation.done,
        )


def _units(pixels: int) -> int:
    return min(MAX_WAITING, 1 + pixels // UNIT_PIXELS)


def _printable(text: str) -> str:
    """`text` without lone surrogates, which a foreign server's words may hold and no file can."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _strict_failure(deviations: tuple[Deviation, ...]) -> Failure:
    said = "; ".join(f"{one.setting}: asked {one.asked!r}, done {one.done!r}" for one in deviations)
    return Failure(type="Deviation", message=f"the backend did otherwise than asked: {said}")
