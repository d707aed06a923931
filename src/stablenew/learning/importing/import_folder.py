"""A folder of pictures into records, a file at a time: resumable, and nothing in the folder is changed.

What became of each file is kept in a journal in the workspace (learning/imports), so that the next import of the folder
looks only at files that are new or changed. A record is stored before its journal line: a crash in between costs a
second look at one file, never a second record, because a record's id is made of the picture's content.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec

from stablenew.errors import InputError, NotFound
from stablenew.learning.append_file import AppendFile
from stablenew.learning.importing.as_record import PictureFile, as_record
from stablenew.learning.importing.image_texts import ImageTexts, UnreadablePicture, read_image_texts
from stablenew.learning.importing.read_picture import OUR_CHUNK, read_settings
from stablenew.learning.importing.weak_ratings import weak_rating
from stablenew.learning.learning_feedback import Rating, RatingWriter
from stablenew.learning.learning_reader import UnreadableLine, read_records
from stablenew.learning.learning_record import LearningRecord, LearningRecordWriter
from stablenew.workspace import Workspace

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jfif", ".webp", ".avif"})
FILE_BYTES_MAX = 512 * 1024 * 1024
PROMPT_MAX = 200_000
_WORKERS = 4
_AT_ONCE = 64

Became = Literal["record", "duplicate", "ours", "no settings", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of one file. `reason`: why it is unreadable; `tool`: who made it; `rated`: it has a weak rating."""

    path: Path
    became: Became
    reason: str = ""
    tool: str = ""
    record_id: str | None = None
    rated: bool = False


class _JournalLine(msgspec.Struct):
    path: str
    size: int
    modified_ns: int
    became: str


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file as the walk saw it."""

    path: Path
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class _Looked:
    """What looking at a file brought."""

    file: FoundFile
    imported: Imported
    record: LearningRecord | None = None
    rating: Rating | None = None


class FolderImport:
    """The import of one folder. Use it from one thread, as a context manager; files are read by a few of its own."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        """Raises NotFound when there is no such folder."""
        self.folder = folder.expanduser().resolve()
        if not self.folder.is_dir():
            raise NotFound("folder", str(folder), folder.parent)
        self.run_id = import_run_id(self.folder)
        self._workspace = workspace
        self._records = LearningRecordWriter(workspace.records)
        self._ratings = RatingWriter(workspace.ratings, durability="background")
        self._journal = AppendFile(workspace.root / "learning" / "imports" / f"{self.run_id}.jsonl", durability="none")
        self._seen = self._read_journal()
        self._ids = self._recorded_ids()

    def __enter__(self) -> FolderImport:
        return self

    def __exit__(self, *_: object) -> None:
        self._records.close()
        self._ratings.close()
        self._journal.close()

    def pending(self) -> list[FoundFile]:
        """The pictures in the folder that are new or changed since they were last looked at, in a stable order."""
        own = self._workspace.root.resolve()
        return [file for file in walk_pictures(self.folder, own) if not self._is_done(file)]

    def take(self, files: Iterable[FoundFile]) -> Iterator[Imported]:
        """Import `files` in order, saying what became of each. Raises RecordNotWritten; what was taken stays taken."""
        waiting = iter(files)
        with ThreadPoolExecutor(_WORKERS, thread_name_prefix="import") as pool:
            ahead: list[Future[_Looked]] = [pool.submit(self._look, file) for file in islice(waiting, _AT_ONCE)]
            while ahead:
                looked = ahead.pop(0).result()
                ahead += [pool.submit(self._look, file) for file in islice(waiting, 1)]
                yield self._keep(looked)

    def _look(self, file: FoundFile) -> _Looked:
        """Read one file; nothing is written. Runs on a worker's thread."""
        try:
            return self._looked(file)
        except UnreadablePicture as exc:
            reason = str(exc)
        except OSError as exc:
            reason = f"it cannot be read: {exc.strerror or exc}"
        return _Looked(file, Imported(path=file.path, became="unreadable", reason=reason))

    def _looked(self, file: FoundFile) -> _Looked:
        if file.size > FILE_BYTES_MAX:
            raise UnreadablePicture(f"it has {file.size:,} bytes, more than any picture")
        texts = read_image_texts(file.path, file.size)
        if OUR_CHUNK in texts.texts:
            return _Looked(file, Imported(path=file.path, became="ours"))
        found = read_settings(texts.texts)
        if found is None:
            return _Looked(file, Imported(path=file.path, became="no settings"))
        if len(found.prompt) + len(found.negative_prompt) > PROMPT_MAX:
            raise UnreadablePicture(f"its prompt has {len(found.prompt) + len(found.negative_prompt):,} characters")
        picture = PictureFile(
            path=file.path,
            modified_s=file.modified_ns / 1e9,
            sha256=_file_hash(file.path),
            width=texts.width,
            height=texts.height,
        )
        record = as_record(found, picture, self.run_id)
        rating = self._weak_rating(file, texts, record)
        imported = Imported(
            path=file.path,
            became="record",
            tool=found.tool,
            record_id=record.run.record_id,
            rated=rating is not None,
        )
        return _Looked(file, imported, record, rating)

    def _weak_rating(self, file: FoundFile, texts: ImageTexts, record: LearningRecord) -> Rating | None:
        folders = (self.folder.name, *file.path.relative_to(self.folder).parts[:-1])
        return weak_rating(file.path, folders, texts.xmp, texts.stars, record)

    def _keep(self, looked: _Looked) -> Imported:
        imported = looked.imported
        if looked.record is not None:
            if imported.record_id in self._ids:
                imported = Imported(
                    path=imported.path, became="duplicate", tool=imported.tool, record_id=imported.record_id
                )
            else:
                self._records.write_record(looked.record)
                self._ids.add(looked.record.run.record_id)
            # Also for a copy: its folder or stars may say what the first one's did not.
            if looked.rating is not None:
                self._ratings.append(looked.rating)
        self._note(looked.file, imported.became)
        return imported

    def _note(self, file: FoundFile, became: str) -> None:
        name = self._name(file)
        self._seen[name] = (file.size, file.modified_ns)
        line = _JournalLine(path=name, size=file.size, modified_ns=file.modified_ns, became=became)
        self._journal.append(msgspec.json.encode(line))

    def _name(self, file: FoundFile) -> str:
        return os.fsencode(file.path.relative_to(self.folder).as_posix()).decode("utf-8", "backslashreplace")

    def _is_done(self, file: FoundFile) -> bool:
        return self._seen.get(self._name(file)) == (file.size, file.modified_ns)

    def _read_journal(self) -> dict[str, tuple[int, int]]:
        seen: dict[str, tuple[int, int]] = {}
        decoder = msgspec.json.Decoder(_JournalLine)
        folder = self._workspace.root / "learning" / "imports"
        for path in sorted(folder.glob(f"{self.run_id}*.jsonl")):
            with path.open("rb") as file:
                for raw in file:
                    try:
                        line = decoder.decode(raw)
                    except (msgspec.DecodeError, UnicodeError):
                        continue  # a torn line: that file is looked at once more
                    seen[line.path] = (line.size, line.modified_ns)
        return seen

    def _recorded_ids(self) -> set[str]:
        """The records this import made before."""
        found = read_records(self._workspace.records, self.run_id)
        return {each.run.record_id for each in found if not isinstance(each, UnreadableLine)}


def import_run_id(folder: Path) -> str:
    """The run that holds the records of a folder: its name, made safe, and a hash of its path."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", folder.name).strip("-")[:40] or "folder"
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]
    return f"import-{name}-{digest}"


def walk_pictures(folder: Path, leave_out: Path | None = None) -> Iterator[FoundFile]:
    """Every picture file below `folder` by name, hidden ones, linked folders and `leave_out` apart."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as exc:
        raise InputError(f"{folder} cannot be read: {exc.strerror or exc}") from exc
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            if path != leave_out:
                yield from _walk_inner(path, leave_out)
        elif path.suffix.casefold() in SUFFIXES and (found := _found_file(entry)) is not None:
            yield found


def _walk_inner(folder: Path, leave_out: Path | None) -> Iterator[FoundFile]:
    """Like `walk_pictures`; a folder that cannot be read is passed by."""
    try:
        yield from walk_pictures(folder, leave_out)
    except InputError:
        return


def _found_file(entry: os.DirEntry[str]) -> FoundFile | None:
    try:
        status = entry.stat()
    except OSError:
        return None
    # A pipe or a device called x.png would hang whoever opens it.
    if not stat.S_ISREG(status.st_mode):
        return None
    return FoundFile(Path(entry.path), status.st_size, status.st_mtime_ns)


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
