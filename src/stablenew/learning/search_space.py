"""What may be varied: each setting with the values it can take. Declared by a plan, or read off records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stablenew.errors import InvalidSetting

Settings = Mapping[str, Any]
"""Settings by the names of `flat_settings`: "sampler", "steps", "img2img.denoise"."""

NOTHING = "none"
"""The value of a setting that a picture was made without, such as a VAE or an upscaler."""

LOGARITHMIC = frozenset({"steps", "img2img.steps", "hires_steps"})
"""Numbers whose effect goes with their ratio: 10 to 20 steps is as far as 20 to 40."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """One setting and the values it may take.

    Values of a `numeric` knob ascend, and near values give near results, on a log scale where `log`. Values of any
    other are categories; `families` puts some of them in groups that resemble each other (value -> family).
    """

    name: str
    values: tuple[Any, ...]
    numeric: bool = False
    log: bool = False
    families: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpace:
    """The settings under consideration, in order."""

    knobs: tuple[Knob, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(knob.name for knob in self.knobs)

    @property
    def count(self) -> int:
        """How many combinations there are."""
        product = 1
        for knob in self.knobs:
            product *= len(knob.values)
        return product

    def knob(self, name: str) -> Knob:
        """The knob called `name`. Raises KeyError."""
        return next(knob for knob in self.knobs if knob.name == name)

    def covers(self, settings: Settings) -> bool:
        """Whether `settings` say something usable about every knob."""
        return all(_usable(knob, settings.get(knob.name)) for knob in self.knobs)


def space_from_values(
    values: Mapping[str, Sequence[Any]], families: Mapping[str, Mapping[str, str]] | None = None
) -> SearchSpace:
    """The space of the given values: numbers become a numeric knob, everything else categories.

    Raises InvalidSetting where a setting has no value, or one that is not finite.
    """
    knobs = [_knob(name, tuple(dict.fromkeys(given)), (families or {}).get(name, {})) for name, given in values.items()]
    if not knobs:
        raise InvalidSetting("settings", "", "at least one setting with its values")
    return SearchSpace(knobs=tuple(knobs))


def with_values(space: SearchSpace, settings: Settings) -> SearchSpace:
    """`space` where every value of `settings` is among those it may take: a baseline is always reachable."""
    return SearchSpace(knobs=tuple(_with_value(knob, settings.get(knob.name)) for knob in space.knobs))


def trim(space: SearchSpace, settings: Settings) -> dict[str, Any]:
    """The part of `settings` that is about the knobs of `space`: a category that is not there is NOTHING."""
    return {knob.name: settings.get(knob.name, None if knob.numeric else NOTHING) for knob in space.knobs}


def is_number(value: object) -> bool:
    """Whether `value` is a number, which a truth value is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _with_value(knob: Knob, value: Any) -> Knob:
    if value in knob.values or not _usable(knob, value):
        return knob
    return _knob(knob.name, (*knob.values, value), knob.families)


def _knob(name: str, values: tuple[Any, ...], families: Mapping[str, str]) -> Knob:
    if not values:
        raise InvalidSetting(name, values, "at least one value")
    if not all(is_number(value) for value in values):
        return Knob(name=name, values=values, families=families)
    if any(value - value != 0 for value in values):
        raise InvalidSetting(name, values, "finite numbers")
    ordered = tuple(sorted(values))
    return Knob(name=name, values=ordered, numeric=True, log=name in LOGARITHMIC and ordered[0] > 0)


def _usable(knob: Knob, value: Any) -> bool:
    if knob.numeric:
        return is_number(value) and value - value == 0 and (not knob.log or value > 0)
    return value is not None
