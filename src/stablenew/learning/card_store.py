"""Cards on disk: `cards/NAME.jsonl`, one line a version, appended; the last line is the card as it stands."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stablenew.errors import InputError, NotFound
from stablenew.learning.advice import Question, advise
from stablenew.learning.learning_feedback import rating_time
from stablenew.learning.prompt_class import ANY
from stablenew.learning.recommendation import Purpose, Recommendation
from stablenew.learning.record_index import RecordIndex
from stablenew.learning.safe_name import safe_name
from stablenew.learning.search_space import Settings
from stablenew.learning.taste_card import (
    CardEvent,
    ProofImage,
    TasteCard,
    card_names_for,
    card_of,
    proof_image,
)
from stablenew.learning.value_lines import append_value, read_values
from stablenew.workspace import Workspace

SUFFIX = ".jsonl"
IMAGES = 6

Adviser = Callable[..., Recommendation]
"""`advice.advise`: (workspace, question, *, purpose) -> Recommendation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeCard:
    """What making a card gave: the card as it stands (None: there is none), the advice, and what happened in words.

    `stored`: a new version was written.
    """

    card: TasteCard | None
    advice: Recommendation
    stored: bool
    said: str


def make_card(
    workspace: Workspace,
    *,
    model: str = ANY,
    prompt_class: str = ANY,
    who: str | None = None,
    purpose: Purpose = "quality",
    baseline: Settings | None = None,
    adviser: Adviser | None = None,
    now: datetime | None = None,
) -> MadeCard:
    """The card that today's ratings make, stored as a new version where it differs from the last one.

    Without enough evidence nothing is stored and an earlier version stands. Settings that lost a blind comparison stay
    withdrawn. `baseline` are the old settings, as far as they are not the usual ones. Raises InputError where no rated
    picture is of the model and class, or they were all made with the same settings.
    """
    asked = Question(
        model=None if model == ANY else model,
        pack=None if prompt_class == ANY else prompt_class,
        who=who,
        baseline=baseline or None,
    )
    advice = (adviser or advise)(workspace, asked, purpose=purpose)
    name, history = _own_history(workspace, model, prompt_class, who)
    before = history[-1] if history else None
    if not advice.enough:
        return MadeCard(card=before, advice=advice, stored=False, said=f"not enough evidence: {advice.reason}")
    card = card_of(
        advice,
        name=name,
        model=model,
        prompt_class=prompt_class,
        who=who,
        images=_images(workspace, advice.proof),
        now=now or datetime.now(UTC),
    )
    card = _with_past(card, history)
    if before is not None and _says_the_same(card, before):
        return MadeCard(card=before, advice=advice, stored=False, said="nothing new since this version")
    append_value(card_path(workspace, name), card)
    return MadeCard(card=card, advice=advice, stored=True, said=_said(card, before))


def card_path(workspace: Workspace, name: str) -> Path:
    """The file of a card. Raises UnsafeName."""
    return workspace.cards / f"{safe_name(name, workspace.cards)}{SUFFIX}"


def card_history(workspace: Workspace, name: str) -> tuple[TasteCard, ...]:
    """Every version of a card, oldest first. Raises NotFound naming the cards there are, UnsafeName."""
    found = tuple(read_values(card_path(workspace, name), TasteCard))
    if not found:
        known = ", ".join(card_names(workspace)) or "none yet: stablenew card MODEL makes one"
        raise NotFound("card", name, workspace.cards, known)
    return found


def current_card(workspace: Workspace, name: str) -> TasteCard:
    """The card as it stands. Raises NotFound, UnsafeName."""
    return card_history(workspace, name)[-1]


def card_names(workspace: Workspace) -> list[str]:
    """The names of all cards; the shards of a card's file are not cards."""
    if not workspace.cards.is_dir():
        return []
    found = {path.stem for path in workspace.cards.glob(f"*{SUFFIX}") if not path.name.startswith(".")}
    return sorted(name for name in found if any(card.name == name for card in _versions(workspace, name)))


def list_cards(workspace: Workspace) -> list[TasteCard]:
    """Every card as it stands, by name."""
    return [current_card(workspace, name) for name in card_names(workspace)]


def keep_version(
    workspace: Workspace, card: TasteCard, event: CardEvent, *, reason: str = "", now: datetime | None = None
) -> TasteCard:
    """Append `card` as a new version written for `event`, and return it."""
    kept = dataclasses.replace(card, event=event, reason=reason, written_at=rating_time(now or datetime.now(UTC)))
    append_value(card_path(workspace, card.name), kept)
    return kept


def _versions(workspace: Workspace, name: str) -> tuple[TasteCard, ...]:
    return tuple(read_values(card_path(workspace, name), TasteCard))


def _own_history(
    workspace: Workspace, model: str, prompt_class: str, who: str | None
) -> tuple[str, tuple[TasteCard, ...]]:
    """The name of this person's card of this model and class, and its versions so far."""
    *names, last = card_names_for(model, prompt_class, who)
    for name in names:
        history = _versions(workspace, name)
        if not history or (history[-1].model, history[-1].prompt_class, history[-1].who) == (model, prompt_class, who):
            return name, history
    return last, _versions(workspace, last)


def _images(workspace: Workspace, record_ids: tuple[str, ...]) -> list[ProofImage]:
    found: list[ProofImage] = []
    with RecordIndex.of(workspace) as index:
        for record_id in record_ids:
            try:
                image = proof_image(index.get(record_id))
            except InputError:  # the record was deleted, or is in a pack that cannot be read here
                continue
            if image is not None:
                found.append(image)
            if len(found) == IMAGES:
                break
    return found


def _with_past(card: TasteCard, history: tuple[TasteCard, ...]) -> TasteCard:
    """`card` with what was measured of these very settings, and the presets made from the card so far."""
    presets = history[-1].presets if history else ()
    same = [each for each in history if (each.settings, each.baseline) == (card.settings, card.baseline)]
    if not same:
        return dataclasses.replace(card, presets=presets)
    last = same[-1]
    reason = last.reason if last.state == "withdrawn" else ""
    return dataclasses.replace(card, presets=presets, state=last.state, measured=last.measured, reason=reason)


def _says_the_same(card: TasteCard, before: TasteCard) -> bool:
    """Whether the two differ in nothing but when and why they were written."""
    return (
        dataclasses.replace(
            card, made_at=before.made_at, written_at=before.written_at, event=before.event, reason=before.reason
        )
        == before
    )


def _said(card: TasteCard, before: TasteCard | None) -> str:
    if before is None:
        return "made"
    if card.state == "withdrawn":
        return "these settings were withdrawn before, and stay so"
    return "made anew: the settings changed" if card.settings != before.settings else "made anew from more evidence"
