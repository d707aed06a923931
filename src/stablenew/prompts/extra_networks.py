"""Loras and embeddings in a prompt: `<lora:NAME:W>`, `<lora:NAME:TE:UNET>`, `<embedding:NAME>`, `(<embedding:NAME>:W)`.

Backends agree on two forms: the lora tag, and `embedding:NAME`. WebUIs keep the tag and take the bare name, ComfyUI
makes nodes of the tag and takes `embedding:NAME`, diffusers loads files. `common_form` writes those two, which every
backend of ours translates further; `translate` does it here for programs outside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Family = Literal["a1111", "comfyui", "diffusers"]

_TAG = re.compile(r"<(lora|lyco|hypernet|embedding):([^<>:\n]+)((?::[^<>:\n]*)*)>", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One lora or embedding as asked for. `text_weight` and `weight` act on text encoder and model; None: as default.

    `start` and `end` are its place in the prompt.
    """

    kind: str
    name: str
    weight: float | None = None
    text_weight: float | None = None
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """A prompt for one family of backends, and the files that must be loaded besides."""

    prompt: str
    loras: tuple[Network, ...] = ()
    embeddings: tuple[Network, ...] = ()


def find_networks(prompt: str) -> tuple[Network, ...]:
    """The loras and embeddings of `prompt`, in order. A tag whose weights are no numbers is none."""
    return tuple(network for found in _TAG.finditer(prompt) if (network := _network(found)) is not None)


def common_form(prompt: str) -> str:
    """`prompt` with `<embedding:NAME>` as `embedding:NAME`; lora tags stay."""
    return _TAG.sub(_plain_embedding, prompt) if "<embedding:" in prompt.casefold() else prompt


def translate(prompt: str, family: Family) -> Translated:
    """`prompt` as `family` takes it."""
    networks = find_networks(prompt)
    embeddings = tuple(network for network in networks if network.kind == "embedding")
    loras = tuple(network for network in networks if network.kind != "embedding")

    def written(found: re.Match[str]) -> str:
        network = _network(found)
        if network is None:
            return found[0]
        if network.kind != "embedding":
            return found[0] if family == "a1111" else ""
        return f"embedding:{network.name}" if family == "comfyui" else network.name

    return Translated(prompt=_TAG.sub(written, prompt).strip(), loras=loras, embeddings=embeddings)


def _plain_embedding(found: re.Match[str]) -> str:
    network = _network(found)
    return f"embedding:{network.name}" if network is not None and network.kind == "embedding" else found[0]


def _network(found: re.Match[str]) -> Network | None:
    kind, name = found[1].lower(), found[2].strip()
    weights = [part.strip() for part in found[3].split(":")[1:]]
    if not name or len(weights) > 2 or not all(_NUMBER.match(weight) for weight in weights):
        return None
    numbers = [float(weight) for weight in weights]
    return Network(
        kind=kind,
        name=name,
        weight=numbers[-1] if numbers else None,
        text_weight=numbers[0] if numbers else None,
        start=found.start(),
        end=found.end(),
    )
