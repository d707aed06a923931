"""The local backend keeps the contract, with random models of both families it can run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.backends.tiny_random_model import build, build_xl

from stablenew.backends.diffusers_local.backend import LocalBackend, open_backend
from stablenew.backends.registry import BackendOptions
from stablenew.testing.backend_contract import BackendContract


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of the layout of the embedded one."""
    return build(tmp_path_factory.mktemp("models") / "random")


@pytest.fixture(scope="module")
def folder_xl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Stable Diffusion XL."""
    return build_xl(tmp_path_factory.mktemp("models") / "random-xl")


def opened(folder: Path) -> Iterator[LocalBackend]:
    """The local backend with that model, closed afterwards."""
    backend = open_backend(BackendOptions(name="local", model=str(folder), settings={"device": "cpu"}))
    yield backend
    backend.close()


class TestLocal(BackendContract):
    """A model of the layout of the embedded one passes the contract on a CPU."""

    tolerance = 2

    @pytest.fixture
    def backend(self, folder: Path) -> Iterator[LocalBackend]:
        yield from opened(folder)


class TestLocalXL(TestLocal):
    """Stable Diffusion XL passes the contract on a CPU."""

    size = (32, 32)
    upscaled_size = (48, 48)

    @pytest.fixture
    def backend(self, folder_xl: Path) -> Iterator[LocalBackend]:
        yield from opened(folder_xl)


class TestLocalSecondOrder(TestLocal):
    """A sampler that asks the model twice a step passes the contract."""

    sampler = "Heun"


class TestLocalOddSize(TestLocal):
    """Pictures whose sides are no multiple of what the model draws come out at their own size."""

    upscaled_size = (83, 71)


class TestLocalEmbedded(TestLocal):
    """The model that comes with StableNew passes the contract, and stays near a picture it hardly repaints."""

    near = 1.0
    far = 10.0

    @pytest.fixture
    def backend(self) -> Iterator[LocalBackend]:
        backend = open_backend(BackendOptions(name="local", settings={"device": "cpu"}))
        yield backend
        backend.close()
