"""Presets and one-click actions: settings a person named, kept as JSON files in the workspace.

presets/NAME.json    {"settings": {"txt2img.steps": 30, ...}}           only what the preset changes
actions/NAME.json    {"label": ..., "packs": [...], "preset": ..., ...}  a ready-made run
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from stablenew.atomic_file import write_atomically
from stablenew.config import (
    PipelineConfig,
    apply_settings,
    declared_settings,
    parse_value,
    resolve_setting,
    setting_value,
)
from stablenew.errors import InputError, NotFound, UnknownSetting
from stablenew.learning.safe_name import safe_name
from stablenew.workspace import Workspace

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Named settings: path -> value, only those the preset changes."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneClickAction:
    """A ready-made run. `label` is what records carry; `vary` and `set` are as on the command line."""

    label: str
    packs: tuple[str, ...]
    preset: str | None = None
    set: tuple[str, ...] = ()
    vary: tuple[str, ...] = ()
    backend: str | None = None
    limit: int | None = None


def save_preset(workspace: Workspace, name: str, preset: Preset, *, replace: bool = False) -> Path:
    """Store the preset. Raises InputError when the name is taken and `replace` is not asked for, UnsafeName."""
    return _save(workspace.presets, name, preset, "preset", replace)


def read_preset(workspace: Workspace, name: str) -> Preset:
    """The preset called `name`. Raises NotFound, InputError, InvalidSetting when a value is no longer allowed."""
    preset = _read(workspace.presets, name, Preset, "preset")
    apply_settings(PipelineConfig(), _without_context(preset.settings))
    return preset


def list_presets(workspace: Workspace) -> list[str]:
    """The names of all presets."""
    return _names(workspace.presets)


def save_action(workspace: Workspace, name: str, action: OneClickAction, *, replace: bool = False) -> Path:
    """Store the one-click action. Raises InputError when the name is taken and `replace` is not asked for."""
    return _save(workspace.actions, name, action, "one-click action", replace)


def read_action(workspace: Workspace, name: str) -> OneClickAction:
    """The one-click action of that name or label, case and punctuation ignored.

    Raises NotFound, naming the files whose label cannot be read, and InputError where the one called `name` cannot.
    """
    wanted = _folded(name)
    unreadable: list[str] = []
    for candidate in list_actions(workspace):
        try:
            action = _read(workspace.actions, candidate, OneClickAction, "one-click action")
        except InputError:
            if wanted == _folded(candidate):
                raise
            unreadable.append(candidate)
            continue
        if wanted in (_folded(candidate), _folded(action.label)):
            return action
    hint = "stablenew go --list shows those there are"
    if unreadable:
        hint += f"; not readable: {', '.join(f'{each}.json' for each in unreadable)}"
    raise NotFound("one-click action", name, workspace.actions, hint)


def list_actions(workspace: Workspace) -> list[str]:
    """The names of all one-click actions."""
    return _names(workspace.actions)


def preset_of(config: PipelineConfig, note: str = "") -> Preset:
    """The preset of everything in `config` that differs from the defaults."""
    settings = {
        path: value
        for path, declared in declared_settings().items()
        if (value := setting_value(config, path)) != declared.default
    }
    return Preset(settings=settings, note=note)


def import_preset(data: bytes, source: Path | str) -> tuple[Preset, tuple[str, ...]]:
    """A preset out of one of our own files or the ancestor's JSON (stages with A1111's names, or a pack's sidecar).

    With it come the keys passed over.

    Raises InputError when the text is no JSON object, InvalidSetting when a value is not allowed.
    """
    try:
        said = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError) as exc:
        raise InputError(f"{source} is not a preset: {exc}") from exc
    own = said.get("settings")
    if isinstance(own, Mapping):  # one of ours, from another workspace
        settings, passed_over = settings_of_ancestor(own)
        return Preset(settings=settings, note=str(said.get("note", ""))), passed_over
    settings, passed_over = settings_of_ancestor(said.get("preset_data", said))
    return Preset(settings=settings, note=f"imported from {Path(source).name}"), passed_over


def settings_of_ancestor(said: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Settings by path out of nested stages with A1111's names, and the keys passed over. Raises InvalidSetting."""
    settings: dict[str, Any] = {}
    passed_over: list[str] = []
    for path, value in _leaves(said):
        known = _meant_by(path)
        if known is None:
            passed_over.append(path)
        else:
            settings[known] = parse_value(declared_settings()[known], value)
    return settings, tuple(passed_over)


def _leaves(said: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in said.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _meant_by(path: str) -> str | None:
    """The declared path for the ancestor's one: the stage's own setting first, else what the bare name means."""
    stage, _, name = path.rpartition(".")
    try:
        bare = resolve_setting(name).path
    except UnknownSetting:
        return None
    own = f"{stage}.{bare.rpartition('.')[2]}"
    if own in declared_settings():
        return own
    return bare if not stage or bare.startswith(f"{stage}.") or "." not in bare else None


def _without_context(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A preset may hold part of a combination (an upscaler, say): alone only its values are checked."""
    return {path: value for path, value in settings.items() if path not in ("stages", "upscale.method")}


def _save(folder: Path, name: str, value: object, kind: str, replace: bool) -> Path:
    path = folder / f"{safe_name(name, folder)}.json"
    if path.exists() and not replace:
        raise InputError(f"there is already a {kind} called {name!r}: choose another name or give --replace")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n", durable=True)
    return path


def _read(folder: Path, name: str, kind: type[T], word: str) -> T:
    path = folder / f"{safe_name(name, folder)}.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError as exc:
        known = ", ".join(_names(folder)) or "there are none yet"
        raise NotFound(word, name, folder, known) from exc
    except (msgspec.DecodeError, msgspec.ValidationError) as exc:
        raise InputError(f"{path} is not a {word}: {exc}") from exc


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.json")) if folder.is_dir() else []


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold()) or name
