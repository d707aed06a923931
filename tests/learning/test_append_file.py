"""The append-only file under records and ratings."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stablenew.errors import RecordNotWritten
from stablenew.learning.append_file import LINE_BYTES_MAX, AppendFile, shard_path, shard_paths
from stablenew.learning.file_lock import Locked, PosixLock, WindowsLock, lock_within, process_lock

LINES = [b'{"n":1}', b'{"n":2}', b'{"n":3}']


class FakeLock:
    """A lock that gives the answers it was told, then the last one for ever."""

    def __init__(self, *answers: Locked) -> None:
        self.answers = list(answers)
        self.unlocked = 0

    def try_lock(self, fd: int) -> Locked:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def unlock(self, fd: int) -> None:
        self.unlocked += 1


class CountingSync:
    """Counts syncs; `gate` holds each until it is set; `error` is raised by the next."""

    def __init__(self) -> None:
        self.count = 0
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.error: OSError | None = None

    def __call__(self, fd: int) -> None:
        self.entered.set()
        assert self.gate.wait(20)
        self.count += 1
        error, self.error = self.error, None
        if error is not None:
            raise error


def in_threads(*calls: Callable[[], object]) -> list[threading.Thread]:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    return threads


# --- lines in, lines out ---


def test_lines_come_out_as_they_went_in(tmp_path: Path) -> None:
    """Each line once, in order, each ended; folders are made as needed."""
    path = tmp_path / "deep" / "er" / "a.jsonl"
    file = AppendFile(path)
    file.append(LINES[0])
    file.append_lines(LINES[1:])
    file.append_lines([])
    file.close()
    assert path.read_bytes() == b"\n".join(LINES) + b"\n"


def test_nothing_is_made_before_the_first_line(tmp_path: Path) -> None:
    """A file that nobody appended to does not exist; barrier and close are harmless, twice too."""
    file = AppendFile(tmp_path / "a.jsonl")
    file.barrier()
    file.close()
    file.close()
    assert list(tmp_path.iterdir()) == []


def test_a_closed_or_released_file_is_opened_anew(tmp_path: Path) -> None:
    """Appending after close or release goes on at the end."""
    file = AppendFile(tmp_path / "a.jsonl")
    for line in LINES:
        file.append(line)
        file.close()
        file.release()
    assert file.path.read_bytes() == b"\n".join(LINES) + b"\n"


@pytest.mark.parametrize("line", [b"a\nb", b"\n", b"x" * (LINE_BYTES_MAX + 1)])
def test_what_is_not_one_line_is_refused(tmp_path: Path, line: bytes) -> None:
    """A line break inside, or more than 16 MiB, is refused and nothing is stored, not even the lines beside it."""
    file = AppendFile(tmp_path / "a.jsonl")
    with pytest.raises(RecordNotWritten):
        file.append_lines([LINES[0], line])
    assert not file.path.exists()


def test_two_files_on_one_path_share_it(tmp_path: Path) -> None:
    """Two objects (as two processes) taking turns lose nothing."""
    one, two = AppendFile(tmp_path / "a.jsonl"), AppendFile(tmp_path / "a.jsonl")
    for number in range(50):
        (one if number % 2 else two).append(b'{"n":%d}' % number)
    assert [int(line[5:-1]) for line in one.path.read_bytes().splitlines()] == list(range(50))
    one.close()
    two.close()


def test_threads_share_one_file(tmp_path: Path) -> None:
    """Eight threads on one object: every line once, and those of one thread in its order."""
    file = AppendFile(tmp_path / "a.jsonl", durability="none")

    def write(writer: int) -> None:
        for number in range(100):
            file.append(b"%d %d" % (writer, number))

    for thread in in_threads(*(lambda writer=writer: write(writer) for writer in range(8))):
        thread.join()
    lines = [tuple(map(int, line.split())) for line in file.path.read_bytes().splitlines()]
    assert sorted(lines) == [(writer, number) for writer in range(8) for number in range(100)]
    for writer in range(8):
        assert [number for who, number in lines if who == writer] == list(range(100))


# --- torn tails ---


def test_a_torn_tail_is_removed_before_appending(tmp_path: Path) -> None:
    """The fragment of a killed writer costs itself and nothing else."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINES[0] + b'\n{"n":2, "torn')
    AppendFile(path).append(LINES[2])
    assert path.read_bytes() == LINES[0] + b"\n" + LINES[2] + b"\n"


def test_a_torn_tail_left_by_another_process_meanwhile_is_removed(tmp_path: Path) -> None:
    """Not only when the file is opened: also when it grew since our last line."""
    path = tmp_path / "a.jsonl"
    file = AppendFile(path)
    file.append(LINES[0])
    with path.open("ab") as other:
        other.write(b'{"torn')
    file.append(LINES[1])
    assert path.read_bytes() == LINES[0] + b"\n" + LINES[1] + b"\n"


@pytest.mark.parametrize("length", [1, 65_535, 65_536, 65_537, 300_000])
def test_a_torn_tail_of_any_length_is_removed(tmp_path: Path, length: int) -> None:
    """Also when it is longer than what is read at once, and when it is all there is."""
    for before in (b"", LINES[0] + b"\n"):
        path = tmp_path / f"{len(before)}.jsonl"
        path.write_bytes(before + b"x" * length)
        AppendFile(path).append(LINES[1])
        assert path.read_bytes() == before + LINES[1] + b"\n"


def test_a_whole_last_line_without_its_newline_is_kept(tmp_path: Path) -> None:
    """An editor that drops the last newline costs no record."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(LINES[:2]))
    AppendFile(path).append(LINES[2])
    assert path.read_bytes() == b"\n".join(LINES) + b"\n"


def test_what_cannot_be_a_line_of_ours_is_never_cut_off(tmp_path: Path) -> None:
    """More than 16 MiB without a line break was not written by us: it stays."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * (LINE_BYTES_MAX + 1))
    AppendFile(path).append(LINES[0])
    assert path.stat().st_size == LINE_BYTES_MAX + 1 + 1 + len(LINES[0]) + 1


# --- what happens to the file under us ---


@pytest.mark.skipif(os.name == "nt", reason="Windows does not let an open file be deleted")
def test_a_deleted_or_replaced_file_gets_the_next_line(tmp_path: Path) -> None:
    """Somebody tidies up during a run: the following lines are in a file of that name, not in a nameless one."""
    file = AppendFile(tmp_path / "a.jsonl")
    file.append(LINES[0])
    file.path.unlink()
    file.append(LINES[1])
    assert file.path.read_bytes() == LINES[1] + b"\n"
    other = tmp_path / "other"
    other.write_bytes(b'{"edited":1}\n')
    other.replace(file.path)
    file.append(LINES[2])
    assert file.path.read_bytes() == b'{"edited":1}\n' + LINES[2] + b"\n"
    file.close()


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="this system opens links")
def test_a_link_in_the_files_place_is_not_followed(tmp_path: Path) -> None:
    """Lines do not go where a link leads."""
    target = tmp_path / "target"
    target.write_bytes(b"")
    (tmp_path / "a.jsonl").symlink_to(target)
    with pytest.raises(RecordNotWritten):
        AppendFile(tmp_path / "a.jsonl").append(LINES[0])
    assert target.read_bytes() == b""


def test_a_folder_in_the_files_place_is_an_error_of_ours(tmp_path: Path) -> None:
    """Whatever the system says comes out as RecordNotWritten with path and reason."""
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(RecordNotWritten, match=r"a\.jsonl"):
        AppendFile(tmp_path / "a.jsonl").append(LINES[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_a_lock_of_its_own(tmp_path: Path) -> None:
    """Parent and child append through the object the parent had: every line once, and the child syncs too."""
    file = AppendFile(tmp_path / "a.jsonl")
    file.append(b"parent 0")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for number in range(200):
                file.append(b"child %d" % number)
            file.barrier()
            code = 0
        finally:
            os._exit(code)
    for number in range(1, 200):
        file.append(b"parent %d" % number)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    expected = [b"%b %d" % (who, number) for who in (b"child", b"parent") for number in range(200)]
    assert sorted(file.path.read_bytes().splitlines()) == sorted(expected)
    file.close()


# --- durability ---


def test_record_durability_syncs_before_returning(tmp_path: Path) -> None:
    """One sync per line where nobody else is waiting."""
    sync = CountingSync()
    file = AppendFile(tmp_path / "a.jsonl", durability="record", sync=sync)
    for count, line in enumerate(LINES, 1):
        file.append(line)
        assert sync.count == count
    file.barrier()
    assert sync.count == 3


def test_callers_that_wait_share_one_sync(tmp_path: Path) -> None:
    """Eight threads that append while a sync is under way are all served by the next one."""
    sync = CountingSync()
    sync.gate.clear()
    file = AppendFile(tmp_path / "a.jsonl", durability="record", sync=sync)
    first = in_threads(lambda: file.append(b"first"))
    assert sync.entered.wait(20)
    others = in_threads(*(lambda n=n: file.append(b"%d" % n) for n in range(8)))
    # All eight have written (the lock is not held across the sync) before the sync under way may end.
    while file._appended < 9:  # its own count: bytes are in the file a moment before the line has its number
        pass
    sync.gate.set()
    for thread in first + others:
        thread.join()
    assert sync.count == 2


def test_who_was_served_does_not_wait_for_the_next_sync(tmp_path: Path) -> None:
    """Threads whose line is on the disk return although a sync for somebody else has begun."""
    permits, begun = threading.Semaphore(0), threading.Semaphore(0)

    def sync(fd: int) -> None:
        begun.release()
        assert permits.acquire(timeout=20)

    file = AppendFile(tmp_path / "a.jsonl", durability="record", sync=sync)
    again = threading.Event()

    def append_twice() -> None:
        file.append(b"first")
        again.set()
        file.append(b"second")

    first = in_threads(append_twice)
    assert begun.acquire(timeout=20)
    others = in_threads(*(lambda n=n: file.append(b"%d" % n) for n in range(8)))
    while file._appended < 9:  # its own count: bytes are in the file a moment before the line has its number
        pass
    permits.release()  # ends the sync of "first"; the next one is for the eight
    assert begun.acquire(timeout=20)
    assert again.wait(20)
    while file._appended < 10:
        pass
    permits.release()  # ends that of the eight; the next one is for "second"
    for thread in others:
        thread.join(20)
    assert not any(thread.is_alive() for thread in others)
    permits.release(2)  # "second" was perhaps in time to share the sync of the eight
    first[0].join()


def test_no_lock_is_held_across_a_sync(tmp_path: Path) -> None:
    """While one process waits for its disk, another appends."""
    sync = CountingSync()
    sync.gate.clear()
    slow = AppendFile(tmp_path / "a.jsonl", durability="record", sync=sync)
    waiting = in_threads(lambda: slow.append(LINES[0]))
    assert sync.entered.wait(20)
    AppendFile(tmp_path / "a.jsonl", durability="none", lock_timeout_s=0).append(LINES[1])
    assert slow.path.read_bytes() == LINES[0] + b"\n" + LINES[1] + b"\n"
    assert not slow.path.with_name(shard_path(slow.path).name).exists()
    sync.gate.set()
    waiting[0].join()


def test_background_durability_syncs_soon_and_by_itself(tmp_path: Path) -> None:
    """Nobody waits for it and nobody has to ask."""
    sync = CountingSync()
    sync.gate.clear()
    file = AppendFile(tmp_path / "a.jsonl", sync=sync)
    file.append(LINES[0])  # returns although the disk does not answer
    assert sync.entered.wait(20)
    sync.gate.set()
    file.barrier()
    assert sync.count == 1


def test_the_barrier_waits_for_every_line(tmp_path: Path) -> None:
    """After it nothing is pending: a second one has nothing to sync."""
    sync = CountingSync()
    file = AppendFile(tmp_path / "a.jsonl", sync=sync)
    for line in LINES:
        file.append(line)
    file.barrier()
    synced = sync.count
    assert synced >= 1
    file.barrier()
    assert sync.count == synced


def test_without_durability_nothing_is_synced(tmp_path: Path) -> None:
    """durability="none" leaves it to the system, at the barrier too."""
    sync = CountingSync()
    file = AppendFile(tmp_path / "a.jsonl", durability="none", sync=sync)
    file.append(LINES[0])
    file.barrier()
    file.close()
    assert sync.count == 0


def test_a_failed_sync_is_said_once_at_the_barrier(tmp_path: Path) -> None:
    """The disk refused what was acknowledged: never silent, and not blamed on later lines."""
    sync = CountingSync()
    sync.error = OSError(errno.EIO, "Input/output error")
    file = AppendFile(tmp_path / "a.jsonl", sync=sync)
    file.append(LINES[0])
    with pytest.raises(RecordNotWritten, match="Input/output"):
        file.barrier()
    file.barrier()
    file.append(LINES[1])
    file.close()


def test_a_failed_sync_fails_all_who_waited_for_it(tmp_path: Path) -> None:
    """A later sync would succeed without having the data, so it must not answer for the failed one."""
    sync = CountingSync()
    sync.gate.clear()
    file = AppendFile(tmp_path / "a.jsonl", durability="record", sync=sync)
    failures: list[RecordNotWritten] = []

    def append(line: bytes) -> None:
        try:
            file.append(line)
        except RecordNotWritten as exc:
            failures.append(exc)

    threads = in_threads(lambda: append(b"first"))
    assert sync.entered.wait(20)
    threads += in_threads(*(lambda n=n: append(b"%d" % n) for n in range(4)))
    while len(file.path.read_bytes().splitlines()) < 5:
        pass

    real_call = sync.error = OSError(errno.EIO, "Input/output error")
    sync.gate.set()
    for thread in threads:
        thread.join()
    assert len(failures) == 1, "the first sync failed, the four that wrote after it began had their own"
    assert failures[0].__cause__ is real_call
    append(LINES[0])
    assert len(failures) == 1


# --- where there are no locks ---


def test_without_locks_each_process_has_its_own_shard(tmp_path: Path) -> None:
    """The first refusal moves this process to its shard; readers find it beside the file."""
    path = tmp_path / "a.jsonl"
    file = AppendFile(path, lock=FakeLock(Locked.REFUSED))
    for line in LINES:
        file.append(line)
    file.close()
    assert file.written_path == shard_path(path) == tmp_path / file.written_path.name
    assert file.written_path.name.endswith(f"-{os.getpid()}.jsonl")
    assert file.written_path.read_bytes() == b"\n".join(LINES) + b"\n"
    assert shard_paths(path) == [path, file.written_path]
    assert path.read_bytes() == b""


def test_a_process_that_sits_on_the_lock_costs_no_line(tmp_path: Path) -> None:
    """After the timeout the line goes to the shard, and what was appended before stays where it is."""
    path = tmp_path / "a.jsonl"
    file = AppendFile(path, lock=FakeLock(Locked.YES, Locked.BUSY), lock_timeout_s=0)
    for line in LINES:
        file.append(line)
    file.close()
    assert path.read_bytes() == LINES[0] + b"\n"
    assert file.written_path.read_bytes() == LINES[1] + b"\n" + LINES[2] + b"\n"


def test_a_real_lock_held_elsewhere_is_waited_for(tmp_path: Path) -> None:
    """Held for a moment by somebody else: the line goes to the file itself, once it is free."""
    path = tmp_path / "a.jsonl"
    path.touch()
    lock = process_lock()
    holder = os.open(path, os.O_RDWR)
    assert lock.try_lock(holder) is Locked.YES
    file = AppendFile(path)
    waiting = in_threads(lambda: file.append(LINES[0]))
    waiting[0].join(0.05)
    assert path.read_bytes() == b""
    lock.unlock(holder)
    waiting[0].join()
    os.close(holder)
    file.close()
    assert path.read_bytes() == LINES[0] + b"\n"


def test_shards_of_other_runs_with_odd_names_are_not_mixed_up(tmp_path: Path) -> None:
    """Signs that mean something to glob are taken as they are."""
    for name in ("a[1].jsonl", "a[1].host-5.jsonl", "a1.host-5.jsonl", "a[1].txt", "ab.jsonl"):
        (tmp_path / name).touch()
    assert [path.name for path in shard_paths(tmp_path / "a[1].jsonl")] == ["a[1].jsonl", "a[1].host-5.jsonl"]


# --- the lock of each system, with stand-ins for what the system provides ---


class FakeFcntl:
    LOCK_EX, LOCK_NB, LOCK_UN = 2, 4, 8

    def __init__(self, error: int | None) -> None:
        self.error = error
        self.calls: list[int] = []

    def flock(self, fd: int, operation: int) -> None:
        self.calls.append(operation)
        if self.error is not None:
            raise OSError(self.error, "no")


class FakeMsvcrt:
    LK_NBLCK, LK_UNLCK = 2, 0

    def __init__(self, error: int | None) -> None:
        self.error = error
        self.calls: list[tuple[int, int, int]] = []

    def locking(self, fd: int, mode: int, count: int) -> None:
        self.calls.append((mode, os.lseek(fd, 0, os.SEEK_CUR), count))
        if self.error is not None:
            raise OSError(self.error, "no")


@pytest.mark.parametrize(
    ("kind", "fake", "error", "expected"),
    [
        (PosixLock, FakeFcntl, None, Locked.YES),
        (PosixLock, FakeFcntl, errno.EAGAIN, Locked.BUSY),
        (PosixLock, FakeFcntl, errno.ENOLCK, Locked.REFUSED),
        (PosixLock, FakeFcntl, errno.EOPNOTSUPP, Locked.REFUSED),
        (WindowsLock, FakeMsvcrt, None, Locked.YES),
        (WindowsLock, FakeMsvcrt, errno.EACCES, Locked.BUSY),
        (WindowsLock, FakeMsvcrt, 36, Locked.BUSY),
        (WindowsLock, FakeMsvcrt, errno.EINVAL, Locked.REFUSED),
    ],
)
def test_what_the_system_says_is_understood(
    tmp_path: Path, kind: Any, fake: Any, error: int | None, expected: Locked
) -> None:
    """Free, held by another, or no locks here."""
    fd = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    assert kind(fake(error)).try_lock(fd) is expected
    os.close(fd)


def test_windows_locks_and_unlocks_the_same_byte_past_the_end(tmp_path: Path) -> None:
    """A locked byte cannot be read on Windows, so it is one far outside; and the next line still goes to the end."""
    msvcrt = FakeMsvcrt(None)
    file = AppendFile(tmp_path / "a.jsonl", lock=WindowsLock(msvcrt))
    file.append(LINES[0])
    file.append(LINES[1])
    file.close()
    assert [call[0] for call in msvcrt.calls] == [2, 0, 2, 0]
    assert {call[1:] for call in msvcrt.calls} == {(0x7FFF_FFFE, 1)}
    assert file.path.read_bytes() == LINES[0] + b"\n" + LINES[1] + b"\n"


def test_a_busy_lock_is_tried_again_with_growing_pauses() -> None:
    """Short at first, for others hold it for microseconds; never long."""
    pauses: list[float] = []
    lock = FakeLock(*[Locked.BUSY] * 12, Locked.YES)
    assert lock_within(lock, 0, 60, sleep=pauses.append) is Locked.YES
    assert pauses == sorted(pauses)
    assert pauses[-1] <= 0.005
    assert lock_within(FakeLock(Locked.BUSY), 0, 0, sleep=pauses.append) is Locked.BUSY
