"""What was found out about a picture of another tool, and the small readers every tool's reader needs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stablenew.config import SEED_MAX, StageName
from stablenew.variant import EffectiveSettings

TEXT_MAX = 2_000_000
EXTRA_TEXT_MAX = 4_000

SAMPLERS = {
    "euler_ancestral": "Euler a",
    "euler": "Euler",
    "lms": "LMS",
    "heun": "Heun",
    "heunpp2": "HeunPP2",
    "dpm_2": "DPM2",
    "dpm_2_ancestral": "DPM2 a",
    "dpmpp_2s_ancestral": "DPM++ 2S a",
    "dpmpp_sde": "DPM++ SDE",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2m_sde_heun": "DPM++ 2M SDE Heun",
    "dpmpp_3m_sde": "DPM++ 3M SDE",
    "dpm_fast": "DPM fast",
    "dpm_adaptive": "DPM adaptive",
    "ddpm": "DDPM",
    "ddim": "DDIM",
    "uni_pc": "UniPC",
    "lcm": "LCM",
    "ipndm": "IPNDM",
    "ipndm_v": "IPNDM_V",
    "deis": "DEIS",
}
"""ComfyUI's sampler names, which several tools share, as the WebUI has them; others keep their own."""

SCHEDULERS = {
    "normal": "Normal",
    "karras": "Karras",
    "exponential": "Exponential",
    "sgm_uniform": "SGM Uniform",
    "simple": "Simple",
    "ddim_uniform": "DDIM",
    "beta": "Beta",
    "kl_optimal": "KL Optimal",
    "linear_quadratic": "Linear Quadratic",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundStage:
    """One stage, with the settings the picture names; None where it names none."""

    stage: StageName
    settings: EffectiveSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a picture says of itself. `tool` is who made it, `version` that tool's own word, "" where it says none."""

    tool: str
    version: str = ""
    prompt: str = ""
    negative_prompt: str = ""
    seed: int | None = None
    stages: tuple[FoundStage, ...] = ()


def our_sampler(name: object) -> str | None:
    """The sampler by the name people use; `sample_` in front (NovelAI, old tools) does not count."""
    text = as_text(name)
    if text is None:
        return None
    plain = text.removeprefix("sample_").removeprefix("k_")
    return SAMPLERS.get(plain.casefold(), plain)


def our_scheduler(name: object) -> str | None:
    """The noise schedule by the name people use."""
    text = as_text(name)
    return None if text is None else SCHEDULERS.get(text.casefold(), text)


def read_object(text: str | None) -> dict[str, Any] | None:
    """The JSON object in `text`, None where it holds none. NaN, which some tools write, is read."""
    if text is None or len(text) > TEXT_MAX or not text.lstrip().startswith("{"):
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def as_text(value: object) -> str | None:
    """`value` as one text that says something, else None."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return None


def as_number(value: object) -> float | None:
    """`value` as a number, None where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def as_whole(value: object) -> int | None:
    """`value` as a whole number, None where it is none or absurdly large."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < 2**63 else None
    number = as_number(value)
    return int(number) if number is not None and number.is_integer() and abs(number) < 2**53 else None


def as_seed(value: object) -> int | None:
    """`value` as a seed, from 0 up; tools that count beyond 32 bits keep their number."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 25:
        value = int(value)
    seed = as_whole(value)
    return seed if seed is not None and 0 <= seed < max(SEED_MAX, 2**63) else None


def plain_extra(values: Mapping[str, Any], leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """Of `values` those that say something, as JSON types, long texts cut; for EffectiveSettings.extra."""
    left_out = frozenset(leave_out)
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name in left_out or value in (None, "", [], {}):
            continue
        if isinstance(value, (dict, list)):
            value = json.dumps(value, ensure_ascii=False)
        found[str(name)[:200]] = value[:EXTRA_TEXT_MAX] if isinstance(value, str) else value
        if len(found) >= 200:
            break
    return found


def file_stem(name: object) -> str | None:
    """A model's name without its folder and file suffix: what tools agree on."""
    text = as_text(name)
    if text is None:
        return None
    base = text.replace("\\", "/").rpartition("/")[2]
    for suffix in (".safetensors", ".ckpt", ".gguf", ".sft", ".pt", ".bin", ".vae"):
        base = base.removesuffix(suffix)
    return base or text
