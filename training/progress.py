"""One training phase: how long, at which rate, what is said, and files that are never half written."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch


@dataclass(kw_only=True)
class Clock:
    """Counts a phase's own seconds over all its runs, so that a resumed phase ends when it should.

    A phase ends after `limit_s` seconds or `limit_steps` steps, whichever comes first; None is no limit.
    """

    name: str
    limit_s: float | None
    limit_steps: int | None = None
    spent_s: float = 0.0
    steps: int = 0
    say_every_s: float = 20.0
    _last: float = field(default_factory=time.monotonic)
    _said: float = 0.0
    _sums: dict[str, float] = field(default_factory=dict)
    _count: int = 0

    def tick(self, **values: float) -> None:
        """Counts a step and says now and then where we are."""
        now = time.monotonic()
        self.spent_s += now - self._last
        self._last = now
        self.steps += 1
        self._count += 1
        for key, value in values.items():
            self._sums[key] = self._sums.get(key, 0.0) + value
        if now - self._said >= self.say_every_s:
            self._said = now
            means = "  ".join(f"{key} {total / self._count:.4f}" for key, total in self._sums.items())
            print(f"{self.name}: step {self.steps}  {self.spent_s:.0f} s  left {self._left()}  {means}", flush=True)
            self._sums, self._count = {}, 0

    def skip(self) -> None:
        """Leaves out the time since the last tick (writing a checkpoint, measuring)."""
        self._last = time.monotonic()

    def share(self) -> float:
        """Gives how much of the phase is over, 0..1."""
        by_time = self.spent_s / self.limit_s if self.limit_s else 0.0
        by_steps = self.steps / self.limit_steps if self.limit_steps else 0.0
        return min(1.0, max(by_time, by_steps))

    def _left(self) -> str:
        share = self.share()
        return f"{self.spent_s / share * (1 - share):.0f} s" if share else "?"


class Threads:
    """Computes with one thread or with all, whichever is faster at present.

    On a quiet machine two threads are nearly twice as fast. On a busy one each waits for the other's turn, and a single
    thread, which waits for nobody, can be twice as fast. Every 50 steps the other choice is tried for 4.
    """

    def __init__(self) -> None:
        self.choices = sorted({1, torch.get_num_threads()})
        self.took = dict.fromkeys(self.choices, 0.0)
        self.turn = 0
        self._begun = time.monotonic()

    def step(self) -> None:
        """Notes how long the step took that just ended, and chooses for the next."""
        now = time.monotonic()
        used = torch.get_num_threads()
        if self.turn % 50 not in (0, 1, 4, 5) and now > self._begun:  # the first two after a change are not counted
            old = self.took.get(used, 0.0)
            self.took[used] = (old * 0.6 + (now - self._begun) * 0.4) if old else now - self._begun
        self._begun = now
        self.turn += 1
        best = min(self.choices, key=lambda count: self.took[count])
        others = [count for count in self.choices if count != best]
        chosen = others[0] if others and self.turn % 50 < 4 else best
        if chosen != used:
            torch.set_num_threads(chosen)


def rate(share: float, *, warm: float = 0.005, fall_from: float = 0.6) -> float:
    """Gives the learning rate's share: a short rise, constant, then a straight fall to 0.02."""
    if share < warm:
        return max(0.05, share / warm)
    if share < fall_from:
        return 1.0
    return max(0.02, (1 - share) / (1 - fall_from))


def save(path: Path, value: object) -> None:
    """Writes with torch beside `path` and moves it into place, so that a kill leaves the old file whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(value, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def load(path: Path) -> Any:
    """Gives what `save` wrote, on the CPU, or None when there is nothing."""
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None


def say(text: str) -> None:
    """Prints at once."""
    print(text, file=sys.stdout, flush=True)
