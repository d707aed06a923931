"""A change of taste: ratings from before it count less. Said as lines of their own, and taken back by another line."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

from stablenew.errors import InputError
from stablenew.learning.learning_feedback import rating_time
from stablenew.learning.learning_reader import time_ms
from stablenew.learning.record_groups import Identifier, Timestamp
from stablenew.learning.value_lines import append_value, read_values
from stablenew.workspace import Workspace

FILE_NAME = "fading.jsonl"
FACTOR = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Fading:
    """Ratings made before `before` count `factor` of what they would. `undoes`: the `fading_id` this takes back."""

    fading_id: Identifier
    made_at: Timestamp
    before: Timestamp | None = None
    factor: Annotated[float, Meta(gt=0, le=1)] = 1.0
    undoes: str | None = None


def fade(workspace: Workspace, before: str, factor: float = FACTOR, *, now: datetime | None = None) -> Fading:
    """Let ratings from before `before` (2026-11-22, or with a time; UTC where it says no zone) count `factor`.

    Raises InputError for what is no day, or a factor outside 0 to 1.
    """
    moment = _moment(before)
    if not 0 < factor <= 1:
        raise InputError(f"a factor of {factor:g} is not above 0 and at most 1: 0.3 lets old ratings count 30 %")
    made = now or datetime.now(UTC)
    fading = Fading(
        fading_id=uuid.uuid4().hex, made_at=rating_time(made), before=rating_time(moment), factor=float(factor)
    )
    append_value(workspace.taste / FILE_NAME, fading)
    return fading


def unfade(workspace: Workspace, *, now: datetime | None = None) -> Fading | None:
    """Take back the newest fading that holds, and return it; None where none does."""
    holding = fadings(workspace)
    if not holding:
        return None
    append_value(
        workspace.taste / FILE_NAME,
        Fading(
            fading_id=uuid.uuid4().hex,
            made_at=rating_time(now or datetime.now(UTC)),
            undoes=holding[-1].fading_id,
        ),
    )
    return holding[-1]


def fadings(workspace: Workspace) -> list[Fading]:
    """Those that hold, in the order they were made; lines that cannot be read are passed over."""
    found = list(read_values(workspace.taste / FILE_NAME, Fading))
    taken_back = {each.undoes for each in found}
    holding = [each for each in found if each.before is not None and each.fading_id not in taken_back]
    return sorted(holding, key=lambda each: each.made_at)


def fading_of(workspace: Workspace) -> Callable[[str], float]:
    """How many times the usual variance a rating made at a timestamp has: 1 where nothing fades it.

    Faded twice, the factors multiply: taste changed twice since.
    """
    holding = [(time_ms(each.before or ""), each.factor) for each in fadings(workspace)]

    def noise(timestamp: str) -> float:
        made, factor = time_ms(timestamp), 1.0
        for before, each in holding:
            if made < before:
                factor *= each
        return 1 / factor

    return noise


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise InputError(f"{text!r} is no day: write 2026-11-22") from exc
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
