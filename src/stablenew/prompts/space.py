"""All cells of a plan - line, texts of the line, values of the axes, image - counted and numbered without listing them.

`GridSpace` numbers them in nested order, rules that skip cells included: it counts, per level and per set of rules that
could still apply, what lies below (ranking and unranking in a decision diagram), so cell k of 10^12 is found by one
walk down. `BalancedSpace` numbers the same cells, without rules, in a balanced order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, product
from math import lcm, prod
from typing import NamedTuple

from stablenew.prompts.balanced import BalancedOrder

_LISTED = 100_000


class Cell(NamedTuple):
    """One cell: the line's place, the ranks of its factors, of the axes (outer ones first), and the image's number."""

    line: int
    texts: tuple[int, ...]
    axes: tuple[int, ...]
    image: int


@dataclass(frozen=True, slots=True)
class Level:
    """One choice on the way down: how many ways, and for each the rules (as bits) whose conditions here it meets.

    `meets` empty: no rule has a condition here.
    """

    size: int
    meets: tuple[int, ...] = ()

    def after(self, rank: int, alive: int) -> int:
        """The rules that can still apply."""
        return alive & self.meets[rank] if self.meets else alive


class GridSpace:
    """Nested order: outer axes, lines, the line's texts, inner axes, images. `rules` is how many rules there are."""

    def __init__(
        self, outer: Sequence[Level], lines: Level, texts: Sequence[Sequence[Level]], inner: Sequence[Level], rules: int
    ) -> None:
        self._outer, self._lines, self._texts, self._inner = tuple(outer), lines, texts, tuple(inner)
        self._ends: dict[tuple[int, int, int], list[int]] = {}
        self._all = (1 << rules) - 1
        self._inner_size = prod(level.size for level in self._inner)
        self._text_sizes = [prod(level.size for level in levels) for levels in texts]
        self._below_lines = list(accumulate(size * self._inner_size for size in self._text_sizes))
        self.count = self._count(-1, 0, self._all)

    def cell(self, k: int) -> Cell:
        """Cell `k`, from 0 to `count` - 1."""
        alive, outer = self._all, []
        for depth, level in enumerate(self._outer):
            rank, k, alive = self._step(-1, depth, level, k, alive)
            outer.append(rank)
        line, k, alive = self._step_line(k, alive)
        ranks = []
        for depth, level in enumerate(self._levels(line)):
            rank, k, alive = self._step(line, depth, level, k, alive)
            ranks.append(rank)
        split = len(self._texts[line])
        return Cell(line, tuple(ranks[:split]), (*outer, *ranks[split:-1]), ranks[-1])

    def cells(self) -> Iterator[Cell]:
        """Every cell in order, faster than one `cell` after the other."""
        if self._all:
            yield from map(self.cell, range(self.count))
            return
        images = range(self._inner[-1].size)
        inner = [level.size for level in self._inner[:-1]]
        texts = [[level.size for level in levels] for levels in self._texts]
        for first in _every([level.size for level in self._outer]):
            for line, sizes in enumerate(texts):
                for ranks in _every(sizes):
                    for rest in _every(inner):
                        axes = first + rest
                        for image in images:
                            yield Cell(line, ranks, axes, image)

    def skips(self, cell: Cell) -> bool:
        """Whether a rule leaves `cell` out."""
        alive = self._lines.after(cell.line, self._all)
        ranks = (*cell.axes[: len(self._outer)], *cell.texts, *cell.axes[len(self._outer) :], cell.image)
        for level, rank in zip((*self._outer, *self._levels(cell.line)), ranks, strict=True):
            alive = level.after(rank, alive)
        return alive != 0

    def _levels(self, line: int) -> tuple[Level, ...]:
        return (*self._texts[line], *self._inner)

    def _count(self, line: int, depth: int, alive: int) -> int:
        """The cells below `depth` of the outer levels (line -1) or of a line's own levels."""
        levels = self._outer if line < 0 else self._levels(line)
        if depth == len(levels):
            return self._line_ends(alive)[-1] if line < 0 else int(alive == 0)
        if not alive:
            return self._free(line, depth)
        if not levels[depth].meets:
            return levels[depth].size * self._count(line, depth + 1, alive)
        return self._level_ends(line, depth, levels[depth], alive)[-1]

    def _free(self, line: int, depth: int) -> int:
        """The cells below `depth` where no rule can apply any more."""
        if line < 0:
            return prod(level.size for level in self._outer[depth:]) * self._below_lines[-1]
        own = self._texts[line]
        if depth >= len(own):
            return prod(level.size for level in self._inner[depth - len(own) :])
        return prod(level.size for level in own[depth:]) * self._inner_size

    def _level_ends(self, line: int, depth: int, level: Level, alive: int) -> list[int]:
        """For each rank of the level, how many cells there are up to its last."""
        key = (line, depth, alive)
        if key not in self._ends:
            below: dict[int, int] = {}
            sizes = []
            for rank in range(level.size):
                after = level.after(rank, alive)
                if after not in below:
                    below[after] = self._count(line, depth + 1, after)
                sizes.append(below[after])
            self._ends[key] = list(accumulate(sizes))
        return self._ends[key]

    def _line_ends(self, alive: int) -> list[int]:
        if not alive:
            return self._below_lines
        key = (-1, -1, alive)
        if key not in self._ends:
            sizes = [self._count(line, 0, self._lines.after(line, alive)) for line in range(self._lines.size)]
            self._ends[key] = list(accumulate(sizes))
        return self._ends[key]

    def _step(self, line: int, depth: int, level: Level, k: int, alive: int) -> tuple[int, int, int]:
        """The rank at this level, what of `k` is left below it, and the rules that can still apply."""
        if not alive:
            rank, k = divmod(k, self._free(line, depth + 1))
            return rank, k, 0
        if not level.meets:
            rank, k = divmod(k, self._count(line, depth + 1, alive))
            return rank, k, alive
        ends = self._level_ends(line, depth, level, alive)
        rank = bisect_right(ends, k)
        return rank, k - (ends[rank - 1] if rank else 0), level.after(rank, alive)

    def _step_line(self, k: int, alive: int) -> tuple[int, int, int]:
        ends = self._line_ends(alive)
        line = bisect_right(ends, k)
        return line, k - (ends[line - 1] if line else 0), self._lines.after(line, alive)


def _every(sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All ranks in nested order. `product` would make a list of each range first, and one may have 10^12 ranks."""
    if all(size <= _LISTED for size in sizes):
        return product(*map(range, sizes))
    return (_unranked(k, sizes) for k in range(prod(sizes)))


def _unranked(k: int, sizes: Sequence[int]) -> tuple[int, ...]:
    ranks = []
    for size in reversed(sizes):
        k, rank = divmod(k, size)
        ranks.append(rank)
    return tuple(reversed(ranks))


class BalancedSpace:
    """Balanced order over lines, texts and axes. `texts` has the sizes of each line's factors."""

    def __init__(self, texts: Sequence[tuple[int, ...]], axes: Sequence[int]) -> None:
        self._texts = texts
        self._lines = len(texts)
        self._alike = len(set(texts)) == 1
        shared = texts[0] if self._alike else ()
        self._design = BalancedOrder([self._lines, *shared, *axes])
        self._split = 1 + len(shared)
        self._period = prod(axes)
        self._counts = [prod(sizes) for sizes in texts]
        self._phases = _phases(self._counts, self._period)
        self.count = sum(self._counts) * self._period
        self._orders = {sizes: BalancedOrder(sizes) for sizes in set(texts)}
        self._block: Callable[[int, int], tuple[tuple[int, ...], ...]] = lru_cache(4)(self._block_of)

    def place(self, k: int) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        """The line, the ranks of its factors and of the axes at place `k`."""
        if self._alike:
            cell = self._design.cell(k)
            return cell[0], cell[1 : self._split], cell[self._split :]
        phase = bisect_right([start for start, *_ in self._phases], k) - 1
        start, visits, lines = self._phases[phase]
        visit, place = divmod(k - start, lines)
        visit += visits
        if lines == self._lines:
            line, *axes = self._design.cell(visit % self._period * lines + place)
        else:
            line, *axes = self._block(visit % self._period, phase)[place]
        return line, self._text(line, visit), tuple(axes)

    def places(self) -> Iterator[tuple[int, tuple[int, ...], tuple[int, ...]]]:
        """Every place in order, faster than one `place` after the other."""
        if not self._alike:
            return map(self.place, range(self.count))
        split = self._split
        return ((cell[0], cell[1:split], cell[split:]) for cell in self._design.cells())

    def _block_of(self, block: int, phase: int) -> tuple[tuple[int, ...], ...]:
        """The cells of a block of the design, without the lines whose texts are used up before this phase."""
        used = self._phases[phase][1] // self._period
        cells = (self._design.cell(block * self._lines + i) for i in range(self._lines))
        return tuple(cell for cell in cells if self._counts[cell[0]] > used)

    def _text(self, line: int, visit: int) -> tuple[int, ...]:
        """The line's text at its visit number `visit`; with the axes' period it goes through every pair once."""
        count = self._counts[line]
        shift = visit // lcm(self._period, count)
        return self._orders[self._texts[line]].cell((visit + shift + line) % count)


def _phases(counts: Sequence[int], period: int) -> list[tuple[int, int, int]]:
    """(first place, visits of each line before, lines left): a phase ends where lines have shown all they have."""
    phases = []
    start, done = 0, 0
    for count in sorted(set(counts)):
        left = sum(1 for other in counts if other >= count)
        phases.append((start, done * period, left))
        start += left * (count - done) * period
        done = count
    return phases
