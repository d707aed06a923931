"""The contract against a real ComfyUI server: `make live URL=http://127.0.0.1:8188`.

STABLENEW_LIVE_MODEL names the checkpoint where the server has several. On a CPU one picture takes a minute.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from stablenew.backends.comfyui.backend import ComfyBackend, open_backend
from stablenew.backends.registry import BackendOptions
from stablenew.errors import BackendUnavailable
from stablenew.testing.backend_contract import BackendContract

URL = os.environ.get("STABLENEW_LIVE_URL")


def _open() -> ComfyBackend:
    return open_backend(BackendOptions(name="comfyui", url=URL, model=os.environ.get("STABLENEW_LIVE_MODEL")))


@pytest.fixture(scope="module")
def is_comfyui() -> None:
    """Skips where the server named is of another kind."""
    if URL is None:
        pytest.skip("no server: make live URL=http://127.0.0.1:8188")
    backend = _open()
    try:
        backend.capabilities()
    except BackendUnavailable as exc:
        pytest.skip(str(exc))
    finally:
        backend.close()


@pytest.mark.usefixtures("is_comfyui")
@pytest.mark.timeout(1800)
class TestLiveComfyUI(BackendContract):
    """A real server rounds differently from run to run on some GPUs, and paints what its model paints."""

    tolerance = 2
    near = 40.0

    @pytest.fixture
    def backend(self) -> Iterator[ComfyBackend]:
        opened = _open()
        yield opened
        opened.close()
