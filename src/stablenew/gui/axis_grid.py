"""Pictures as a table of two axes: which axes there are, what stands in which cell, and how it was rated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from stablenew.gui.facts import plain
from stablenew.learning.rating_fold import Feedback
from stablenew.learning.recorded_picture import RecordedPicture

NO_AXIS = ""
PROMPT, SEED, PACK = "prompt", "seed", "pack"
VALUES_MAX = 400
"""An axis of more values is not offered: nothing could be found in it."""

Cell = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """The labels of rows and columns, and which pictures (by number) stand in each cell (row, column)."""

    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    cells: dict[Cell, list[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """How the pictures of one cell were rated: mean stars (a rejection counts as one), and how many were."""

    mean: float
    rated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Pictures in the plan's order, the axes to choose from, those chosen, and what stands where."""

    pictures: list[RecordedPicture] = field(default_factory=list)
    axes: tuple[str, ...] = ()
    rows_by: str = NO_AXIS
    columns_by: str = NO_AXIS
    arrangement: Arrangement = field(default_factory=Arrangement)


def table_of(pictures: Sequence[RecordedPicture], rows_by: str | None, columns_by: str | None) -> Table:
    """The table of `pictures` by two axes; None: by those that tell most. Takes a while for ten thousand."""
    ordered = sorted(pictures, key=lambda picture: (picture.variant_index, picture.made_at))
    axes = axes_of(ordered)
    default_rows, default_columns = default_axes(ordered, axes)
    rows = default_rows if rows_by is None else rows_by
    columns = default_columns if columns_by is None else columns_by
    return Table(
        pictures=ordered,
        axes=tuple(axes),
        rows_by=rows,
        columns_by=columns,
        arrangement=arranged(ordered, rows, columns),
    )


def label_of(picture: RecordedPicture, axis: str) -> str:
    """What stands at a picture's row or column; "" without an axis, and a dash where it has no value."""
    if axis == NO_AXIS:
        return ""
    if axis == PROMPT:
        return picture.prompt
    if axis == PACK:
        return picture.pack or "–"
    if axis == SEED:
        return "–" if picture.seed is None else str(picture.seed)
    if axis.startswith("[["):
        return picture.bindings.get(axis[2:-2], "–")
    value = picture.settings.get(axis)
    return "–" if value is None else plain(value)


def axes_of(pictures: Sequence[RecordedPicture]) -> list[str]:
    """The axes worth choosing: those the plan varies first, then slots, prompt, seed, and whatever else differs."""
    names = [name for picture in pictures for name in picture.axes]
    names += [f"[[{slot}]]" for picture in pictures for slot in picture.bindings]
    names += [PROMPT, SEED, PACK]
    names += [name for picture in pictures if picture.path for name in picture.settings]
    return [name for name in dict.fromkeys(names) if 1 < _values(pictures, name) <= VALUES_MAX]


def default_axes(pictures: Sequence[RecordedPicture], axes: Sequence[str]) -> tuple[str, str]:
    """Rows and columns to begin with: what the plan varies across, prompts or another setting down."""
    planned = {name for picture in pictures for name in (*picture.axes, *(f"[[{slot}]]" for slot in picture.bindings))}
    varied = [axis for axis in axes if axis in planned]
    columns = varied[0] if varied else SEED if SEED in axes else NO_AXIS
    others = [axis for axis in [PROMPT, *varied, SEED] if axis in axes and axis != columns]
    rows = others[0] if others else NO_AXIS
    return rows, columns


def arranged(pictures: Sequence[RecordedPicture], rows_by: str, columns_by: str) -> Arrangement:
    """The table of `pictures`. Numbers stand in order of size, all else in the order in which it first comes up."""
    rows = _in_order(label_of(picture, rows_by) for picture in pictures)
    columns = _in_order(label_of(picture, columns_by) for picture in pictures)
    row_at, column_at = ({label: place for place, label in enumerate(labels)} for labels in (rows, columns))
    cells: dict[Cell, list[int]] = {}
    for number, picture in enumerate(pictures):
        cell = (row_at[label_of(picture, rows_by)], column_at[label_of(picture, columns_by)])
        cells.setdefault(cell, []).append(number)
    return Arrangement(rows=rows, columns=columns, cells=cells)


def heat_of(
    table: Arrangement, pictures: Sequence[RecordedPicture], feedback: Callable[[str], Feedback]
) -> dict[Cell, Heat]:
    """By cell how its pictures were rated; a cell without a verdict is not in it."""
    found: dict[Cell, Heat] = {}
    for cell, numbers in table.cells.items():
        stars = [_stars(feedback(pictures[number].record_id)) for number in numbers]
        given = [each for each in stars if each is not None]
        if given:
            found[cell] = Heat(mean=sum(given) / len(given), rated=len(given))
    return found


def _stars(feedback: Feedback) -> float | None:
    return 1.0 if feedback.rejected else feedback.score


def _values(pictures: Sequence[RecordedPicture], axis: str) -> int:
    return len(Counter(label_of(picture, axis) for picture in pictures))


def _in_order(labels: Iterable[str]) -> tuple[str, ...]:
    distinct = list(dict.fromkeys(labels))
    numbers = {label: number for label in distinct if (number := _number(label)) is not None}
    if len(numbers) == len(distinct) - distinct.count("–"):
        distinct.sort(key=lambda label: (label not in numbers, numbers.get(label, 0.0)))
    return tuple(distinct)


def _number(label: str) -> float | None:
    try:
        return float(label)
    except ValueError:
        return None
