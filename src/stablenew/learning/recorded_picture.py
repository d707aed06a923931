"""A picture to look at, with what its record knows: light enough to hold ten thousand of them.

with RecordIndex.of(workspace) as index:
    for pictures in read_pictures(index, PictureWish(words="cat")): ...
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, get_args

from stablenew.learning.index_query import Sort
from stablenew.learning.learning_feedback import Rating
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.record_filter import Condition, field_name, value_of
from stablenew.learning.record_index import Query, RecordIndex
from stablenew.learning.record_settings import flat_settings
from stablenew.variant import Status, Variant, VariantResult

PICTURES_MAX = 20_000
"""So many pictures at most are looked at together: nobody culls more in one sitting."""

_PAGE = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPicture:
    """The newest stage's picture of one record, and what was said about it.

    `path` is relative to the workspace, "" where no picture was made; then `problem` says why. `settings` is the flat
    map of `flat_settings`, `axes` the names in it that the run's plan varied. `ratings` are all lines about the record
    in file order. `sort_value` is what the pictures asked for are sorted by.
    """

    record_id: str
    run_id: str
    path: str
    sha256: str = ""
    width: int | None = None
    height: int | None = None
    prompt: str
    negative_prompt: str = ""
    seed: int | None = None
    pack: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    bindings: Mapping[str, str] = field(default_factory=dict)
    axes: tuple[str, ...] = ()
    settings_key: str = ""
    variant_index: int = 0
    made_at: str = ""
    seconds: float | None = None
    status: Status = "ok"
    problem: str = ""
    ratings: tuple[Rating, ...] = ()
    sort_value: Any = None

    @property
    def text(self) -> str:
        """What was asked in words; pictures that share it can be compared."""
        return f"{self.prompt}\0{self.negative_prompt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureWish:
    """Which pictures, in which order. `words` are looked for in prompts; `sort` is any field of a record.

    Sorted by rating or seconds those that have none are left out; by another field they come last. Records without a
    picture (failed ones) are left out unless they are wanted.
    """

    where: tuple[Condition, ...] = ()
    words: str | None = None
    sort: str = "time"
    descending: bool = True
    limit: int = PICTURES_MAX
    without_picture: bool = False


def read_pictures(index: RecordIndex, wish: PictureWish) -> Iterator[list[RecordedPicture]]:
    """The pictures meant, a page at a time.

    Sorted by what the index orders by, the first page comes at once; by another field, when all were read. Raises
    InputError for an unknown field or for words that name nothing.
    """
    field = field_name(wish.sort)
    if field not in get_args(Sort):
        yield from _sorted_pages(index, wish, field)
        return
    query = Query(where=wish.where, words=wish.words, sort=_index_sort(field), descending=wish.descending)
    yield from _pages(islice(_pictures(index, query, wish), wish.limit))


def picture_of(record: LearningRecord, ratings: tuple[Rating, ...] = (), *, sort: str | None = None) -> RecordedPicture:
    """The picture of `record`; `sort` is the field its `sort_value` comes from."""
    images, prompt, pipeline = record.outcome.images, record.prompt, record.pipeline
    image = images[-1] if images else None
    return RecordedPicture(
        record_id=record.run.record_id,
        run_id=record.run.run_id,
        path=image.path if image else "",
        sha256=image.sha256 if image else "",
        width=image.width if image else None,
        height=image.height if image else None,
        prompt=prompt.prompt,
        negative_prompt=prompt.negative_prompt,
        seed=prompt.seed,
        pack=prompt.pack_name,
        settings=flat_settings(record),
        bindings=prompt.bindings,
        axes=tuple(path.removeprefix("txt2img.") for path in pipeline.axes),
        settings_key=pipeline.settings_key,
        variant_index=pipeline.variant_index,
        made_at=record.run.timestamp,
        seconds=record.outcome.duration_s,
        status=record.outcome.status,
        problem=record.outcome.error_message or "",
        ratings=ratings,
        sort_value=_sort_value(record, sort) if sort else None,
    )


def picture_of_variant(variant: Variant, run_id: str) -> RecordedPicture:
    """The place of a variant that was not made yet: no picture, and of its settings those that the plan varies."""
    axes = {path.removeprefix("txt2img."): value for path, value in variant.axes.items()}
    return RecordedPicture(
        record_id=variant.record_id(run_id),
        run_id=run_id,
        path="",
        prompt=variant.prompt,
        negative_prompt=variant.negative_prompt,
        seed=variant.seed,
        pack=variant.line.pack_name,
        settings=axes,
        bindings=variant.bindings,
        axes=tuple(axes),
        variant_index=variant.index,
        status="cancelled",
    )


def picture_of_result(result: VariantResult, run_id: str) -> RecordedPicture:
    """The picture of a variant that just finished, before its record can be asked for."""
    planned, image = picture_of_variant(result.variant, run_id), result.images[-1] if result.images else None
    return replace(
        planned,
        record_id=result.record_id,
        path=image.path if image else "",
        sha256=image.sha256 if image else "",
        width=image.width if image else None,
        height=image.height if image else None,
        seed=result.seed,
        settings=_settings_of(result) | dict(planned.settings),
        made_at=result.started_at,
        seconds=result.duration_s,
        status=result.status,
        problem=result.failure.message if result.failure else "",
    )


def _sort_value(record: LearningRecord, field: str) -> Any:
    value = value_of(record.to_dict(), field)
    return None if value in ("", [], {}) else value


def _settings_of(result: VariantResult) -> dict[str, Any]:
    """What the first stage says that it used."""
    used = result.stages[0].effective if result.stages else None
    names = ("model", "vae", "sampler", "scheduler", "steps", "cfg_scale", "width", "height")
    found = {name: getattr(used, name) for name in names} if used else {}
    return {name: value for name, value in found.items() if value is not None}


def _sorted_pages(index: RecordIndex, wish: PictureWish, field: str) -> Iterator[list[RecordedPicture]]:
    query = Query(where=wish.where, words=wish.words)
    found = list(islice(_pictures(index, query, wish, field), wish.limit))
    yield from _pages(iter(in_order_of_value(found, descending=wish.descending)))


def in_order_of_value(pictures: list[RecordedPicture], *, descending: bool) -> list[RecordedPicture]:
    """`pictures` by their `sort_value`: numbers before texts, those without one last either way."""
    having = [picture for picture in pictures if picture.sort_value is not None]
    having.sort(key=lambda picture: _comparable(picture.sort_value), reverse=descending)
    return having + [picture for picture in pictures if picture.sort_value is None]


def _comparable(value: Any) -> tuple[int, float, str]:
    if isinstance(value, (int, float)):
        return (0, float(value), "")
    return (1, 0.0, str(value).casefold())


def _pictures(
    index: RecordIndex, query: Query, wish: PictureWish, sort: str | None = None
) -> Iterator[RecordedPicture]:
    for record in index.records(query):
        if isinstance(record, LearningRecord) and (record.outcome.images or wish.without_picture):
            said = record.feedback.rating is not None or record.feedback.tags or record.feedback.notes
            ratings = tuple(index.ratings_of(record.run.record_id)) if said else ()
            yield picture_of(record, ratings, sort=sort)


def _pages(pictures: Iterator[RecordedPicture]) -> Iterator[list[RecordedPicture]]:
    while page := list(islice(pictures, _PAGE)):
        yield page


def _index_sort(field: str) -> Sort:
    return next(each for each in get_args(Sort) if each == field)
