"""What a backend promises.

A backend makes pictures. It is handed a list of requests of one stage and may do them one after another, in one
forward pass, or spread over servers; it yields each outcome as soon as it has it, in any order, exactly one per
request. What it yields says what was *done*: the settings really used, and where they differ from what was asked.

- `open_backend(...)` of each module is cheap: no model is loaded and no server is called before it must be.
- One thread calls a backend at a time. `CancelToken` may be set from any thread.
- A request's picture does not depend on the company it was handed over in.
- Every exception that leaves a backend is one of `stablenew.errors`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from stablenew.config import Img2ImgSettings, StageName, Txt2ImgSettings, UpscaleSettings
from stablenew.errors import Cancelled, StableNewError
from stablenew.variant import Deviation, EffectiveSettings

if TYPE_CHECKING:
    from PIL.Image import Image

Picture: TypeAlias = "bytes | Image"
"""Encoded file bytes exactly as a server sent them (kept byte for byte), or 8-bit sRGB pixels (mode RGB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Txt2ImgRequest:
    """A picture from text."""

    prompt: str
    negative_prompt: str
    seed: int
    settings: Txt2ImgSettings
    model: str | None = None
    vae: str | None = None

    @property
    def stage(self) -> StageName:
        return "txt2img"


@dataclass(frozen=True, slots=True, kw_only=True)
class Img2ImgRequest:
    """A picture painted over at its own size. Sampler, schedule, steps and guidance of `settings` are never None."""

    prompt: str
    negative_prompt: str
    seed: int
    settings: Img2ImgSettings
    image: Picture
    clip_skip: int = 1
    model: str | None = None
    vae: str | None = None

    @property
    def stage(self) -> StageName:
        return "img2img"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpscaleRequest:
    """A picture made larger by the backend: `settings.method` is upscaler, or img2img with `repaint` as its settings.

    Plain resampling never reaches a backend. `width` and `height` are the size to reach, in pixels.
    """

    prompt: str
    negative_prompt: str
    seed: int
    settings: UpscaleSettings
    repaint: Img2ImgSettings
    image: Picture
    width: int
    height: int
    clip_skip: int = 1
    model: str | None = None
    vae: str | None = None

    @property
    def stage(self) -> StageName:
        return "upscale"


StageRequest: TypeAlias = Txt2ImgRequest | Img2ImgRequest | UpscaleRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedImage:
    """A finished picture with what was really used. `seconds` is this picture's share of the work.

    `infotext`: the A1111 `parameters` text the server itself wrote into `picture`, None when it wrote none.
    """

    picture: Picture
    width: int
    height: int
    seed: int
    seconds: float
    effective: EffectiveSettings
    deviations: tuple[Deviation, ...] = ()
    infotext: str | None = None


Outcome: TypeAlias = GeneratedImage | StableNewError
"""A picture, or the error that took its place; `Cancelled` for one that was stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress:
    """How far the requests at `indices` are: `step` of `steps` done; `preview` is JPEG or PNG bytes, None without."""

    indices: tuple[int, ...]
    step: int
    steps: int
    preview: bytes | None = None


class CancelToken:
    """Asks a run to stop: first after what is being made (`stop`), then at once (`cancel`). Any thread may set it."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._cancel = threading.Event()

    def stop(self) -> None:
        """End the run once the pictures being made are finished."""
        self._stop.set()

    def cancel(self) -> None:
        """End the run now, inside a picture."""
        self._stop.set()
        self._cancel.set()

    @property
    def stopping(self) -> bool:
        """True once either was asked for: start nothing new."""
        return self._stop.is_set()

    @property
    def cancelled(self) -> bool:
        """True once the run should end inside a picture."""
        return self._cancel.is_set()

    def raise_if_cancelled(self) -> None:
        """Raises Cancelled once `cancel` was called."""
        if self._cancel.is_set():
            raise Cancelled

    def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s` seconds; True at once when cancelled. For polling loops."""
        return self._cancel.wait(timeout_s)


def _no_progress(_: StepProgress) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The run's ear and brake inside a backend: `progress` is cheap and never raises."""

    cancel: CancelToken = field(default_factory=CancelToken)
    progress: Callable[[StepProgress], None] = _no_progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a backend can do now. Empty name tuples mean: it does not say, anything may be tried.

    `extras`: which of `config.SERVER_EXTRAS` it does; the others are refused.
    `window` is how many requests are worth handing over at once. `native_size` (width, height) in pixels is used where
    a request leaves a side open; None when the backend decides itself.
    """

    stages: frozenset[StageName]
    version: str = ""
    samplers: tuple[str, ...] = ()
    schedulers: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    vaes: tuple[str, ...] = ()
    upscalers: tuple[str, ...] = ()
    adetailer_models: tuple[str, ...] = ()
    extras: frozenset[str] = frozenset()
    window: int = 1
    native_size: tuple[int, int] | None = None


@runtime_checkable
class Backend(Protocol):
    """The face of a backend; see the top of this file for what holds of every one."""

    @property
    def name(self) -> str:
        """The name it is configured under, as records carry it."""

    def capabilities(self) -> Capabilities:
        """What it can do. May load a model or ask a server the first time. Raises BackendUnavailable."""

    def check(self, request: StageRequest) -> None:
        """Return when the request can be done as it stands; nothing is generated and its `image` is not looked at.

        Raises UnknownChoice (naming the nearest), InvalidSetting, UnsupportedStage or BackendUnavailable.
        """

    def batch_key(self, request: StageRequest) -> Hashable:
        """Requests with equal keys gain from being handed over together."""

    def generate(self, requests: Sequence[StageRequest], watch: Watch) -> Iterator[tuple[int, Outcome]]:
        """Yield (position in `requests`, outcome) once for each request, as each is finished. Blocks while it works.

        All requests are of one stage. A request that fails yields its error and the others go on. Once `watch.cancel`
        is stopping, nothing new is begun; once it is cancelled, what is being made ends too; either way what is
        unfinished yields Cancelled. Raises only when nothing can be done at all (BackendUnavailable).
        """

    def close(self) -> None:
        """Free models and connections; may be called twice."""
