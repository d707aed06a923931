"""A card in words, for every face that shows one. Each line says numbers that stand in the card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stablenew.learning.prompt_class import ANY
from stablenew.learning.recommendation import Estimate
from stablenew.learning.taste_card import TasteCard
from stablenew.learning.win_rate import counted


def state_line(card: TasteCard) -> str:
    """In a line: whether the settings were proved, and by what."""
    measured = card.measured
    if card.state == "withdrawn":
        return (
            f"withdrawn on {card.written_at[:10]}, the old settings are in use: {card.reason or 'no reason was given'}"
        )
    if measured is None:
        return "not proved yet: stablenew prove makes blind pairs, old against new"
    judge = f", judged by {measured.who}" if measured.who else ""
    said = {"proved": "proved", "undecided": "judged, and not told apart from the old settings"}
    return f"{said.get(card.state, 'not settled yet')}: wins {measured.rate.text}{judge} on {measured.judged_at[:10]}"


def evidence_line(card: TasteCard) -> str:
    """In a line: about what, from how much, since when, whose."""
    about = f"model {card.model}" if card.model != ANY else "any model"
    prompts = f"prompts {card.prompt_class}" if card.prompt_class != ANY else "any prompts"
    whose = f", {card.who}" if card.who else ""
    much = f"{counted(card.ratings, 'rating')} and {counted(card.choices, 'choice')}"
    return f"{about}, {prompts}: from {much}, {card.made_at[:10]}{whose}"


def settings_rows(card: TasteCard) -> list[tuple[str, str, str, str]]:
    """One row a setting: its name, the old value, the new one, and what the change alone brings, in stars."""
    brings = {
        change.name: f"{estimate_text(change.gain, signed=True)}, "
        + (counted(change.images, "image") if change.tested else "not tested")
        for change in card.changes
    }
    return [
        (
            name,
            value_text(card.baseline.get(name)),
            value_text(value) if value != card.baseline.get(name) else "the same",
            brings.get(name, ""),
        )
        for name, value in card.settings.items()
    ]


def card_lines(card: TasteCard) -> list[str]:
    """What is known: expected stars and gain, the advice's own sentences, and what blind pairs said."""
    expected = (
        f"{estimate_text(card.expected)} stars are expected, {estimate_text(card.baseline_expected)} with the old "
        f"settings: {estimate_text(card.gain, signed=True)}"
    )
    return [expected, *card.statements, *(card.measured.statements if card.measured else ())]


def history_lines(history: Sequence[TasteCard]) -> list[str]:
    """One line a version, oldest first."""
    lines, seen_to = [], 0
    for number, card in enumerate(history, 1):
        about = {
            "measured": card.measured.rate.text if card.measured else "",
            "withdrawn": card.reason,
            "applied": f"to preset {card.reason}",
        }.get(card.event, counted(card.ratings, "rating"))
        back = [each.name for each in card.presets if each.taken_back]
        if len(back) > seen_to:
            about = f"its presets were seen to: {', '.join(back)}"
        seen_to = len(back)
        lines.append(f"version {number}, {card.written_at[:16].replace('T', ' ')}: {card.event}, {about}")
    return lines


def estimate_text(estimate: Estimate, *, signed: bool = False) -> str:
    """ "4.2 (3.8..4.6)", or with signs for a difference."""
    sign = "+" if signed else ""
    return f"{estimate.mean:{sign}.1f} ({estimate.low:{sign}.1f}..{estimate.high:{sign}.1f})"


def value_text(value: Any) -> str:
    """A setting's value as people write it."""
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
