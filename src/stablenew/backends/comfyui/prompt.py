"""What the WebUI writes into a prompt and ComfyUI does not read there: loras become nodes, embeddings get a prefix."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from stablenew.errors import InvalidSetting, UnknownChoice

_TAG = re.compile(r"<(lora|lyco|hypernet):([^<>]*)>", re.IGNORECASE)
_EXTENSION = re.compile(r"\.(safetensors|ckpt|pt|pth|bin|gguf|sft)$", re.IGNORECASE)
_HASH = re.compile(r"\s*\[[0-9a-f]{6,}\]$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """A lora as asked for in a prompt: `text_strength` acts on the text encoder, `strength` on the model."""

    name: str
    strength: float = 1.0
    text_strength: float = 1.0


def take_loras(prompt: str) -> tuple[str, tuple[Lora, ...]]:
    """The prompt without its `<lora:name:strength>` tags, and the loras in their order.

    `<lora:name:text:model>` gives two strengths, as in the WebUI. Raises InvalidSetting for a tag that cannot be done.
    """
    loras: list[Lora] = []

    def taken(match: re.Match[str]) -> str:
        loras.append(_read_tag(match))
        return ""

    return _TAG.sub(taken, prompt), tuple(loras)


def mark_embeddings(prompt: str, embeddings: Sequence[str]) -> str:
    """The prompt with each bare name of an embedding written as ComfyUI wants it: `embedding:name`."""
    pattern = _names_pattern(tuple(embeddings))
    if pattern is None:
        return prompt
    exact = {name.casefold(): name for name in embeddings}
    return pattern.sub(lambda match: "embedding:" + exact[match.group().casefold()], prompt)


def match_file(name: str, known: Iterable[str], *, backend: str, kind: str) -> str:
    """The server's file that a person means by `name`: its path, its file name, either without extension, or a title.

    Raises UnknownChoice when there is none, or when several files fit equally well.
    """
    known = tuple(known)
    wanted = _plain(_HASH.sub("", name))
    for form in (_plain, _stem, _file_name, lambda each: _stem(_file_name(each))):
        found = [each for each in known if form(each) == wanted or each == name]
        if len(found) == 1:
            return found[0]
        if found:
            break
    raise UnknownChoice(backend=backend, kind=kind, value=name, known=known)


def _read_tag(match: re.Match[str]) -> Lora:
    kind, parts = match.group(1).casefold(), match.group(2).split(":")
    named = dict(part.split("=", 1) for part in parts[1:] if "=" in part)
    plain = [part for part in parts[1:] if "=" not in part]
    text = named.get("te", plain[0] if plain else "1")
    model = named.get("unet", plain[1] if len(plain) > 1 else text)
    strengths = _strength(text), _strength(model)
    name = parts[0].strip()
    if kind == "hypernet" or not name or None in strengths:
        allowed = "<lora:NAME:STRENGTH> with a strength from -100 to 100 (ComfyUI has no hypernetworks in prompts)"
        raise InvalidSetting("prompt", match.group(), allowed)
    return Lora(name=name, text_strength=strengths[0] or 0.0, strength=strengths[1] or 0.0)


def _strength(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= 100 else None


@lru_cache(maxsize=8)
def _names_pattern(names: tuple[str, ...]) -> re.Pattern[str] | None:
    longest_first = sorted((re.escape(name) for name in names if name), key=len, reverse=True)
    if not longest_first:
        return None
    return re.compile(rf"(?<![\w:/\\])(?:{'|'.join(longest_first)})(?![\w])", re.IGNORECASE)


def _plain(name: str) -> str:
    return name.replace("\\", "/").casefold()


def _file_name(name: str) -> str:
    return _plain(name).rpartition("/")[2]


def _stem(name: str) -> str:
    return _EXTENSION.sub("", _plain(name))
