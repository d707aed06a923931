"""The portable taste file: statistics about settings, without prompts, pictures, paths or names.

    {"format": "stablenew-taste", "version": 1, "sources": {
        "9f1c...": {"as_of": "...Z",
                    "stars": [{"settings": {...}, "context": "4be1...", "n": 3, "sum": 12, "squares": 50}],
                    "choices": [{"better": {...}, "worse": {...}, "context": "4be1...", "n": 2}]}}}

A source is one workspace; its id is drawn at random once. Merging keeps every source apart and of one source the newest
state, so it is associative, commutative and idempotent. A context is hashed with a key that stays in the workspace: it
tells two contexts of a source apart, and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from stablenew.config import STAGES, declared_settings
from stablenew.errors import InputError
from stablenew.learning.learning_feedback import Rating
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.prompt_class import ANY, model_stem, prompt_class_of
from stablenew.learning.rater_checks import standing
from stablenew.learning.rating_fold import fold
from stablenew.learning.record_groups import Timestamp
from stablenew.learning.record_settings import flat_settings

VERSION = 1

SourceId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
ContextHash = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
Count = Annotated[int, Meta(ge=1)]

_FILES = frozenset({"model", "vae", "upscaler", "hires_upscaler", "refiner"})
_LEFT_OUT = frozenset({"scripts", "adetailer_options", "adetailer_model", "init_image", "seed", "images_per_prompt"})
_TEXT_MAX = 80
_PLAIN = re.compile(r"[\w .+()\[\]-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class StarSums:
    """Pictures with the same settings in the same context: how many, the sum of their stars, and of their squares."""

    settings: dict[str, Any]
    context: ContextHash
    n: Count
    sum: float
    squares: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceCount:
    """How often pictures made with `better` were preferred to those made with `worse`."""

    better: dict[str, Any]
    worse: dict[str, Any]
    context: ContextHash
    n: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class TasteSource:
    """What one workspace knows, as of a moment."""

    as_of: Timestamp
    stars: tuple[StarSums, ...] = ()
    choices: tuple[ChoiceCount, ...] = ()

    @property
    def ratings(self) -> int:
        return sum(each.n for each in self.stars)


@dataclass(frozen=True, slots=True, kw_only=True)
class TasteFile:
    """Several sources, each by its own id."""

    sources: dict[SourceId, TasteSource] = field(default_factory=dict)
    format: Literal["stablenew-taste"] = "stablenew-taste"
    version: Annotated[int, Meta(ge=1)] = VERSION


def read_taste_file(path: Path) -> TasteFile:
    """The taste file at `path`. Raises InputError saying what is wrong with it."""
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    return parse_taste_file(data, path)


def parse_taste_file(data: bytes, source: Path | str) -> TasteFile:
    """The taste file in `data`. Raises InputError; settings that no taste file may hold are refused."""
    try:
        found = msgspec.json.decode(data, type=TasteFile)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise InputError(f"{source} is not a taste file: {exc}") from exc
    if found.version > VERSION:
        raise InputError(f"{source} is a taste file of version {found.version}: this StableNew reads {VERSION}")
    for taste in found.sources.values():
        for each in taste.stars:
            if portable_settings(each.settings) != each.settings or not _possible(each):
                raise InputError(f"{source} is not a taste file: {_shown(each)} cannot be such statistics")
        for choice in taste.choices:
            for settings in (choice.better, choice.worse):
                if portable_settings(settings) != settings:
                    raise InputError(f"{source} is not a taste file: it holds settings that no taste file has")
    return found


def taste_file_bytes(taste: TasteFile) -> bytes:
    """The file's text: the same content, the same bytes."""
    return msgspec.json.format(msgspec.json.encode(taste, order="sorted"), indent=1) + b"\n"


def merge_taste(first: TasteFile, second: TasteFile) -> TasteFile:
    """Every source of both; of one that both have, the newer state (of equal age, the same one whatever the order)."""
    merged = dict(first.sources)
    for source_id, taste in second.sources.items():
        mine = merged.get(source_id)
        merged[source_id] = taste if mine is None else max(mine, taste, key=_age)
    return TasteFile(sources=dict(sorted(merged.items())))


def taste_of(
    records: Iterable[LearningRecord], ratings: Iterable[Rating], *, secret: bytes, as_of: str, who: str | None = None
) -> TasteSource:
    """The statistics of what people (or `who`) said about `records`: weak lines and lines taken back do not count.

    A picture counts once, with what holds of it now.
    """
    by_record: dict[str, list[Rating]] = {}
    for rating in standing(ratings):
        if not rating.weak and who in (None, rating.who):
            by_record.setdefault(rating.record_id, []).append(rating)
    stars: dict[tuple[bytes, str], list[float]] = {}
    known: dict[str, tuple[dict[str, Any], str]] = {}
    for record in records:
        settings = portable_settings(flat_settings(record))
        context = hashed_context(record, secret)
        known[record.run.record_id] = settings, context
        feedback = fold(by_record.get(record.run.record_id, ()))
        if feedback is not None and feedback.score is not None:
            stars.setdefault((_key(settings), context), []).append(feedback.score)
    return TasteSource(as_of=as_of, stars=_sums(stars), choices=_choices(by_record, known))


def portable_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `settings` that may leave the house: declared ones with a plain value, models by their bare name.

    Slots, loras, scripts, files and texts of any length stay: they may be words of a prompt, or a path.
    """
    known = declared_settings()
    found: dict[str, Any] = {}
    for name, value in settings.items():
        last = name.rpartition(".")[2]
        declared = name in known or f"txt2img.{name}" in known
        if not declared or last in _LEFT_OUT or value is None:
            continue
        kept = model_stem(value) if last in _FILES and isinstance(value, str) else value
        if not isinstance(kept, str) or _is_plain(name, kept):
            found[name] = kept
    return found


def hashed_context(record: LearningRecord, secret: bytes) -> str:
    """16 hex digits that stand for the record's model and class of prompts; without `secret` nobody can guess them."""
    said = f"{model_stem(record.pipeline.model or ANY)}\0{prompt_class_of(record)}"
    return hmac.new(secret, said.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:16]


def _is_plain(name: str, text: str) -> bool:
    """Whether `text` is a name of something, and not prose or a path."""
    if name == "stages":
        return set(text.split(",")) <= set(STAGES)
    return len(text) <= _TEXT_MAX and _PLAIN.fullmatch(text) is not None


def _sums(stars: Mapping[tuple[bytes, str], list[float]]) -> tuple[StarSums, ...]:
    return tuple(
        StarSums(
            settings=msgspec.json.decode(key),
            context=context,
            n=len(scores),
            sum=sum(scores),
            squares=sum(score * score for score in scores),
        )
        for (key, context), scores in sorted(stars.items())
    )


def _choices(
    by_record: Mapping[str, list[Rating]], known: Mapping[str, tuple[dict[str, Any], str]]
) -> tuple[ChoiceCount, ...]:
    counts: dict[tuple[bytes, bytes, str], int] = {}
    for record_id, ratings in by_record.items():
        if record_id not in known:
            continue
        settings, context = known[record_id]
        for rating in ratings:
            for other in rating.better_than:
                if other.record_id in known:
                    key = _key(settings), _key(known[other.record_id][0]), context
                    counts[key] = counts.get(key, 0) + 1
    return tuple(
        ChoiceCount(better=msgspec.json.decode(better), worse=msgspec.json.decode(worse), context=context, n=n)
        for (better, worse, context), n in sorted(counts.items())
    )


def _key(settings: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(settings, order="sorted")


def _age(taste: TasteSource) -> tuple[str, bytes]:
    whole, _, fraction = taste.as_of.rstrip("Z").partition(".")
    return f"{whole}.{fraction.ljust(9, '0')}", msgspec.json.encode(taste, order="sorted")


def _possible(sums: StarSums) -> bool:
    """Whether stars from 1 to 5 can have these sums (Cauchy-Schwarz gives the least squares)."""
    slack = 1e-6 * sums.n
    least = sums.sum * sums.sum / sums.n
    return sums.n - slack <= sums.sum <= 5 * sums.n + slack and least - slack <= sums.squares <= 25 * sums.n + slack


def _shown(sums: StarSums) -> str:
    return f"n {sums.n}, sum {sums.sum:g}, squares {sums.squares:g} of {len(sums.settings)} settings"
