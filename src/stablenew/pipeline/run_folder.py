"""A run's folder: its manifest, its lock, and the journal of stages that are done.

runs/RUN_ID/manifest.json    what the run is: config, plan recipe, versions; written once, before the first image
runs/RUN_ID/stages.jsonl     one line per stage that ended, appended: what a resume does not repeat
runs/RUN_ID/images/          the pictures
runs/RUN_ID/log.jsonl        the log
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from filelock import FileLock, Timeout

from stablenew.atomic_file import write_atomically
from stablenew.config import StageName
from stablenew.errors import InputError, NotFound, RunBusy
from stablenew.learning.safe_name import safe_name
from stablenew.variant import StageResult
from stablenew.workspace import Workspace

MANIFEST_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunManifest:
    """What a run is, as far as it is known before the first image. `config` and `recipe` hold JSON types.

    `recipe` is what the plan of variants is rebuilt from, None when the variants were handed in ready-made.
    `paused_stages` were wanted but left for later; `promoted_from` is the run whose pictures this one goes on with.
    """

    run_id: str
    created_at: str
    source: str
    backend: str
    variant_count: int
    config: Mapping[str, Any]
    recipe: Mapping[str, Any] | None = None
    software: Mapping[str, str] = field(default_factory=dict)
    paused_stages: tuple[StageName, ...] = ()
    promoted_from: str | None = None
    backend_url: str | None = None
    schema_version: int = MANIFEST_SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLine:
    """A stage that ended: of the variant at `index` with `variant_id`, started at `started_at` (UTC)."""

    index: int
    variant_id: str
    started_at: str
    seed: int
    result: StageResult


class RunFolder:
    """The folder of one run, held by this process alone from `open_run` until it is closed.

    The desk's thread appends to the journal; nobody else writes here after the manifest.
    """

    def __init__(self, workspace: Workspace, run_id: str) -> None:
        self.workspace, self.run_id = workspace, run_id
        self.path = workspace.runs / run_id
        self._journal: int | None = None

    @property
    def images(self) -> Path:
        return self.path / "images"

    @property
    def manifest_path(self) -> Path:
        return self.path / "manifest.json"

    @property
    def journal_path(self) -> Path:
        return self.path / "stages.jsonl"

    @property
    def log_path(self) -> Path:
        return self.path / "log.jsonl"

    def write_manifest(self, manifest: RunManifest) -> None:
        """Store `manifest` whole and on disk, or not at all. Raises InputError when the run is already there."""
        if self.manifest_path.exists():
            raise InputError(
                f"run {self.run_id} is already in {self.path}: choose another --run-id, or go on with --resume"
            )
        write_atomically(self.manifest_path, msgspec.json.format(msgspec.json.encode(manifest)), durable=True)

    def append_journal(self, line: JournalLine) -> None:
        """Add `line` to the journal in one write. Raises OSError; then nothing of it is left there."""
        if self._journal is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._journal = os.open(self.journal_path, flags, 0o644)
            _end_last_line(self._journal)
        data, size = msgspec.json.encode(line) + b"\n", os.fstat(self._journal).st_size
        if os.write(self._journal, data) != len(data):
            os.ftruncate(self._journal, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def read_journal(self) -> Iterator[JournalLine]:
        """Every readable line of the journal, in order; a torn one is passed over."""
        if not self.journal_path.exists():
            return
        decoder = msgspec.json.Decoder(JournalLine)
        with self.journal_path.open("rb") as file:
            for raw in file:
                with contextlib.suppress(msgspec.DecodeError, msgspec.ValidationError):
                    yield decoder.decode(raw)

    def done_stages(self) -> dict[tuple[int, str], dict[StageName, JournalLine]]:
        """By (index, variant id): the stages that finished with a picture, the last line of each winning."""
        done: dict[tuple[int, str], dict[StageName, JournalLine]] = {}
        for line in self.read_journal():
            if line.result.status == "ok" and line.result.image is not None:
                done.setdefault((line.index, line.variant_id), {})[line.result.stage] = line
        return done

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None


@contextlib.contextmanager
def open_run(workspace: Workspace, run_id: str) -> Iterator[RunFolder]:
    """The run's folder, made if need be, for this process alone.

    Raises UnsafeName for a run id that cannot name a folder, RunBusy when another process holds it.
    """
    folder = RunFolder(workspace, safe_name(run_id, workspace.runs))
    folder.images.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.path / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as exc:
        raise RunBusy(run_id) from exc
    try:
        for left_over in folder.images.glob(".*.tmp"):  # of a process that was killed while it saved a picture
            left_over.unlink(missing_ok=True)
        yield folder
    finally:
        folder.close()
        lock.release()


def read_manifest(workspace: Workspace, run_id: str) -> RunManifest:
    """The manifest of a run. Raises NotFound, UnsafeName, or InputError when it cannot be read."""
    path = workspace.runs / safe_name(run_id, workspace.runs) / "manifest.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunManifest)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise NotFound("run", run_id, workspace.runs, "stablenew runs list shows those there are") from exc
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    except (msgspec.DecodeError, msgspec.ValidationError) as exc:
        raise InputError(f"{path} is not a run's manifest: {exc}") from exc


def _end_last_line(descriptor: int) -> None:
    """A line torn by a kill gets its newline, so that the next line stands on its own."""
    size = os.fstat(descriptor).st_size
    if size == 0:
        return
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    if os.read(descriptor, 1) != b"\n":
        os.write(descriptor, b"\n")
