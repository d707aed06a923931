"""What a workspace would hold of a made-up world: learning records and ratings, and the evidence made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from stablenew.learning.evidence import Evidence, gather_evidence
from stablenew.learning.learning_feedback import RatedPicture, Rating, new_rating, rating_time
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.record_groups import OutcomeInfo, PipelineInfo, PromptInfo, RunInfo
from stablenew.learning.search_space import SearchSpace, Settings, space_from_values
from taste_world import CATEGORIES, USUAL, Floats, Space, World

NUMBERS = ("steps", "cfg_scale", "img2img.denoise", "hires_cfg_scale")
"""Declared settings that stand for the world's numbers, in its order; the last for the strength of a lora."""
NAMES = (*CATEGORIES, *NUMBERS)
ROW = 6
WHO = "person"
START = datetime(2026, 1, 1, tzinfo=UTC)

Stars = Callable[[Floats], list[int]]
Seconds = Callable[[Floats], Floats]


def declared(space: Space) -> SearchSpace:
    """The settings of a world that can be varied, as a plan would declare them."""
    values = {name: [_value(name, value) for value in space.values(at)] for at, name in enumerate(NAMES)}
    return space_from_values({name: found for name, found in values.items() if len(found) > 1})


def named(row: Floats) -> dict[str, Any]:
    """The settings of one row of numbers."""
    return {name: _value(name, value) for name, value in zip(NAMES, row, strict=True)}


def numbers(settings: Settings) -> Floats:
    """The row of numbers of named settings."""
    return np.array([_number(name, settings[name]) for name in NAMES])


def _value(name: str, number: float) -> Any:
    if name == "size":
        return f"{512 + 64 * int(number)}x512"
    if name in CATEGORIES:
        return f"{name} {int(number)}"
    return int(number) if name == "steps" else float(number)


def _number(name: str, value: Any) -> float:
    if name == "size":
        return (int(value.split("x")[0]) - 512) / 64
    return float(value.rsplit(" ", 1)[1]) if name in CATEGORIES else float(value)


@dataclass(slots=True, kw_only=True)
class Archive:
    """Grows by rows of pictures, each row of one prompt and seed, and by what is said of them."""

    space: SearchSpace
    seconds: Seconds
    records: list[LearningRecord] = field(default_factory=list)
    ratings: list[Rating] = field(default_factory=list)
    _rows: int = 0

    def add_stars(self, rows: Floats, stars: Sequence[int], pack: str = "") -> None:
        """A row of pictures with stars for each."""
        for record, score in zip(self._made(rows, pack), stars, strict=True):
            self._say(record, score=score)

    def add_choice(self, rows: Floats, best: int, pack: str = "") -> None:
        """A row of pictures of which one was clicked as the best."""
        made = self._made(rows, pack)
        others = [RatedPicture(record_id=each.run.record_id) for at, each in enumerate(made) if at != best]
        self._say(made[best], better_than=others)

    def evidence(self) -> Evidence:
        """All of it as the engine gets it; a picture's context is its pack."""
        return gather_evidence(
            self.records, self.ratings, self.space, context_of=lambda record: record.prompt.pack_name
        )

    def _say(self, record: LearningRecord, **said: object) -> None:
        moment = START + timedelta(seconds=5 * len(self.ratings))
        self.ratings.append(new_rating(record.run.record_id, moment=moment, who=WHO, **said))

    def _made(self, rows: Floats, pack: str) -> list[LearningRecord]:
        self._rows += 1
        seconds = self.seconds(rows)
        made = [
            _record(named(row), f"{self._rows}-{at}", self._rows, pack, float(seconds[at]))
            for at, row in enumerate(rows)
        ]
        self.records.extend(made)
        return made


def _record(settings: Settings, record_id: str, row: int, pack: str, seconds: float) -> LearningRecord:
    width, height = map(int, settings["size"].split("x"))
    return LearningRecord(
        run=RunInfo(record_id=record_id, run_id=f"row-{row}", timestamp=rating_time(START), source="bench"),
        prompt=PromptInfo(prompt=f"prompt {row}", pack_name=pack, seed=row),
        pipeline=PipelineInfo(
            **{name: settings[name] for name in ("model", "vae", "sampler", "scheduler", "steps", "cfg_scale")},
            width=width,
            height=height,
            stage_flags={"txt2img": True, "img2img": True},
            axes={name: settings[name] for name in NUMBERS[2:]},
        ),
        outcome=OutcomeInfo(status="ok", duration_s=seconds),
    )


def baseline() -> dict[str, Any]:
    """The settings of somebody who never changed one."""
    return named(USUAL)


def new_archive(world: World) -> Archive:
    """An archive with nothing in it yet, of pictures of `world`."""
    return Archive(space=declared(world.space), seconds=world.seconds)


def as_rows(settings: Iterable[Settings]) -> Floats:
    """The rows of numbers of several named settings."""
    return np.array([numbers(each) for each in settings])
