"""What the window remembers from one start to the next: `window.json` in the workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from stablenew.atomic_file import write_atomically
from stablenew.log import get_logger
from stablenew.workspace import Workspace

log = get_logger("stablenew.gui")

FILE = "window.json"
ThemeName = Literal["light", "dark"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowState:
    """`scale` None: as the screen says. `learning` None: nobody was asked yet. `tabs`: each tab's own memory."""

    geometry: str = ""
    theme: ThemeName = "light"
    scale: float | None = None
    learning: bool | None = None
    tab: str = "run"
    tabs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_state(workspace: Workspace) -> WindowState:
    """What was remembered; the defaults, with a line in the log, where it cannot be read."""
    path = workspace.root / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=WindowState)
    except FileNotFoundError:
        return WindowState()
    except (OSError, msgspec.DecodeError, msgspec.ValidationError) as exc:
        log.warning("what the window remembered cannot be read; it starts afresh", path=str(path), error=str(exc))
        return WindowState()


def write_state(workspace: Workspace, state: WindowState) -> Path:
    """Store `state` whole. Raises OSError."""
    path = workspace.root / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n")
    return path


def with_tab_memory(state: WindowState, tab: str, values: Mapping[str, Any]) -> WindowState:
    """`state` with `values` (JSON types) added to what the tab remembers."""
    return replace(state, tabs={**state.tabs, tab: {**state.tabs.get(tab, {}), **values}})
