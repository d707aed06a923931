"""What is wrong with the records and pictures of a workspace, and how much room they take. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path

from stablenew.learning.learning_feedback import read_ratings
from stablenew.learning.learning_reader import UnreadableLine, read_current_records, read_records, record_key
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.rating_exchange import IMAGE_SUFFIXES
from stablenew.learning.rating_fold import REJECTED
from stablenew.learning.record_index import Query, RecordIndex
from stablenew.learning.xmp import record_id_in
from stablenew.workspace import Workspace

UNRATED = "not rated"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingImage:
    """A picture that a record names and that is not there, or (`altered`) has another content than was recorded."""

    record_id: str
    path: str
    altered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanImage:
    """A picture in a run's folder that no record names. `record_id`: the one it names itself, if any."""

    path: str
    record_id: str | None = None


@dataclass(slots=True)
class Examination:
    """What was found. Paths of pictures are relative to the workspace; sizes are in bytes."""

    records: int = 0
    damaged: list[UnreadableLine] = field(default_factory=list)
    missing: list[MissingImage] = field(default_factory=list)
    orphans: list[OrphanImage] = field(default_factory=list)
    duplicates: list[tuple[str, ...]] = field(default_factory=list)
    index_is_wrong: bool = False
    bytes_by_run: dict[str, int] = field(default_factory=dict)
    bytes_by_rating: dict[str, int] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong; the same picture twice is no fault."""
        return not (self.damaged or self.missing or self.orphans or self.index_is_wrong)


def examine(workspace: Workspace, *, check_files: bool = False) -> Examination:
    """Read every record and look for every picture; with `check_files`, also compare each picture with its hash."""
    found = Examination()
    found.damaged = list(_damage(workspace))
    named = _Pictures()
    with RecordIndex.of(workspace) as index:
        for record in index.records(Query(descending=False)):
            if isinstance(record, LearningRecord):
                found.records += 1
                _look_for_images(workspace, record, named, found, check_files=check_files)
    found.duplicates = named.duplicates()
    found.orphans = list(_orphans(workspace, named))
    found.index_is_wrong = _index_is_wrong(workspace)
    found.bytes_by_run = _bytes_by_run(workspace)
    return found


class _Pictures:
    """Every picture that a record names: small numbers in place of paths and hashes, as there may be millions."""

    def __init__(self) -> None:
        self._paths: set[int] = set()
        self._by_hash: dict[int, str | list[str]] = {}

    def add(self, path: str, sha256: str) -> None:
        key = record_key(path)
        if key in self._paths:
            return
        self._paths.add(key)
        if sha256:
            other = self._by_hash.setdefault(record_key(sha256), path)
            if isinstance(other, list):
                other.append(path)
            elif other != path:
                self._by_hash[record_key(sha256)] = [other, path]

    def has(self, path: str) -> bool:
        return record_key(path) in self._paths

    def duplicates(self) -> list[tuple[str, ...]]:
        return sorted(tuple(paths) for paths in self._by_hash.values() if isinstance(paths, list))


def _damage(workspace: Workspace) -> Iterator[UnreadableLine]:
    for read in read_records(workspace.records):
        if isinstance(read, UnreadableLine):
            yield read
    for rating in read_ratings(workspace.ratings):
        if isinstance(rating, UnreadableLine):
            yield rating


def _look_for_images(
    workspace: Workspace, record: LearningRecord, named: _Pictures, found: Examination, *, check_files: bool
) -> None:
    for image in record.outcome.images:
        named.add(image.path, image.sha256)
        path = workspace.root / image.path
        try:
            size = path.stat().st_size
            altered = check_files and image.sha256 not in ("", _hash_of(path))
        except OSError:
            found.missing.append(MissingImage(record_id=record.run.record_id, path=image.path))
            continue
        if altered:
            found.missing.append(MissingImage(record_id=record.run.record_id, path=image.path, altered=True))
        stars = _stars(record)
        found.bytes_by_rating[stars] = found.bytes_by_rating.get(stars, 0) + size


def _stars(record: LearningRecord) -> str:
    feedback = record.feedback
    if REJECTED in feedback.tags:
        return REJECTED
    return UNRATED if feedback.rating is None else f"{int(feedback.rating + 0.5)} stars"


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _orphans(workspace: Workspace, named: _Pictures) -> Iterator[OrphanImage]:
    for folder in sorted(workspace.runs.glob("*/images")):
        for path in sorted(folder.rglob("*")):
            relative = workspace.relative(path)
            if path.suffix.casefold() in IMAGE_SUFFIXES and not path.name.startswith(".") and not named.has(relative):
                yield OrphanImage(path=relative, record_id=record_id_in(path.read_bytes()))


def _index_is_wrong(workspace: Workspace) -> bool:
    """Whether the index gives other totals than the records themselves."""
    n = ok = 0
    for record in read_current_records(workspace.records):
        n += 1
        ok += record.outcome.status == "ok"
    with RecordIndex.of(workspace) as index:
        totals = index.overview().records
        by_row = index.groups(["run_id"])
    return (totals.n, totals.ok) != (n, ok) or sum(group.n for group in by_row) != n


def _bytes_by_run(workspace: Workspace) -> dict[str, int]:
    if not workspace.runs.is_dir():
        return {}
    return {
        folder.name: sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        for folder in sorted(workspace.runs.iterdir())
        if folder.is_dir()
    }
