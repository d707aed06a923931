"""ComfyUI as a backend: our own graph for each stage, or the person's workflow, over HTTP and a websocket."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from stablenew.backends.base import Capabilities, Outcome, Picture, StageRequest, Watch
from stablenew.backends.comfyui import names
from stablenew.backends.comfyui.client import ComfyClient
from stablenew.backends.comfyui.events import ComfyEvents
from stablenew.backends.comfyui.job import Job, StoredPicture
from stablenew.backends.comfyui.jobs import JobLine
from stablenew.backends.comfyui.own import read_own_workflows
from stablenew.backends.comfyui.plan import Plans
from stablenew.backends.comfyui.resolve import DONE_EXTRAS, LATENT_METHODS, PLAIN_UPSCALER, Shelf
from stablenew.backends.comfyui.settings import DEFAULT_URL, ComfySettings, read_settings
from stablenew.backends.credentials import Credential, find_credential, split_url
from stablenew.backends.picture import read_pixels
from stablenew.backends.registry import BackendOptions
from stablenew.config import STAGES
from stablenew.errors import BackendUnavailable, GenerationFailed, UnknownChoice

_WINDOW_PER_DEPTH = 16
_FRESH_S = 10.0
_POOLED_WAIT_S = 2.0
_NEEDED = ("CheckpointLoaderSimple", "KSampler", "CLIPTextEncode", "VAEDecode", "SaveImage")

T = TypeVar("T")


class ComfyBackend:
    """One ComfyUI server. What it has is asked once, and again when something is not found."""

    def __init__(
        self,
        *,
        name: str,
        url: str,
        settings: ComfySettings,
        model: str | None = None,
        credential: Credential | None = None,
        workspace: Path | None = None,
    ) -> None:
        self.name = name
        self._settings, self._model, self._workspace = settings, model, workspace
        self._client = ComfyClient(
            backend=name,
            url=url,
            credential=credential,
            timeout_s=settings.timeout_s,
            connect_timeout_s=settings.connect_timeout_s,
        )
        self._new_events: Callable[[], ComfyEvents] = lambda: ComfyEvents(
            url=url, credential=credential, connect_timeout_s=settings.connect_timeout_s
        )
        self._events: ComfyEvents | None = None
        self._plans: Plans | None = None
        self._version = ""
        self._asked_at = 0.0
        self._reached = False

    def capabilities(self) -> Capabilities:
        plans = self._read_plans()
        shelf = plans.shelf
        return Capabilities(
            stages=frozenset(STAGES),
            version=self._version,
            samplers=names.our_samplers(shelf.classes.choices("KSampler", "sampler_name")),
            schedulers=names.our_schedulers(shelf.classes.choices("KSampler", "scheduler")),
            models=(*shelf.checkpoints, *shelf.diffusion_models),
            vaes=shelf.classes.choices("VAELoader", "vae_name"),
            upscalers=(*shelf.upscale_models, *LATENT_METHODS, PLAIN_UPSCALER),
            extras=frozenset(DONE_EXTRAS),
            window=self._settings.depth * _WINDOW_PER_DEPTH,
            native_size=shelf.open_size,
        )

    def check(self, request: StageRequest) -> None:
        self._with_fresh_names(lambda plans: plans.job(request, marker="checked", store=_store_nothing))

    def batch_key(self, request: StageRequest) -> Hashable:
        # The server keeps the last model loaded, and what it caches depends on little else.
        return (request.stage, request.model or self._model, request.vae)

    def generate(self, requests: Sequence[StageRequest], watch: Watch) -> Iterator[tuple[int, Outcome]]:
        if not requests:
            return
        self._read_plans()
        if self._events is None:
            self._events = self._new_events()
        line = JobLine(
            client=self._client,
            events=self._events,
            settings=self._settings,
            requests=requests,
            make_job=self._make_job,
            watch=watch,
            reached=self._reached,
        )
        try:
            yield from line.outcomes()
        finally:
            self._reached = line.reached

    def close(self) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None
        self._client.close()

    def _make_job(self, request: StageRequest, marker: str) -> Job:
        return self._with_fresh_names(lambda plans: plans.job(request, marker=marker, store=self._store))

    def _store(self, picture: Picture) -> StoredPicture:
        """Upload a start picture under a name from its content: the server keeps one file for the same bytes."""
        pixels = read_pixels(picture, self.name)
        buffer = io.BytesIO()
        pixels.save(buffer, "PNG", compress_level=1)
        png = buffer.getvalue()
        name = self._client.upload(f"{hashlib.sha256(png).hexdigest()[:32]}.png", png)
        return StoredPicture(name=name, size=pixels.size)

    def _with_fresh_names(self, use: Callable[[Plans], T]) -> T:
        """What `use` gives; a name that is not found is looked for once more in a fresh list."""
        try:
            return use(self._read_plans())
        except UnknownChoice:
            if time.monotonic() - self._asked_at < _FRESH_S:
                raise
            self._plans = None
            return use(self._read_plans())

    def _read_plans(self) -> Plans:
        if self._plans is None:
            self._plans = self._ask_for_plans()
            self._asked_at = time.monotonic()
        return self._plans

    def _ask_for_plans(self) -> Plans:
        settings = self._settings
        try:
            self._version = self._client.version()
            classes = self._client.node_classes()
            embeddings = self._client.embeddings()
        except GenerationFailed as exc:
            raise self._not_comfyui(str(exc)) from exc
        missing = [name for name in _NEEDED if name not in classes]
        if missing:
            raise self._not_comfyui(f"it has no node class {missing[0]}")
        shelf = Shelf(
            backend=self.name,
            classes=classes,
            embeddings=embeddings,
            model=self._model,
            clips=settings.clips,
            clip_type=settings.clip_type,
            native_size=(settings.width, settings.height) if settings.width and settings.height else None,
        )
        return Plans(shelf=shelf, own=read_own_workflows(settings.workflows, classes, self._workspace))

    def _not_comfyui(self, reason: str) -> BackendUnavailable:
        return BackendUnavailable(self.name, f"what answers at {self._client.url} is not a ComfyUI server: {reason}")


def open_backend(options: BackendOptions) -> ComfyBackend:
    """The server at `options.url`, or at ComfyUI's usual local address. Raises InvalidSetting for wrong settings."""
    url, in_url = split_url(options.url or DEFAULT_URL)
    # Among others, waiting for this server to come back would only keep its work from them.
    patience = {"restart_wait_s": _POOLED_WAIT_S} if options.pooled else {}
    return ComfyBackend(
        name=options.name,
        url=url,
        settings=read_settings(options.name, {**patience, **options.settings}),
        model=options.model,
        credential=find_credential(options.name, in_url=in_url, workspace=options.workspace),
        workspace=options.workspace,
    )


def _store_nothing(_: Picture) -> StoredPicture:
    return StoredPicture(name="checked.png", size=None)
