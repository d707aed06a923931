"""The pictures a tab looks at: read from the index piece by piece, sifted, and where the person is among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from stablenew.errors import InputError
from stablenew.gui.culling import Culling, moved_to, next_without_verdict, sifted, with_more
from stablenew.gui.filter_bar import PictureFilter
from stablenew.gui.library import Library
from stablenew.gui.rating_book import RatingBook
from stablenew.learning.recorded_picture import RecordedPicture, read_pictures

Change = Literal["began", "more", "sifted", "moved", "done"]
"""What happened to the list: it begins anew, has more at its end, shows others, the person went on, all were read."""


class PictureList:
    """Used on Tk's thread. `changed` is told what happened, `failed` why nothing could be read.

    `known` are the ids of all records read, those that the sieve leaves out included.
    """

    def __init__(
        self,
        name: str,
        library: Library,
        book: RatingBook,
        chosen: PictureFilter,
        *,
        changed: Callable[[Change], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._name, self._library, self._book = name, library, book
        self._changed, self._failed = changed, failed
        self._sought = ""
        self.known: set[str] = set()
        self.filter, self.state, self.reading = chosen, Culling(), False

    @property
    def current(self) -> RecordedPicture | None:
        """Where the person is."""
        return self.state.current

    def read(self, chosen: PictureFilter | None = None, *, at: str = "") -> None:
        """Read everything anew, as `chosen` says; go to the record `at`, or stay where the person is."""
        current = self.current
        # A place that is still sought in a reading that is now given up stays sought.
        self._sought = at or self._sought or (current.record_id if current is not None else "")
        self.filter = chosen or self.filter
        self.state, self.reading = Culling(sieve=self.filter.sieve()), True
        self.known.clear()
        self._changed("began")
        try:
            wish = self.filter.wish()
        except InputError as exc:
            self._library.drop(self._name)
            self._give_up(exc)
            return
        self._library.stream(
            lambda index: read_pictures(index, wish),
            self._more,
            done=self._done,
            failed=self._give_up,
            key=self._name,
        )

    def choose(self, chosen: PictureFilter) -> None:
        """Show what `chosen` says, and read only where another sieve is not enough."""
        if self.reading or not self.filter.asks_the_same(chosen):
            self.read(chosen)
            return
        self.filter = chosen
        self.state = sifted(self.state, chosen.sieve(), self._book.feedback)
        self._changed("sifted")

    def go(self, place: int) -> None:
        """To that place, or the end that is nearest."""
        self._sought = ""
        self.state = moved_to(self.state, place)
        self._changed("moved")

    def step(self, by: int) -> None:
        """So many on, or back."""
        self.go(self.state.cursor + by)

    def go_to_record(self, record_id: str) -> None:
        """To the picture of that record, if it is shown."""
        place = self.state.place_of(record_id)
        if place is not None:
            self.go(place)

    def go_on_without_verdict(self) -> None:
        """To the next picture that has neither stars nor a rejection; stays when all have."""
        place = next_without_verdict(self.state, self._book.has_verdict)
        if place is not None:
            self.go(place)

    def _more(self, pictures: list[RecordedPicture]) -> None:
        self._book.learn(pictures)
        self.known.update(picture.record_id for picture in pictures)
        self.state = with_more(self.state, pictures, self._book.feedback)
        if self._sought and (place := self.state.place_of(self._sought)) is not None:
            self.go(place)
        self._changed("more")

    def _done(self) -> None:
        self.reading, self._sought = False, ""
        self._changed("done")

    def _give_up(self, exc: Exception) -> None:
        self._done()
        self._failed(exc)
