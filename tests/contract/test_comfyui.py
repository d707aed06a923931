"""The ComfyUI backend keeps the contract, against a server that speaks the real protocol over real sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stablenew.backends.comfyui.backend import ComfyBackend, open_backend
from stablenew.backends.registry import BackendOptions
from stablenew.testing.backend_contract import BackendContract
from stablenew.testing.stub_comfy import StubComfy


@pytest.fixture(scope="module")
def stub() -> Iterator[StubComfy]:
    with StubComfy() as running:
        yield running


class TestComfyStub(BackendContract):
    """Against the stub."""

    upscale_methods = ("img2img", "upscaler")

    @pytest.fixture
    def backend(self, stub: StubComfy, request: pytest.FixtureRequest) -> Iterator[ComfyBackend]:
        # Where a picture is stopped inside, its steps must outlast the way of the word to stop.
        stub.step_s = 0.3 if "inside" in request.node.name else 0.0
        opened = open_backend(BackendOptions(name="comfyui", url=stub.url))
        yield opened
        opened.close()
