"""The fake backend keeps the contract it helps to test, and does what its script says."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import subprocess
import sys

import pytest
from PIL import Image

from stablenew.backends.base import CancelToken, GeneratedImage, Watch
from stablenew.backends.registry import BackendOptions, installed_kinds
from stablenew.errors import BackendUnavailable, Cancelled, GenerationFailed, InvalidSetting
from stablenew.testing.backend_contract import BackendContract
from stablenew.testing.fake_backend import FakeBackend, Script, fail_every, open_backend
from stablenew.variant import Deviation


class TestFake(BackendContract):
    """The fake passes the contract."""

    upscale_methods = ("img2img", "upscaler")

    @pytest.fixture
    def backend(self) -> FakeBackend:
        return FakeBackend()


class TestFakeAsAServer(TestFake):
    """The fake passes the contract when it answers with encoded pictures in reverse order."""

    @pytest.fixture
    def backend(self) -> FakeBackend:
        return FakeBackend(script=Script(encoded=True, order="reversed"))


ASK = BackendContract()


def test_pictures_are_the_same_in_every_process() -> None:
    """Two fresh interpreters with different hash seeds paint the same picture, and so does this one."""
    code = """
import hashlib
from stablenew.testing.backend_contract import BackendContract
from stablenew.testing.fake_backend import FakeBackend
ask = BackendContract()
print(hashlib.sha256(ask.pixels(FakeBackend(), ask.txt2img()).tobytes()).hexdigest())
"""
    said = {hashlib.sha256(ASK.pixels(FakeBackend(), ASK.txt2img()).tobytes()).hexdigest()}
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        said.add(done.stdout.strip())
    assert len(said) == 1


def test_every_setting_shows_in_the_picture() -> None:
    """Guidance, steps, sampler and prompt each change the picture."""
    base = ASK.txt2img()
    others = [
        ASK.txt2img(prompt="a dog"),
        ASK.txt2img(cfg_scale=3.0),
        ASK.txt2img(sampler="DDIM"),
        dataclasses.replace(base, settings=dataclasses.replace(base.settings, steps=9)),
        dataclasses.replace(base, negative_prompt="sharp"),
    ]
    pictures = {ASK.pixels(FakeBackend(), request).tobytes() for request in [base, *others]}
    assert len(pictures) == 6


def test_scripted_failure_is_an_outcome_and_is_not_counted() -> None:
    """Every second picture fails; the others are made and counted."""
    backend = FakeBackend(script=Script(before=fail_every(2)))
    made = ASK.made(backend, [ASK.txt2img(seed=seed) for seed in range(4)])
    assert [type(outcome) for outcome in made] == [GeneratedImage, GenerationFailed, GeneratedImage, GenerationFailed]
    assert backend.calls.pictures == 2
    assert [request.seed for request in backend.calls.requests] == [0, 1, 2, 3]
    assert backend.calls.batches == [4]


def test_scripted_outage_leaves_generate() -> None:
    """A backend that goes away raises in the middle of a call, after what it had finished."""
    outcomes = FakeBackend(script=Script(unavailable_after=1)).generate([ASK.txt2img(), ASK.txt2img(seed=2)], Watch())
    assert isinstance(next(outcomes)[1], GeneratedImage)
    with pytest.raises(BackendUnavailable, match="as scripted"):
        next(outcomes)


def test_foreign_exception_leaves_generate_as_it_is() -> None:
    """An exception that is none of ours is not hidden, so that a test can see what a broken backend causes."""

    def before(_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ASK.made(FakeBackend(script=Script(before=before)), [ASK.txt2img()])


def test_scripted_deviations_are_told() -> None:
    """What the script does otherwise is said with the picture."""
    deviation = Deviation(setting="steps", asked=4, done=3)
    backend = FakeBackend(script=Script(deviations=lambda _: (deviation,)))
    assert ASK.picture(backend, ASK.txt2img()).deviations == (deviation,)


def test_stop_finishes_what_is_being_made() -> None:
    """`stop` during the first picture lets it finish and starts no second."""
    token = CancelToken()
    watch = Watch(cancel=token, progress=lambda _: token.stop())
    made = ASK.made(FakeBackend(), [ASK.txt2img(), ASK.txt2img(seed=2)], watch)
    assert [type(outcome) for outcome in made] == [GeneratedImage, Cancelled]


def test_cancel_ends_a_delay() -> None:
    """A delay of an hour ends when the run is cancelled."""
    token = CancelToken()

    def before(_: object) -> None:
        token.cancel()

    backend = FakeBackend(script=Script(delay_s=3600, before=before))
    assert isinstance(ASK.made(backend, [ASK.txt2img()], Watch(cancel=token))[0], Cancelled)


def test_encoded_picture_carries_parameters() -> None:
    """As a server, the fake sends PNG bytes whose `parameters` text is also told."""
    made = ASK.picture(FakeBackend(script=Script(encoded=True)), ASK.txt2img())
    assert isinstance(made.picture, bytes)
    with Image.open(io.BytesIO(made.picture)) as image:
        assert image.info["parameters"] == made.infotext
    assert made.infotext is not None
    assert "Steps: 4, Sampler: Euler a, CFG scale: 7.0, Seed: 1" in made.infotext


def test_opened_by_name_with_settings() -> None:
    """`fake` is an installed kind; its settings come from the configuration, and a wrong one is refused by name."""
    assert "fake" in installed_kinds()
    backend = open_backend(BackendOptions(name="fake", settings={"fail_every": 1, "window": 8}))
    assert backend.capabilities().window == 8
    assert isinstance(ASK.one(backend, ASK.txt2img()), GenerationFailed)
    assert backend.calls.requests == []
    with pytest.raises(InvalidSetting, match="speed"):
        open_backend(BackendOptions(name="fake", settings={"speed": 1}))
    with pytest.raises(InvalidSetting, match="window"):
        open_backend(BackendOptions(name="fake", settings={"window": "many"}))
