"""Backends by name: ours and a stranger's come in by the same door, the entry points `stablenew.backends`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast

from stablenew.backends.base import Backend
from stablenew.errors import BackendUnavailable, UnknownChoice

GROUP = "stablenew.backends"
DEFAULT_BACKEND = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendOptions:
    """What a backend is opened with. `name`: as configured; `model`: the default model where a request names none.

    `settings` holds what the configuration file says beyond that (JSON types), checked by the backend itself.
    """

    name: str
    model: str | None = None
    url: str | None = None
    workspace: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


OpenBackend = Callable[[BackendOptions], Backend]


def installed_kinds() -> dict[str, EntryPoint]:
    """Every kind of backend installed here, by name; none of them is imported."""
    return {point.name: point for point in entry_points(group=GROUP)}


def open_backend(options: BackendOptions) -> Backend:
    """The backend called `options.name`, cheap to open: nothing is loaded or called yet.

    Raises UnknownChoice when there is none of that name, BackendUnavailable when what it needs is not installed.
    """
    kinds = installed_kinds()
    if options.name not in kinds:
        raise UnknownChoice(backend="registry", kind="backend", value=options.name, known=sorted(kinds))
    try:
        opener = cast(OpenBackend, kinds[options.name].load())
    except ImportError as exc:
        hint = f"backend {options.name} needs a package that is not installed: {exc}"
        raise BackendUnavailable(options.name, f"{hint}; try: pip install 'stablenew[{options.name}]'") from exc
    return opener(options)
