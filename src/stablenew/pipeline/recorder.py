"""The learning side channel of a run: one record per executed variant, never a reason for a picture not to be made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from stablenew.config import PipelineConfig
from stablenew.log import get_logger
from stablenew.variant import VariantResult

if TYPE_CHECKING:
    from stablenew.learning.learning_record import LearningRecord

log = get_logger("stablenew.learning")


class RecordWriter(Protocol):
    """What the runner needs of a learning writer."""

    def write_record(self, record: LearningRecord) -> None: ...


class Recorder:
    """Assembles, writes and hands out records. Whatever goes wrong in here is logged and counted, never raised."""

    def __init__(
        self,
        *,
        config: PipelineConfig,
        run_id: str,
        source: str,
        user_id: str | None,
        writer: RecordWriter | None,
        callback: Callable[[LearningRecord], None] | None,
    ) -> None:
        self._config, self._run_id, self._source, self._user_id = config, run_id, source, user_id
        self._writer, self._callback = writer, callback
        self.enabled = config.learning_enabled and (writer is not None or callback is not None)
        self.written = 0
        self.lost = 0

    def record(self, result: VariantResult) -> bool:
        """Assemble the record of `result`, write it, then call the callback with the same instance. True: none lost."""
        if not self.enabled:
            return True
        complete = False
        try:
            record = self._assemble(result)
            complete = self._write(record, result)
            complete = self._call_back(record, result) and complete
        except Exception:  # noqa: BLE001 - images first: nothing in learning may stop a run
            self._say("the learning record could not be assembled", result)
        self.lost += not complete
        return complete

    def finish(self) -> bool:
        """Wait until what was written is as durable as the writer promises. False: it could not say so."""
        barrier = getattr(self._writer, "barrier", None)
        if not self.enabled or barrier is None:
            return True
        try:
            barrier()
        except Exception:
            log.error("the learning records of this run may not be on disk yet", exc_info=True)
            return False
        return True

    def _assemble(self, result: VariantResult) -> LearningRecord:
        from stablenew.learning.learning_record import ExecutionContext, LearningRecord

        context = ExecutionContext.from_result(
            result,
            run_id=self._run_id,
            source=self._source,
            user_id=self._user_id,
        )
        return LearningRecord.from_pipeline_context(self._config_of(result), context)

    def _config_of(self, result: VariantResult) -> PipelineConfig:
        """The variant's own settings under the run's own metadata."""
        return replace(
            result.variant.config,
            run_id=self._run_id,
            one_click_action=self._config.one_click_action,
            learning_enabled=True,
            learning_tags=self._config.learning_tags,
        )

    def _write(self, record: LearningRecord, result: VariantResult) -> bool:
        if self._writer is None:
            return True
        try:
            self._writer.write_record(record)
        except Exception:  # noqa: BLE001 - images first: nothing in learning may stop a run
            self._say("a learning record was lost", result)
            return False
        self.written += 1
        return True

    def _call_back(self, record: LearningRecord, result: VariantResult) -> bool:
        if self._callback is None:
            return True
        try:
            self._callback(record)
        except Exception:  # noqa: BLE001 - images first: nothing in learning may stop a run
            self._say("a callback for learning records failed", result)
            return False
        return True

    def _say(self, message: str, result: VariantResult) -> None:
        log.error(message, variant=result.variant.index, record_id=result.record_id, exc_info=True)
