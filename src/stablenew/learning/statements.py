"""A recommendation in sentences. Each says numbers that stand in the recommendation's fields, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stablenew.learning.recommendation import Alternative, Estimate, Recommendation, SettingEffect, ValueEffect

_SMALL = 0.05
_EFFECTS = 4


def statements_of(advice: Recommendation) -> tuple[str, ...]:
    """The sentences, in the order in which they are worth reading."""
    return tuple(_sentences(advice))


def _sentences(advice: Recommendation) -> Iterator[str]:
    if advice.enough:
        yield from _advised(advice)
    else:
        yield f"Not enough evidence: {advice.reason}."
        if advice.ratings or advice.choices:
            yield f"Your settings are expected to get {stars(advice.baseline_expected)}, {_behind(advice)}."
    yield from _possible(advice)
    yield from _effects(advice)
    if advice.seed_share is not None:
        yield f"{advice.seed_share:.0%} of the variance of stars is between pictures that differ in their seed alone."
    if advice.not_tested:
        yield f"Not tested: {', '.join(advice.not_tested)}."
    for warning in advice.warnings:
        yield f"Note: {warning}."


def _advised(advice: Recommendation) -> Iterator[str]:
    changes = ", ".join(f"{each.name} {value(each.before)} -> {value(each.after)}" for each in advice.changes)
    yield f"Change {changes}."
    yield (
        f"Expected: {stars(advice.expected)}, {_behind(advice)}; with your settings {stars(advice.baseline_expected)}; "
        f"gain {gain(advice.gain)}."
    )
    for each in advice.changes:
        tried = f"{each.images} rated images have it" if each.tested else "not tested, concluded from its neighbours"
        yield f"{each.name}={value(each.after)} alone brings {gain(each.gain)} ({tried})."


def _possible(advice: Recommendation) -> Iterator[str]:
    if advice.more_possible >= _SMALL:
        yield f"Another +{advice.more_possible:.2f} stars may be found by trying more."
    if advice.enough and advice.alternatives:
        yield (
            f"Others cannot be told apart from these ({len(advice.alternatives)} were found), the nearest: "
            f"{_difference(advice, advice.alternatives[0])}."
        )
    if advice.enough and advice.cheapest is not None and advice.cheapest.seconds is not None:
        yield (
            f"Cheapest: {_difference(advice, advice.cheapest)}: about {advice.cheapest.seconds:.2g} s a picture, with "
            "80 % certainty not more than 0.25 stars worse than the best."
        )


def _effects(advice: Recommendation) -> Iterator[str]:
    told = sorted((each for each in advice.effects if _told(each)), key=lambda each: -each.share)
    for effect in told[:_EFFECTS]:
        best, worst = (pick(_tried(effect), key=lambda each: each.stars.mean) for pick in (max, min))
        said = (
            f"{effect.name}: {value(best.value)} is best ({gain(best.stars)} against its mean), "
            f"{value(worst.value)} worst ({gain(worst.stars)}); {effect.share:.0%} of what settings explain"
        )
        if best.matched is not None:
            said += f"; in {best.pairs} matched pairs {value(best.value)} is {gain(best.matched)} against other values"
        yield f"{said}."


def _told(effect: SettingEffect) -> bool:
    """Whether the best of the values that were tried is with 80 % certainty better than the mean."""
    return any(each.stars.low80 > 0 for each in _tried(effect))


def _tried(effect: SettingEffect) -> list[ValueEffect]:
    """The values that rated pictures have: one that none has is not called the best, however promising."""
    return [each for each in effect.values if each.tested]


def _difference(advice: Recommendation, other: Alternative) -> str:
    differing = [name for name in other.settings if other.settings[name] != advice.settings.get(name)]
    return ", ".join(f"{name} {value(other.settings[name])}" for name in differing) or "these very settings"


def _behind(advice: Recommendation) -> str:
    said = f"from {_count(advice.ratings, 'rating')}"
    if advice.context and advice.baseline_expected.images < advice.ratings:
        said += f" ({advice.baseline_expected.images:,} of {advice.context})"
    return f"{said} and {_count(advice.choices, 'choice')}" if advice.choices else said


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("" if number == 1 else "s")


def stars(each: Estimate) -> str:
    """ "4.1 stars (95 %: 3.6..4.5)" """
    return f"{each.mean:.2f} stars (95 %: {each.low:.2f}..{each.high:.2f})"


def gain(each: Estimate) -> str:
    """ "+0.6 stars (95 %: +0.2..+1.0)" """
    return f"{each.mean:+.2f} stars (95 %: {each.low:+.2f}..{each.high:+.2f})"


def value(each: Any) -> str:
    """A value as a person writes it."""
    return f"{each:g}" if isinstance(each, float) else str(each)
