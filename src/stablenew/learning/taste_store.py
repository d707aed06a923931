"""Taste files of this workspace: its own statistics to take elsewhere, and those of others as weak evidence here."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from stablenew.atomic_file import write_atomically
from stablenew.errors import InputError, NotFound
from stablenew.learning.evidence import Scored
from stablenew.learning.learning_feedback import Rating, rating_time, read_ratings
from stablenew.learning.learning_reader import read_current_records
from stablenew.learning.taste_file import (
    SourceId,
    TasteFile,
    merge_taste,
    parse_taste_file,
    read_taste_file,
    taste_file_bytes,
    taste_of,
)
from stablenew.workspace import Workspace

OTHERS_NOISE = 3.0
"""How many times the variance of one of our own ratings a single rating of somebody else has, beside the floor."""

NOISE_FLOOR = 1.0
"""However many ratings there are: others' taste is not ours, and a mean of theirs counts as one of ours at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    """This workspace as a source: an id drawn once, and the key its contexts are hashed with, which never leaves it."""

    source_id: SourceId
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did with one source. `said`: "new", "newer", "known already", "this workspace's own"."""

    source_id: str
    ratings: int
    said: str

    @property
    def adds(self) -> bool:
        """Whether anything of it was not here before."""
        return self.said in ("new", "newer")


def export_taste(
    workspace: Workspace, *, who: str | None = None, with_others: bool = False, now: datetime | None = None
) -> TasteFile:
    """This workspace's statistics as a taste file, with those imported where `with_others`."""
    identity = _identity(workspace)
    own = taste_of(
        read_current_records(workspace.records),
        (read for read in read_ratings(workspace.ratings) if isinstance(read, Rating)),
        secret=bytes.fromhex(identity.secret),
        as_of=rating_time(now or datetime.now(UTC)),
        who=who,
    )
    found = TasteFile(sources={identity.source_id: own})
    return merge_taste(found, imported_taste(workspace)) if with_others else found


def write_taste_file(path: Path, taste: TasteFile, *, replace: bool = False) -> None:
    """Store `taste` at `path`. Raises InputError when something is there and `replace` is not asked for."""
    if path.exists() and not replace:
        raise InputError(f"{path} is there already: choose another name or give --replace")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, taste_file_bytes(taste))
    except OSError as exc:
        raise InputError(f"{path} cannot be written: {exc.strerror or exc}") from exc


def import_taste(workspace: Workspace, path: Path) -> list[Imported]:
    """Keep the sources of a taste file as weak evidence; one that is known stays where it is newer.

    Our own statistics coming back are passed over: they are here already. Raises InputError.
    """
    done = []
    for each, kept in _compared(workspace, path):
        if kept is not None:
            target = _source_path(workspace, each.source_id)
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, taste_file_bytes(kept), durable=True)
        done.append(each)
    return done


def would_import(workspace: Workspace, path: Path) -> list[Imported]:
    """What `import_taste` would do with each source of a taste file; nothing is kept. Raises InputError."""
    return [each for each, _ in _compared(workspace, path)]


def _compared(workspace: Workspace, path: Path) -> Iterator[tuple[Imported, TasteFile | None]]:
    """Each source of a taste file with what is to be kept of it, None where that is nothing new."""
    own, others = _identity(workspace).source_id, imported_taste(workspace)
    for source_id, taste in read_taste_file(path).sources.items():
        if source_id == own:
            yield Imported(source_id=source_id, ratings=taste.ratings, said="this workspace's own"), None
            continue
        known = others.sources.get(source_id)
        kept = merge_taste(
            TasteFile(sources={source_id: known} if known else {}), TasteFile(sources={source_id: taste})
        )
        if known is not None and kept.sources[source_id] == known:
            yield Imported(source_id=source_id, ratings=known.ratings, said="known already"), None
        else:
            yield Imported(source_id=source_id, ratings=taste.ratings, said="newer" if known else "new"), kept


def imported_taste(workspace: Workspace) -> TasteFile:
    """The sources that were imported; a file that cannot be read is passed over."""
    found = TasteFile()
    folder = workspace.taste / "others"
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            found = merge_taste(found, parse_taste_file(path.read_bytes(), path))
        except (OSError, InputError):
            continue
    return found


def forget_taste(workspace: Workspace, source_id: str) -> None:
    """Remove an imported source, named by its id or the first digits of it. Raises NotFound."""
    known = [each for each in imported_taste(workspace).sources if each.startswith(source_id)]
    if len(known) != 1 or not source_id:
        raise NotFound("imported taste", source_id, workspace.taste, "stablenew taste list shows those there are")
    _source_path(workspace, known[0]).unlink()


def taste_evidence(workspace: Workspace) -> list[Scored]:
    """Others' statistics as evidence: one entry a cell with its mean stars, observational, and far from our own.

    `noise` is 3/n + 1: a single rating of somebody else has four times the usual variance, and the mean of ever so
    many counts as one of our own pictures. The context, "taste:SOURCE:CONTEXT", is none of ours.
    """
    return [
        Scored(
            settings=cell.settings,
            stars=min(5.0, max(1.0, cell.sum / cell.n)),
            context=f"taste:{source_id[:8]}:{cell.context}",
            row=f"taste:{source_id[:8]}",
            observational=True,
            noise=OTHERS_NOISE / cell.n + NOISE_FLOOR,
        )
        for source_id, taste in imported_taste(workspace).sources.items()
        for cell in taste.stars
    ]


def _identity(workspace: Workspace) -> _Identity:
    """This workspace's own; drawn and stored when it is first needed, by whoever comes first."""
    path = workspace.taste / "identity.json"
    for _ in range(2):
        try:
            return msgspec.json.decode(path.read_bytes(), type=_Identity)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            drawn = _Identity(source_id=secrets.token_hex(16), secret=secrets.token_hex(32))
            _write_once(path, msgspec.json.encode(drawn))
        except (msgspec.MsgspecError, UnicodeError) as exc:
            raise InputError(f"{path} is damaged ({exc}): delete it, and this workspace becomes a new source") from exc
    return msgspec.json.decode(path.read_bytes(), type=_Identity)


def _write_once(path: Path, data: bytes) -> None:
    """Put `data` at `path` whole, unless somebody else was there first."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.write_bytes(data)
        with contextlib.suppress(FileExistsError):
            _link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _link(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # no links here (FAT, some network drives): the last one to come wins
        write_atomically(path, temporary.read_bytes(), durable=True)


def _source_path(workspace: Workspace, source_id: str) -> Path:
    return workspace.taste / "others" / f"{source_id}.json"
