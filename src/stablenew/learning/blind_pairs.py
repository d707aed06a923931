"""Blind pairs: old settings against new on the same prompts and seeds, and what was picked without knowing.

The plan is settled before the first picture: pairs, their order, which side the new one is on, and which pairs are
shown again with sides swapped. What was picked stands in the ratings alone, so a session that was killed goes on.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stablenew.learning.learning_feedback import RatedPicture, Rating, new_rating
from stablenew.learning.rater_checks import Answer, Look, agreement, looks_of, position_bias, standing
from stablenew.learning.record_groups import Identifier, Timestamp
from stablenew.learning.taste_card import MeasuredGain
from stablenew.learning.win_rate import (
    ASSUMES_ANYTIME,
    ASSUMES_FIXED,
    Verdict,
    WinRate,
    counted,
    percent,
    verdict,
    win_rate,
)

SURFACE = "prove"
REPEAT_EVERY = 8
"""After so many pairs, one of the earlier ones is shown again."""

REPEAT_APART = 5
"""So many pairs lie between the two looks at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofTask:
    """One pair: what both pictures show."""

    prompt: str
    seed: int
    negative_prompt: str = ""
    pack_id: str = ""
    pack_name: str = ""
    line_number: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A blind comparison as it was planned; `proof_id` is also the id of its run. `config` is what both sides share.

    `old` and `new` are settings by the names of `flat_settings`; `order_seed` decides order and sides.
    """

    proof_id: Identifier
    card: Identifier
    made_at: Timestamp
    old: dict[str, Any]
    new: dict[str, Any]
    tasks: tuple[ProofTask, ...]
    order_seed: int
    config: dict[str, Any]
    backend: str
    backend_url: str | None = None
    tags: list[str] = field(default_factory=list)
    schema_version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofPicture:
    """One picture of a pair."""

    record_id: str
    path: str
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadePair:
    """Both pictures of the pair at `place` in the proof's tasks."""

    place: int
    prompt: str
    old: ProofPicture
    new: ProofPicture


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """A pair on the screen. `again`: a hidden repeat, sides swapped, which does not count for the win rate."""

    place: int
    new_left: bool
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofState:
    """Where a proof stands for one judge. `complete`: every pair that was made has been answered or passed over.

    `missing` pairs have no two pictures. `looks` are all answers, the hidden repeats among them.
    """

    rate: WinRate
    verdict: Verdict
    complete: bool
    skipped: int
    missing: int
    next: Showing | None
    looks: tuple[Look, ...]


def showings(pairs: int, order_seed: int) -> tuple[Showing, ...]:
    """Every look of a proof in order: each pair once, in random order, new left in half of them, and the repeats."""
    chance = random.Random(order_seed)
    places = list(range(pairs))
    chance.shuffle(places)
    sides = [number % 2 == 0 for number in range(pairs)]
    chance.shuffle(sides)
    first = [Showing(place=place, new_left=side) for place, side in zip(places, sides, strict=True)]
    shown: list[Showing] = []
    repeated: set[int] = set()
    for number, each in enumerate(first, 1):
        shown.append(each)
        if number % REPEAT_EVERY == 0:
            earlier = [old for old in first[: number - REPEAT_APART] if old.place not in repeated]
            chosen = chance.choice(earlier)
            repeated.add(chosen.place)
            shown.append(Showing(place=chosen.place, new_left=not chosen.new_left, again=True))
    return tuple(shown)


def proof_state(proof: Proof, made: Mapping[int, MadePair], ratings: Iterable[Rating], who: str | None) -> ProofState:
    """Where `proof` stands by the `ratings` of `who`; `made` are its pairs by place. Other ratings do not matter."""
    looks = _looks_at(made, ratings, who)
    by_place: dict[int, list[Look]] = {}
    places = {frozenset((pair.old.record_id, pair.new.record_id)): place for place, pair in made.items()}
    for look in looks:
        by_place.setdefault(places[look.pair], []).append(look)
    first = {place: _winner(made[place], given[0]) for place, given in by_place.items()}
    answers = list(first.values())
    rate = win_rate(answers.count("new"), answers.count("tie"), answers.count("old"))
    following = next(
        (
            showing
            for showing in showings(len(proof.tasks), proof.order_seed)
            if showing.place in made and len(by_place.get(showing.place, ())) <= showing.again
        ),
        None,
    )
    complete = following is None and bool(made)
    return ProofState(
        rate=rate,
        verdict=verdict(rate, complete=complete, planned=len(proof.tasks)),
        complete=complete,
        skipped=answers.count("skip"),
        missing=len(proof.tasks) - len(made),
        next=following,
        looks=tuple(looks),
    )


def pick_rating(pair: MadePair, showing: Showing, answer: Answer, *, who: str | None, **said: Any) -> Rating:
    """The rating line of an answer to a showing; `said` are further fields, such as `decided_ms`."""
    left, right = (pair.new, pair.old) if showing.new_left else (pair.old, pair.new)
    best, other = (right, left) if answer == "right" else (left, right)
    others = [RatedPicture(record_id=other.record_id, image_sha256=other.sha256)]
    return new_rating(
        best.record_id,
        image_sha256=best.sha256,
        better_than=others if answer in ("left", "right") else [],
        equal_to=others if answer == "tie" else [],
        shown=[left.record_id, right.record_id],
        who=who,
        blind=True,
        surface=SURFACE,
        **said,
    )


def measured_gain(proof: Proof, state: ProofState, *, who: str | None, judged_at: str) -> MeasuredGain:
    """The outcome as a card keeps it."""
    return MeasuredGain(
        proof_id=proof.proof_id,
        judged_at=judged_at,
        who=who,
        rate=state.rate,
        verdict=state.verdict,
        planned=len(proof.tasks),
        agreement=agreement(state.looks),
        left=position_bias(state.looks),
        statements=proof_statements(proof, state),
    )


def proof_statements(proof: Proof, state: ProofState) -> tuple[str, ...]:
    """The outcome in words; every number is one of `state` or `proof`."""
    rate, prompts = state.rate, len({(task.prompt, task.negative_prompt) for task in proof.tasks})
    if not rate.pairs:
        return ("no pair has been judged yet",)
    said = [
        f"the new settings win {rate.text} ({rate.wins} won, {rate.ties} equal, {rate.losses} lost)",
        _say_verdict(state),
    ]
    if state.complete:
        said.append(f"the interval assumes that {ASSUMES_FIXED}")
    else:
        between = f"{percent(rate.low_anytime)}..{percent(rate.high_anytime)} %"
        said.append(
            f"{rate.pairs} of {len(proof.tasks)} planned pairs are judged; the interval for looking meanwhile is "
            f"{between}: it assumes that {ASSUMES_ANYTIME}"
        )
    if state.skipped or state.missing:
        said.append(f"not counted: {state.skipped} passed over, {state.missing} without both pictures")
    said.append(f"shown were {counted(prompts, 'prompt')}: how far it holds for others is not measured")
    return tuple(said)


def _say_verdict(state: ProofState) -> str:
    rate = state.rate
    if state.verdict == "better":
        low = rate.low if state.complete else rate.low_anytime
        return f"they are better: the interval begins at {percent(low)} %, above one half"
    if state.verdict == "worse" and state.complete:
        return f"they lose: {percent(rate.rate)} % is below one half"
    if state.verdict == "worse":
        return f"they lose: the interval for looking meanwhile ends at {percent(rate.high_anytime)} %, below one half"
    if state.verdict == "undecided":
        return "old and new are not told apart: the interval holds one half"
    return "not settled yet"


def _looks_at(made: Mapping[int, MadePair], ratings: Iterable[Rating], who: str | None) -> list[Look]:
    pairs = {frozenset((pair.old.record_id, pair.new.record_id)) for pair in made.values()}
    mine = (
        rating
        for rating in ratings
        if rating.who == who and (rating.undoes is not None or frozenset(rating.shown) in pairs)
    )
    return [look for look in looks_of(standing(mine)) if look.pair in pairs]


def _winner(pair: MadePair, look: Look) -> str:
    if look.chosen is None:
        return look.answer
    return "new" if look.chosen == pair.new.record_id else "old"
