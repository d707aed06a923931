"""The one place where concrete parts are put together: a workspace, a backend, a writer, a controller."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from stablenew.backends.base import Backend
from stablenew.backends.registry import DEFAULT_BACKEND, BackendOptions, open_backend
from stablenew.controller.pipeline_controller import PipelineController, RunnerParts
from stablenew.pipeline.pipeline_runner import PipelineRunner
from stablenew.workspace import USER_VARIABLE, Workspace

if TYPE_CHECKING:
    from stablenew.learning.learning_record import Durability


@dataclass(frozen=True, slots=True, kw_only=True)
class AppOptions:
    """What a person chose. `source` names the face in records ("StableNewCLI"); `url` is for server backends."""

    workspace: Workspace
    source: str
    backend: str = DEFAULT_BACKEND
    model: str | None = None
    url: str | None = None
    durability: Durability = "background"
    strict: bool = False
    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """The parts, put together: made by `open_app`, closed when its block ends."""

    options: AppOptions
    backend: Backend
    controller: PipelineController


@contextmanager
def open_app(options: AppOptions, *, backend: Backend | None = None) -> Iterator[App]:
    """The program for the time of a `with` block; the backend's models and the writer's files are closed after it.

    A `backend` handed in takes the place of the one the options name. Raises UnknownChoice or BackendUnavailable when
    there is no such backend here.
    """
    from stablenew.learning.learning_record import LearningRecordWriter

    backend = backend or open_backend(
        BackendOptions(name=options.backend, model=options.model, url=options.url, workspace=options.workspace.root)
    )
    writer = LearningRecordWriter(options.workspace.records, durability=options.durability)

    def build_runner(parts: RunnerParts) -> PipelineRunner:
        return PipelineRunner(
            backend,
            parts.learning_writer,
            parts.on_learning_record,
            workspace=options.workspace,
            observer=parts.observer,
            source=options.source,
            user_id=options.user_id or os.environ.get(USER_VARIABLE) or None,
            strict=options.strict,
            backend_url=_without_credentials(options.url),
        )

    controller = PipelineController(build_runner, learning_writer=writer)
    try:
        yield App(options=options, backend=backend, controller=controller)
    finally:
        try:
            backend.close()
        finally:
            writer.close()


def _without_credentials(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
