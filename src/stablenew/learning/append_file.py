"""A file of lines that is only ever appended to, by many threads and processes, and survives all of them being killed.

What holds, and how:

- A line that `append` returned for stays whole: one `os.write` of whole lines, under a lock between threads and
  processes.
- A process killed in the middle of that write leaves a fragment (Linux tears at page boundaries). The next one to
  append removes it first, so it costs no other line. Nobody was told that the fragment was stored.
- A short write (full disk) is taken back and raised: what was there before is intact.
- Where the file system refuses locks, or another process sits on the lock, each process appends to a file of its own
  beside the first, its *shard*: `name.HOST-PID.jsonl`. Readers read `shard_paths`.
- The lock is never held across a sync.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from glob import escape
from pathlib import Path
from typing import Literal

import msgspec

from stablenew.errors import RecordNotWritten
from stablenew.learning.execution_context import this_host
from stablenew.learning.file_lock import Locked, ProcessLock, lock_within, process_lock, sync_data, sync_folder

Durability = Literal["background", "record", "none"]

LINE_BYTES_MAX = 16 * 1024 * 1024
BACKGROUND_DELAY_S = 0.05
LOCK_TIMEOUT_S = 10.0
_IDLE_S = 2.0
_GATHER_PAUSE_S = 0.00002
_CHUNK = 64 * 1024
# O_BINARY: Windows would write \r\n. O_NOFOLLOW: a link put in the file's place would lead the lines elsewhere.
_FLAGS = (
    os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
)
_log = logging.getLogger(__name__)
# A shard has no lock between processes and needs none; two objects of one process share it through this one.
_shard_mutex = threading.Lock()


def shard_path(path: Path) -> Path:
    """Where this process appends instead of `path` when it cannot have the lock."""
    host = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in this_host())[:63]
    return path.with_name(f"{path.stem}.{host}-{os.getpid()}{path.suffix}")


def shard_paths(path: Path) -> list[Path]:
    """`path` and the shards beside it that exist, in a stable order.

    A file whose own name looks like a shard's is among them: look at each line's `run_id`.
    """
    shards = path.parent.glob(f"{escape(path.stem)}.*-*{escape(path.suffix)}")
    return [each for each in (path, *sorted(shards)) if each.is_file()]


class AppendFile:
    """Appends lines to one file. Any thread may call; the file is made, with its folders, by the first line.

    `durability` says when a line is on the disk, so that it survives a power cut (a killed process loses nothing
    either way): "background" at most 50 ms later, "record" when `append` returns, "none" when the system likes.
    """

    def __init__(
        self,
        path: Path,
        *,
        durability: Durability = "background",
        lock: ProcessLock | None = None,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
        sync: Callable[[int], None] = sync_data,
    ) -> None:
        self.path = path
        self._durability = durability
        self._lock = lock or process_lock()
        self._lock_timeout_s = lock_timeout_s
        self._sync = sync
        self._sharded = False
        self._reset()
        _open_files.add(self)

    def _reset(self) -> None:
        self._mutex = threading.Lock()  # held while appending
        # Guards all about syncing. Who changes the descriptor holds it too, and first waits until no sync is under way.
        self._disk = threading.Condition(threading.Lock())
        self._syncing = False
        self._fd = -1
        self._size = -1  # of the file when we last let go of it; -1: we do not know
        self._appended = 0  # lines so far, and how many of them are known to be on the disk
        self._synced = 0
        self._shared, self._sync_s = 1, 0.0  # how many lines the last sync was for, and the seconds it took
        self._lost: tuple[range, OSError] | None = None  # lines whose sync failed, and how
        self._wake = threading.Event()
        self._syncer: threading.Thread | None = None

    @property
    def written_path(self) -> Path:
        """Where lines go: `path`, or this process's shard of it."""
        return shard_path(self.path) if self._sharded else self.path

    def append(self, line: bytes) -> None:
        """Store one line of JSON, given without its newline. Raises RecordNotWritten as `append_lines` does."""
        self.append_lines((line,))

    def append_lines(self, lines: Sequence[bytes]) -> None:
        """Store lines together.

        Raises RecordNotWritten when none of them is stored; with durability "record" also when they are stored but the
        disk did not take them, so that a power cut may lose them.
        """
        for line in lines:
            if b"\n" in line or len(line) > LINE_BYTES_MAX:
                raise RecordNotWritten(self.path, f"{len(line)} bytes are not one line of {LINE_BYTES_MAX} at most")
        if not lines:
            return
        data = b"%b\n" % b"\n".join(lines)
        try:
            with self._mutex:
                self._append_locked(data)
                self._appended = ticket = self._appended + len(lines)
                if self._durability == "background" and not self._wake.is_set():
                    self._wake_syncer()
            if self._durability == "record":
                self._sync_through(ticket)
        except OSError as exc:
            raise RecordNotWritten(self.written_path, _reason(exc)) from exc

    def barrier(self) -> None:
        """Return when every line appended so far is on the disk (at once with durability "none").

        Raises RecordNotWritten when a sync failed since the last barrier: lines may be lost at a power cut.
        """
        if self._durability == "none":
            return
        with self._disk:
            self._sync_rest()
            lost, self._lost = self._lost, None
        if lost is not None:
            raise RecordNotWritten(self.written_path, f"it could not be synced: {_reason(lost[1])}") from lost[1]

    def close(self) -> None:
        """Barrier, then free the file; appending again opens it anew. May be called twice."""
        try:
            self.barrier()
        finally:
            with self._mutex:
                try:
                    self._forget_fd()
                except OSError as exc:
                    # A network file system may say only now that it had no room.
                    raise RecordNotWritten(self.written_path, f"closing it failed: {_reason(exc)}") from exc

    def release(self) -> None:
        """Free the descriptor until the next line; what a sync says of it is kept for the next barrier."""
        with self._mutex:
            self._forget_fd()

    def __del__(self) -> None:
        """Whoever lets go of us without `close` leaks no descriptor; the lines are with the system already."""
        if getattr(self, "_fd", -1) >= 0:
            os.close(self._fd)

    def _append_locked(self, data: bytes) -> None:
        """Append under the lock between processes; the caller holds the one between threads."""
        if self._fd < 0:
            self._open()
        if not self._sharded:
            state = lock_within(self._lock, self._fd, self._lock_timeout_s)
            if state is Locked.YES:
                try:
                    done = self._seal_and_write(data)
                finally:
                    self._lock.unlock(self._fd)
                if not done:
                    self._append_anew(data)
                return
            _log.warning("%s: %s, so this process appends to %s", self.path, state.value, shard_path(self.path))
            self._sharded = True
            self._forget_fd()
            self._open()
        with _shard_mutex:
            done = self._seal_and_write(data)
        if not done:
            self._append_anew(data)

    def _append_anew(self, data: bytes) -> None:
        """Append to a new file: somebody deleted ours, or put another in its place."""
        _log.warning("%s was deleted or replaced; lines go on in a new file of that name", self.written_path)
        self._forget_fd()
        self._append_locked(data)

    def _seal_and_write(self, data: bytes) -> bool:
        """Append `data` after a sound end; False when our descriptor is of a file that has no name any more."""
        now = os.fstat(self._fd)
        if now.st_nlink == 0 and self._size >= 0:
            return False
        size = now.st_size if now.st_size == self._size else self._seal(now.st_size)
        self._write_or_undo(data, size)
        self._size = size + len(data)
        return True

    def _seal(self, size: int) -> int:
        """Remove the fragment that a killed writer left at the end, if any; the size then."""
        if size == 0 or _read_at(self._fd, size - 1, 1) == b"\n":
            return size
        start = _line_start(self._fd, size)
        if size - start > LINE_BYTES_MAX or _is_whole(_read_at(self._fd, start, size - start)):
            # Only its newline is missing (an editor does that), or it is nothing of ours: end it and keep it.
            self._write_or_undo(b"\n", size)
            return size + 1
        os.ftruncate(self._fd, start)
        return start

    def _write_or_undo(self, data: bytes, size: int) -> None:
        """One write at the end; taken back when it was short."""
        self._size = -1
        try:
            written = os.write(self._fd, data)
        except OSError:
            os.ftruncate(self._fd, size)
            raise
        if written != len(data):
            os.ftruncate(self._fd, size)
            raise OSError(f"only {written} of {len(data)} bytes could be written: is the disk full?")

    def _open(self) -> None:
        path = self.written_path
        try:
            fd = os.open(path, _FLAGS)
        except FileNotFoundError:
            fd = self._create(path)
        with self._disk:
            self._fd, self._size = fd, -1

    def _create(self, path: Path) -> int:
        made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, _FLAGS | os.O_CREAT, 0o644)
        if self._durability != "none":
            for folder in (path.parent, *(each.parent for each in made)):
                sync_folder(folder)
        return fd

    def _forget_fd(self) -> None:
        """Close the file, to go on with another or later; what is in it is synced first. The caller holds the mutex."""
        with self._disk:
            if self._durability != "none":
                self._sync_rest()
            fd, self._fd, self._size = self._fd, -1, -1
        if fd >= 0:
            os.close(fd)

    def _sync_through(self, ticket: int) -> None:
        """Return when the line numbered `ticket` is on the disk; callers that wait meanwhile share the next sync.

        Raises OSError when the sync that covered it failed: a later one would claim success without having the data.
        """
        with self._disk:
            while self._syncing and self._synced < ticket:
                self._disk.wait()
            if self._synced < ticket:
                self._sync_now(gather=True)
            if self._lost is not None and ticket in self._lost[0]:
                raise self._lost[1]

    def _sync_rest(self) -> None:
        """Sync whatever is not on the disk yet; the caller holds `_disk`, and no sync is under way when it returns."""
        while self._syncing:
            self._disk.wait()
        if self._synced < self._appended:
            self._sync_now(gather=False)

    def _sync_now(self, *, gather: bool) -> None:
        """Sync what was appended so far and note how it went; the caller holds `_disk`, which is free meanwhile."""
        self._syncing = True
        self._disk.release()
        error: OSError | None = None
        upto, start = self._synced, 0.0
        try:
            if gather:
                self._gather()
            upto, start = self._appended, time.monotonic()
            self._sync(self._fd)
        except OSError as exc:
            error = exc
        finally:
            self._disk.acquire()
            self._syncing = False
            self._disk.notify_all()
        if error is not None:
            first = self._lost[0].start if self._lost is not None else self._synced + 1
            self._lost = range(first, upto + 1), error
        self._shared, self._sync_s = upto - self._synced, time.monotonic() - start
        self._synced = upto

    def _gather(self) -> None:
        """Wait a little for as many lines as shared the last sync, so that their writers share the next one too.

        Without this the first of them to write again would start a sync for its own line alone. At most a quarter of
        what a sync takes; not at all for a lone writer.
        """
        deadline = time.monotonic() + self._sync_s / 4
        while self._appended - self._synced < self._shared and time.monotonic() < deadline:
            time.sleep(_GATHER_PAUSE_S)

    def _wake_syncer(self) -> None:
        self._wake.set()
        if self._syncer is None:
            syncer = threading.Thread(target=self._sync_in_background, name="record-sync", daemon=True)
            try:
                syncer.start()
            except RuntimeError as exc:
                # No thread can be had, as while Python shuts down: the barrier syncs instead.
                _log.warning("no thread to sync %s: %s", self.written_path, exc)
                self._wake.clear()
            else:
                self._syncer = syncer

    def _sync_in_background(self) -> None:
        """Sync what was appended, 50 ms after the first line of each lot; ends when nothing came for a while."""
        while True:
            if not self._wake.wait(_IDLE_S):
                with self._mutex:
                    if not self._wake.is_set():
                        self._syncer = None
                        return
            time.sleep(BACKGROUND_DELAY_S)
            self._wake.clear()
            with self._disk:
                self._sync_rest()
                lost = self._lost
            if lost is not None:
                _log.warning("%s could not be synced: %s", self.written_path, _reason(lost[1]))


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _line_start(fd: int, size: int) -> int:
    """Where the last line of a file of `size` bytes begins."""
    end = size
    while end > 0:
        start = max(0, end - _CHUNK)
        found = _read_at(fd, start, end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _read_at(fd: int, start: int, count: int) -> bytes:
    os.lseek(fd, start, os.SEEK_SET)
    parts = []
    while count > 0:
        part = os.read(fd, count)
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _is_whole(line: bytes) -> bool:
    """Whether `line` is a JSON object from end to end."""
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False


_open_files: weakref.WeakSet[AppendFile] = weakref.WeakSet()


def _after_fork() -> None:
    """A forked child has its parent's descriptors, and through them its parent's lock: it opens its own."""
    global _shard_mutex
    _shard_mutex = threading.Lock()
    for each in list(_open_files):
        if each._fd >= 0:
            os.close(each._fd)
        each._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
