"""A backend that paints small pictures out of nothing, at once, the same on every machine, and fails as it is told.

It promises what every backend promises and passes the same contract. `--backend fake` opens it from the command line;
tests build `FakeBackend(script=Script(...))` and afterwards ask what it was given.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, assert_never

import msgspec
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from stablenew.backends.base import (
    Capabilities,
    GeneratedImage,
    Img2ImgRequest,
    Outcome,
    StageRequest,
    StepProgress,
    Txt2ImgRequest,
    UpscaleRequest,
    Watch,
)
from stablenew.backends.picture import read_pixels
from stablenew.backends.registry import BackendOptions
from stablenew.config import STAGES, Img2ImgSettings, StageName, Txt2ImgSettings, server_extras_in_use
from stablenew.errors import (
    BackendUnavailable,
    Cancelled,
    GenerationFailed,
    InvalidSetting,
    StableNewError,
    UnknownChoice,
    UnsupportedStage,
)
from stablenew.variant import Deviation, EffectiveSettings

SAMPLERS = ("Euler a", "Euler", "DPM++ 2M", "DPM++ 2M SDE", "UniPC", "DDIM", "LMS", "Heun")
SCHEDULERS = ("Automatic", "Karras", "Exponential")
MODELS = ("fake-model", "fake-model-b")
VAES = ("fake-vae",)
UPSCALERS = ("Fake 2x",)
VERSION = "1"

Order = Literal["given", "reversed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How a `FakeBackend` behaves.

    `before` is called with each request when its picture is begun: a StableNewError it raises becomes that request's
    outcome (a BackendUnavailable ends the whole call, as it may), any other exception leaves `generate` as it is, which
    no honest backend does: for tests of what then happens. `delay_s` is slept per picture, in equal parts at each step,
    and ends at once on cancel. `unavailable_after`: that many pictures are made, then the backend is gone.
    `deviations` and `paint` say what is done otherwise than asked and what a picture looks like. `encoded`: pictures
    come as PNG bytes with a `parameters` text, as from a server. `order` is that of the outcomes.
    """

    before: Callable[[StageRequest], None] | None = None
    delay_s: float = 0.0
    unavailable_after: int | None = None
    deviations: Callable[[StageRequest], tuple[Deviation, ...]] | None = None
    paint: Callable[[StageRequest, tuple[int, int]], Image.Image] | None = None
    encoded: bool = False
    order: Order = "given"
    stages: frozenset[StageName] = frozenset(STAGES)
    window: int = 4
    native_size: tuple[int, int] = (64, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeSettings:
    """What a configuration file may say about a fake backend: `fail_every` 3 fails the 3rd, 6th, ... picture."""

    delay_s: float = 0.0
    fail_every: int | None = None
    encoded: bool = False
    window: int = 4


@dataclass(slots=True, kw_only=True)
class Calls:
    """What a fake backend was asked. `requests` stays empty unless it was told to keep them: a long run is long."""

    made: Counter[str] = field(default_factory=Counter)
    generate: int = 0
    checked: int = 0
    closed: int = 0
    requests: list[StageRequest] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    @property
    def pictures(self) -> int:
        """How many pictures were finished, over all stages."""
        return self.made.total()


class FakeBackend:
    """A scriptable backend; `calls` says what was asked of it. `keep_requests` keeps every request it was handed."""

    def __init__(
        self,
        *,
        name: str = "fake",
        model: str | None = None,
        script: Script | None = None,
        keep_requests: bool = True,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.name = name
        self.script = script or Script()
        self.calls = Calls()
        self._model = model or MODELS[0]
        self._keep = keep_requests
        self._clock = clock

    def capabilities(self) -> Capabilities:
        return Capabilities(
            stages=self.script.stages,
            version=VERSION,
            samplers=SAMPLERS,
            schedulers=SCHEDULERS,
            models=MODELS,
            vaes=VAES,
            upscalers=UPSCALERS,
            window=self.script.window,
            native_size=self.script.native_size,
        )

    def check(self, request: StageRequest) -> None:
        self.calls.checked += 1
        self._check(request)

    def _check(self, request: StageRequest) -> None:
        if request.stage not in self.script.stages:
            raise UnsupportedStage(self.name, request.stage)
        if not isinstance(request, UpscaleRequest):
            for extra in server_extras_in_use(request.settings):
                raise UnsupportedStage(self.name, extra, "only some servers do that")
        self._known("model", request.model or self._model, MODELS)
        if request.vae is not None:
            self._known("VAE", request.vae, VAES)
        if isinstance(request, UpscaleRequest) and request.settings.method == "upscaler":
            self._known("upscaler", request.settings.upscaler or "", UPSCALERS)
            return
        sampling = _sampling(request)
        self._known("sampler", sampling.sampler or "", SAMPLERS)
        self._known("scheduler", sampling.scheduler or "", SCHEDULERS)

    def batch_key(self, request: StageRequest) -> Hashable:
        size = None if isinstance(request, Img2ImgRequest) else self._size(request)
        return (request.stage, request.model or self._model, request.vae, size, _sampling(request).steps)

    def generate(self, requests: Sequence[StageRequest], watch: Watch) -> Iterator[tuple[int, Outcome]]:
        self.calls.generate += 1
        if self._keep:
            self.calls.batches.append(len(requests))
            self.calls.requests.extend(requests)
        indices = range(len(requests))
        for index in reversed(indices) if self.script.order == "reversed" else indices:
            yield index, self._outcome(index, requests[index], watch)

    def close(self) -> None:
        self.calls.closed += 1

    def _outcome(self, index: int, request: StageRequest, watch: Watch) -> Outcome:
        if watch.cancel.stopping:
            return Cancelled()
        limit = self.script.unavailable_after
        if limit is not None and self.calls.pictures >= limit:
            raise BackendUnavailable(self.name, f"backend {self.name} went away after {limit} pictures, as scripted")
        try:
            return self._picture(index, request, watch)
        except BackendUnavailable:
            raise
        except StableNewError as exc:
            return exc

    def _picture(self, index: int, request: StageRequest, watch: Watch) -> GeneratedImage:
        started = self._clock()
        self._check(request)
        if self.script.before is not None:
            self.script.before(request)
        self._take_steps(index, request, watch)
        image = (self.script.paint or paint)(request, self._size(request))
        self.calls.made[request.stage] += 1
        infotext = _infotext(request) if self.script.encoded else None
        return GeneratedImage(
            picture=_png(image, infotext) if infotext is not None else image,
            width=image.width,
            height=image.height,
            seed=request.seed,
            seconds=self._clock() - started,
            effective=self._effective(request, image),
            deviations=self.script.deviations(request) if self.script.deviations else (),
            infotext=infotext,
        )

    def _take_steps(self, index: int, request: StageRequest, watch: Watch) -> None:
        steps = _sampling(request).steps or 1
        for step in range(1, steps + 1):
            if self.script.delay_s:
                watch.cancel.wait(self.script.delay_s / steps)
            watch.cancel.raise_if_cancelled()
            watch.progress(StepProgress(indices=(index,), step=step, steps=steps))
            watch.cancel.raise_if_cancelled()

    def _effective(self, request: StageRequest, image: Image.Image) -> EffectiveSettings:
        model = request.model or self._model
        common = EffectiveSettings(
            model=model,
            model_hash=hashlib.sha256(model.encode()).hexdigest()[:10],
            vae=request.vae,
            width=image.width,
            height=image.height,
        )
        if isinstance(request, UpscaleRequest) and request.settings.method == "upscaler":
            return dataclasses.replace(common, upscaler=request.settings.upscaler)
        sampling = _sampling(request)
        return dataclasses.replace(
            common,
            sampler=sampling.sampler,
            scheduler=sampling.scheduler,
            cfg_scale=sampling.cfg_scale,
            steps=sampling.steps,
            clip_skip=_clip_skip(request),
            denoise=sampling.denoise if isinstance(sampling, Img2ImgSettings) else None,
        )

    def _size(self, request: StageRequest) -> tuple[int, int]:
        match request:
            case Txt2ImgRequest():
                width, height = self.script.native_size
                return request.settings.width or width, request.settings.height or height
            case Img2ImgRequest():
                return read_pixels(request.image, self.name).size
            case UpscaleRequest():
                return request.width, request.height
            case _ as never:
                assert_never(never)

    def _known(self, kind: str, value: str, known: tuple[str, ...]) -> None:
        if value not in known:
            raise UnknownChoice(backend=self.name, kind=kind, value=value, known=known)


def open_backend(options: BackendOptions) -> FakeBackend:
    """The fake backend as the configuration describes it. Raises InvalidSetting for settings it does not have."""
    known = {declared.name for declared in dataclasses.fields(FakeSettings)}
    for name, value in options.settings.items():
        if name not in known:
            raise InvalidSetting(f"{options.name}.{name}", value, "nothing: it has only " + ", ".join(sorted(known)))
    try:
        settings = msgspec.convert(dict(options.settings), FakeSettings)
    except msgspec.ValidationError as exc:
        raise InvalidSetting(f"backend {options.name}", dict(options.settings), str(exc)) from exc
    script = Script(
        delay_s=settings.delay_s,
        encoded=settings.encoded,
        window=settings.window,
        before=fail_every(settings.fail_every, options.name) if settings.fail_every else None,
    )
    return FakeBackend(name=options.name, model=options.model, script=script, keep_requests=False)


def fail_every(nth: int, backend: str = "fake") -> Callable[[StageRequest], None]:
    """A `Script.before` that fails every nth picture with GenerationFailed, counting from 1."""
    begun = 0

    def before(_: StageRequest) -> None:
        nonlocal begun
        begun += 1
        if begun % nth == 0:
            raise GenerationFailed(backend, f"picture {begun} failed, as scripted")

    return before


def paint(request: StageRequest, size: tuple[int, int]) -> Image.Image:
    """Soft colours decided by everything asked for; with `denoise` below 1 the start picture shows through."""
    new = _colours(request, size)
    if isinstance(request, Txt2ImgRequest):
        return new
    start = read_pixels(request.image, "fake").resize(size, Image.Resampling.LANCZOS)
    if isinstance(request, UpscaleRequest):
        return start if request.settings.method == "upscaler" else Image.blend(start, new, request.settings.denoise)
    return Image.blend(start, new, request.settings.denoise)


def _colours(request: StageRequest, size: tuple[int, int]) -> Image.Image:
    asked = msgspec.json.encode(
        [request.prompt, request.negative_prompt, request.seed, request.model, request.vae, _sampling(request)],
        order="sorted",
    )
    raw = hashlib.shake_256(asked).digest(4 * 4 * 3)
    return Image.frombytes("RGB", (4, 4), raw).resize(size, Image.Resampling.BICUBIC)


def _sampling(request: StageRequest) -> Txt2ImgSettings | Img2ImgSettings:
    """The sampler settings a request is made with."""
    if isinstance(request, UpscaleRequest):
        return dataclasses.replace(request.repaint, denoise=request.settings.denoise)
    return request.settings


def _clip_skip(request: StageRequest) -> int:
    return request.settings.clip_skip if isinstance(request, Txt2ImgRequest) else request.clip_skip


def _infotext(request: StageRequest) -> str:
    sampling = _sampling(request)
    return (
        f"{request.prompt}\nNegative prompt: {request.negative_prompt}\n"
        f"Steps: {sampling.steps}, Sampler: {sampling.sampler}, CFG scale: {sampling.cfg_scale}, Seed: {request.seed}"
    )


def _png(image: Image.Image, infotext: str) -> bytes:
    chunks = PngInfo()
    chunks.add_text("parameters", infotext)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=chunks)
    return buffer.getvalue()
