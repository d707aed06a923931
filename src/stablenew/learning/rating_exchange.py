"""Ratings that travel with pictures: written as XMP beside or into them, and read back from what photo tools wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from stablenew.errors import InputError, NotFound
from stablenew.learning.learning_feedback import Rating, RatingWriter, new_rating
from stablenew.learning.learning_reader import UnreadableLine
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.rating_fold import FAVOURITE, REJECTED, fold
from stablenew.learning.record_filter import Condition
from stablenew.learning.record_index import Query, RecordIndex
from stablenew.learning.xmp import Xmp, embed_xmp, read_xmp, record_id_in, write_sidecar

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".avif"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """What became of one picture: `path` of what was written or read, `problem` None when all went well."""

    path: Path
    record_id: str | None = None
    problem: str | None = None


def export_xmp(
    index: RecordIndex, root: Path, where: tuple[Condition, ...] = (), into: Path | None = None
) -> Iterator[Exchanged]:
    """Write what people said about the pictures meant: as sidecars, or as copies with the XMP inside in folder `into`.

    `root` is the workspace. Records nobody said anything about are passed by; the pictures themselves stay untouched.
    """
    for record in index.records(Query(where=where)):
        if isinstance(record, UnreadableLine) or not record.outcome.images or not _is_rated(record):
            continue
        image = root / record.outcome.images[-1].path
        try:
            written = _write(image, _as_xmp(record), into)
        except (OSError, InputError) as exc:
            yield Exchanged(path=image, record_id=record.run.record_id, problem=str(exc))
        else:
            yield Exchanged(path=written, record_id=record.run.record_id)


def import_xmp(index: RecordIndex, writer: RatingWriter, paths: Iterable[Path], who: str | None) -> Iterator[Exchanged]:
    """Append a rating for each picture below `paths` whose XMP says something new about its record.

    Yields pictures that had something new, and those with XMP that could not be used.
    """
    by_hash: dict[str, str] | None = None
    for path in pictures_below(paths):
        try:
            said = read_xmp(path)
            if said is None or said == Xmp():
                continue
            data = path.read_bytes()
            record_id = record_id_in(data)
            if record_id is None:
                by_hash = _records_by_hash(index) if by_hash is None else by_hash
                record_id = by_hash.get(sha256(data).hexdigest())
        except (OSError, InputError) as exc:
            yield Exchanged(path=path, problem=str(exc))
            continue
        if record_id is None:
            yield Exchanged(path=path, problem="no record has this picture: stablenew import makes one")
            continue
        rating = _news(said, record_id, index.ratings_of(record_id), who)
        if rating is not None:
            writer.append(rating)
            yield Exchanged(path=path, record_id=record_id)


def pictures_below(paths: Iterable[Path]) -> Iterator[Path]:
    """The pictures among `paths` and below those that are folders, in a stable order. Raises NotFound."""
    for path in paths:
        if path.is_dir():
            yield from (each for each in sorted(path.rglob("*")) if each.suffix.casefold() in IMAGE_SUFFIXES)
        elif path.exists():
            yield path
        else:
            raise NotFound("file or folder", str(path), path.parent)


def record_of_picture(index: RecordIndex, path: Path) -> tuple[LearningRecord, str]:
    """The record of a picture file, by the id inside it or by its content, and the file's hash. Raises NotFound."""
    data = path.read_bytes()
    digest = sha256(data).hexdigest()
    record_id = record_id_in(data)
    if record_id is not None:
        return index.get(record_id), digest
    for record in index.records(Query(where=(Condition(field="image", operator="=", value=digest),), limit=1)):
        if isinstance(record, LearningRecord):
            return record, digest
    raise NotFound("record of the picture", str(path), "the workspace", "stablenew import makes records of pictures")


def _is_rated(record: LearningRecord) -> bool:
    feedback = record.feedback
    return feedback.rating is not None or bool(feedback.tags) or bool(feedback.notes)


def _as_xmp(record: LearningRecord) -> Xmp:
    feedback = record.feedback
    score = None if feedback.rating is None else int(feedback.rating + 0.5)
    tags = tuple(tag for tag in feedback.tags if tag != REJECTED)
    return Xmp(score=score, rejected=REJECTED in feedback.tags, tags=tags, notes=feedback.notes)


def _write(image: Path, xmp: Xmp, into: Path | None) -> Path:
    if into is None:
        if not image.is_file():
            raise InputError(f"{image} is not there any more")
        return write_sidecar(image, xmp)
    data = embed_xmp(image.read_bytes(), xmp)
    into.mkdir(parents=True, exist_ok=True)
    target = into / image.name
    target.write_bytes(data)
    return target


def _records_by_hash(index: RecordIndex) -> dict[str, str]:
    return {
        image.sha256: record.run.record_id
        for record in index.records()
        if isinstance(record, LearningRecord)
        for image in record.outcome.images
        if image.sha256
    }


def _news(said: Xmp, record_id: str, known: list[Rating], who: str | None) -> Rating | None:
    """What `said` adds to what the person said before; None when it adds nothing."""
    before = fold([rating for rating in known if rating.who == who])
    tags = [tag for tag in said.tags if tag not in (FAVOURITE, REJECTED)]
    rejected = said.rejected or REJECTED in said.tags
    new = new_rating(
        record_id,
        who=who,
        surface="xmp",
        score=said.score if before is None or before.score != said.score else None,
        rejected=True if rejected and not (before and before.rejected) else None,
        favourite=True if FAVOURITE in said.tags and not (before and before.favourite) else None,
        add_tags=[tag for tag in tags if before is None or tag not in before.tags],
        notes=said.notes if said.notes and (before is None or before.notes != said.notes) else None,
    )
    said_something = (new.score, new.rejected, new.favourite, new.notes) != (None,) * 4 or new.add_tags
    return new if said_something else None
