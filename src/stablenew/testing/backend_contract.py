"""The contract every backend passes: subclass `BackendContract` in a test module and give the fixture `backend`.

    class TestMyBackend(BackendContract):
        @pytest.fixture
        def backend(self): ...

What differs between backends is said in class attributes, never by overriding a test.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import ClassVar

import pytest
from PIL import Image, ImageChops, ImageStat

from stablenew.backends.base import (
    Backend,
    CancelToken,
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
from stablenew.config import (
    SERVER_EXTRAS,
    Img2ImgSettings,
    StageName,
    Txt2ImgSettings,
    UpscaleMethod,
    UpscaleSettings,
    server_extras_in_use,
)
from stablenew.errors import Cancelled, InputError, StableNewError, UnknownChoice, UnsupportedStage


class BackendContract:
    """What is promised in `stablenew.backends.base`, as tests. Needs a fixture `backend` that gives an open backend.

    `tolerance` is how far a channel (0..255) may differ where two pictures should be the same. `stages` is what the
    fixture must be able to do; tests of other stages are skipped. `near` and `far` bound the mean difference of a
    channel between a start picture and what img2img makes of it at denoise 0 (at most `near`) and 1 (at least `far`).
    `reports_steps`: progress is told at every step; `cancels_inside`: `cancel` ends a picture that is being made.
    `checks_names`: unknown names are refused before anything is made.
    """

    stages: ClassVar[frozenset[StageName]] = frozenset({"txt2img", "img2img", "upscale"})
    upscale_methods: ClassVar[tuple[UpscaleMethod, ...]] = ("img2img",)
    sampler: ClassVar[str] = "Euler a"
    steps: ClassVar[int] = 4
    size: ClassVar[tuple[int, int]] = (64, 64)
    upscaled_size: ClassVar[tuple[int, int]] = (128, 128)
    tolerance: ClassVar[int] = 0
    near: ClassVar[float] = 16.0
    far: ClassVar[float] = 4.0
    reports_steps: ClassVar[bool] = True
    cancels_inside: ClassVar[bool] = True
    checks_names: ClassVar[bool] = True

    def test_fixture_gives_what_it_claims(self, backend: Backend) -> None:
        """The fixture is a backend with a name, it can do the stages this class claims, and it knows our sampler."""
        assert isinstance(backend, Backend)
        assert backend.name
        can = backend.capabilities()
        assert can.stages == self.stages
        assert can.window >= 1
        assert not can.samplers or self.sampler in can.samplers
        assert can == backend.capabilities()

    def test_check_accepts_what_is_then_done(self, backend: Backend) -> None:
        """What `check` lets through is made."""
        request = self.txt2img()
        backend.check(request)
        assert isinstance(self.one(backend, request), GeneratedImage)

    def test_one_outcome_per_request(self, backend: Backend) -> None:
        """Every request has exactly one outcome, under its own position, with its own seed."""
        requests = [self.txt2img(seed=seed) for seed in (5, 6, 7)]
        outcomes = list(backend.generate(requests, Watch()))
        assert sorted(index for index, _ in outcomes) == [0, 1, 2]
        assert {index: made.seed for index, made in outcomes if isinstance(made, GeneratedImage)} == {0: 5, 1: 6, 2: 7}

    def test_nothing_asked_nothing_done(self, backend: Backend) -> None:
        """An empty list of requests gives no outcome."""
        assert list(backend.generate([], Watch())) == []

    def test_effective_settings_say_what_was_done(self, backend: Backend) -> None:
        """Sampler, steps, cfg and the picture's real size are stated, and differ from what was asked only aloud."""
        request = self.txt2img(cfg_scale=5.0)
        made = self.picture(backend, request)
        done, excused = made.effective, {deviation.setting for deviation in made.deviations}
        assert (done.width, done.height) == read_pixels(made.picture, backend.name).size == (made.width, made.height)
        asked = {"sampler": self.sampler, "steps": self.steps, "cfg_scale": 5.0, "width": self.size[0]}
        for name, value in asked.items():
            assert name in excused or getattr(done, name) == value
        assert made.seconds >= 0

    def test_extras_it_does_not_name_are_refused(self, backend: Backend) -> None:
        """A setting that only some servers know is refused, never left out, where the backend does not claim it."""
        every = Txt2ImgSettings(
            hires_scale=2.0,
            refiner="a model",
            restore_faces=True,
            adetailer_model="face",
            adetailer_options="{}",
            scripts='{"a script": {"args": []}}',
        )
        assert set(server_extras_in_use(every)) == set(SERVER_EXTRAS)
        request = self.txt2img()
        for name in set(SERVER_EXTRAS) - backend.capabilities().extras:
            asked = dataclasses.replace(request.settings, **{name: getattr(every, name)})
            with pytest.raises((UnsupportedStage, InputError)):
                backend.check(dataclasses.replace(request, settings=asked))

    def test_same_seed_same_picture(self, backend: Backend) -> None:
        """The same request gives the same picture again."""
        request = self.txt2img(seed=11)
        assert self.difference(backend, request, request) <= self.tolerance

    def test_other_seed_other_picture(self, backend: Backend) -> None:
        """Another seed gives another picture."""
        assert self.difference(backend, self.txt2img(seed=11), self.txt2img(seed=12)) > self.tolerance

    def test_picture_does_not_depend_on_company(self, backend: Backend) -> None:
        """A request gives the same picture alone and among others of other prompts, seeds and guidance."""
        request = self.txt2img(seed=11)
        company = [self.txt2img(seed=3, prompt="a dog"), request, self.txt2img(seed=4, cfg_scale=2.5)]
        alone = self.pixels(backend, request)
        among = self.made(backend, company)[1]
        assert isinstance(among, GeneratedImage)
        assert largest(alone, read_pixels(among.picture, backend.name)) <= self.tolerance

    def test_open_size_is_the_native_size(self, backend: Backend) -> None:
        """A request with open sides gives a picture of the native size."""
        native = backend.capabilities().native_size
        if native is None:
            pytest.skip("the backend names no native size")
        settings = dataclasses.replace(self.txt2img().settings, width=None, height=None)
        made = self.picture(backend, dataclasses.replace(self.txt2img(), settings=settings))
        assert (made.width, made.height) == native

    def test_unknown_sampler_is_refused_with_the_nearest(self, backend: Backend) -> None:
        """A sampler that does not exist is refused by `check`, naming the nearest that does."""
        if not self.checks_names:
            pytest.skip("the backend cannot know names beforehand")
        with pytest.raises(UnknownChoice) as refused:
            backend.check(self.txt2img(sampler=self.sampler + "x"))
        assert refused.value.nearest == self.sampler

    def test_a_bad_request_does_not_spoil_the_others(self, backend: Backend) -> None:
        """A request that cannot be done yields an error of ours; those beside it are made."""
        if not self.checks_names:
            pytest.skip("the backend cannot know names beforehand")
        made = self.made(backend, [self.txt2img(), self.txt2img(sampler=self.sampler + "x"), self.txt2img(seed=9)])
        assert isinstance(made[0], GeneratedImage)
        assert isinstance(made[1], StableNewError)
        assert isinstance(made[2], GeneratedImage)

    def test_progress_counts_every_step(self, backend: Backend) -> None:
        """Progress names the requests it is about and ends at the last step."""
        if not self.reports_steps:
            pytest.skip("the backend does not report every step")
        seen: list[StepProgress] = []
        self.made(backend, [self.txt2img(), self.txt2img(seed=9)], Watch(progress=seen.append))
        for index in (0, 1):
            steps = [report.step for report in seen if index in report.indices]
            assert steps == sorted(steps)
            assert steps[-1] == seen[-1].steps

    @pytest.mark.parametrize("ask", ["stop", "cancel"])
    def test_stopped_before_the_start(self, backend: Backend, ask: str) -> None:
        """Asked to end beforehand, a backend makes nothing and every request is Cancelled."""
        token = CancelToken()
        getattr(token, ask)()
        made = self.made(backend, [self.txt2img(), self.txt2img(seed=9)], Watch(cancel=token))
        assert [type(outcome) for outcome in made] == [Cancelled, Cancelled]

    def test_cancel_inside_a_picture(self, backend: Backend) -> None:
        """Cancelled at a step, what is unfinished yields Cancelled, and the backend works on afterwards."""
        if not (self.reports_steps and self.cancels_inside):
            pytest.skip("the backend cannot be stopped inside a picture")
        token = CancelToken()
        watch = Watch(cancel=token, progress=lambda _: token.cancel())
        made = self.made(backend, [self.txt2img(), self.txt2img(seed=9)], watch)
        assert [type(outcome) for outcome in made] == [Cancelled, Cancelled]
        assert isinstance(self.one(backend, self.txt2img()), GeneratedImage)

    def test_img2img_keeps_or_repaints_by_denoise(self, backend: Backend) -> None:
        """img2img at denoise 0 stays close to its start picture and at 1 goes far from it; the size is kept."""
        self.need("img2img")
        start = self.start_picture()
        kept = self.pixels(backend, self.img2img(start, denoise=0.0))
        repainted = self.pixels(backend, self.img2img(start, denoise=1.0))
        assert kept.size == repainted.size == start.size
        assert mean(start, kept) <= self.near
        assert mean(start, repainted) >= self.far
        assert mean(start, repainted) > mean(start, kept)

    def test_img2img_states_its_denoise(self, backend: Backend) -> None:
        """The effective settings of img2img carry the denoise that was used."""
        self.need("img2img")
        assert self.picture(backend, self.img2img(self.start_picture(), denoise=0.5)).effective.denoise == 0.5

    def test_img2img_does_not_depend_on_company(self, backend: Backend) -> None:
        """An img2img request among others gives the picture it gives alone."""
        self.need("img2img")
        request = self.img2img(self.start_picture(), denoise=0.5, seed=11)
        other = self.img2img(Image.new("RGB", self.size, "navy"), denoise=0.5, seed=12)
        among = self.made(backend, [other, request])[1]
        assert isinstance(among, GeneratedImage)
        alone = self.pixels(backend, request)
        assert largest(alone, read_pixels(among.picture, backend.name)) <= self.tolerance

    def test_start_picture_that_is_none_fails_alone(self, backend: Backend) -> None:
        """Bytes that are no picture fail that request with an error of ours; its neighbour is made."""
        self.need("img2img")
        good = self.img2img(self.start_picture(), denoise=0.5)
        made = self.made(backend, [dataclasses.replace(good, image=b"not a picture"), good])
        assert isinstance(made[0], StableNewError)
        assert isinstance(made[1], GeneratedImage)

    def test_upscale_reaches_the_size_asked_for(self, backend: Backend) -> None:
        """Each upscale method the class names gives a picture of exactly the size asked for, and says what it used."""
        self.need("upscale")
        for method in self.upscale_methods:
            made = self.picture(backend, self.upscale(backend, method))
            assert read_pixels(made.picture, backend.name).size == self.upscaled_size
            assert made.effective.upscaler if method == "upscaler" else made.effective.denoise == 0.3

    def test_closing_twice(self, backend: Backend) -> None:
        """Closing twice is as good as once."""
        self.made(backend, [self.txt2img()])
        backend.close()
        backend.close()

    # What the tests are made of.

    def txt2img(
        self, *, seed: int = 1, prompt: str = "a cat", cfg_scale: float = 7.0, sampler: str | None = None
    ) -> Txt2ImgRequest:
        """A small request the backend can do."""
        settings = Txt2ImgSettings(
            sampler=sampler or self.sampler,
            steps=self.steps,
            cfg_scale=cfg_scale,
            width=self.size[0],
            height=self.size[1],
        )
        return Txt2ImgRequest(prompt=prompt, negative_prompt="blurry", seed=seed, settings=settings)

    def img2img(self, start: Image.Image, *, denoise: float, seed: int = 1) -> Img2ImgRequest:
        """A request to paint over `start`."""
        return Img2ImgRequest(
            prompt="a cat", negative_prompt="", seed=seed, settings=self.repaint(denoise), image=start
        )

    def upscale(self, backend: Backend, method: UpscaleMethod) -> UpscaleRequest:
        """A request to make a picture larger."""
        names = backend.capabilities().upscalers
        upscaler = names[0] if method == "upscaler" and names else None
        return UpscaleRequest(
            prompt="a cat",
            negative_prompt="",
            seed=1,
            settings=UpscaleSettings(method=method, upscaler=upscaler, denoise=0.3),
            repaint=self.repaint(0.3),
            image=self.start_picture(),
            width=self.upscaled_size[0],
            height=self.upscaled_size[1],
        )

    def repaint(self, denoise: float) -> Img2ImgSettings:
        """Settings of img2img with nothing left open."""
        return Img2ImgSettings(
            denoise=denoise, sampler=self.sampler, scheduler="Automatic", steps=self.steps, cfg_scale=7.0
        )

    def start_picture(self) -> Image.Image:
        """A soft slope from dark to light, which any encoder keeps."""
        return Image.linear_gradient("L").resize(self.size).convert("RGB")

    def made(self, backend: Backend, requests: Sequence[StageRequest], watch: Watch | None = None) -> list[Outcome]:
        """The outcomes in the order of the requests."""
        outcomes = dict(backend.generate(requests, watch or Watch()))
        assert sorted(outcomes) == list(range(len(requests)))
        return [outcomes[index] for index in range(len(requests))]

    def one(self, backend: Backend, request: StageRequest) -> Outcome:
        """The outcome of a request handed over alone."""
        return self.made(backend, [request])[0]

    def picture(self, backend: Backend, request: StageRequest) -> GeneratedImage:
        """What a request handed over alone gives; its error is raised."""
        made = self.one(backend, request)
        if isinstance(made, StableNewError):
            raise made
        return made

    def pixels(self, backend: Backend, request: StageRequest) -> Image.Image:
        """The pixels a request handed over alone gives."""
        return read_pixels(self.picture(backend, request).picture, backend.name)

    def difference(self, backend: Backend, first: StageRequest, second: StageRequest) -> int:
        """The largest difference of a channel between the pictures of two requests."""
        return largest(self.pixels(backend, first), self.pixels(backend, second))

    def need(self, stage: StageName) -> None:
        """Skip the test when the class does not claim `stage`."""
        if stage not in self.stages:
            pytest.skip(f"no {stage} claimed")


def largest(first: Image.Image, second: Image.Image) -> int:
    """The largest difference of a channel, 0..255; pictures of different sizes differ by 255."""
    if first.size != second.size:
        return 255
    return max(int(high) for _, high in _extrema(ImageChops.difference(first, second)))


def mean(first: Image.Image, second: Image.Image) -> float:
    """The mean difference of a channel, 0..255."""
    return sum(ImageStat.Stat(ImageChops.difference(first, second)).mean) / 3


def _extrema(image: Image.Image) -> Iterator[tuple[float, float]]:
    for band in image.split():
        low, high = ImageStat.Stat(band).extrema[0]
        yield low, high
