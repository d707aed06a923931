"""A taste card: what works for this person with one model and one class of prompts, and how that is known."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

from stablenew.config import declared_settings
from stablenew.learning.learning_feedback import rating_time
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.prompt_class import ANY, model_stem
from stablenew.learning.recommendation import Estimate, Recommendation
from stablenew.learning.record_groups import Identifier, Timestamp
from stablenew.learning.win_rate import Share, Verdict, WinRate

CardState = Literal["unproved", "proved", "undecided", "withdrawn"]
CardEvent = Literal["made", "measured", "withdrawn", "applied"]

CARD_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CardChange:
    """One setting that differs from the old ones. `images`: rated pictures that have the new value."""

    name: str
    before: Any
    after: Any
    gain: Estimate
    tested: bool
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofImage:
    """A rated picture made with settings like the card's; `path` is relative to the workspace."""

    record_id: str
    path: str
    sha256: str = ""
    stars: float | None = None
    prompt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredGain:
    """What blind pairs said, old settings against new. `planned`: pairs settled on before the first.

    `agreement`: hidden repeats answered as before; `left`: how often the left one was picked. `statements` say it.
    """

    proof_id: str
    judged_at: Timestamp
    rate: WinRate
    verdict: Verdict
    planned: int
    who: str | None = None
    agreement: Share | None = None
    left: Share | None = None
    statements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedPreset:
    """A preset that was made from the card: what was stored, and what the preset held before (None: there was none)."""

    name: str
    applied_at: Timestamp
    settings: dict[str, Any]
    old_settings: dict[str, Any]
    before: dict[str, Any] | None = None
    note_before: str = ""
    taken_back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TasteCard:
    """One version of a card; `event` says what it was written for.

    `settings` are the new ones and `baseline` the old, both by the names of `flat_settings`. A card that lost its blind
    pairs is "withdrawn": the old settings are the ones in use. "undecided": judged, and not told apart.
    """

    name: Identifier
    made_at: Timestamp
    settings: dict[str, Any]
    baseline: dict[str, Any]
    expected: Estimate
    baseline_expected: Estimate
    gain: Estimate
    ratings: int
    choices: int
    model: str = ANY
    prompt_class: str = ANY
    who: str | None = None
    changes: tuple[CardChange, ...] = ()
    statements: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    not_tested: tuple[str, ...] = ()
    images: tuple[ProofImage, ...] = ()
    state: CardState = "unproved"
    measured: MeasuredGain | None = None
    presets: tuple[AppliedPreset, ...] = ()
    event: CardEvent = "made"
    written_at: Timestamp = "1970-01-01T00:00:00Z"
    reason: str = ""
    schema_version: int = field(default=CARD_SCHEMA_VERSION)

    @property
    def in_use(self) -> dict[str, Any]:
        """The settings that hold now: the new ones, or the old where the card was withdrawn."""
        return self.baseline if self.state == "withdrawn" else self.settings

    def to_dict(self) -> dict[str, Any]:
        """The same in JSON types."""
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return plain


def card_of(
    advice: Recommendation,
    *,
    name: str,
    model: str,
    prompt_class: str,
    who: str | None,
    images: Iterable[ProofImage],
    now: datetime,
) -> TasteCard:
    """The card of an advice for which there is enough evidence."""
    return TasteCard(
        name=name,
        made_at=rating_time(now),
        written_at=rating_time(now),
        model=model,
        prompt_class=prompt_class,
        who=who,
        settings=_said(advice.settings, advice.baseline),
        baseline=_said(advice.baseline, advice.settings),
        changes=tuple(_change(each) for each in advice.changes),
        expected=advice.expected,
        baseline_expected=advice.baseline_expected,
        gain=advice.gain,
        ratings=advice.ratings,
        choices=advice.choices,
        statements=advice.statements,
        warnings=advice.warnings,
        not_tested=advice.not_tested,
        images=tuple(images),
    )


def card_names_for(model: str, prompt_class: str, who: str | None) -> tuple[str, ...]:
    """The names a card may go by, best first: the model's with the class's behind it, then the person's, then a hash's.

    Later ones are for a model, class or person whose first name is another card's already.
    """
    parts = [model_stem(model) if model != ANY else ANY, *([prompt_class] if prompt_class != ANY else [])]
    digest = hashlib.sha256(f"{model}\0{prompt_class}\0{who or ''}".encode()).hexdigest()[:6]
    short = _plain(parts)
    names = [short, _plain([*parts, who]) if who else "", f"{short}-{digest}" if short else f"card-{digest}"]
    return tuple(dict.fromkeys(name for name in names if name))


def proof_image(record: LearningRecord) -> ProofImage | None:
    """The last picture of `record`; None where it has none."""
    if not record.outcome.images:
        return None
    image = record.outcome.images[-1]
    return ProofImage(
        record_id=record.run.record_id,
        path=image.path,
        sha256=image.sha256,
        stars=record.feedback.rating,
        prompt=record.prompt.prompt,
    )


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Name -> (old, new) of every setting that differs, in the order of `new`; None where one is missing."""
    names = dict.fromkeys([*new, *old])
    return {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}


def _said(settings: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """What of `settings` belongs on a card: what a person can set, and whatever else differs from `others`."""
    known = declared_settings()
    return {
        name: value
        for name, value in settings.items()
        if name in (*known, "size", "lora") or f"txt2img.{name}" in known or value != others.get(name)
    }


def _change(change: Any) -> CardChange:
    return CardChange(
        name=change.name,
        before=change.before,
        after=change.after,
        gain=change.gain,
        tested=change.tested,
        images=change.images,
    )


def _plain(parts: Iterable[str]) -> str:
    """`parts` joined by hyphens, with signs that any file system takes; empty where nothing is left."""
    return "-".join(re.sub(r"[^\w.+ -]+", "-", part).strip("-. ") for part in parts)[:60].strip("-. ")
