"""The runner: variants through the enabled stages on one backend, pictures to disk, one record per executed variant.

The run's own thread asks the backend (run_session.py); a second thread, the desk (desk.py), encodes, hashes and saves
pictures and writes records meanwhile, in the order in which the pictures came. Learning is a side channel: with it off,
or with no writer and no callback, the calls to the backend and their results are the same.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sized
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

from stablenew.backends.base import Backend, CancelToken, Capabilities
from stablenew.config import PipelineConfig, StageName, check_config, config_to_dict
from stablenew.errors import PlanTooLarge
from stablenew.learning.execution_context import software_versions
from stablenew.learning.learning_reader import successful_record_ids
from stablenew.log import run_log
from stablenew.pipeline.desk import Desk
from stablenew.pipeline.image_store import ImageStore
from stablenew.pipeline.recorder import Recorder, RecordWriter
from stablenew.pipeline.run_folder import RunFolder, RunManifest, open_run, read_manifest
from stablenew.pipeline.run_session import Parts, RunSession
from stablenew.pipeline.run_values import RunObserver, RunResult, RunStart, RunStatus, timestamp
from stablenew.pipeline.stages import UNMADE, build_request, read_init_image
from stablenew.variant import Variant, content_hash
from stablenew.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from stablenew.learning.learning_record import LearningRecord

__all__ = ["PipelineConfig", "PipelineRunner", "RunObserver", "RunResult"]

MAX_VARIANTS = 1_000_000
"""More than anyone can run: eleven days at one a second."""

REMEMBERED = 50_000
"""So many requests are remembered as checked; beyond that some are checked twice."""

_UNKNOWN_SIZE = (512, 512)
"""Stands in when a request is checked and the backend decides the size itself."""


class PipelineRunner:
    """Runs variants on one backend. One run at a time; a runner may be used again.

    `learning_writer` and `on_learning_record` are optional and used only where the config says `learning_enabled`.
    `backend_url` goes into the manifest (without credentials: the caller's duty), so that a resume finds the server.
    `clock` gives the time (UTC); `strict` makes a picture that deviates from what was asked a failure (it is kept).
    """

    def __init__(
        self,
        backend: Backend,
        learning_writer: RecordWriter | None = None,
        on_learning_record: Callable[[LearningRecord], None] | None = None,
        *,
        workspace: Workspace | None = None,
        observer: RunObserver | None = None,
        source: str = "StableNew",
        user_id: str | None = None,
        strict: bool = False,
        backend_url: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.backend = backend
        self.learning_writer = learning_writer
        self.on_learning_record = on_learning_record
        self._workspace = workspace or open_workspace()
        self._observer = observer or RunObserver()
        self._source, self._user_id, self._strict, self._clock = source, user_id, strict, clock
        self._backend_url = backend_url

    def run(
        self,
        config: PipelineConfig,
        variants: Iterable[Variant],
        *,
        recipe: Mapping[str, Any] | None = None,
        cancel: CancelToken | None = None,
        resume: bool = False,
        paused_stages: tuple[StageName, ...] = (),
    ) -> RunResult:
        """Execute `variants`; blocks until all are done or `cancel` is set. Pictures and records are on disk then.

        `variants` of a length (a list, a plan) are read more than once and never held all at once by the runner.
        `recipe` and `paused_stages` (wanted, but left for later) go into the manifest. With `resume` the run
        `config.run_id` goes on where it ended: what its journal and records say is done is not done again.

        Raises InputError (before anything is made) when the backend cannot do what is asked or the run is already
        there, BackendUnavailable when it cannot be reached, RunBusy.
        """
        check_config(config)
        planned = cast("Collection[Variant]", variants if isinstance(variants, Sized) else tuple(variants))
        if len(planned) > MAX_VARIANTS:
            raise PlanTooLarge(len(planned), MAX_VARIANTS)
        capabilities = self.backend.capabilities()
        cancel = cancel or CancelToken()
        self._check(planned, capabilities, cancel)
        if resume:
            read_manifest(self._workspace, config.run_id or "")
        config = replace(config, run_id=config.run_id or self._new_run_id(config))
        run_id = cast(str, config.run_id)
        with open_run(self._workspace, run_id) as folder, run_log(folder.log_path, run_id):
            if not resume:
                manifest = self._manifest(config, len(planned), recipe)
                folder.write_manifest(replace(manifest, paused_stages=paused_stages))
            return self._execute(config, planned, folder, capabilities, cancel)

    def _execute(
        self,
        config: PipelineConfig,
        planned: Collection[Variant],
        folder: RunFolder,
        capabilities: Capabilities,
        cancel: CancelToken,
    ) -> RunResult:
        began = time.monotonic()
        recorder = self._recorder(config, folder)
        desk = self._desk(folder, recorder, capabilities)
        session = self._session(folder, desk, recorder, capabilities, cancel)
        already_done = session.count_done(planned)
        self._observer.on_start(
            RunStart(run_id=folder.run_id, folder=folder.path, variant_count=len(planned), already_done=already_done)
        )
        durable = True
        try:
            session.execute(planned)
        finally:
            try:
                desk.close()
            finally:
                durable = recorder.finish()
        reason = session.abort_reason or desk.cannot_save
        status: RunStatus = "aborted" if reason else "stopped" if cancel.stopping else "done"
        return RunResult(
            run_id=folder.run_id,
            folder=folder.path,
            status=status,
            variant_count=len(planned),
            ok=desk.counts["ok"],
            failed=desk.counts["failed"],
            cancelled=desk.counts["cancelled"],
            already_done=already_done,
            records_written=recorder.written,
            lost_records=recorder.lost,
            deviations=desk.deviations,
            duration_s=time.monotonic() - began,
            abort_reason=reason,
            records_durable=durable,
        )

    def _recorder(self, config: PipelineConfig, folder: RunFolder) -> Recorder:
        return Recorder(
            config=config,
            run_id=folder.run_id,
            source=self._source,
            user_id=self._user_id,
            writer=self.learning_writer,
            callback=self.on_learning_record,
        )

    def _desk(self, folder: RunFolder, recorder: Recorder, capabilities: Capabilities) -> Desk:
        return Desk(
            folder=folder,
            store=ImageStore(folder, version("stablenew")),
            recorder=recorder,
            observer=self._observer,
            backend=self.backend.name,
            backend_version=capabilities.version,
            strict=self._strict,
        )

    def _session(
        self, folder: RunFolder, desk: Desk, recorder: Recorder, capabilities: Capabilities, cancel: CancelToken
    ) -> RunSession:
        parts = Parts(
            backend=self.backend,
            folder=folder,
            desk=desk,
            observer=self._observer,
            cancel=cancel,
            clock=self._clock,
            strict=self._strict,
            window=max(1, capabilities.window),
        )
        recorded: frozenset[str] = frozenset()
        if recorder.enabled:
            recorded = successful_record_ids(self._workspace.records, folder.run_id)
        return RunSession(parts, folder.done_stages(), recorded, needs_record=recorder.enabled)

    def _check(self, variants: Iterable[Variant], capabilities: Capabilities, cancel: CancelToken) -> None:
        """Every distinct request of the run, before its first image; ends early when the run is to stop anyway."""
        size = capabilities.native_size or _UNKNOWN_SIZE
        seen: set[str] = set()
        starts: set[str | None] = set()
        for variant in variants:
            if cancel.stopping:
                return
            start = variant.config.img2img.init_image
            if variant.config.stages[0] != "txt2img" and start not in starts:
                starts.add(start)
                read_init_image(variant.config)
            for stage in variant.config.stages:
                request = build_request(variant, stage, UNMADE, size)
                if request is None:
                    continue
                asked = [stage, request.settings, request.model, request.vae, request.prompt, request.negative_prompt]
                key = content_hash(asked)[:16]
                if key not in seen:
                    if len(seen) >= REMEMBERED:
                        seen.clear()
                    seen.add(key)
                    self.backend.check(request)

    def _manifest(self, config: PipelineConfig, count: int, recipe: Mapping[str, Any] | None) -> RunManifest:
        return RunManifest(
            run_id=cast(str, config.run_id),
            created_at=timestamp(self._clock()),
            source=self._source,
            backend=self.backend.name,
            variant_count=count,
            config=config_to_dict(config),
            recipe=recipe,
            backend_url=self._backend_url,
            software=software_versions(),
        )

    def _new_run_id(self, config: PipelineConfig) -> str:
        """A run id that sorts by time: the clock's second, a few digits of the config's hash, a number where taken.

        Its folder is made here, so that nobody else takes it.
        """
        base = f"{self._clock():%Y%m%d-%H%M%S}-{content_hash(config)[:4]}"
        self._workspace.runs.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            run_id = base if number == 1 else f"{base}-{number}"
            try:
                (self._workspace.runs / run_id).mkdir()
            except FileExistsError:
                continue
            return run_id
        raise AssertionError
