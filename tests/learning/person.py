"""A person for tests: pictures made with given settings, and what somebody with a known taste says about them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tests.learning.archive import make_record, rate, write_lines

from stablenew.learning.learning_feedback import Rating, RatingWriter
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.record_knobs import knob_settings
from stablenew.workspace import Workspace

Taste = Callable[[Mapping[str, Any]], float]


def pictures(
    values: Mapping[str, Sequence[Any]], prompts: Sequence[str] = ("a red fox",), seeds: int = 1, **said: Any
) -> list[LearningRecord]:
    """A record for every combination of `values` on every prompt and seed; `said` holds for all of them."""
    found = []
    name = said.pop("name", "r")
    for prompt, seed in itertools.product(prompts, range(seeds)):
        for combination in itertools.product(*values.values()):
            settings = dict(zip(values, combination, strict=True))
            found.append(make_record(f"{name}{len(found)}", prompt=prompt, seed=seed, **settings, **said))
    return found


def stars_for(records: Iterable[LearningRecord], taste: Taste, first: int = 0, **said: Any) -> list[Rating]:
    """One line a record, a second apart: the stars of somebody with that taste, rounded and within 1 to 5."""
    return [
        rate(record.run.record_id, min(5, max(1, round(taste(knob_settings(record))))), first + second, **said)
        for second, record in enumerate(records)
    ]


def store(workspace: Workspace, records: Iterable[LearningRecord], ratings: Iterable[Rating]) -> None:
    """Put both into `workspace`, after what is there."""
    write_lines(workspace.records / "made.jsonl", *records)
    writer = RatingWriter(workspace.ratings)
    writer.append(*ratings)
    writer.close()


def likes_heun_at_five(settings: Mapping[str, Any]) -> float:
    """5 stars for Heun at a guidance of 5; less for Euler and for guidance further away."""
    return 5 - 2 * (settings["sampler"] == "Euler") - abs(settings["cfg_scale"] - 5) / 3


VALUES: Mapping[str, Sequence[Any]] = {"sampler": ["Euler", "Heun"], "cfg_scale": [2.0, 5.0, 11.0]}
PROMPTS = ("a red fox", "a blue boat", "a green hill", "a white house", "a black cat", "an old tree")
