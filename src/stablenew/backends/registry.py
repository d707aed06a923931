"""Backends by name: ours and a stranger's come in by the same door, the entry points `stablenew.backends`.

A kind ("local", "webui", ...) is a name by itself, with its usual settings. `backends.toml` in the workspace gives
further names to servers of any kind, each its own table:

    [desk]
    kind = "webui"
    url = "http://192.168.0.7:7860"
    timeout_s = 600

    [both]
    kind = "pool"
    members = ["desk", "comfyui"]

Several names joined by commas ("desk,attic") are a pool of them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast

from stablenew.backends.base import Backend
from stablenew.backends.credentials import require_owner_only
from stablenew.errors import BackendUnavailable, InputError, UnknownChoice

GROUP = "stablenew.backends"
DEFAULT_BACKEND = "local"
BACKENDS_FILE = "backends.toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SECRET_URL = re.compile(r"://[^\s\"']*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendOptions:
    """What a backend is opened with. `name`: as configured; `model`: the default model where a request names none.

    `settings` holds what the configuration file says beyond that (JSON types), checked by the backend itself.
    `pooled`: it is one of several, and should rather say at once that its server is gone than wait for it.
    """

    name: str
    model: str | None = None
    url: str | None = None
    workspace: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    pooled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredBackend:
    """One table of `backends.toml`."""

    name: str
    kind: str
    url: str | None = None
    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


OpenBackend = Callable[[BackendOptions], Backend]


def installed_kinds() -> dict[str, EntryPoint]:
    """Every kind of backend installed here, by name; none of them is imported."""
    return {point.name: point for point in entry_points(group=GROUP)}


def read_configured(workspace: Path | None) -> dict[str, ConfiguredBackend]:
    """The backends of the workspace's `backends.toml` by name; none when there is no such file.

    Raises InputError naming the file and what is wrong in it.
    """
    path = workspace / BACKENDS_FILE if workspace else None
    if path is None or not path.exists():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        # Without the parser's own words: an address may hold a password.
        raise InputError(f"{path} cannot be read as TOML: see docs/backends.md for its form") from None
    if _SECRET_URL.search(text):
        require_owner_only(path)
    return {name: _configured(path, name, table) for name, table in tables.items()}


def open_backend(options: BackendOptions) -> Backend:
    """The backend called `options.name`, cheap to open: nothing is loaded or called yet.

    Raises UnknownChoice when there is none of that name, BackendUnavailable when what it needs is not installed.
    """
    if "," in options.name:
        members = [name.strip() for name in options.name.split(",") if name.strip()]
        return _opener("pool", options.name)(replace(options, settings={**options.settings, "members": members}))
    configured = read_configured(options.workspace)
    kinds = installed_kinds()
    found = configured.get(options.name) or ConfiguredBackend(name=options.name, kind=options.name)
    if found.kind not in kinds:
        known = sorted({*kinds, *configured} if found.kind == options.name else kinds)
        raise UnknownChoice(backend="registry", kind="backend", value=found.kind, known=known)
    return _opener(found.kind, options.name)(
        replace(
            options,
            url=options.url or found.url,
            model=options.model or found.model,
            settings={**found.settings, **options.settings},
        )
    )


def _opener(kind: str, name: str) -> OpenBackend:
    kinds = installed_kinds()
    if kind not in kinds:
        raise UnknownChoice(backend="registry", kind="backend", value=kind, known=sorted(kinds))
    try:
        return cast(OpenBackend, kinds[kind].load())
    except ImportError as exc:
        hint = f"backend {name} needs a package that is not installed: {exc}"
        raise BackendUnavailable(name, f"{hint}; try: pip install 'stablenew[{kind}]'") from exc


def _configured(path: Path, name: str, table: object) -> ConfiguredBackend:
    if not _NAME.fullmatch(name):
        raise InputError(f"{path}: {name!r} cannot name a backend: use letters, digits, - and _")
    if not isinstance(table, dict) or not isinstance(table.get("kind"), str):
        raise InputError(f'{path}: [{name}] needs a kind, such as kind = "webui"')
    texts = {key: table.get(key) for key in ("url", "model")}
    for key, value in texts.items():
        if value is not None and not isinstance(value, str):
            raise InputError(f"{path}: [{name}] {key} must be a text")
    settings = {key: value for key, value in table.items() if key not in ("kind", "url", "model")}
    return ConfiguredBackend(name=name, kind=table["kind"], url=texts["url"], model=texts["model"], settings=settings)
