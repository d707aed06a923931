"""A job for a ComfyUI server: the graph, and what it will have done when it succeeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stablenew.backends.base import Picture
from stablenew.backends.comfyui.graph import Graph
from stablenew.variant import Deviation, EffectiveSettings

PREFIX = "stablenew"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPicture:
    """A start picture as the server knows it; `size` in pixels, None while a request is only checked."""

    name: str
    size: tuple[int, int] | None


Store = Callable[[Picture], StoredPicture]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A graph ready to be handed over.

    `output` is the node whose picture counts, None for any; its file's name holds `marker`, unless that is empty.
    `size` is the (width, height) asked for, None when the graph decides. `effective` lacks the picture's own size.
    """

    graph: Graph
    seed: int
    steps: int
    effective: EffectiveSettings
    size: tuple[int, int] | None = None
    output: str | None = None
    marker: str = ""
    deviations: tuple[Deviation, ...] = ()
