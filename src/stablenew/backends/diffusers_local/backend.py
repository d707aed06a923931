"""The local backend: Stable Diffusion 1.x, 2.x and XL in this process, with diffusers.

Requests that differ only in prompt, seed and guidance are drawn in one forward pass. A seed gives the same picture on
every device and in every company, but for the last bits of floating-point sums. This module imports no torch; what
does is imported when the first picture is asked for.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import structlog
from msgspec import Meta

from stablenew.backends.base import Capabilities, GeneratedImage, Outcome, StageRequest, Watch
from stablenew.backends.diffusers_local.beside import importing_beside_others
from stablenew.backends.diffusers_local.jobs import Job, Recipe, Surroundings, batch_key, padded, prepare, read_recipe
from stablenew.backends.diffusers_local.models import ModelSource, find_model, read_facts
from stablenew.backends.diffusers_local.samplers import SAMPLERS, SCHEDULERS
from stablenew.backends.registry import BackendOptions
from stablenew.config import STAGES
from stablenew.errors import BackendUnavailable, Cancelled, GenerationFailed, InvalidSetting, StableNewError
from stablenew.variant import Deviation, EffectiveSettings

if TYPE_CHECKING:
    from PIL.Image import Image

    from stablenew.backends.diffusers_local.painting import Drawing, Painter

_log = structlog.get_logger(__name__)
_NEEDED = ("torch", "diffusers", "transformers", "safetensors", "scipy", "torchsde", "accelerate")
_WINDOW = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """What the configuration file may say. `device`: cuda, mps or cpu; `dtype`: numbers to compute in; None: the best.

    `max_batch`: most pictures in one forward pass. `config`: a diffusers folder that describes single-file checkpoints,
    so that nothing is asked from the hub.
    """

    device: str | None = None
    dtype: Literal["float32", "float16", "bfloat16"] | None = None
    max_batch: Annotated[int, Meta(ge=1)] | None = None
    config: str | None = None


class LocalBackend:
    """Draws with the one model it has loaded; another model takes its place."""

    def __init__(
        self, options: BackendOptions, settings: LocalSettings, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.name = options.name
        self._around = Surroundings(backend=options.name, model=options.model, workspace=options.workspace)
        self._settings = settings
        self._clock = clock
        self._has_packages = False
        self._loaded: tuple[tuple[ModelSource, ModelSource | None], Painter] | None = None

    def capabilities(self) -> Capabilities:
        self._need_packages()
        model = find_model(self._around.model, backend=self.name, workspace=self._around.workspace)
        return Capabilities(
            stages=frozenset(STAGES),
            version=f"diffusers {version('diffusers')}, torch {version('torch')}",
            samplers=SAMPLERS,
            schedulers=SCHEDULERS,
            window=self._settings.max_batch or _WINDOW,
            native_size=read_facts(model).native_size,
        )

    def check(self, request: StageRequest) -> None:
        self._need_packages()
        read_recipe(request, self._around)

    def batch_key(self, request: StageRequest) -> Hashable:
        try:
            return batch_key(request, self._around)
        except StableNewError as exc:
            return request.stage, str(exc)

    def generate(self, requests: Sequence[StageRequest], watch: Watch) -> Iterator[tuple[int, Outcome]]:
        self._need_packages()
        groups: dict[Hashable, list[Job]] = {}
        for index, request in enumerate(requests):
            try:
                job = prepare(index, request, self._around)
                groups.setdefault(job.together, []).append(job)
            except BackendUnavailable:
                raise
            except StableNewError as exc:
                yield index, exc
        for group in groups.values():
            yield from self._draw_group(group, watch)

    def close(self) -> None:
        if self._loaded is not None:
            painter, self._loaded = self._loaded[1], None
            painter.close()

    def _draw_group(self, group: list[Job], watch: Watch) -> Iterator[tuple[int, Outcome]]:
        """The outcomes of jobs that can be drawn together, as many at once as there is room for."""
        if watch.cancel.stopping:
            yield from _each(group, Cancelled())
            return
        try:
            painter = self._painter(group[0].recipe)
        except StableNewError as exc:
            yield from _each(group, exc)
            return
        for jobs in _by_guidance([_sized(job, painter) for job in group], painter):
            while jobs:
                room = painter.room(padded(jobs[0].width or 0), padded(jobs[0].height or 0))
                yield from self._draw_batch(painter, jobs[:room], watch)
                jobs = jobs[room:]

    def _draw_batch(self, painter: Painter, batch: list[Job], watch: Watch) -> Iterator[tuple[int, Outcome]]:
        """The outcomes of jobs drawn in one forward pass; where that fails, of its halves, down to each alone."""
        if watch.cancel.stopping:
            yield from _each(batch, Cancelled())
            return
        started = self._clock()
        try:
            drawings = self._draw(painter, batch, watch)
        except Cancelled as exc:
            yield from _each(batch, exc)
        except StableNewError as exc:
            if len(batch) == 1:
                yield batch[0].index, exc
                return
            _log.info("drawing fewer pictures at once", backend=self.name, tried=len(batch), reason=str(exc))
            for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
                yield from self._draw_batch(painter, half, watch)
        else:
            seconds = (self._clock() - started) / len(batch)
            for job, drawing in zip(batch, drawings, strict=True):
                yield job.index, self._outcome(painter, job, drawing, seconds)

    def _draw(self, painter: Painter, batch: list[Job], watch: Watch) -> Sequence[Drawing | None]:
        """A drawing per job, None where the settings leave no step to take. Raises GenerationFailed or Cancelled."""
        from stablenew.backends.diffusers_local.loading import is_out_of_memory, library_errors

        if batch[0].recipe.steps_run == 0:
            return [None for _ in batch]
        try:
            with library_errors(GenerationFailed, self.name, "the picture could not be made"):
                return painter.draw(batch, watch)
        except GenerationFailed as exc:
            if exc.__cause__ is None or not is_out_of_memory(exc.__cause__):
                raise
            failed = exc
        painter.shrink(batch)
        text = (
            f"not enough memory for {len(batch)} of {batch[0].width}x{batch[0].height} pixels: ask for a smaller size"
        )
        raise GenerationFailed(self.name, text) from failed.__cause__

    def _outcome(self, painter: Painter, job: Job, drawing: Drawing | None, seconds: float) -> Outcome:
        image = drawing.image if drawing is not None else job.start
        if image is None or job.width is None or job.height is None:
            text = (
                "the model's answer was no picture (NaN): try dtype=float32 in the backend's settings, or another VAE"
            )
            return GenerationFailed(self.name, text)
        image = image.crop((0, 0, job.width, job.height))
        return GeneratedImage(
            picture=image,
            width=image.width,
            height=image.height,
            seed=job.request.seed,
            seconds=seconds,
            effective=_effective(painter, job, drawing),
            deviations=tuple(_deviations(painter, job, image)),
        )

    def _painter(self, recipe: Recipe) -> Painter:
        """The painter of the recipe's model, which is loaded if it is not. Raises BackendUnavailable."""
        with importing_beside_others():
            from stablenew.backends.diffusers_local.quiet import be_quiet

            be_quiet()
            from stablenew.backends.diffusers_local.loading import load_model
            from stablenew.backends.diffusers_local.painting import Painter

        wanted = (recipe.model, recipe.vae)
        if self._loaded is None or self._loaded[0] != wanted:
            self.close()
            settings = self._settings
            model = load_model(
                recipe.model,
                recipe.vae,
                backend=self.name,
                device=settings.device,
                dtype=settings.dtype,
                config=settings.config,
            )
            self._loaded = (wanted, Painter(model, most=settings.max_batch))
        return self._loaded[1]

    def _need_packages(self) -> None:
        if self._has_packages:
            return
        missing = [name for name in _NEEDED if find_spec(name) is None]
        if missing:
            text = f"backend {self.name} needs {', '.join(missing)}: pip install 'stablenew[local]'"
            raise BackendUnavailable(self.name, text)
        self._has_packages = True


def open_backend(options: BackendOptions) -> LocalBackend:
    """The local backend as the configuration describes it; nothing is loaded. Raises InvalidSetting."""
    known = {declared.name for declared in dataclasses.fields(LocalSettings)}
    for name, value in options.settings.items():
        if name not in known:
            raise InvalidSetting(f"{options.name}.{name}", value, "nothing: it has only " + ", ".join(sorted(known)))
    try:
        settings = msgspec.convert(dict(options.settings), LocalSettings)
    except msgspec.ValidationError as exc:
        raise InvalidSetting(f"backend {options.name}", dict(options.settings), str(exc)) from exc
    return LocalBackend(options, settings)


def _each(jobs: Iterable[Job], outcome: Outcome) -> Iterator[tuple[int, Outcome]]:
    return ((job.index, outcome) for job in jobs)


def _sized(job: Job, painter: Painter) -> Job:
    """`job` with its open sides as the loaded model has them."""
    native = painter.model.native_size or (512, 512)
    return dataclasses.replace(job, width=job.width or native[0], height=job.height or native[1])


def _by_guidance(jobs: list[Job], painter: Painter) -> list[list[Job]]:
    """`jobs` in one list, or a list per guidance for models that take one guidance for all."""
    if painter.model.each_its_guidance:
        return [jobs]

    def guidance(job: Job) -> float:
        return job.recipe.cfg_scale

    return [list(same) for _, same in groupby(sorted(jobs, key=guidance), key=guidance)]


def _effective(painter: Painter, job: Job, drawing: Drawing | None) -> EffectiveSettings:
    model, recipe = painter.model, job.recipe
    extra = {
        "steps_run": recipe.steps_run,
        "device": model.device.type,
        "dtype": str(model.dtype).removeprefix("torch."),
    }
    if drawing is not None:
        extra["scheduler_class"] = drawing.scheduler_class
    return EffectiveSettings(
        model=model.name,
        model_hash=model.hash,
        vae=model.vae,
        sampler=recipe.sampling.sampler,
        scheduler=drawing.scheduler if drawing is not None else recipe.sampling.scheduler,
        cfg_scale=recipe.cfg_scale,
        steps=recipe.steps,
        width=job.width,
        height=job.height,
        clip_skip=max(recipe.clip_skip, 2) if model.xl else recipe.clip_skip,
        denoise=recipe.denoise,
        extra=extra,
    )


def _deviations(painter: Painter, job: Job, image: Image) -> Iterator[Deviation]:
    for setting, text in (("prompt", job.request.prompt), ("negative_prompt", job.request.negative_prompt)):
        read = painter.read_of(text)
        if read != text:
            yield Deviation(setting=setting, asked=text, done=read, detail="the rest is longer than the model can read")
    if job.recipe.denoise and job.recipe.steps_run == 0:
        detail = f"{job.recipe.steps} steps at this denoise leave no step to take: the picture is unchanged"
        yield Deviation(setting="denoise", asked=job.recipe.denoise, done=0.0, detail=detail)
    if all(low == high for low, high in _extrema(image)):
        yield Deviation(setting="image", asked="a picture", done="one colour", detail="every pixel is the same")


def _extrema(image: Image) -> list[tuple[int, int]]:
    return [band.getextrema() for band in image.split()]  # type: ignore[misc]  # a band's are two numbers
