"""An order of all cells of a grid whose every prefix is balanced, with any place of it computable alone.

The construction is a digital sequence (Niederreiter, "Point sets and sequences with small discrepancy", Monatshefte für
Mathematik 104, 1987) over each prime that divides a number of levels, joined by the Chinese remainder theorem:

- Axis j with n_j levels shows, at time k, the digits of k mod n_j, each shifted by digits of k div n_j. The shift is
  constant while k runs through n_j places in a row, so every such block shows each level once: in any prefix the levels
  of an axis differ by at most one in how often they appear (a (0,1)-sequence in every axis; for levels this is Latin
  hypercube sampling at every block).
- The shifts are rows of a generator matrix over GF(p), unit triangular in the order in which the axes are solved for,
  so the map from times to cells is one to one. Their free entries are chosen as Joe and Kuo choose direction numbers
  ("Constructing Sobol sequences with better two-dimensional projections", SIAM J. Sci. Comput. 30, 2008): so that each
  pair of axes becomes an orthogonal array of strength two after as few places as possible. Where all axes have the
  same prime number of levels, and no more axes than levels, the first levels squared places are such an array for all
  pairs at once (Bose and Bush, Ann. Math. Stat. 23, 1952).
- The levels of each axis are permuted once (Owen, "Randomly permuted (t,m,s)-nets", 1995), by fixed permutations, so
  that axes with orders of their own (numbers) do not run in parallel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from itertools import count as count_from
from math import gcd, prod
from random import Random
from sys import maxsize

CANDIDATES = 64
LOOK_AHEAD = 16
WORK = 3000
SEARCHED_AXES = 48
_SHUFFLED_UP_TO = 4096
_FACTORED_UP_TO = 1_000_000
_TABLED_UP_TO = 256


@dataclass(frozen=True, slots=True)
class _Digits:
    """How an axis makes its component for one prime: digit u of the place in the block, plus shifts per digit.

    A shift is (divisor, coefficient), of k // divisor. `weight` is the component's in the remainder theorem.
    """

    prime: int
    rows: tuple[tuple[tuple[int, int], ...], ...]
    weight: int

    def shifts(self, k: int) -> tuple[int, ...]:
        """What is added to each digit; the same for all k of one block."""
        return tuple([sum([a * (k // divisor) for divisor, a in row]) % self.prime for row in self.rows])

    def component(self, k: int, shifts: tuple[int, ...]) -> int:
        """The axis's level modulo this prime's power, times the weight."""
        value, place, prime = 0, 1, self.prime
        for shift in shifts:
            k, digit = divmod(k, prime)
            value += (digit + shift) % prime * place
            place *= prime
        return value * self.weight


class _Axis:
    """The levels of one axis over time. The levels of the block it was asked for last are kept as a table."""

    __slots__ = ("_block", "_order", "_parts", "_tables", "count")

    def __init__(self, parts: tuple[_Digits, ...], count: int, number: int) -> None:
        self._parts, self.count = parts, count
        self._order = _Shuffled(count, number)
        self._tables: dict[tuple[tuple[int, ...], ...], tuple[int, ...]] = {}
        self._block: tuple[int, tuple[int, ...]] = (-1, ())

    def level(self, k: int) -> int:
        """The level at time `k`."""
        block, place = divmod(k, self.count)
        if self.count > _TABLED_UP_TO:
            return self._level(place, tuple([part.shifts(k) for part in self._parts]))
        last, table = self._block
        if last != block:
            table = self._table(block)
            self._block = (block, table)
        return table[place]

    def levels(self) -> Iterator[int]:
        """The levels from time 0 on, without end."""
        if self.count > _TABLED_UP_TO:
            return map(self.level, count_from())
        return chain.from_iterable(map(self._table, count_from()))

    def _table(self, block: int) -> tuple[int, ...]:
        """The levels of one block."""
        shifts = tuple([part.shifts(block * self.count) for part in self._parts])
        found = self._tables.get(shifts)
        if found is None:
            found = self._tables[shifts] = tuple([self._level(i, shifts) for i in range(self.count)])
        return found

    def _level(self, place: int, shifts: tuple[tuple[int, ...], ...]) -> int:
        components = [part.component(place, own) for part, own in zip(self._parts, shifts, strict=True)]
        return self._order(sum(components) % self.count)


class BalancedOrder:
    """The balanced order of all cells of a grid with `levels[j]` levels on axis j."""

    def __init__(self, levels: Sequence[int]) -> None:
        self.levels = tuple(levels)
        self.size = prod(self.levels)
        self._axes = [_Axis(parts, count, j) for j, (parts, count) in enumerate(_parts(self.levels))]

    def cell(self, k: int) -> tuple[int, ...]:
        """The level of every axis at place `k`, from 0 to `size` - 1."""
        return tuple([axis.level(k) for axis in self._axes])

    def cells(self) -> Iterator[tuple[int, ...]]:
        """Every cell in order, faster than one `cell` after the other."""
        endless = zip(*[axis.levels() for axis in self._axes], strict=False)
        return islice(endless, self.size) if self.size <= maxsize else endless


class _Shuffled:
    """A fixed permutation of `count` levels, another for each axis: a table, or a stride where there are many."""

    def __init__(self, count: int, axis: int) -> None:
        self._table: list[int] | None = None
        self._count = count
        rng = Random(axis * 1_000_003 + count)
        if count <= _SHUFFLED_UP_TO:
            self._table = list(range(count))
            # Random.random() from a whole number gives the same on every Python; shuffle() does not promise to.
            for i in range(count - 1, 0, -1):
                j = int(rng.random() * (i + 1))
                self._table[i], self._table[j] = self._table[j], self._table[i]
        else:
            self._stride = (count // 4 + (count * int(rng.random() * 2**31) >> 32)) | 1
            while gcd(self._stride, count) != 1:
                self._stride += 2
            self._start = count * int(rng.random() * 2**32) >> 32

    def __call__(self, level: int) -> int:
        if self._table is not None:
            return self._table[level]
        return (level * self._stride + self._start) % self._count


@cache
def _parts(levels: tuple[int, ...]) -> tuple[tuple[tuple[_Digits, ...], int], ...]:
    """For each axis its components, one per prime, and how many levels it has."""
    powers = _factored(levels)
    parts: list[list[_Digits]] = [[] for _ in levels]
    for prime in sorted({p for power in powers for p in power}):
        holders = [j for j, power in enumerate(powers) if prime in power]
        holders.sort(key=lambda j: -powers[j][prime])
        rows = _generator(prime, tuple(powers[j][prime] for j in holders))
        for j, matrix in zip(holders, rows, strict=True):
            parts[j].append(_digits(prime, powers[j][prime], levels[j], matrix))
    return tuple((tuple(found), count) for found, count in zip(parts, levels, strict=True))


def _digits(prime: int, exponent: int, levels: int, matrix: tuple[dict[int, int], ...]) -> _Digits:
    size = prime**exponent
    rest = levels // size
    rows = tuple(tuple((rest * prime**t, a) for t, a in sorted(row.items())) for row in matrix)
    return _Digits(prime, rows, rest * pow(rest, -1, size) if size > 1 else 0)


def _factored(levels: Sequence[int]) -> list[dict[int, int]]:
    """Each count as powers of bases that have no divisor in common: primes, but for what is too large to factor."""
    found: list[dict[int, int]] = []
    rests: list[int] = []
    for count in levels:
        powers: dict[int, int] = {}
        for divisor in (2, *range(3, 1000, 2)):
            while count % divisor == 0:
                powers[divisor] = powers.get(divisor, 0) + 1
                count //= divisor
            if divisor * divisor > count:
                break
        found.append(powers)
        rests.append(count)
    bases = _coprime_bases(rests)
    for powers, rest in zip(found, rests, strict=True):
        for base in bases:
            while rest % base == 0:
                powers[base] = powers.get(base, 0) + 1
                rest //= base
    return found


def _coprime_bases(numbers: Sequence[int]) -> list[int]:
    """Numbers without a common divisor of which all of `numbers` are products (Bernstein's coprime base, simply)."""
    todo = sorted(set(numbers) - {1})
    bases: list[int] = []
    while todo:
        number = todo.pop()
        shared = next((base for base in bases if gcd(base, number) > 1), None)
        if number == 1 or number in bases:
            continue
        if shared is None:
            bases.append(number)
            continue
        bases.remove(shared)
        common = gcd(shared, number)
        todo += [common, shared // common, number // common]
    return sorted(bases)


@cache
def _generator(prime: int, exponents: tuple[int, ...]) -> tuple[tuple[dict[int, int], ...], ...]:
    """For each axis (exponents falling), for each of its digits: the coefficient of every shifting digit of the time.

    Digit u of an axis is time digit u plus these. Axis j brings time digits that no earlier axis used, from position
    `known` on, one per row: that makes the whole system triangular.
    """
    chosen: list[tuple[dict[int, int], ...]] = []
    known = 0
    searched = min(CANDIDATES, max(8, WORK // len(exponents) ** 2))
    for axis, exponent in enumerate(exponents):
        free = [(t, u) for t in range(exponent, min(known, exponent + LOOK_AHEAD)) for u in range(exponent)]
        if prime >= _FACTORED_UP_TO or len(exponents) > SEARCHED_AXES:
            # Each axis its own label, as in the Rao-Hamming construction: no search, and pairs differ all the same.
            chosen.append(_candidate(prime, exponent, known, free, axis))
            known += exponent
            continue
        best: tuple[int, tuple[dict[int, int], ...]] | None = None
        for number in range(min(searched, prime ** min(len(free), 8))):
            rows = _candidate(prime, exponent, known, free, number)
            loss = sum(_loss(prime, rows, other) for other in chosen)
            if best is None or loss < best[0]:
                best = loss, rows
            if loss == 0:
                break
        assert best is not None
        chosen.append(best[1])
        known += exponent
    return tuple(chosen)


def _candidate(
    prime: int, exponent: int, known: int, free: list[tuple[int, int]], number: int
) -> tuple[dict[int, int], ...]:
    """Coefficients from the digits of `number`, early time digits first; the new digits have coefficient one."""
    rows: list[dict[int, int]] = [{} for _ in range(exponent)]
    for t, u in free:
        if not number:
            break
        number, coefficient = divmod(number, prime)
        if coefficient:
            rows[u][t] = coefficient
    if known:
        for u in range(exponent):
            rows[u][known + u] = 1
    return tuple(rows)


def _loss(prime: int, first: tuple[dict[int, int], ...], second: tuple[dict[int, int], ...]) -> int:
    """How many time digits more than the least possible it takes until the pair of axes is spread evenly."""
    rows = [{u: 1, **row} for matrix in (first, second) for u, row in enumerate(matrix)]
    least = len(rows)
    rank = 0
    for column in sorted({t for row in rows for t in row}):
        pivot = next((i for i in range(rank, least) if rows[i].get(column, 0) % prime), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        inverse = pow(rows[rank][column], -1, prime)
        for i in range(rank + 1, least):
            factor = rows[i].get(column, 0) * inverse % prime
            if factor:
                for t, a in rows[rank].items():
                    rows[i][t] = (rows[i].get(t, 0) - factor * a) % prime
        rank += 1
        if rank == least:
            return column + 1 - least
    return LOOK_AHEAD * 4
