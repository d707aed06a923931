"""Pictures decoded before they are needed: the one on screen, those that come next, and no more than fit a budget."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from stablenew.gui.pictures.ahead import Ahead, Deliver
from stablenew.gui.pictures.decode import Decoded, Size, decode
from stablenew.gui.pictures.view import FIT, placed, rendered

MEMORY_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Loaded:
    """A decoded picture, and it fitted into a canvas of `room` (None where it cannot be read)."""

    decoded: Decoded
    fitted: Image.Image | None
    room: Size

    @property
    def size_bytes(self) -> int:
        """Memory it takes."""
        fitted = self.fitted.size if self.fitted is not None else (0, 0)
        return self.decoded.size_bytes + fitted[0] * fitted[1] * 3


Wish = tuple[Path, Size]


class PictureLoader:
    """Used on Tk's thread. `on_ready` is told the path of each picture that became ready."""

    def __init__(
        self, deliver: Deliver, on_ready: Callable[[Path], None], *, memory_bytes: int = MEMORY_BYTES, threads: int = 2
    ) -> None:
        self._on_ready, self._memory_bytes = on_ready, memory_bytes
        self._held: OrderedDict[Path, Loaded] = OrderedDict()
        self._wanted: list[Wish] = []
        self._ahead: Ahead[Wish, Loaded] = Ahead(_load, self._arrived, deliver, threads=threads, name="decode")

    @property
    def held(self) -> int:
        """Pictures in memory."""
        return len(self._held)

    @property
    def held_bytes(self) -> int:
        """The memory they take."""
        return sum(loaded.size_bytes for loaded in self._held.values())

    def want(self, paths: Sequence[Path], room: Size) -> None:
        """These pictures for a canvas of `room` pixels, the most urgent first, in place of what was wanted before."""
        self._wanted = [(path, room) for path in paths]
        self._ahead.want([wish for wish in self._wanted if not self._has(wish)])

    def get(self, path: Path) -> Loaded | None:
        """The picture if it is ready, perhaps for another room."""
        loaded = self._held.get(path)
        if loaded is not None:
            self._held.move_to_end(path)
        return loaded

    def close(self) -> None:
        """End the threads and forget everything."""
        self._ahead.close()
        self._held.clear()

    def _has(self, wish: Wish) -> bool:
        loaded = self._held.get(wish[0])
        return loaded is not None and loaded.room == wish[1]

    def _arrived(self, wish: Wish, loaded: Loaded) -> None:
        if wish not in self._wanted and any(each[0] == wish[0] and self._has(each) for each in self._wanted):
            return  # the same picture for the room that is wanted now was faster
        self._held[wish[0]] = loaded
        self._held.move_to_end(wish[0])
        self._forget_old(keep=wish[0])
        self._on_ready(wish[0])

    def _forget_old(self, keep: Path) -> None:
        """The longest unused first, wanted ones last, until the rest fits the budget."""
        taken, wanted = self.held_bytes, {path for path, _ in self._wanted}
        for path in sorted(self._held, key=wanted.__contains__):
            if taken <= self._memory_bytes:
                return
            if path != keep and path != (self._wanted[0][0] if self._wanted else None):
                taken -= self._held.pop(path).size_bytes


def _load(wish: Wish) -> Loaded:
    path, room = wish
    decoded = decode(path)
    if decoded.pixels is None:
        return Loaded(decoded, None, room)
    return Loaded(decoded, rendered(decoded.pixels, placed(FIT, decoded.size, room)), room)
