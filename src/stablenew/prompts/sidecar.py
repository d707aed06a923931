"""The .json beside a pack: the matrix of its slots, and the preset it was made with.

    {"pack_data": {"matrix": {"enabled": true, "mode": "fanout", "limit": 8,
                              "slots": [{"name": "mood", "values": ["calm", "stormy"]}],
                              "base_prompt": "", "prompt_mode": "replace"}},
     "preset_data": {"txt2img": {...}, "img2img": {...}, "upscale": {...}, "randomization": {...}}}

The .txt is the truth for lines and this file for matrix and preset; what else it holds is kept when it is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from stablenew.errors import PackError
from stablenew.prompts.expansion import ReplaceRule, SlotValues
from stablenew.prompts.template import Mode
from stablenew.prompts.text_files import parse_json, read_text

PromptMode = Literal["replace", "append", "prepend"]

# What the ancestor's packs, the WebUI's scripts and we call the modes.
MODES: dict[str, Mode] = {
    "grid": "grid",
    "fanout": "grid",
    "all": "grid",
    "combinatorial": "grid",
    "random": "random",
    "per_image": "random",
    "sequential": "sequential",
    "round_robin": "rotate",
    "rotate": "rotate",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """How a pack's slots are crossed. `limit` None: all. `base_prompt` goes to every line as `prompt_mode` says."""

    enabled: bool = True
    mode: Mode = "grid"
    limit: int | None = None
    slots: tuple[SlotValues, ...] = ()
    base_prompt: str = ""
    prompt_mode: PromptMode = "replace"
    rules: tuple[ReplaceRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """What the .json beside a pack says. `lines`: prompts it repeats, None where it has none; `data`: all of it."""

    matrix: Matrix = field(default_factory=Matrix)
    preset: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[tuple[str, str], ...] | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


def sidecar_path(pack: Path) -> Path:
    """Where the sidecar of the pack at `pack` is."""
    return pack.with_suffix(".json")


def read_sidecar(path: Path) -> Sidecar:
    """The sidecar at `path`. Raises NotFound, or PackError naming the field that cannot be used."""
    return parse_sidecar(read_text(path), path)


def parse_sidecar(text: str, where: Path | str) -> Sidecar:
    """The sidecar that `text` holds. Raises PackError naming the field that cannot be used."""
    data = parse_json(text, where)
    if not isinstance(data, dict):
        raise PackError("a pack's sidecar is a JSON object with pack_data and preset_data", path=where)
    pack_data = _mapping(data, "pack_data", where)
    preset = _mapping(data, "preset_data", where)
    randomization = _mapping(preset, "randomization", where)
    matrix = _mapping(pack_data, "matrix", where) or _mapping(randomization, "matrix", where)
    return Sidecar(
        matrix=_matrix(matrix, _rules(randomization, where), where),
        preset={key: value for key, value in preset.items() if key != "randomization"},
        lines=_lines(pack_data, where),
        data=data,
    )


def format_sidecar(sidecar: Sidecar) -> str:
    """The text of the .json, with everything it held that is not ours to change."""
    matrix = sidecar.matrix
    old = sidecar.data.get("pack_data")
    pack_data = dict(old) if isinstance(old, Mapping) else {}
    before = pack_data.get("matrix")
    pack_data["matrix"] = (dict(before) if isinstance(before, Mapping) else {}) | {
        "enabled": matrix.enabled,
        "mode": "fanout" if matrix.mode == "grid" else matrix.mode,
        "limit": matrix.limit,
        "slots": [
            {"name": slot.name, "values": list(slot.values)} | ({"mode": slot.mode} if slot.mode else {})
            for slot in matrix.slots
        ],
        "base_prompt": matrix.base_prompt,
        "prompt_mode": matrix.prompt_mode,
    }
    return msgspec.json.format(msgspec.json.encode({**sidecar.data, "pack_data": pack_data})).decode() + "\n"


def _matrix(data: Mapping[str, Any], rules: tuple[ReplaceRule, ...], where: Path | str) -> Matrix:
    limit = data.get("limit")
    # The ancestor writes 0 for no limit.
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise PackError("matrix.limit must be a whole number, or null for no limit", path=where)
    prompt_mode = data.get("prompt_mode", "replace")
    if prompt_mode not in ("replace", "append", "prepend"):
        raise PackError("matrix.prompt_mode must be replace, append or prepend", path=where)
    slots = data.get("slots", data.get("raw_slots", []))
    if not isinstance(slots, list):
        raise PackError("matrix.slots must be a list of {name, values}", path=where)
    return Matrix(
        enabled=bool(data.get("enabled", True)),
        mode=_mode(data.get("mode"), "matrix.mode", where) or "grid",
        limit=limit or None,
        slots=tuple(_slot(slot, i, where) for i, slot in enumerate(slots)),
        base_prompt=_text(data, "base_prompt", where),
        prompt_mode=prompt_mode,
        rules=rules,
    )


def _slot(slot: Any, index: int, where: Path | str) -> SlotValues:
    label = f"matrix.slots[{index}]"
    if not isinstance(slot, Mapping) or not isinstance(slot.get("name"), str) or not slot["name"].strip():
        raise PackError(f"{label} must be {{name, values}} with a name", path=where)
    values = slot.get("values", [])
    if not isinstance(values, list) or not all(isinstance(value, (str, int, float)) for value in values):
        raise PackError(f"{label}.values must be a list of texts", path=where)
    texts = tuple(dict.fromkeys(str(value).strip() for value in values))
    return SlotValues(name=slot["name"].strip(), values=texts, mode=_mode(slot.get("mode"), f"{label}.mode", where))


def _rules(randomization: Mapping[str, Any], where: Path | str) -> tuple[ReplaceRule, ...]:
    """preset_data.randomization.prompt_sr: {enabled, mode, rules: [{search, replacements}]}."""
    replacing = _mapping(randomization, "prompt_sr", where)
    rules = replacing.get("rules", [])
    if not replacing.get("enabled", bool(rules)) or not rules:
        return ()
    mode = _mode(replacing.get("mode"), "prompt_sr.mode", where)
    return tuple(_rule(rule, mode, f"prompt_sr.rules[{i}]", where) for i, rule in enumerate(rules))


def _rule(rule: Any, mode: Mode | None, label: str, where: Path | str) -> ReplaceRule:
    search = rule.get("search") if isinstance(rule, Mapping) else None
    values = rule.get("replacements") if isinstance(rule, Mapping) else None
    if not isinstance(search, str) or not search.strip() or not isinstance(values, list) or not values:
        raise PackError(f"{label} must be {{search, replacements}}", path=where)
    return ReplaceRule(search=search.strip(), values=tuple(dict.fromkeys(map(str, values))), mode=mode)


def _lines(pack_data: Mapping[str, Any], where: Path | str) -> tuple[tuple[str, str], ...] | None:
    for key in ("lines", "prompts"):
        lines = pack_data.get(key)
        if lines is None:
            continue
        if not isinstance(lines, Sequence) or isinstance(lines, str):
            raise PackError(f"pack_data.{key} must be a list of prompts", path=where)
        return tuple(_line(line, f"pack_data.{key}[{i}]", where) for i, line in enumerate(lines))
    return None


def _line(line: Any, label: str, where: Path | str) -> tuple[str, str]:
    if isinstance(line, str):
        return line.strip(), ""
    if not isinstance(line, Mapping):
        raise PackError(f"{label} must be a text or {{prompt, negative_prompt}}", path=where)
    prompt = line.get("prompt", line.get("text", line.get("positive", "")))
    negative = line.get("negative_prompt", line.get("negative", ""))
    if not isinstance(prompt, str) or not isinstance(negative, str):
        raise PackError(f"{label} must hold texts", path=where)
    return prompt.strip(), negative.strip()


def _mode(value: Any, label: str, where: Path | str) -> Mode | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or value.casefold() not in MODES:
        raise PackError(f"{label} must be one of {', '.join(MODES)}", path=where)
    return MODES[value.casefold()]


def _mapping(data: Mapping[str, Any], key: str, where: Path | str) -> Mapping[str, Any]:
    value = data.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PackError(f"{key} must be a JSON object", path=where)
    return value


def _text(data: Mapping[str, Any], key: str, where: Path | str) -> str:
    value = data.get(key, "")
    if not isinstance(value, str):
        raise PackError(f"matrix.{key} must be a text", path=where)
    return value.strip()
