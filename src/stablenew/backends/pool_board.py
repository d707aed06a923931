"""Who does what in a pool: requests that wait, who is fast, who has which model, and what a dead server gives back.

Pure bookkeeping under one lock. Threads of the members take requests from here and bring outcomes back.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

_SMOOTHING = 0.3
"""Weight of the newest picture in a member's measured seconds per picture."""
MOST_RETURNS = 3
"""How often a request may be given back before it counts as what brings servers down."""


@dataclass(slots=True, kw_only=True, eq=False)
class Seat:
    """One member at the board. `able`: the positions it can do; `seconds` per picture as measured, None before.

    `depth`: how many requests it likes to have at once. `model`: what it last made a picture with. `on_trial`: it was
    dead, and gets single requests until it brings a picture.
    """

    name: str
    able: frozenset[int]
    depth: int
    alive: bool = True
    on_trial: bool = False
    seconds: float | None = None
    model: Hashable = None
    holding: set[int] = field(default_factory=set)

    def measure(self, seconds: float) -> None:
        """A picture took `seconds` here."""
        self.seconds = seconds if self.seconds is None else (1 - _SMOOTHING) * self.seconds + _SMOOTHING * seconds


class Board:
    """The requests of one `generate`, by position. `models[position]` is what a request is made with."""

    def __init__(self, models: Sequence[Hashable], seats: Sequence[Seat], waiting: Sequence[int]) -> None:
        self._models, self._seats = models, seats
        self._waiting = list(waiting)
        self._returns: dict[int, list[str]] = {}
        self._changed = threading.Condition()
        self._closed = False

    def take(self, seat: Seat) -> list[int] | None:
        """The next requests for `seat`; waits while there may be some later. None when its work is over."""
        with self._changed:
            while not self._closed:
                share = self._share(seat)
                if share:
                    self._waiting = [position for position in self._waiting if position not in share]
                    seat.holding.update(share)
                    seat.model = self._models[share[0]]
                    return share
                if not self._may_come(seat):
                    return None
                self._changed.wait(0.2)
            return None

    def bring(self, seat: Seat, position: int, seconds: float | None) -> None:
        """`seat` is done with the request; `seconds` it took, None when it failed."""
        with self._changed:
            seat.holding.discard(position)
            if seconds is not None:
                seat.measure(seconds)
                seat.on_trial = False
            self._changed.notify_all()

    def give_back(self, seat: Seat) -> list[int]:
        """`seat` is dead: others do what it held.

        Gives the requests not to be tried again: all who can do them died over them, `MOST_RETURNS` times in all.
        """
        with self._changed:
            seat.alive = False
            hopeless = []
            for position in sorted(seat.holding):
                returns = self._returns.setdefault(position, [])
                # One on trial was dead before: that says nothing about the request.
                if not seat.on_trial:
                    returns.append(seat.name)
                able = {other.name for other in self._seats if position in other.able}
                if len(returns) >= MOST_RETURNS and able <= set(returns):
                    hopeless.append(position)
                else:
                    self._waiting.insert(0, position)
            seat.holding.clear()
            self._changed.notify_all()
            return hopeless

    def revive(self, seat: Seat) -> None:
        """`seat` may be tried again."""
        with self._changed:
            seat.alive = seat.on_trial = True
            self._changed.notify_all()

    def close(self) -> None:
        """The run is over: everybody who waits goes home."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """True once the run is over."""
        return self._closed

    def _may_come(self, seat: Seat) -> bool:
        """Whether work for `seat` waits, or is held by another who may yet give it back."""
        held = (position for other in self._seats if other is not seat for position in other.holding)
        return any(position in seat.able for position in (*self._waiting, *held))

    def _share(self, seat: Seat) -> list[int]:
        """What `seat` should do next: one model's requests, fewer the slower it is and the nearer the end."""
        mine = [position for position in self._waiting if position in seat.able]
        if not mine or not seat.alive or self._others_are_sooner(seat, mine):
            return []
        model = self._best_model(seat, mine)
        same = [position for position in mine if self._models[position] == model]
        if seat.on_trial:
            return same[:1]
        rates = [self._rate(other) for other in self._seats if other.alive]
        fraction = self._rate(seat) / sum(rates) if rates else 1.0
        return same[: max(1, min(seat.depth, math.ceil(len(mine) * fraction / 2)))]

    def _best_model(self, seat: Seat, mine: Sequence[int]) -> Hashable:
        """What `seat` has loaded, else what nobody else has, else what comes first."""
        wanted = list(dict.fromkeys(self._models[position] for position in mine))
        if seat.model in wanted:
            return seat.model
        loaded = {other.model for other in self._seats if other is not seat and other.alive}
        return next((model for model in wanted if model not in loaded), wanted[0])

    def _others_are_sooner(self, seat: Seat, mine: Sequence[int]) -> bool:
        """Whether the rest is done by the others before `seat` would finish a single one."""
        if seat.seconds is None:
            return False
        others = [
            other
            for other in self._seats
            if other is not seat and other.alive and other.seconds is not None and set(mine) <= other.able
        ]
        if not others:
            return False
        load = len(mine) + sum(len(other.holding) for other in others)
        return load / sum(self._rate(other) for other in others) < seat.seconds

    def _rate(self, seat: Seat) -> float:
        """Pictures a second; one not measured yet counts as the others' mean."""
        if seat.seconds is not None:
            return 1 / max(seat.seconds, 1e-6)
        known = [1 / max(other.seconds, 1e-6) for other in self._seats if other.seconds is not None]
        return sum(known) / len(known) if known else 1.0
