"""What was said, the way back, and the way to disk, without a window."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from stablenew.errors import RecordNotWritten
from stablenew.gui.rating_book import RatingBook
from stablenew.gui.rating_desk import RatingDesk
from stablenew.learning.learning_feedback import Rating, RatingWriter, new_rating, read_ratings
from stablenew.learning.rating_fold import fold
from stablenew.learning.recorded_picture import RecordedPicture
from stablenew.workspace import Workspace

PATIENCE_S = 180.0

BEFORE = new_rating("r1", moment=datetime(2026, 11, 1, tzinfo=UTC), score=2, add_tags=["soft"], who="ann")
OTHERS = new_rating("r1", moment=datetime(2026, 11, 2, tzinfo=UTC), score=5, who="bob")
ONE = RecordedPicture(
    record_id="r1", run_id="run", path="1.png", sha256="ab" * 32, prompt="p", ratings=(BEFORE, OTHERS)
)
TWO = RecordedPicture(record_id="r2", run_id="run", path="2.png", prompt="p")


class Saved:
    """What was handed on, and who was told."""

    def __init__(self) -> None:
        self.lines: list[Rating] = []
        self.told: list[tuple[str, ...]] = []

    def save(self, *lines: Rating) -> None:
        self.lines += lines


@pytest.fixture
def saved() -> Saved:
    return Saved()


@pytest.fixture
def book(saved: Saved) -> RatingBook:
    ticks = count()
    made = RatingBook(
        "ann",
        saved.save,
        saved.told.append,
        clock=lambda: datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=next(ticks)),
    )
    made.learn([ONE, TWO])
    return made


def test_ones_own_words_count_and_not_another_persons(book: RatingBook) -> None:
    """Bob's five stars are not Ann's verdict."""
    assert book.feedback("r1").score == 2
    assert book.has_verdict("r1")
    assert not book.has_verdict("r2")
    assert book.tags() == ["soft"]


def test_each_thing_said_is_saved_once_with_how_it_was_said(book: RatingBook, saved: Saved) -> None:
    """Who, where, blind or not, how long it took, and the picture's content."""
    book.say(ONE, "review", score=4, blind=True, decided_ms=900)
    (line,) = saved.lines
    assert (line.who, line.surface, line.score, line.blind, line.decided_ms) == ("ann", "review", 4, True, 900)
    assert line.image_sha256 == ONE.sha256
    assert saved.told == [("r1",)]
    assert book.feedback("r1").score == 4


def test_undo_takes_back_one_thing_at_a_time_on_its_own_surface(book: RatingBook, saved: Saved) -> None:
    """Last said first; what was said on another surface stays; at the end there is nothing to undo."""
    book.say(ONE, "review", score=4)
    book.say(TWO, "grid", score=1)
    book.say(ONE, "review", favourite=True)
    assert book.undo("review") is not None
    assert (book.feedback("r1").score, book.feedback("r1").favourite) == (4, False)
    assert book.undo("review") is not None
    assert book.feedback("r1").score == 2
    assert book.feedback("r2").score == 1
    assert book.undo("review") is None
    mine = [line for line in [BEFORE, *saved.lines] if line.record_id == "r1"]
    assert fold(mine) == book.feedback("r1")


def test_clearing_goes_back_behind_this_sitting_and_can_be_undone(book: RatingBook) -> None:
    """Stars from earlier days go too, the tag given with them stays; undo brings all of it back."""
    book.say(ONE, "review", score=4)
    before = book.feedback("r1")
    assert book.clear(ONE, "review") is not None
    cleared = book.feedback("r1")
    assert (cleared.score, cleared.tags) == (None, ("soft",))
    book.undo("review")
    assert book.feedback("r1") == before
    assert book.clear(TWO, "review") is None


def test_reading_again_forgets_nothing_that_is_still_on_its_way_to_disk(book: RatingBook) -> None:
    """What was said in this sitting holds although the index does not know it yet."""
    book.say(ONE, "review", score=5)
    book.learn([ONE])
    assert book.feedback("r1").score == 5


class Stubborn:
    """A writer whose disk is full for its first attempts."""

    def __init__(self, failures: int) -> None:
        self.failures, self.stored, self.closed = failures, [], False

    def append(self, *ratings: Rating) -> None:
        if self.failures > 0:
            self.failures -= 1
            raise RecordNotWritten("ratings.jsonl", "no space left on device")
        self.stored += ratings

    def close(self) -> None:
        self.closed = True


def lines(number: int) -> list[Rating]:
    return [new_rating(f"r{n}", score=1 + n % 5) for n in range(number)]


def test_ratings_are_on_disk_in_order_when_the_desk_is_closed(workspace: Workspace) -> None:
    """200 key presses, each its own line, none lost by closing right after them."""
    desk = RatingDesk(RatingWriter(workspace.ratings, durability="none"), lambda unsaved, why: None)
    said = lines(200)
    for line in said:
        desk.save(line)
    assert desk.close() == []
    assert list(read_ratings(workspace.ratings)) == said


def test_what_cannot_be_saved_is_told_and_kept_and_goes_first_when_it_can() -> None:
    """The order stays; nothing is skipped."""
    writer = Stubborn(failures=2)
    told: list[tuple[int, str]] = []
    heard = threading.Semaphore(0)

    def listen(unsaved: int, why: str) -> None:
        told.append((unsaved, why))
        heard.release()

    desk = RatingDesk(writer, listen)
    said = lines(3)
    for line in said:
        desk.save(line)
        assert heard.acquire(timeout=PATIENCE_S)
    assert [unsaved for unsaved, _ in told] == [1, 2, 0]
    assert "no space" in told[0][1]
    assert told[2][1] == ""
    assert writer.stored == said
    assert desk.close() == []
    assert writer.closed


def test_what_cannot_be_saved_even_at_the_end_is_given_back() -> None:
    """So that it can at least be logged."""
    desk = RatingDesk(Stubborn(failures=99), lambda unsaved, why: None)
    said = lines(2)
    for line in said:
        desk.save(line)
    assert desk.close() == said


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Each test ends its desk."""
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "stablenew-ratings"]
