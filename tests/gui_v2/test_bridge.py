"""From the threads that work to Tk's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest

from stablenew.gui.bridge import PER_TICK, Bridge
from stablenew.gui.jobs import Jobs
from tests.gui_v2.hand import PATIENCE_S, Hand

THREADS, EACH = 4, 1000


@dataclass(frozen=True)
class Numbered:
    thread: int
    number: int


class Clockwork:
    """A timer whose ticks are asked for."""

    def __init__(self) -> None:
        self.due: Callable[[], None] | None = None

    def after(self, ms: int, func: Callable[[], None]) -> str:
        self.due = func
        return "due"

    def after_cancel(self, id: str) -> None:
        self.due = None

    def tick(self) -> None:
        due, self.due = self.due, None
        assert due is not None
        due()


def test_four_thousand_events_of_four_threads_arrive_in_order_on_tks_thread(
    open_window: Callable[..., Hand], record_property: pytest.RecordProperty, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every event is handled once, each thread's in its order, all on Tk's thread, while Tk's clock goes on."""
    hand = open_window()
    got: list[Numbered] = []
    threads: set[int] = set()
    beats: list[float] = []

    def handle(event: object) -> None:
        assert isinstance(event, Numbered)
        got.append(event)
        threads.add(threading.get_ident())

    def beat() -> None:
        beats.append(time.perf_counter())
        hand.root.after(5, beat)

    bridge = Bridge(hand.root, handle, hand.window.report)
    bridge.start()
    beat()

    def send(thread: int) -> None:
        for number in range(EACH):
            bridge.put(Numbered(thread, number))
            if number % 50 == 0:
                time.sleep(0.001)

    senders = [threading.Thread(target=send, args=(thread,)) for thread in range(THREADS)]
    for sender in senders:
        sender.start()
    hand.wait(lambda: len(got) == THREADS * EACH, "4,000 events")
    for sender in senders:
        sender.join()
    bridge.close()
    stall = max((after - before for before, after in pairwise(beats)), default=0.0)
    record_property("longest_stall_ms", round(stall * 1000, 1))
    with capsys.disabled():
        print(f"\nlongest stall of Tk's clock under 4,000 events: {stall * 1000:.1f} ms")
    assert threads == {threading.get_ident()}
    for thread in range(THREADS):
        assert [event.number for event in got if event.thread == thread] == list(range(EACH))


def test_one_tick_handles_a_bounded_number() -> None:
    """After PER_TICK events Tk gets its turn, and the rest waits for the next tick."""
    timer, got = Clockwork(), []
    bridge = Bridge(timer, got.append, _raise, clock=lambda: 0.0)
    bridge.start()
    for number in range(PER_TICK + 3):
        bridge.put(number)
    timer.tick()
    assert got == list(range(PER_TICK))
    timer.tick()
    assert got == list(range(PER_TICK + 3))


def test_slow_handling_ends_a_tick_early() -> None:
    """Where each event takes long, a tick handles few of them."""
    timer, got = Clockwork(), []
    now = iter(range(1000))
    bridge = Bridge(timer, got.append, _raise, clock=lambda: next(now))
    bridge.start()
    for number in range(5):
        bridge.put(number)
    timer.tick()
    assert got == [0]


def test_a_handler_that_raises_is_told_and_the_rest_is_handled() -> None:
    """No exception is swallowed, and none keeps later events from being handled."""
    timer, got, told = Clockwork(), [], []

    def handle(event: object) -> None:
        if event == 1:
            raise ValueError("one")
        got.append(event)

    bridge = Bridge(timer, handle, told.append)
    bridge.start()
    for number in range(3):
        bridge.put(number)
    timer.tick()
    assert got == [0, 2]
    assert [str(exc) for exc in told] == ["one"]


def test_after_closing_nothing_more_is_handled() -> None:
    """An event that closes the bridge is the last one."""
    timer, got = Clockwork(), []
    bridge = Bridge(timer, got.append, _raise)
    bridge.start()
    bridge.put(1)
    bridge.call(bridge.close)
    bridge.put(2)
    timer.tick()
    assert got == [1]
    assert timer.due is None


def test_of_jobs_with_one_key_only_the_newest_counts() -> None:
    """What an older job of the same key came to is dropped, even when it ends last."""
    timer, got = Clockwork(), []
    bridge = Bridge(timer, _raise, _raise)
    bridge.start()
    jobs = Jobs(bridge, _raise, threads=2)
    free, begun = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        free.wait(PATIENCE_S)
        return "old"

    jobs.start(slow, got.append, key="estimate")
    assert begun.wait(PATIENCE_S)
    jobs.start(lambda: "new", got.append, key="estimate")
    _wait_until(timer, lambda: got)
    free.set()
    # Jobs without a key, one for each thread: when both are back, the slow one has arrived too.
    both = threading.Barrier(2)
    for _ in range(2):
        jobs.start(lambda: both.wait(PATIENCE_S), lambda _: got.append("later"))
    _wait_until(timer, lambda: got.count("later") == 2)
    assert got == ["new", "later", "later"]
    jobs.close()


def test_what_a_job_raises_arrives_on_tks_thread() -> None:
    """A job's exception goes to its own `failed`, or to the window's where it has none."""
    timer, own, window = Clockwork(), [], []
    bridge = Bridge(timer, _raise, _raise)
    bridge.start()
    jobs = Jobs(bridge, window.append, threads=1)
    jobs.start(lambda: 1 / 0, failed=own.append)
    jobs.start(lambda: 1 / 0)
    _wait_until(timer, lambda: own and window)
    assert isinstance(own[0], ZeroDivisionError)
    assert isinstance(window[0], ZeroDivisionError)
    jobs.close()


def _wait_until(timer: Clockwork, done: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < until
        timer.tick()
        time.sleep(0.002)


def _raise(event: object) -> None:
    raise AssertionError(event)
