"""Evidence: which settings got which stars, and which were preferred to which; out of records and ratings."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from stablenew.errors import InputError
from stablenew.learning.learning_feedback import Rating, in_order
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.rating_fold import valid
from stablenew.learning.rating_rows import plain_prompt
from stablenew.learning.record_knobs import knob_settings
from stablenew.learning.search_space import SearchSpace, Settings, trim

WEAK_NOISE = 3.0
"""How many times the usual variance a star has that nobody gave: concluded from a folder, or a scorer's."""
REJECTED_STARS, FAVOURITE_STARS = 1.0, 5.0
"""What a verdict without stars counts as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One picture with stars, 1 to 5.

    `context` is where it was seen (a pack, a prompt class, a family of models), `row` what was looked at together,
    `order` its place in time, counted in ratings. `prompt` and `seed` find matched pairs; `who` gave the
    stars. `observational`: nobody made the picture to be compared. `noise`: how many times the usual variance the stars
    have. `seconds`: what making the picture took.
    """

    settings: Settings
    stars: float
    context: str = ""
    row: str = ""
    order: float = 0.0
    prompt: str = ""
    seed: int | None = None
    who: str = ""
    record_id: str = ""
    observational: bool = False
    noise: float = 1.0
    seconds: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.stars) and 1 <= self.stars <= 5):
            raise InputError(f"a picture cannot have {self.stars} stars: give 1 to 5")
        if not (math.isfinite(self.noise) and self.noise > 0):
            raise InputError(f"a rating cannot have {self.noise} times the usual variance: give a number above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    """The picture made with `best` was preferred to those made with `others`, looked at together.

    `noise`: it counts as 1 / `noise` of a choice.
    """

    best: Settings
    others: tuple[Settings, ...]
    context: str = ""
    order: float = 0.0
    noise: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What people said about pictures, by settings. Every entry says something about each knob of `space`.

    `unusable` counts ratings and choices whose records do not say enough about their settings.
    """

    space: SearchSpace
    scored: tuple[Scored, ...] = ()
    preferred: tuple[Preferred, ...] = ()
    unusable: int = 0


@dataclass(frozen=True, slots=True)
class _Said:
    """A person's stars for a record, and the line that gave them."""

    rating: Rating
    stars: float
    place: int


def gather_evidence(
    records: Iterable[LearningRecord],
    ratings: Iterable[Rating],
    space: SearchSpace,
    *,
    who: str | None = None,
    context_of: Callable[[LearningRecord], str] = lambda record: "",
    noise_of: Callable[[str], float] = lambda timestamp: 1.0,
) -> Evidence:
    """What `ratings` say about the settings of `records`, neither in any particular order.

    Each person's last stars for a record count, `who`: only that person's. Lines that nobody said (`weak`) count
    where no person gave stars, with WEAK_NOISE unless there are no others at all; their choices only where no person
    said anything. `context_of` a record is where it was seen; `noise_of` a rating's timestamp how much it has faded.
    """
    by_id = {record.run.record_id: record for record in records}
    settings = {record_id: trim(space, knob_settings(record)) for record_id, record in by_id.items()}
    usable = {record_id for record_id, known in settings.items() if space.covers(known)}
    ordered = in_order(ratings)
    places = {rating.rating_id: place for place, rating in enumerate(ordered)}
    lines = [line for lines in _by_record(ordered, by_id).values() for line in _standing(lines, who)]
    said = sorted(_last_stars(lines, places), key=lambda each: each.place)
    told = [each for each in said if each.rating.record_id in usable]
    only_weak = all(each.rating.weak for each in said)
    scored = []
    for order, each in enumerate(told):
        record = by_id[each.rating.record_id]
        noise = noise_of(each.rating.timestamp) * (WEAK_NOISE if each.rating.weak and not only_weak else 1.0)
        scored.append(_scored(record, settings[record.run.record_id], each, order, context_of(record), noise))
    choices = _choices(lines)
    clear = [choice for choice in choices if usable.issuperset(_pictures(choice))]
    preferred = []
    # Counted in what still stands: what was said and taken back leaves no trace.
    for order, choice in enumerate(sorted(clear, key=lambda choice: places[choice.rating_id])):
        best, *others = (settings[name] for name in _pictures(choice))
        context = context_of(by_id[choice.record_id])
        noise = noise_of(choice.timestamp)
        preferred.append(Preferred(best=best, others=tuple(others), context=context, order=float(order), noise=noise))
    unusable = len(said) - len(told) + len(choices) - len(clear)
    return Evidence(space=space, scored=tuple(scored), preferred=tuple(preferred), unusable=unusable)


def _by_record(ordered: Iterable[Rating], known: Container[str]) -> dict[str, list[Rating]]:
    found: dict[str, list[Rating]] = {}
    for rating in ordered:
        if rating.record_id in known:
            found.setdefault(rating.record_id, []).append(rating)
    return found


def _choices(lines: Sequence[Rating]) -> list[Rating]:
    """The lines that prefer a picture to others; those that nobody said only where no person said anything."""
    by_people = any(not line.weak for line in lines)
    return [line for line in lines if line.better_than and not (line.weak and by_people)]


def _pictures(choice: Rating) -> list[str]:
    """The record ids of a choice, the preferred one first."""
    return [choice.record_id, *(other.record_id for other in choice.better_than)]


def _standing(lines: list[Rating], who: str | None) -> list[Rating]:
    """The lines about one record that count."""
    return [line for line in valid(lines) if line.undoes is None and (who is None or line.who == who or line.weak)]


def _last_stars(lines: Iterable[Rating], places: dict[str, int]) -> Iterator[_Said]:
    """Each person's last stars for each record; what nobody said only where no person gave any."""
    people: dict[str, dict[tuple[bool, str], list[Rating]]] = {}
    for line in lines:
        if (line.score, line.rejected, line.favourite) != (None, None, None):
            people.setdefault(line.record_id, {}).setdefault((line.weak, line.who or ""), []).append(line)
    for theirs in people.values():
        found = [
            (weak, _Said(own[-1], stars, places[own[-1].rating_id]))
            for (weak, _), own in theirs.items()
            if (stars := _stars(own)) is not None
        ]
        strong = [each for weak, each in found if not weak]
        yield from strong or (each for _, each in found)


def _stars(lines: list[Rating]) -> float | None:
    """What one person's lines about a record, in order, come to."""
    score, rejected, favourite = (
        next((value for line in reversed(lines) if (value := getattr(line, name)) is not None), None)
        for name in ("score", "rejected", "favourite")
    )
    if rejected:
        return REJECTED_STARS
    if score is not None:
        return float(score)
    return FAVOURITE_STARS if favourite else None


def _scored(record: LearningRecord, settings: Settings, said: _Said, order: int, context: str, noise: float) -> Scored:
    prompt = f"{plain_prompt(record)}\n{record.prompt.negative_prompt}"
    seed = record.prompt.seed
    return Scored(
        settings=settings,
        stars=said.stars,
        context=context,
        # Pictures of one prompt and seed differ by their settings alone: what they share is the row's.
        row=f"{said.rating.who or ''}\n{seed}\n{prompt}" if seed is not None else "",
        order=float(order),
        prompt=prompt,
        seed=seed,
        who=said.rating.who or "",
        record_id=record.run.record_id,
        observational=is_observational(record),
        noise=noise,
        seconds=record.outcome.duration_s,
    )


def is_observational(record: LearningRecord) -> bool:
    """Whether the record is of a picture that another tool made: its settings were not chosen to be compared."""
    return record.run.source.startswith("import") or "observational" in record.run.learning_tags
