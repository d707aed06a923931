"""What a template becomes once slots and wildcards have values: a tree that counts its texts and gives any of them.

Every part has a `count` and two ways to give a text: `render` gives the one with a number, `draw` one at random by
weight. A part in another mode than grid counts as one: its value comes from the seed or from the step of the variant.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from math import factorial, prod
from typing import Protocol

from stablenew.prompts.template import Mode
from stablenew.variant import content_hash


class Draw:
    """One text being made: names that have a value, the bindings so far, and where random and running modes stand."""

    __slots__ = ("bindings", "image", "line_index", "names", "seed")

    def __init__(
        self, *, seed: int = 0, image: int = 0, line_index: int = 0, names: dict[str, str] | None = None
    ) -> None:
        self.names: dict[str, str] = {} if names is None else names
        self.bindings: dict[str, str] = {}
        self.seed, self.image, self.line_index = seed, image, line_index

    def bind(self, label: str, text: str) -> str:
        """Note that `label` took `text`; a label that comes again gets a number."""
        bindings = self.bindings
        if label not in bindings:
            bindings[label] = text
            return text
        number = 2
        while f"{label}#{number}" in bindings:
            number += 1
        bindings[f"{label}#{number}"] = text
        return text

    def unit(self, label: str) -> float:
        """A number in [0, 1) that the variant's seed, `label` and what is bound so far decide."""
        return int(content_hash([self.seed, label, len(self.bindings)])[:13], 16) / 16**13

    def step(self, mode: Mode) -> int:
        """How far a running mode has gone: by image (sequential), or by line and image (rotate)."""
        return self.image + (self.line_index if mode == "rotate" else 0)


class Part(Protocol):
    """One part of a compiled template."""

    @property
    def count(self) -> int:
        """How many texts the part can be."""

    def render(self, index: int, draw: Draw) -> str:
        """Text `index`, from 0 to `count` - 1."""

    def draw(self, draw: Draw) -> str:
        """A text drawn by weight."""


class Fixed:
    """Literal text."""

    count = 1

    def __init__(self, text: str) -> None:
        self.text = text

    def render(self, index: int, draw: Draw) -> str:
        return self.text

    def draw(self, draw: Draw) -> str:
        return self.text


class Named:
    """The value that a name in scope has by then: a slot used twice, or a variable chosen once."""

    count = 1

    def __init__(self, key: str) -> None:
        self.key = key

    def render(self, index: int, draw: Draw) -> str:
        return draw.names[self.key]

    def draw(self, draw: Draw) -> str:
        return draw.names[self.key]


class Values:
    """One of several plain texts."""

    def __init__(self, label: str, texts: Sequence[str], weights: Sequence[float] = ()) -> None:
        self.label, self.texts, self.weights = label, texts, weights
        self.count = len(texts)

    def render(self, index: int, draw: Draw) -> str:
        return draw.bind(self.label, self.texts[index])

    def draw(self, draw: Draw) -> str:
        return draw.bind(self.label, self.texts[_weighted(draw.unit(self.label), self.count, self._cumulative)])

    @cached_property
    def _cumulative(self) -> list[float]:
        return list(accumulate(self.weights))


class Alternatives:
    """One of several parts."""

    def __init__(self, label: str, options: Sequence[Part], weights: Sequence[float] = ()) -> None:
        self.label, self.options = label, options
        self._ends = list(accumulate(option.count for option in options))
        self._cumulative = list(accumulate(weights))
        self.count = self._ends[-1]

    def render(self, index: int, draw: Draw) -> str:
        chosen = bisect_right(self._ends, index)
        before = self._ends[chosen - 1] if chosen else 0
        return draw.bind(self.label, self.options[chosen].render(index - before, draw))

    def draw(self, draw: Draw) -> str:
        chosen = _weighted(draw.unit(self.label), len(self.options), self._cumulative)
        return draw.bind(self.label, self.options[chosen].draw(draw))


class Arrangement:
    """From `low` to `high` of the options, each at most once, in every order, joined by `separator`."""

    def __init__(
        self, label: str, options: Sequence[Part], weights: Sequence[float], low: int, high: int, separator: str
    ) -> None:
        self.label, self.options, self.weights, self.separator = label, options, weights, separator
        self.low, self.high = low, high
        self._ways = _subset_ways([option.count for option in options], high)
        self._sizes = [factorial(k) * self._ways[0][k] for k in range(low, high + 1)]
        self.count = sum(self._sizes)

    def render(self, index: int, draw: Draw) -> str:
        size = self.low
        while index >= self._sizes[size - self.low]:
            index -= self._sizes[size - self.low]
            size += 1
        order, index = divmod(index, self._ways[0][size])
        chosen = self._subset(size, index)
        texts = [self.options[i].render(rank, draw) for i, rank in _permuted(chosen, order)]
        return draw.bind(self.label, self.separator.join(texts))

    def draw(self, draw: Draw) -> str:
        size = self.low + int(draw.unit(self.label + "#size") * (self.high - self.low + 1))
        left = list(range(len(self.options)))
        texts = []
        for turn in range(size):
            cumulative = list(accumulate(self.weights[i] for i in left))
            i = left.pop(_weighted(draw.unit(f"{self.label}#{turn}"), len(left), cumulative))
            texts.append(self.options[i].draw(draw))
        return draw.bind(self.label, self.separator.join(texts))

    def _subset(self, size: int, index: int) -> list[tuple[int, int]]:
        """Subset `index` of `size` options, each with the number of its own text."""
        chosen = []
        for i, option in enumerate(self.options):
            if not size:
                break
            with_it = option.count * self._ways[i + 1][size - 1]
            if index < with_it:
                rank, index = divmod(index, self._ways[i + 1][size - 1])
                chosen.append((i, rank))
                size -= 1
            else:
                index -= with_it
        return chosen


class Chain:
    """Parts one after another; `scope` are names whose value is chosen first."""

    def __init__(self, parts: Sequence[Part], scope: Sequence[tuple[str, Part]] = ()) -> None:
        self.parts, self.scope = parts, scope
        self.count = prod(part.count for part in parts) * prod(part.count for _, part in scope)

    def render(self, index: int, draw: Draw) -> str:
        for key, part in self.scope:
            index, rank = divmod(index, part.count)
            draw.names[key] = part.render(rank, draw)
        texts = []
        for part in self.parts:
            index, rank = divmod(index, part.count)
            texts.append(part.render(rank, draw))
        return "".join(texts)

    def draw(self, draw: Draw) -> str:
        for key, part in self.scope:
            draw.names[key] = part.draw(draw)
        return "".join([part.draw(draw) for part in self.parts])


class Wrapped:
    """A wrapper whose three dots (or its end, where it has none) give place to the inner text."""

    def __init__(self, wrapper: Part, inner: Part) -> None:
        self.wrapper, self.inner = wrapper, inner
        self.count = wrapper.count * inner.count

    def render(self, index: int, draw: Draw) -> str:
        first, second = divmod(index, self.inner.count)
        return _wrapped(self.wrapper.render(first, draw), self.inner.render(second, draw))

    def draw(self, draw: Draw) -> str:
        return _wrapped(self.wrapper.draw(draw), self.inner.draw(draw))


class Running:
    """A part that does not multiply the plan: its text is drawn, or is the next one in turn."""

    count = 1

    def __init__(self, inner: Part, mode: Mode) -> None:
        self.inner, self.mode = inner, mode

    def render(self, index: int, draw: Draw) -> str:
        if self.mode == "random":
            return self.inner.draw(draw)
        return self.inner.render(draw.step(self.mode) % self.inner.count, draw)

    def draw(self, draw: Draw) -> str:
        return self.render(0, draw)


def _wrapped(wrapper: str, inner: str) -> str:
    before, _, after = re.sub("…", "...", wrapper).partition("...")
    return before + inner + after


def _weighted(unit: float, count: int, cumulative: Sequence[float]) -> int:
    if not cumulative or cumulative[-1] <= 0:
        return int(unit * count)
    return min(bisect_right(cumulative, unit * cumulative[-1]), count - 1)


def _subset_ways(counts: Sequence[int], most: int) -> list[list[int]]:
    """[i][k]: in how many ways k of the options from i on give their texts (elementary symmetric polynomials)."""
    ways = [[1] + [0] * most]
    for count in reversed(counts):
        after = ways[-1]
        ways.append([1] + [after[k] + count * after[k - 1] for k in range(1, most + 1)])
    return ways[::-1]


def _permuted(chosen: list[tuple[int, int]], order: int) -> list[tuple[int, int]]:
    """Permutation `order` of `chosen`, in lexicographic order."""
    left = list(chosen)
    result = []
    for size in range(len(chosen), 0, -1):
        first, order = divmod(order, factorial(size - 1))
        result.append(left.pop(first))
    return result
