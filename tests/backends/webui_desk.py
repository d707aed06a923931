"""What the WebUI tests share: a stub, a backend at it, and requests."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from stablenew.backends.base import GeneratedImage, Outcome, StageRequest, Txt2ImgRequest, Watch
from stablenew.backends.registry import BackendOptions
from stablenew.backends.webui.backend import WebUIBackend, open_backend
from stablenew.config import Txt2ImgSettings
from stablenew.errors import StableNewError
from stablenew.testing.stub_webui import StubWebUI

QUICK = {"poll_s": 0.01, "reconnect_s": 0.5, "idle_wait_s": 2.0, "connect_timeout_s": 1.0}


def desk(stub: StubWebUI, model: str | None = None, **settings: Any) -> WebUIBackend:
    """A backend at the stub, impatient as tests are."""
    return open_backend(BackendOptions(name="desk", url=stub.url, model=model, settings={**QUICK, **settings}))


def asked(prompt: str = "a cat", *, seed: int = 1, model: str | None = None, **settings: Any) -> Txt2ImgRequest:
    """A small txt2img request."""
    base = Txt2ImgSettings(sampler="Euler a", steps=3, cfg_scale=7.0, width=64, height=64)
    vae = settings.pop("vae", None)
    wanted = dataclasses.replace(base, **settings)
    return Txt2ImgRequest(prompt=prompt, negative_prompt="", seed=seed, settings=wanted, model=model, vae=vae)


def outcomes(backend: WebUIBackend, requests: Sequence[StageRequest], watch: Watch | None = None) -> list[Outcome]:
    """The outcomes in the order of the requests, exactly one each."""
    found = list(backend.generate(requests, watch or Watch()))
    assert sorted(index for index, _ in found) == list(range(len(requests)))
    return [outcome for _, outcome in sorted(found, key=lambda pair: pair[0])]


def picture(backend: WebUIBackend, request: StageRequest) -> GeneratedImage:
    """What one request gives; its error is raised."""
    outcome = outcomes(backend, [request])[0]
    if isinstance(outcome, StableNewError):
        raise outcome
    return outcome


def differences(made: GeneratedImage) -> dict[str, Any]:
    """Setting -> what was done instead."""
    return {deviation.setting: deviation.done for deviation in made.deviations}
