"""What backends there are: those configured, those found at the usual local addresses, and whether each works."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from stablenew.backends.base import Backend, Capabilities, GeneratedImage, Txt2ImgRequest, Watch
from stablenew.backends.credentials import split_url
from stablenew.backends.registry import (
    BackendOptions,
    ConfiguredBackend,
    installed_kinds,
    open_backend,
    read_configured,
)
from stablenew.config import Txt2ImgSettings
from stablenew.errors import GenerationFailed, StableNewError
from stablenew.variant import Deviation

USUAL: tuple[tuple[str, str], ...] = (
    ("webui", "http://127.0.0.1:7860"),
    ("webui", "http://127.0.0.1:7861"),
    ("comfyui", "http://127.0.0.1:8188"),
    ("comfyui", "http://127.0.0.1:8000"),
    ("webui", "http://127.0.0.1:1234"),
)
"""Kind and address of servers as their makers start them: WebUIs, ComfyUI and its desktop, stable-diffusion.cpp."""

_KNOCK_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendStatus:
    """One backend as it was found. `name`: as a run would call it; `configured`: it stands in backends.toml.

    `latency_s`: how long it took to say what it has. `problem` says why it cannot be used, "" when it can.
    """

    name: str
    kind: str
    url: str | None = None
    configured: bool = False
    version: str = ""
    models: tuple[str, ...] = ()
    latency_s: float | None = None
    problem: str = ""

    @property
    def usable(self) -> bool:
        """Whether it answered."""
        return not self.problem


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeReport:
    """What came of asking for one small picture. `problem` is "" when it was made; `deviations` say what differs."""

    backend: str
    seconds: float
    version: str = ""
    width: int = 0
    height: int = 0
    deviations: tuple[Deviation, ...] = ()
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether a picture came that is what was asked for."""
        return not self.problem and not self.deviations


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    name: str
    kind: str
    url: str | None
    configured: bool
    options: BackendOptions = field(repr=False)


def found_backends(
    workspace: Path | None = None, *, usual: Sequence[tuple[str, str]] = USUAL
) -> tuple[BackendStatus, ...]:
    """Every configured backend, and every server that answers at one of the `usual` addresses.

    Blocks until each has answered or been given up. Raises InputError when backends.toml is wrong.
    """
    configured = read_configured(workspace)
    kinds = installed_kinds()
    taken = {_shown(entry.url) for entry in configured.values() if entry.url}
    candidates = [_configured(entry, workspace) for entry in configured.values()]
    candidates += [
        _Candidate(name=url, kind=kind, url=url, configured=False, options=BackendOptions(name=kind, url=url))
        for kind, url in usual
        if kind in kinds and url not in taken and _listens(url)
    ]
    if not candidates:
        return ()
    with ThreadPoolExecutor(min(8, len(candidates))) as executor:
        return tuple(executor.map(_status, candidates))


def smoke_test(backend: Backend) -> SmokeReport:
    """Ask `backend` for one picture of one step and say what differs from what was asked. Blocks until it is there."""
    began = time.monotonic()
    try:
        can = backend.capabilities()
        request = _small_request(can)
        backend.check(request)
        outcome = next(iter(backend.generate([request], Watch())), (0, GenerationFailed(backend.name, "no answer")))[1]
    except StableNewError as exc:
        return SmokeReport(backend=backend.name, seconds=time.monotonic() - began, problem=str(exc))
    seconds = time.monotonic() - began
    if not isinstance(outcome, GeneratedImage):
        return SmokeReport(backend=backend.name, seconds=seconds, version=can.version, problem=str(outcome))
    return SmokeReport(
        backend=backend.name,
        seconds=seconds,
        version=backend.capabilities().version,
        width=outcome.width,
        height=outcome.height,
        deviations=outcome.deviations,
    )


def _small_request(can: Capabilities) -> Txt2ImgRequest:
    """A picture of one step at the model's size, with a sampler the backend has."""
    wanted = ("Euler a", "Euler", "euler_a", "euler")
    sampler = next((name for name in wanted if name in can.samplers), (*can.samplers, "Euler")[0])
    width, height = can.native_size or (512, 512)
    settings = Txt2ImgSettings(sampler=sampler, steps=1, width=width, height=height)
    return Txt2ImgRequest(prompt="a lighthouse", negative_prompt="", seed=1, settings=settings)


def _configured(entry: ConfiguredBackend, workspace: Path | None) -> _Candidate:
    options = BackendOptions(name=entry.name, workspace=workspace)
    url = _shown(entry.url) if entry.url else None
    return _Candidate(name=entry.name, kind=entry.kind, url=url, configured=True, options=options)


def _status(candidate: _Candidate) -> BackendStatus:
    began = time.monotonic()
    try:
        backend = open_backend(candidate.options)
        try:
            can = backend.capabilities()
        finally:
            backend.close()
    except StableNewError as exc:
        return _result(candidate, problem=str(exc))
    return _result(candidate, can=can, latency_s=time.monotonic() - began)


def _result(
    candidate: _Candidate, *, can: Capabilities | None = None, latency_s: float | None = None, problem: str = ""
) -> BackendStatus:
    return BackendStatus(
        name=candidate.name,
        kind=candidate.kind,
        url=candidate.url,
        configured=candidate.configured,
        version=can.version if can else "",
        models=can.models if can else (),
        latency_s=latency_s,
        problem=problem,
    )


def _shown(url: str) -> str:
    """The address without its secrets; what is no address stays out of sight until it is opened."""
    try:
        return split_url(url)[0]
    except StableNewError:
        return "(not an address)"


def _listens(url: str) -> bool:
    """Whether anything accepts connections there."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=_KNOCK_S):
            return True
    except OSError:
        return False
