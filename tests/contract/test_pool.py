"""A pool of servers keeps the promises of every backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from stablenew.backends.base import Backend
from stablenew.backends.pool import PoolBackend
from stablenew.backends.registry import BackendOptions
from stablenew.backends.webui.backend import open_backend
from stablenew.testing.backend_contract import BackendContract
from stablenew.testing.stub_webui import StubWebUI


class TestPool(BackendContract):
    """Two WebUI servers of different flavours as one."""

    upscale_methods = ("img2img", "upscaler")

    @pytest.fixture
    def backend(self, request: pytest.FixtureRequest) -> Iterator[Backend]:
        step_s = 0.1 if "cancel_inside" in request.node.name else 0.003
        with ExitStack() as stack:
            members = []
            for flavour in ("A1111", "Forge"):
                stub = StubWebUI(flavour=flavour, step_s=step_s)
                stack.enter_context(stub)
                options = BackendOptions(name=flavour, url=stub.url, settings={"poll_s": 0.004}, pooled=True)
                members.append(open_backend(options))
            yield PoolBackend(name="both", members=members)
