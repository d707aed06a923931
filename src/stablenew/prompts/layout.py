"""How a plan's lines, axes, images and rules become numbered cells in the order of execution."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import count, islice
from math import prod

from stablenew.errors import InvalidSetting, PlanTooLarge
from stablenew.prompts.axes import Axis, Condition, SkipRule
from stablenew.prompts.expansion import LineExpansion
from stablenew.prompts.space import BalancedSpace, Cell, GridSpace, Level
from stablenew.variant import PromptLine

# What takes a backend seconds to change, the slowest first: it is changed least often.
EXPENSIVE = ("model", "vae", "txt2img.refiner", "txt2img.width", "txt2img.height")
WINDOW = 4
MAX_WITH_RULES = 2_000_000


class Layout:
    """The numbered cells of one plan. `axes` are those every line shares; `seeds` None where they differ by line."""

    def __init__(
        self,
        lines: Sequence[PromptLine],
        expansions: Sequence[LineExpansion],
        axes: Sequence[Axis],
        images: int,
        seeds: Sequence[int] | None,
        skip: Sequence[SkipRule],
        limit: int | None,
    ) -> None:
        self._images = images
        self._rules = len(skip)
        self._order = sorted(range(len(axes)), key=lambda i: _expense(axes[i]))
        self._reordered = self._order != sorted(self._order)
        self._outer = sum(1 for axis in axes if _expense(axis) < len(EXPENSIVE))
        levels = [_axis_level(axes[i], skip) for i in self._order]
        texts, line_level = _line_levels(lines, expansions, skip)
        image_level = _image_level(images, seeds, skip)
        self.grid = GridSpace(
            levels[: self._outer], line_level, texts, [*levels[self._outer :], image_level], self._rules
        )
        self.total = self.grid.count
        self.count = self.total if limit is None else min(limit, self.total)
        self.balanced = self.count < self.total
        if self.balanced:
            sizes = [tuple(size for _, size in expansion.factors) for expansion in expansions]
            self._space = BalancedSpace(sizes, [level.size for level in levels])
            self._places = self._accepted() if skip else None
            self._window = WINDOW * prod(level.size for level in levels[: self._outer]) * images
            self._windows = self._window > WINDOW * images
            self._sorted: Callable[[int], tuple[Cell, ...]] = lru_cache(2)(self._sorted_window)

    def cell(self, k: int) -> Cell:
        """The cell that is executed as number `k`; its axes are in the order in which they were given."""
        if not self.balanced:
            return self._as_given(self.grid.cell(k))
        if not self._windows:
            return self._as_given(self._balanced_cell(k))
        window, place = divmod(k, self._window)
        return self._as_given(self._sorted(window)[place])

    def cells(self) -> Iterator[Cell]:
        """Every cell in the order of execution, faster than one `cell` after the other."""
        cells = self._windowed(self._balanced_cells()) if self.balanced else self.grid.cells()
        return map(self._as_given, cells) if self._reordered else cells

    def _sorted_window(self, window: int) -> tuple[Cell, ...]:
        """The cells of one window of the balanced order, those that share a model together.

        Every other window runs backwards, so that it starts with what the one before ended with.
        """
        first = window * self._window
        return self._grouped(
            [self._balanced_cell(k) for k in range(first, min(first + self._window, self.count))], window
        )

    def _grouped(self, cells: Iterable[Cell], window: int) -> tuple[Cell, ...]:
        return tuple(sorted(cells, key=lambda cell: cell.axes[: self._outer], reverse=window % 2 == 1))

    def _windowed(self, cells: Iterator[Cell]) -> Iterator[Cell]:
        """`cells` of the balanced order in the order of execution."""
        if not self._windows:
            yield from cells
            return
        for window in count():
            grouped = self._grouped(islice(cells, self._window), window)
            if not grouped:
                return
            yield from grouped

    def _balanced_cells(self) -> Iterator[Cell]:
        if self._places is not None:
            return map(self._balanced_cell, range(self.count))
        images = range(self._images)
        cells = (Cell(line, texts, axes, image) for line, texts, axes in self._space.places() for image in images)
        return islice(cells, self.count)

    def _balanced_cell(self, k: int) -> Cell:
        if self._places is not None:
            k = self._places[k]
            if k < 0:
                return self.grid.cell(-1 - k)
        place, image = divmod(k, self._images)
        return Cell(*self._space.place(place), image)

    def _accepted(self) -> list[int]:
        """The first places of the balanced order that no rule skips.

        Where the rules leave almost nothing, cells evenly far apart in the grid instead, written as -1 - number.
        """
        if self.count > MAX_WITH_RULES:
            raise PlanTooLarge(self.count, MAX_WITH_RULES)
        found: list[int] = []
        for place in range(min(self._space.count, 20 * self.count // self._images + 2_000)):
            line, texts, axes = self._space.place(place)
            for image in range(self._images):
                if not self._rules or not self.grid.skips(Cell(line, texts, axes, image)):
                    found.append(place * self._images + image)
            if len(found) >= self.count:
                return found[: self.count]
        return [-1 - i * self.total // self.count for i in range(self.count)]

    def _as_given(self, cell: Cell) -> Cell:
        if not self._reordered:
            return cell
        ranks = [0] * len(self._order)
        for place, rank in zip(self._order, cell.axes, strict=True):
            ranks[place] = rank
        return Cell(cell.line, cell.texts, tuple(ranks), cell.image)


def _expense(axis: Axis) -> int:
    found = [EXPENSIVE.index(name) for name in axis.names if name in EXPENSIVE]
    return min(found, default=len(EXPENSIVE))


def _axis_level(axis: Axis, skip: Sequence[SkipRule]) -> Level:
    concerned = [[c for c in rule.conditions if c.name in axis.names] for rule in skip]
    if not any(concerned):
        return Level(len(axis.values))
    meets = []
    for row in axis.values:
        value = dict(zip(axis.names, row, strict=True))
        meets.append(_bits(all(c.holds(value[c.name]) for c in conditions) for conditions in concerned))
    return Level(len(axis.values), tuple(meets))


def _line_levels(
    lines: Sequence[PromptLine], expansions: Sequence[LineExpansion], skip: Sequence[SkipRule]
) -> tuple[list[list[Level]], Level]:
    """The levels of each line's own factors, and the level that chooses the line."""
    slots = {c.name: c for rule in skip for c in rule.conditions if c.kind == "slot"}
    texts: list[list[Level]] = []
    meets: list[int] = []
    for line, expansion in zip(lines, expansions, strict=True):
        known = {name: expansion.slot_texts(name) for name in slots}
        texts.append([_slot_level(key, size, known.get(key), skip) for key, size in expansion.factors])
        meets.append(_bits(all(_line_allows(c, line, known) for c in rule.conditions) for rule in skip))
    return texts, Level(len(lines), tuple(meets) if skip else ())


def _line_allows(condition: Condition, line: PromptLine, known: dict[str, list[str] | None]) -> bool:
    """Whether the condition can hold in this line at all, as far as the line decides it."""
    if condition.kind == "line":
        return condition.holds(line.line_number)
    if condition.kind != "slot" or condition.name not in known:
        return True
    texts = known[condition.name]
    if texts is None:
        return False
    return len(texts) > 1 or condition.holds(texts[0])


def _slot_level(key: str, size: int, texts: list[str] | None, skip: Sequence[SkipRule]) -> Level:
    if texts is None or len(texts) != size:
        return Level(size)
    concerned = [[c for c in rule.conditions if c.name == key and c.kind == "slot"] for rule in skip]
    if not any(concerned):
        return Level(size)
    return Level(size, tuple(_bits(all(c.holds(t) for c in conditions) for conditions in concerned) for t in texts))


def _image_level(images: int, seeds: Sequence[int] | None, skip: Sequence[SkipRule]) -> Level:
    concerned = [[c for c in rule.conditions if c.kind == "seed"] for rule in skip]
    if not any(concerned):
        return Level(images)
    if seeds is None:
        raise InvalidSetting("--skip seed", "", "seeds that are known: give --seeds or seed")
    return Level(
        images, tuple(_bits(all(c.holds(seed) for c in conditions) for conditions in concerned) for seed in seeds)
    )


def _bits(flags: Iterable[bool]) -> int:
    return sum(1 << i for i, flag in enumerate(flags) if flag)
