"""The contract against a real server of the WebUI family: `make live URL=http://127.0.0.1:7860`.

STABLENEW_LIVE_MODEL names the model where the server has several. On a CPU one picture takes a minute.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from stablenew.backends.base import Backend
from stablenew.backends.registry import BackendOptions
from stablenew.backends.webui.backend import WebUIBackend, open_backend
from stablenew.errors import BackendUnavailable
from stablenew.testing.backend_contract import BackendContract

URL = os.environ.get("STABLENEW_LIVE_URL")


def _open() -> WebUIBackend:
    return open_backend(BackendOptions(name="webui", url=URL, model=os.environ.get("STABLENEW_LIVE_MODEL")))


@pytest.fixture(scope="module")
def version() -> str:
    """What the server is; skips where it is of another kind."""
    if URL is None:
        pytest.skip("no server: make live URL=http://127.0.0.1:7860")
    backend = _open()
    try:
        return backend.capabilities().version
    except BackendUnavailable as exc:
        pytest.skip(str(exc))
    finally:
        backend.close()


@pytest.mark.timeout(1800)
class TestLiveWebUI(BackendContract):
    """A real server rounds differently from run to run on some GPUs, and is asked for progress every half second."""

    steps = 8
    upscale_methods = ("img2img", "upscaler")
    tolerance = 2
    near = 40.0
    reports_steps = False

    @pytest.fixture
    def backend(self, version: str) -> Iterator[Backend]:
        if version.startswith("sd.cpp"):
            pytest.skip("stable-diffusion.cpp names its samplers otherwise: see tests/contract/test_webui.py")
        opened = _open()
        yield opened
        opened.close()
