"""The few things that every system does its own way: locking a file between processes, and syncing it."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

# Windows locks bytes, and a locked byte cannot be read by others: so one that hardly a file reaches. Not further out,
# for the C library under `msvcrt.locking` has counted positions in 32 bits.
_LOCKED_BYTE = 0x7FFF_FFFE
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.00005, 0.005
_POSIX_BUSY = frozenset({errno.EAGAIN, errno.EWOULDBLOCK})
_WINDOWS_BUSY = frozenset({errno.EACCES, errno.EDEADLK, 36})  # 36: EDEADLOCK as Windows numbers it


class Locked(Enum):
    """How an attempt to lock ended."""

    YES = "ours"
    BUSY = "another process holds it"
    REFUSED = "this file system has no locks"


class ProcessLock(Protocol):
    """A lock between processes on an open file."""

    def try_lock(self, fd: int) -> Locked:
        """Take the lock if it is free; does not block."""

    def unlock(self, fd: int) -> None:
        """Free the lock."""


class PosixLock:
    """`flock`: the system frees it when the process dies, however it dies."""

    def __init__(self, fcntl: Any) -> None:
        self._fcntl = fcntl

    def try_lock(self, fd: int) -> Locked:
        """Take the lock if it is free; does not block."""
        try:
            self._fcntl.flock(fd, self._fcntl.LOCK_EX | self._fcntl.LOCK_NB)
        except OSError as exc:
            return Locked.BUSY if exc.errno in _POSIX_BUSY else Locked.REFUSED
        return Locked.YES

    def unlock(self, fd: int) -> None:
        """Free the lock."""
        self._fcntl.flock(fd, self._fcntl.LOCK_UN)


class WindowsLock:
    """`msvcrt.locking` on one byte far past the end; freed by the system when the process dies."""

    def __init__(self, msvcrt: Any) -> None:
        self._msvcrt = msvcrt

    def try_lock(self, fd: int) -> Locked:
        """Take the lock if it is free; does not block."""
        os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
        try:
            self._msvcrt.locking(fd, self._msvcrt.LK_NBLCK, 1)
        except OSError as exc:
            return Locked.BUSY if exc.errno in _WINDOWS_BUSY else Locked.REFUSED
        return Locked.YES

    def unlock(self, fd: int) -> None:
        """Free the lock: at the same place where it was taken."""
        os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
        self._msvcrt.locking(fd, self._msvcrt.LK_UNLCK, 1)


def process_lock() -> ProcessLock:
    """The lock of this system."""
    if sys.platform == "win32":
        import msvcrt

        return WindowsLock(msvcrt)
    import fcntl

    return PosixLock(fcntl)


def lock_within(lock: ProcessLock, fd: int, timeout_s: float, sleep: Callable[[float], None] = time.sleep) -> Locked:
    """Take the lock, trying again for up to `timeout_s` seconds while another process holds it.

    Not a blocking lock: a process that was stopped in the middle would hold up every other for ever.
    """
    pause_s = _FIRST_PAUSE_S
    state = lock.try_lock(fd)
    deadline = time.monotonic() + timeout_s if state is Locked.BUSY else 0.0
    while state is Locked.BUSY and time.monotonic() < deadline:
        sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        state = lock.try_lock(fd)
    return state


def sync_data(fd: int) -> None:
    """Return when the file's content is on the disk. Blocks for milliseconds."""
    if sys.platform == "darwin":
        import fcntl

        # On macOS fsync hands data to the drive, which may keep it in its own cache.
        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(fd)
    else:
        os.fsync(fd)


def sync_folder(folder: Path) -> None:
    """Return when the folder's list of names is on the disk; at once on Windows, where folders cannot be opened."""
    if sys.platform == "win32":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    except OSError as exc:
        # Some network file systems cannot sync a folder: they say EINVAL.
        if exc.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)
