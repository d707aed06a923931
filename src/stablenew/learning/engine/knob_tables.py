"""Per setting a table of how alike any two of its values are: what every kernel is put together from.

A table is centred over the values the setting may take (Durrande, Ginsbourger, Roustant and Carraro 2012, "Additive
covariance kernels for high-dimensional Gaussian process modeling", and 2013, "ANOVA kernels"), so that a main effect
has mean zero and an interaction has no part of a main effect in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stablenew.learning.engine.arrays import Floats, Ints
from stablenew.learning.search_space import Knob, SearchSpace, Settings

FAMILY_SHARE = 0.5
"""How much of a category's effect it shares with its family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnobTable:
    """One setting, encoded. The first `declared` of `values` may be chosen; the rest were only ever seen.

    `places` are the numbers' places, 0..1 over the declared range, None for categories; `weights` sum to 1 over the
    declared values.
    """

    knob: Knob
    values: tuple[object, ...]
    declared: int
    weights: Floats
    places: Floats | None
    alike: Floats
    centred: Floats

    def at_length(self, length: float) -> tuple[Floats, Floats, Floats, Floats]:
        """(plain, centred, and the derivative of each by log length) for a squared-exponential of this `length`."""
        if self.places is None:
            zero = np.zeros_like(self.alike)
            return self.alike, self.centred, zero, zero
        squares = np.subtract.outer(self.places, self.places) ** 2 / length**2
        plain = np.exp(-0.5 * squares)
        slope = plain * squares
        centred, centred_slope = _centred(plain, slope, self.weights)
        return plain, centred, slope, centred_slope


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """A space's tables, and settings as rows of table indices. Knobs with a single value have no table."""

    tables: tuple[KnobTable, ...]
    index: tuple[dict[object, int], ...]

    def encode(self, settings: Sequence[Settings]) -> Ints:
        """int64 [n, tables]. Raises KeyError for a value that no table has."""
        rows = [
            [index[_key(each[table.knob.name])] for table, index in zip(self.tables, self.index, strict=True)]
            for each in settings
        ]
        return np.asarray(rows, dtype=np.int64).reshape(len(settings), len(self.tables))

    def decode(self, row: Ints) -> dict[str, object]:
        """The settings a row of indices stands for."""
        return {table.knob.name: table.values[int(at)] for table, at in zip(self.tables, row, strict=True)}


def encode_space(space: SearchSpace, seen: Sequence[Settings]) -> Encoding:
    """The tables of `space`, with every value in `seen` besides the declared ones."""
    tables: list[KnobTable] = []
    for knob in space.knobs:
        extra = dict.fromkeys(_key(each[knob.name]) for each in seen)
        declared = tuple(dict.fromkeys(map(_key, knob.values)))
        values = (*declared, *(value for value in extra if value not in set(declared)))
        if len(values) > 1:
            tables.append(_table(knob, values, len(declared)))
    index = tuple({value: at for at, value in enumerate(table.values)} for table in tables)
    return Encoding(tables=tuple(tables), index=index)


def _key(value: object) -> object:
    """10 and 10.0 are one value; a list is compared by what it says."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return int(value) if float(value).is_integer() else float(value)
    return value if isinstance(value, str) else repr(value)


def _table(knob: Knob, values: tuple[object, ...], declared: int) -> KnobTable:
    weights = np.zeros(len(values))
    weights[:declared] = 1 / declared
    if declared == 1:
        weights[:] = 1 / len(values)
    places = _places(knob, values, declared) if knob.numeric else None
    alike = np.eye(len(values)) if places is not None else _category_likeness(knob, values)
    centred, _ = _centred(alike, np.zeros_like(alike), weights)
    return KnobTable(
        knob=knob, values=values, declared=declared, weights=weights, places=places, alike=alike, centred=centred
    )


def _places(knob: Knob, values: tuple[object, ...], declared: int) -> Floats:
    numbers = np.asarray(values, dtype=np.float64)
    if knob.log:
        numbers = np.log(numbers)
    within = numbers[:declared] if declared > 1 else numbers
    low, high = float(within.min()), float(within.max())
    return (numbers - low) / (high - low)


def _category_likeness(knob: Knob, values: tuple[object, ...]) -> Floats:
    """1 for the same value, FAMILY_SHARE for another of the same family, else 0."""
    families = [knob.families.get(str(value)) for value in values]
    alike = np.eye(len(values))
    for row, family in enumerate(families):
        for column in range(row):
            if family is not None and family == families[column]:
                alike[row, column] = alike[column, row] = FAMILY_SHARE
    return alike


def _centred(plain: Floats, slope: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """`plain` conditioned on a zero mean under `weights`, scaled to a mean variance of 1; and its derivative."""
    mean, mean_slope = plain @ weights, slope @ weights
    total, total_slope = float(weights @ mean), float(weights @ mean_slope)
    raw = plain - np.outer(mean, mean) / total
    raw_slope = (
        slope
        - (np.outer(mean_slope, mean) + np.outer(mean, mean_slope)) / total
        + np.outer(mean, mean) * total_slope / total**2
    )
    scale = float(weights @ np.diag(raw))
    scale_slope = float(weights @ np.diag(raw_slope))
    if not math.isfinite(scale) or scale < 1e-9:
        return np.zeros_like(plain), np.zeros_like(plain)
    return raw / scale, raw_slope / scale - raw * scale_slope / scale**2
