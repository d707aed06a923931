"""What settings do, told from matched pictures alone: same prompt, same seed, and nothing else different.

No model is behind these numbers. A matched pair differs in one setting (in two, for a map of two settings), so what
differs in its stars is that setting's doing, or chance.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stablenew.learning.evidence import Scored

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedValue:
    """One value of a setting against the others it was matched with: mean difference in stars, and its standard error.

    `pairs` matched pairs are behind it; `error` is None where they are too few to say (fewer than 2).
    """

    value: Any
    mean: float
    error: float | None
    pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MapCell:
    """Two settings together: mean stars above the mean of the group of matched pictures, from `images` pictures."""

    first: Any
    second: Any
    mean: float
    error: float | None
    images: int


def matched_values(scored: Iterable[Scored], name: str) -> tuple[MatchedValue, ...]:
    """Each value of the setting `name` against its matches, the best first; values without a match are left out.

    In a group of matched pictures each is compared with the mean of those that have another value.
    """
    differences: dict[Any, list[float]] = defaultdict(list)
    pairs: dict[Any, int] = defaultdict(int)
    for group in _groups(scored, (name,)):
        by_value = _by_key(group, (name,))
        for value, own in by_value.items():
            rest = [_mean(stars) for other, stars in by_value.items() if other != value]
            if rest:
                differences[value[0]].append(_mean(own) - _mean(rest))
                pairs[value[0]] += len(rest)
    found = [
        MatchedValue(value=value, mean=_mean(each), error=_error(each), pairs=pairs[value])
        for value, each in differences.items()
    ]
    return tuple(sorted(found, key=lambda each: (-each.mean, str(each.value))))


def two_way_map(scored: Iterable[Scored], first: str, second: str) -> tuple[MapCell, ...]:
    """Both settings' values together, from groups of pictures that differ in nothing else, in order of the values."""
    cells: dict[Key, list[float]] = defaultdict(list)
    pictures: dict[Key, set[object]] = defaultdict(set)
    for group in _groups(scored, (first, second)):
        by_values = _by_key(group, (first, second))
        if len(by_values) > 1:
            middle = _mean([_mean(stars) for stars in by_values.values()])
            for key, stars in by_values.items():
                cells[key].append(_mean(stars) - middle)
            for each in group:
                pictures[each.settings[first], each.settings[second]].add(each.record_id or id(each))
    found = [
        MapCell(first=key[0], second=key[1], mean=_mean(each), error=_error(each), images=len(pictures[key]))
        for key, each in cells.items()
    ]
    return tuple(sorted(found, key=lambda cell: (in_order(cell.first), in_order(cell.second))))


def seed_share(scored: Iterable[Scored], least: int = 12) -> float | None:
    """The share of the variance of stars that is between pictures of one prompt with the very same settings, 0..1.

    That is the seed's doing, and the rater's own wavering. None where fewer than `least` such pictures are.
    """
    groups: dict[Key, list[float]] = defaultdict(list)
    everything: list[float] = []
    for each in scored:
        everything.append(each.stars)
        if each.prompt:
            groups[each.context, each.who, each.prompt, _settings_key(each, ())].append(each.stars)
    repeated = [stars for stars in groups.values() if len(stars) > 1]
    if sum(map(len, repeated)) < least:
        return None
    within = sum(_squares(stars) for stars in repeated) / sum(len(stars) - 1 for stars in repeated)
    total = _squares(everything) / (len(everything) - 1)
    return min(1.0, within / total) if total > 0 else None


def confounded(scored: Sequence[Scored], name: str) -> bool:
    """Whether setting and prompt cannot be told apart: several of both, and no prompt had two values."""
    values: dict[str, set[str]] = defaultdict(set)
    for each in scored:
        values[each.prompt].add(repr(each.settings[name]))
    every = set().union(*values.values()) if values else set()
    return len(values) > 1 and len(every) > 1 and all(len(seen) == 1 for seen in values.values())


def _groups(scored: Iterable[Scored], free: Sequence[str]) -> Iterable[list[Scored]]:
    """Groups of at least two pictures of one prompt and seed, seen by one person, that differ at most in `free`."""
    groups: dict[Key, list[Scored]] = defaultdict(list)
    for each in scored:
        if each.row and each.seed is not None:
            groups[each.context, each.row, each.prompt, each.seed, _settings_key(each, free)].append(each)
    return [group for group in groups.values() if len(group) > 1]


def _settings_key(scored: Scored, free: Sequence[str]) -> Key:
    return tuple((name, repr(value)) for name, value in scored.settings.items() if name not in free)


def _by_key(group: Iterable[Scored], names: Sequence[str]) -> dict[Key, list[float]]:
    found: dict[Key, list[float]] = defaultdict(list)
    for each in group:
        found[tuple(each.settings[name] for name in names)].append(each.stars)
    return found


def in_order(value: Any) -> tuple[float, str]:
    """Numbers by size, anything else by its text."""
    return (float(value), "") if isinstance(value, (int, float)) else (0.0, str(value))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _squares(values: Sequence[float]) -> float:
    middle = _mean(values)
    return math.fsum((value - middle) ** 2 for value in values)


def _error(values: Sequence[float]) -> float | None:
    """The standard error of the mean."""
    count = len(values)
    return math.sqrt(_squares(values) / (count - 1) / count) if count > 1 else None
