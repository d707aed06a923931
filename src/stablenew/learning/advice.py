"""Advice for a workspace: its records and ratings made evidence, the engine asked, the answer handed back."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from stablenew.config import declared_settings
from stablenew.errors import InputError
from stablenew.learning.evidence import Evidence, Scored, gather_evidence
from stablenew.learning.experiments import read_experiment
from stablenew.learning.fading import fading_of
from stablenew.learning.learning_feedback import Rating, read_ratings
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.prompt_class import prompt_class_of, same_model, tagged_class
from stablenew.learning.recommend import ROW_SIZE, next_batch, recommend
from stablenew.learning.recommendation import Purpose, Recommendation
from stablenew.learning.record_filter import Condition
from stablenew.learning.record_index import Query, RecordIndex
from stablenew.learning.record_knobs import knob_settings, space_of_records
from stablenew.learning.scorer_evidence import scorer_evidence
from stablenew.learning.search_space import SearchSpace, Settings, space_from_values, trim
from stablenew.learning.taste_store import taste_evidence
from stablenew.workspace import Workspace

USUAL_SHARE = 0.2
"""Settings that so large a share of the pictures was made with are the person's usual ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What advice is asked about. None: any model, any pack or prompt class, everybody's ratings together.

    `experiment_id`: from one experiment's pictures alone. `baseline`: the settings to compare with; those it does not
    name are as they usually are.
    """

    model: str | None = None
    pack: str | None = None
    who: str | None = None
    experiment_id: str | None = None
    baseline: Settings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The evidence for a question, and the settings that the advice is compared with."""

    evidence: Evidence
    baseline: dict[str, Any]
    context: str


EVERYTHING = Question()


def advise(workspace: Workspace, question: Question = EVERYTHING, *, purpose: Purpose = "quality") -> Recommendation:
    """The advice that the workspace's records and ratings support.

    Raises InputError where no rated picture is about what is asked, or they differ in nothing.
    """
    known = gather(workspace, question)
    return recommend(known.evidence, known.baseline, context=known.context, purpose=purpose)


def advise_next(
    workspace: Workspace, question: Question = EVERYTHING, *, images: int = ROW_SIZE, per_second: bool = False
) -> tuple[dict[str, Any], ...]:
    """The settings of `images` pictures that would change the advice most, the best known first. Raises InputError."""
    known = gather(workspace, question)
    return next_batch(known.evidence, known.baseline, context=known.context, size=images, per_second=per_second)


def rated_classes(workspace: Workspace) -> tuple[str, ...]:
    """The prompt classes that rated pictures are tagged with, by name: a question may be about them as about packs."""
    found = {tagged_class(record) for record in _rated_records(workspace, _ratings(workspace))}
    return tuple(sorted(found - {""}))


def gather(workspace: Workspace, question: Question) -> Known:
    """The evidence for `question`: the pictures asked about, and as context all others that somebody rated."""
    ratings = _ratings(workspace)
    records = _rated_records(workspace, ratings)
    if question.experiment_id is not None:
        records = [each for each in records if each.run.experiment_id == question.experiment_id]
    own = [each for each in records if _is_own(each, question)]
    if not own:
        raise InputError(f"no picture{_said(question)} is rated yet: do so with stablenew rate or experiment rate")
    space = space_of_records(own, keep=("model",) if question.model else ())
    space = None if space is None else _for_model(space, question.model)
    if space is None or (space.count == 1 and question.baseline is None):
        raise InputError(
            f"the rated pictures{_said(question)} were all made with the same settings: vary some, "
            "as stablenew experiment new or run --vary do"
        )
    evidence = gather_evidence(
        records,
        ratings,
        space,
        who=question.who,
        context_of=_context_of(question),
        noise_of=fading_of(workspace),
    )
    others = [*taste_evidence(workspace), *scorer_evidence(workspace, evidence, own, _context_of(question))]
    evidence = _with(evidence, others)
    baseline = {**_usual(own, space), **_planned(workspace, question, space), **_named(question.baseline)}
    return Known(evidence=evidence, baseline=baseline, context=question.pack or "")


def _ratings(workspace: Workspace) -> list[Rating]:
    return [rating for rating in read_ratings(workspace.ratings) if isinstance(rating, Rating)]


def _rated_records(workspace: Workspace, ratings: Sequence[Rating]) -> list[LearningRecord]:
    """Every record that somebody said something about."""
    with RecordIndex.of(workspace) as index:
        scored = Query(where=(Condition(field="rating", operator=">=", value="0"),))
        found = {each.run.record_id: each for each in index.records(scored) if isinstance(each, LearningRecord)}
        named = {
            name
            for rating in ratings
            if rating.better_than or rating.rejected or rating.favourite
            for name in (rating.record_id, *(other.record_id for other in rating.better_than))
        }
        for name in sorted(named - found.keys()):
            read = index.find(name)
            if read is not None:
                found[name] = read
    return [each for each in found.values() if each.outcome.status == "ok"]


def _is_own(record: LearningRecord, question: Question) -> bool:
    if question.model is not None and not same_model(record.pipeline.model or "", question.model):
        return False
    return question.pack is None or question.pack in (prompt_class_of(record), record.prompt.pack_name)


def _context_of(question: Question) -> Callable[[LearningRecord], str]:
    """Where a record was seen: a prompt class where one is asked about, else everywhere is the same place."""

    def context(record: LearningRecord) -> str:
        if question.pack is None or question.pack == record.prompt.pack_name:
            return question.pack or ""
        return prompt_class_of(record)

    return context


def _for_model(space: SearchSpace, model: str | None) -> SearchSpace:
    """`space` where the model is given: other models' pictures still tell something, but none of them is advised."""
    if model is None or "model" not in space.names:
        return space
    named = [value for value in space.knob("model").values if same_model(str(value), model)]
    values: dict[str, Sequence[Any]] = {knob.name: knob.values for knob in space.knobs}
    values["model"] = named or [model]
    return space_from_values(values, {knob.name: knob.families for knob in space.knobs})


def _usual(own: Sequence[LearningRecord], space: SearchSpace) -> dict[str, Any]:
    """Whole settings to compare with: those most pictures were made with, else setting by setting the default where it
    was tried, else the commonest.
    """
    every = [{**knob_settings(each), **trim(space, knob_settings(each))} for each in own]
    usable = [each for each in every if space.covers(each)] or every
    whole = Counter(tuple(each[name] for name in space.names) for each in usable)
    (top, count), *rest = whole.most_common(2)
    commonest = {
        name: Counter(each[name] for each in usable if name in each).most_common(1)[0][0] for name in usable[0]
    }
    if count >= USUAL_SHARE * len(usable) and not (rest and rest[0][1] == count):
        return {**commonest, **dict(zip(space.names, top, strict=True))}
    defaults = {path.removeprefix("txt2img."): setting.default for path, setting in declared_settings().items()}
    tried = {name: {each[name] for each in usable} for name in space.names}
    return commonest | {name: defaults[name] for name in space.names if defaults.get(name) in tried[name]}


def _planned(workspace: Workspace, question: Question, space: SearchSpace) -> dict[str, Any]:
    """What the baseline of the experiment asked about has for each setting that it tried."""
    if question.experiment_id is None:
        return {}
    plan = read_experiment(workspace, question.experiment_id).plan
    values = {each.name: each.value_in(plan.baseline) for each in plan.tested}
    return {name: value for name, value in values.items() if value is not None and name in space.names}


def _named(settings: Settings | None) -> dict[str, Any]:
    return {name.removeprefix("txt2img."): each for name, each in (settings or {}).items()}


def _with(evidence: Evidence, others: Iterable[Scored]) -> Evidence:
    """`evidence` and what others tell about the same settings, put before it in time."""
    space = evidence.space
    usable = [each for each in others if space.covers(trim(space, each.settings))]
    scored = [_trimmed(each, space) for each in usable]
    return Evidence(
        space=space,
        scored=(*scored, *evidence.scored),
        preferred=evidence.preferred,
        unusable=evidence.unusable,
    )


def _trimmed(each: Scored, space: SearchSpace) -> Scored:
    return dataclasses.replace(each, settings=trim(space, each.settings))


def _said(question: Question) -> str:
    parts = [
        f"{word} {value}"
        for word, value in (
            ("experiment", question.experiment_id),
            ("model", question.model),
            ("pack or class", question.pack),
        )
        if value is not None
    ]
    return f" of {' and '.join(parts)}" if parts else ""
