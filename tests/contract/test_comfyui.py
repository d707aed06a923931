"""The ComfyUI backend keeps the contract, against a server that speaks the real protocol over real sockets.

With STABLENEW_COMFYUI_URL set (`make live URL=...`), the same contract runs against that server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from stablenew.backends.comfyui import ComfyBackend, open_backend
from stablenew.backends.registry import BackendOptions
from stablenew.testing.backend_contract import BackendContract
from stablenew.testing.stub_comfy import StubComfy

LIVE_URL = os.environ.get("STABLENEW_COMFYUI_URL")


@pytest.fixture(scope="module")
def stub() -> Iterator[StubComfy]:
    with StubComfy() as running:
        yield running


class TestComfyStub(BackendContract):
    """Against the stub."""

    upscale_methods = ("img2img", "upscaler")

    @pytest.fixture
    def backend(self, stub: StubComfy) -> Iterator[ComfyBackend]:
        opened = open_backend(BackendOptions(name="comfyui", url=stub.url))
        yield opened
        opened.close()


if LIVE_URL:

    class TestComfyLive(BackendContract):
        """Against a real server, with its first checkpoint or the one in STABLENEW_COMFYUI_MODEL."""

        tolerance = 2
        near = 40.0

        @pytest.fixture
        def backend(self) -> Iterator[ComfyBackend]:
            options = BackendOptions(name="comfyui", url=LIVE_URL, model=os.environ.get("STABLENEW_COMFYUI_MODEL"))
            opened = open_backend(options)
            yield opened
            opened.close()
