"""The covariance of expected stars between settings: main effects, their products of all orders, and a little apart.

    k(x, x') = [ (prod_d (1 + p a_d k_d) - 1) / p + q prod_d k~_d ] (rho + (1 - rho) [same context]) + mean

`k_d` is the centred table of setting d, `k~_d` the plain one. Written out, the first product is sum_d a_d k_d + p
sum_{d<e} a_d a_e k_d k_e + ..., each order p times weaker or stronger than the last. Everything learned is positive or
within 0..1 and is held as one vector of unbounded numbers, so that any optimiser can move it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stablenew.learning.engine.arrays import Floats, Ints
from stablenew.learning.engine.knob_tables import Encoding

MEAN_VARIANCE = 1.0
"""How uncertain the mean over all settings is beforehand, in stars squared, around the middle of the scale."""
CONTEXT_VARIANCE = 0.1
"""How far the mean of one context lies from another's."""
_TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyper:
    """What is learned about the kind of landscape. `weights` and `lengths` are per table, lengths of the range.

    `noise` and `row` are variances in stars squared: of one rating, and of what the ratings of one row share.
    """

    weights: Floats
    lengths: Floats
    pairs: float
    product: float
    noise: float
    row: float
    rho: float

    def to_vector(self) -> Floats:
        scalars = [self.pairs, self.product, self.noise, self.row]
        logs = np.log(np.concatenate([self.weights, self.lengths, scalars]))
        return np.append(logs, np.log(self.rho / (1 - self.rho)))

    @staticmethod
    def from_vector(vector: Floats) -> Hyper:
        count = (len(vector) - 5) // 2
        values = np.exp(vector[:-1])
        return Hyper(
            weights=values[:count],
            lengths=values[count : 2 * count],
            pairs=float(values[-4]),
            product=float(values[-3]),
            noise=float(values[-2]),
            row=float(values[-1]),
            rho=float(1 / (1 + np.exp(-vector[-1]))),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """Independent normal priors on the unbounded vector: its centre and its standard deviations."""

    centre: Floats
    spread: Floats

    def log_density(self, vector: Floats) -> tuple[float, Floats]:
        """Up to a constant, and its gradient."""
        off = (vector - self.centre) / self.spread
        return -0.5 * float(off @ off), -off / self.spread


def default_prior(tables: int) -> Prior:
    """Weights around 0.05, pairs around 0.3, lengths around 0.35 of the range, noise around 0.45.

    Fewer interactions than the 3 one might begin with, and less sure of it: measured in docs/benchmarks.md.
    """
    centre = Hyper(
        weights=np.full(tables, 0.05),
        lengths=np.full(tables, 0.35),
        pairs=0.3,
        product=0.02,
        noise=0.45,
        row=0.08,
        rho=0.7,
    ).to_vector()
    spread = np.concatenate([np.full(tables, 1.5), np.full(tables, 0.4), [1.0, 1.0, 0.6, 0.7, 1.0]])
    return Prior(centre=centre, spread=spread)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables of an encoding at given lengths: (plain, centred) per setting, and their slopes by log length."""

    plain: tuple[Floats, ...]
    centred: tuple[Floats, ...]
    plain_slope: tuple[Floats, ...]
    centred_slope: tuple[Floats, ...]


def tables_at(encoding: Encoding, hyper: Hyper) -> Tables:
    """Every table at its learned length."""
    made = [table.at_length(float(length)) for table, length in zip(encoding.tables, hyper.lengths, strict=True)]
    plain, centred, plain_slope, centred_slope = zip(*made, strict=True) if made else ((), (), (), ())
    return Tables(plain=plain, centred=centred, plain_slope=plain_slope, centred_slope=centred_slope)


def covariance(
    hyper: Hyper, tables: Tables, left: Ints, right: Ints, left_context: Ints, right_context: Ints
) -> Floats:
    """Prior covariance [n, m] of expected stars between settings `left` [n, d] and `right` [m, d]."""
    same = np.equal.outer(left_context, right_context).astype(float)
    effects = _effects(hyper, tables, left, right)
    return effects * (hyper.rho + (1 - hyper.rho) * same) + MEAN_VARIANCE + CONTEXT_VARIANCE * same


def variance(hyper: Hyper, tables: Tables, rows: Ints) -> Floats:
    """Prior variance [n] of expected stars."""
    every = np.ones(len(rows))
    for at, centred in enumerate(tables.centred):
        every *= 1 + hyper.pairs * hyper.weights[at] * np.diag(centred)[rows[:, at]]
    return (every - 1) / hyper.pairs + hyper.product + MEAN_VARIANCE + CONTEXT_VARIANCE


def _effects(hyper: Hyper, tables: Tables, left: Ints, right: Ints) -> Floats:
    shape = (len(left), len(right))
    every, product = np.ones(shape), np.full(shape, hyper.product)
    for at in range(len(tables.centred)):
        pick = np.ix_(left[:, at], right[:, at])
        every *= 1 + hyper.pairs * hyper.weights[at] * tables.centred[at][pick]
        product *= tables.plain[at][pick]
    effects: Floats = (every - 1) / hyper.pairs + product
    return effects


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """The covariance `matrix` [n, n] of some points with what it was put together from, for its derivatives."""

    parts: tuple[Floats, ...]
    factors: tuple[Floats, ...]
    product: Floats
    effects: Floats
    same: Floats
    matrix: Floats


def blocks_of(hyper: Hyper, tables: Tables, rows: Ints, context: Ints) -> Blocks:
    """The covariance of `rows` [n, d] with themselves, part by part."""
    parts = tuple(weight * _at(table, rows[:, at]) for at, (weight, table) in enumerate(_weighted(hyper, tables)))
    factors = tuple(1 + hyper.pairs * part for part in parts)
    same = np.equal.outer(context, context).astype(float)
    every, product = np.ones_like(same), np.full_like(same, hyper.product)
    for at, factor in enumerate(factors):
        every *= factor
        product *= _at(tables.plain[at], rows[:, at])
    effects = (every - 1) / hyper.pairs + product
    matrix = effects * (hyper.rho + (1 - hyper.rho) * same) + MEAN_VARIANCE + CONTEXT_VARIANCE * same
    return Blocks(parts=parts, factors=factors, product=product, effects=effects, same=same, matrix=matrix)


def gradient_of(blocks: Blocks, hyper: Hyper, tables: Tables, rows: Ints, pull: Floats) -> Floats:
    """The sums of `pull` [n, n] times the derivatives of the covariance by the unbounded vector.

    Those by noise and row are left 0: they are no part of it.
    """
    count = len(blocks.parts)
    mixed = pull * (hyper.rho + (1 - hyper.rho) * blocks.same)
    every = hyper.pairs * (blocks.effects - blocks.product) + 1
    by_pairs = (1 - every) / hyper.pairs
    weighted, alike = mixed * every, mixed * blocks.product
    gradient = np.zeros(2 * count + 5)
    for at, (part, factor) in enumerate(zip(blocks.parts, blocks.factors, strict=True)):
        safe = np.where(np.abs(factor) < _TINY, _TINY, factor)
        share = part / safe
        by_pairs += every * share
        gradient[at] = np.sum(weighted * share)
        if tables.centred_slope[at].any():
            place = rows[:, at]
            slope = hyper.weights[at] * _at(tables.centred_slope[at], place)
            plain, plain_slope = _at(tables.plain[at], place), _at(tables.plain_slope[at], place)
            ratio = np.divide(plain_slope, plain, out=np.zeros_like(plain), where=plain > 1e-300)
            gradient[count + at] = np.sum(weighted / safe * slope) + np.sum(alike * ratio)
    gradient[2 * count] = np.sum(mixed * by_pairs)
    gradient[2 * count + 1] = np.sum(alike)
    gradient[2 * count + 4] = np.sum(pull * blocks.effects * (1 - blocks.same)) * hyper.rho * (1 - hyper.rho)
    return gradient


def _weighted(hyper: Hyper, tables: Tables) -> Iterator[tuple[float, Floats]]:
    return zip(map(float, hyper.weights), tables.centred, strict=True)


def _at(table: Floats, places: Ints) -> Floats:
    """The table's entries between any two of `places`."""
    found: Floats = table.take(places, axis=0).take(places, axis=1)
    return found
