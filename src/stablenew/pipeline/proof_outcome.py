"""Measured gain, second half: the pairs judged, one answer at a time, and what follows for the card.

with ProofSession(workspace, proof, who) as session:
    while (showing := session.state.next) is not None:
        session.answer("left", decided_ms=1800)
conclude(workspace, proof, who=who)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from stablenew.errors import InputError
from stablenew.learning.blind_pairs import (
    SURFACE,
    MadePair,
    Proof,
    ProofPicture,
    ProofState,
    measured_gain,
    pick_rating,
    proof_state,
)
from stablenew.learning.card_store import current_card, keep_version
from stablenew.learning.learning_feedback import Rating, RatingWriter, rating_time, read_ratings, undo_of
from stablenew.learning.learning_reader import read_current_records
from stablenew.learning.rater_checks import RECENT, Answer, RaterChecks, break_hint, check_rater, standing
from stablenew.learning.taste_card import CardState, TasteCard
from stablenew.pipeline.card_presets import TakenBack, take_presets_back
from stablenew.pipeline.proof import compares, proof_variants
from stablenew.workspace import Workspace

_STATES: Mapping[str, CardState] = {"better": "proved", "worse": "withdrawn", "undecided": "undecided"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What became of a card: as it stands now, whether a version was written, and the presets that went back."""

    card: TasteCard
    state: ProofState
    stored: bool
    said: tuple[str, ...]
    presets: tuple[TakenBack, ...] = ()


class ProofSession:
    """One judge at a proof. Every answer is on the disk when `answer` returns; a killed session goes on where it was.

    `weak`: the judge is no person. Use it in a `with` block, from one thread.
    """

    def __init__(self, workspace: Workspace, proof: Proof, who: str | None, *, weak: bool = False) -> None:
        self.proof, self.who, self._weak = proof, who, weak
        self.pairs = made_pairs(workspace, proof)
        self._said = _ratings_of(workspace, who)
        self._writer = RatingWriter(workspace.ratings)
        self._given: list[Rating] = []
        self.state = proof_state(proof, self.pairs, self._said, who)

    def __enter__(self) -> ProofSession:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    @property
    def answered(self) -> int:
        """How many answers of this session stand."""
        return len(self._given)

    def sides(self) -> tuple[MadePair, ProofPicture, ProofPicture]:
        """The pair to look at now, its left picture and its right one. Raises InputError when none is left."""
        if self.state.next is None:
            raise InputError(f"comparison {self.proof.proof_id} has no pair left to look at")
        pair = self.pairs[self.state.next.place]
        return (pair, pair.new, pair.old) if self.state.next.new_left else (pair, pair.old, pair.new)

    def answer(self, answer: Answer, *, decided_ms: int | None = None) -> None:
        """Store the answer to the pair that is shown. Raises InputError when none is, RecordNotWritten."""
        pair, _, _ = self.sides()
        assert self.state.next is not None
        rating = pick_rating(pair, self.state.next, answer, who=self.who, decided_ms=decided_ms, weak=self._weak)
        self._store(rating)
        self._given.append(rating)

    def undo(self) -> bool:
        """Take back this session's last answer; False where there is none."""
        if not self._given:
            return False
        self._store(undo_of(self._given.pop(), surface=SURFACE))
        return True

    def checks(self) -> RaterChecks:
        """The rater checks over everything this judge ever said."""
        return check_rater(self._said)

    def break_hint(self) -> str:
        """Why a break would be good now, "" where nothing speaks for it."""
        return break_hint(standing(self._said[-RECENT:]))

    def _store(self, rating: Rating) -> None:
        self._writer.append(rating)
        self._said.append(rating)
        self.state = proof_state(self.proof, self.pairs, self._said, self.who)


def made_pairs(workspace: Workspace, proof: Proof) -> dict[int, MadePair]:
    """By place in the tasks: the pairs both of whose pictures are there."""
    pictures = {
        record.run.record_id: record.outcome.images[-1]
        for record in read_current_records(workspace.records, proof.proof_id)
        if record.outcome.status == "ok" and record.outcome.images
    }
    ids: dict[str, list[str]] = {"old": [], "new": []}
    for variant in proof_variants(proof):
        ids[variant.cell or ""].append(variant.record_id(proof.proof_id))
    found: dict[int, MadePair] = {}
    for place, (old, new) in enumerate(zip(ids["old"], ids["new"], strict=True)):
        if all(each in pictures and (workspace.root / pictures[each].path).is_file() for each in (old, new)):
            found[place] = MadePair(
                place=place,
                prompt=proof.tasks[place].prompt,
                old=ProofPicture(record_id=old, path=pictures[old].path, sha256=pictures[old].sha256),
                new=ProofPicture(record_id=new, path=pictures[new].path, sha256=pictures[new].sha256),
            )
    return found


def checks_of(workspace: Workspace, who: str | None) -> RaterChecks:
    """The rater checks over everything `who` ever said."""
    return check_rater(_ratings_of(workspace, who))


def conclude(workspace: Workspace, proof: Proof, *, who: str | None, now: datetime | None = None) -> Conclusion:
    """Keep the outcome with the card. A card that lost is withdrawn, and presets made from it get the old settings.

    What is not settled yet is kept as it stands so far. Where the card's settings are others by now, nothing is kept.
    Raises NotFound when there is no such card.
    """
    moment = now or datetime.now(UTC)
    card = current_card(workspace, proof.card)
    state = proof_state(proof, made_pairs(workspace, proof), _ratings_of(workspace, who), who)
    gain = measured_gain(proof, state, who=who, judged_at=rating_time(moment))
    said = gain.statements
    if not state.rate.pairs:
        return Conclusion(card=card, state=state, stored=False, said=said)
    if not compares(workspace, proof, card):
        others = f"card {card.name} has other settings by now: this outcome is not kept with it"
        return Conclusion(card=card, state=state, stored=False, said=(*said, others))
    if gain.verdict == "open" and card.measured is not None and card.measured.verdict != "open":
        earlier = f"until this is settled, the card keeps what was found before: {card.measured.rate.text}"
        return Conclusion(card=card, state=state, stored=False, said=(*said, earlier))
    if card.measured is None or dataclasses.replace(gain, judged_at=card.measured.judged_at) != card.measured:
        measured = dataclasses.replace(card, measured=gain)
        if gain.verdict == "worse":
            return _withdraw(workspace, measured, state, said, moment, f"lost its blind pairs: {gain.rate.text}")
        measured = dataclasses.replace(measured, state=_STATES.get(gain.verdict, card.state), reason="")
        return Conclusion(
            card=keep_version(workspace, measured, "measured", now=moment), state=state, stored=True, said=said
        )
    if gain.verdict == "worse" and any(not each.taken_back for each in card.presets):
        return _withdraw(workspace, card, state, said, moment, card.reason)  # a kill came between card and presets
    return Conclusion(card=card, state=state, stored=False, said=said)


def withdraw_card(
    workspace: Workspace, name: str, reason: str, *, now: datetime | None = None
) -> tuple[TakenBack, ...]:
    """Withdraw a card by hand, with its presets. Raises NotFound, or InputError when it is withdrawn already."""
    card = current_card(workspace, name)
    if card.state == "withdrawn":
        raise InputError(f"card {name} is withdrawn already: {card.reason}")
    return _withdrawn(workspace, card, reason, now or datetime.now(UTC))[1]


def _withdraw(
    workspace: Workspace, card: TasteCard, state: ProofState, said: tuple[str, ...], moment: datetime, reason: str
) -> Conclusion:
    kept, presets = _withdrawn(workspace, card, reason, moment)
    news = (f"card {card.name} is withdrawn, and the old settings are in use again", *(each.said for each in presets))
    return Conclusion(card=kept, state=state, stored=True, said=(*said, *news), presets=presets)


def _withdrawn(
    workspace: Workspace, card: TasteCard, reason: str, moment: datetime
) -> tuple[TasteCard, tuple[TakenBack, ...]]:
    """The card withdrawn, first of all: after a kill between the two, `conclude` sees presets that are left to do."""
    card = dataclasses.replace(card, state="withdrawn")
    if current_card(workspace, card.name).state != "withdrawn":
        card = keep_version(workspace, card, "withdrawn", reason=reason, now=moment)
    noted, presets = take_presets_back(workspace, card)
    return (keep_version(workspace, noted, "withdrawn", reason=reason, now=moment) if presets else card), presets


def _ratings_of(workspace: Workspace, who: str | None) -> list[Rating]:
    return [read for read in read_ratings(workspace.ratings) if isinstance(read, Rating) and read.who == who]
