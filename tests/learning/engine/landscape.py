"""Evidence made up for tests: a person with a known taste, and the pictures they were shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stablenew.learning.evidence import Evidence, Scored
from stablenew.learning.search_space import SearchSpace, space_from_values

SPACE = space_from_values(
    {
        "sampler": ["Euler", "Heun", "DDIM", "LMS"],
        "steps": [5, 10, 20, 40],
        "cfg_scale": [1.0, 3.0, 5.0, 7.0, 9.0, 11.0],
    }
)
BASELINE = {"sampler": "LMS", "steps": 10, "cfg_scale": 11.0}
Taste = Callable[[dict[str, Any]], float]


def good_taste(settings: dict[str, Any]) -> float:
    """Likes DDIM, many steps and a guidance of 5; 1.4 to 4.4 stars."""
    sampler = {"DDIM": 1.0, "Heun": 0.5}.get(settings["sampler"], 0.0)
    return 1.4 + sampler + np.log2(settings["steps"] / 5) / 3 - abs(settings["cfg_scale"] - 5) / 6 + 1.0


def no_taste(settings: dict[str, Any]) -> float:
    """Finds everything equally good."""
    return 3.0


def random_settings(space: SearchSpace, rng: np.random.Generator) -> dict[str, Any]:
    return {knob.name: knob.values[int(rng.integers(len(knob.values)))] for knob in space.knobs}


def rated_rows(
    taste: Taste, rows: int, *, seed: int = 0, size: int = 6, noise: float = 0.5, space: SearchSpace = SPACE,
    context: str = "",
) -> list[Scored]:  # fmt: skip
    """Rows of random settings, each of one prompt and seed, rated 1 to 5 by somebody with that taste."""
    rng = np.random.default_rng(seed)
    found: list[Scored] = []
    for row in range(rows):
        mood = rng.normal(0, 0.2)
        for _ in range(size):
            settings = random_settings(space, rng)
            stars = float(np.clip(np.round(taste(settings) + mood + rng.normal(0, noise)), 1, 5))
            found.append(
                Scored(
                    settings=settings, stars=stars, context=context, row=f"{context}{row}", order=float(len(found)),
                    prompt=f"prompt {row}", seed=row, record_id=f"{context}record-{row}-{len(found)}",
                )
            )  # fmt: skip
    return found


def evidence_of(scored: Sequence[Scored], space: SearchSpace = SPACE, **rest: Any) -> Evidence:
    return Evidence(space=space, scored=tuple(scored), **rest)
