"""What a map of two settings shows: which settings can be chosen, which values fit, what stands in a cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stablenew.gui.tabs.learn_words import counted
from stablenew.learning.recommendation import Z95, SettingEffect
from stablenew.learning.search_space import is_number
from stablenew.learning.settings_map import SettingsMap

FULL_TINT_STARS = 1.0
"""So far from the mean a cell has the full colour, where none lies further: what is next to nothing stays pale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCell:
    """What a cell says, of how many pictures, and how far above (1) or below (-1) the mean its colour is.

    `spread` is half the 95 % interval, `sure` where that does not hold 0. `tint` is None where nothing was measured.
    """

    said: str
    spread: str = ""
    pictures: int = 0
    tint: float | None = None
    sure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTable:
    """The values shown, and their cells row by row. `left_out` says which values are not, "" where all are."""

    rows: tuple[Any, ...] = ()
    columns: tuple[Any, ...] = ()
    cells: tuple[tuple[PairCell, ...], ...] = ()
    left_out: str = ""


def cell_lines(cell: PairCell, fits: Callable[[str], bool], *, wide: bool) -> tuple[str, str]:
    """The two lines of a cell; the spread goes below where the cell is not `wide`. `fits` tells of a lower line."""
    if wide:
        above, options = f"{cell.said} {cell.spread}".strip(), [counted(cell.pictures, "picture")]
    else:
        options = [f"{cell.spread} · {cell.pictures:,}"] if cell.spread else [counted(cell.pictures, "picture")]
        above = cell.said
    if not cell.pictures:
        return above, ""
    return above, next(filter(fits, options), f"{cell.pictures:,}")


def mappable(effects: Iterable[SettingEffect]) -> tuple[str, ...]:
    """The settings of which two values or more were tried, those that explain most first."""
    told = sorted(effects, key=lambda each: -each.share)
    return tuple(each.name for each in told if sum(value.tested for value in each.values) > 1)


def first_pair(effects: Sequence[SettingEffect]) -> tuple[str, str] | None:
    """The two that explain most, numbers from left to right; None where two cannot be had."""
    first, second, *_ = *mappable(effects), "", ""
    if not second:
        return None
    numeric = {each.name: all(is_number(value.value) for value in each.values) for each in effects}
    return (second, first) if numeric[first] and not numeric[second] else (first, second)


def pair_after(pair: tuple[str, str], place: int, name: str) -> tuple[str, str]:
    """`pair` once `name` was chosen for rows (0) or columns (1): where the other is that already, they change sides."""
    chosen, other = name, pair[1 - place]
    if other == name:
        other = pair[place]
    return (chosen, other) if place == 0 else (other, chosen)


def pair_table(found: SettingsMap, rows: int, columns: int) -> PairTable:
    """The map with at most so many rows and columns: where there are more values, those with the most pictures."""
    firsts = _most_rated(found, found.firsts, 0, rows)
    seconds = _most_rated(found, found.seconds, 1, columns)
    furthest = max((abs(cell.mean) for cell in found.cells.values()), default=0.0)
    full = max(FULL_TINT_STARS, furthest)
    return PairTable(
        rows=firsts,
        columns=seconds,
        cells=tuple(tuple(_cell(found, first, second, full) for second in seconds) for first in firsts),
        left_out="; ".join(
            f"{len(shown)} of {len(every)} values of {name}, those with the most pictures"
            for name, shown, every in (
                (found.first, firsts, found.firsts),
                (found.second, seconds, found.seconds),
            )
            if len(shown) < len(every)
        ),
    )


def _most_rated(found: SettingsMap, values: tuple[Any, ...], place: int, most: int) -> tuple[Any, ...]:
    counts: Counter[Any] = Counter()
    for pair, number in found.rated.items():
        counts[pair[place]] += number
    kept = sorted(range(len(values)), key=lambda at: (-counts[values[at]], at))[:most]
    return tuple(values[at] for at in sorted(kept))


def _cell(found: SettingsMap, first: Any, second: Any, full: float) -> PairCell:
    rated, cell = found.rated.get((first, second), 0), found.cells.get((first, second))
    if not rated:
        return PairCell(said="not tested")
    if cell is None:
        return PairCell(said="no match", pictures=rated)
    margin = None if cell.error is None else Z95 * cell.error
    return PairCell(
        said=f"{cell.mean:+.1f}",
        spread="" if margin is None else f"±{margin:.1f}",
        pictures=cell.images,
        tint=cell.mean / full,
        sure=margin is not None and abs(cell.mean) > margin,
    )
