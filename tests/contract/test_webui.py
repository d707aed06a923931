"""The WebUI backend keeps the promises of every backend, with each flavour of server that can do all stages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stablenew.backends.base import Backend
from stablenew.backends.registry import BackendOptions
from stablenew.backends.webui.backend import open_backend
from stablenew.testing.backend_contract import BackendContract
from stablenew.testing.stub_webui import StubWebUI

SETTINGS = {"poll_s": 0.004, "reconnect_s": 2.0, "idle_wait_s": 5.0}


class WebUIContract(BackendContract):
    upscale_methods = ("img2img", "upscaler")

    @pytest.fixture
    def step_s(self, request: pytest.FixtureRequest) -> float:
        """Seconds a step takes: long where a test interrupts in the middle of one picture, whatever else runs here."""
        return 0.1 if "cancel_inside" in request.node.name else 0.003


class TestA1111(WebUIContract):
    @pytest.fixture
    def backend(self, step_s: float) -> Iterator[Backend]:
        with StubWebUI(flavour="A1111", step_s=step_s) as stub:
            yield open_backend(BackendOptions(name="desk", url=stub.url, settings=SETTINGS))


class TestA1111WithoutUI(WebUIContract):
    @pytest.fixture
    def backend(self, step_s: float) -> Iterator[Backend]:
        with StubWebUI(flavour="A1111", ui=False, step_s=step_s) as stub:
            yield open_backend(BackendOptions(name="desk", url=stub.url, settings=SETTINGS))


class TestForge(WebUIContract):
    @pytest.fixture
    def backend(self, step_s: float) -> Iterator[Backend]:
        with StubWebUI(flavour="Forge", step_s=step_s, user="me", password="secret") as stub:
            url = stub.url.replace("//", "//me:secret@")
            yield open_backend(BackendOptions(name="desk", url=url, settings=SETTINGS))


class TestSDNext(WebUIContract):
    @pytest.fixture
    def backend(self, step_s: float) -> Iterator[Backend]:
        with StubWebUI(flavour="SD.Next", step_s=step_s) as stub:
            yield open_backend(BackendOptions(name="desk", url=stub.url, settings=SETTINGS))


class TestStableDiffusionCpp(BackendContract):
    """It tells no progress, cannot be stopped and has no upscalers; its sizes are multiples of 64."""

    sampler = "euler_a"
    reports_steps = False
    cancels_inside = False

    @pytest.fixture
    def backend(self) -> Iterator[Backend]:
        with StubWebUI(flavour="sd.cpp") as stub:
            yield open_backend(BackendOptions(name="desk", url=stub.url, settings=SETTINGS))
