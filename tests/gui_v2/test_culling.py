"""Where a person is in a list of pictures: the folds, without a window."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stablenew.gui.culling import (
    Culling,
    Sieve,
    Verdict,
    moved,
    moved_to,
    needed_next,
    next_without_verdict,
    sifted,
    with_more,
)
from stablenew.learning.rating_fold import Feedback
from stablenew.learning.recorded_picture import RecordedPicture

NOTHING = Feedback()


def pictures(count: int, begin: int = 0) -> list[RecordedPicture]:
    return [RecordedPicture(record_id=f"r{n}", run_id="run", path=f"{n}.png", prompt="p") for n in range(begin, count)]


def listed(count: int) -> Culling:
    return with_more(Culling(), pictures(count), lambda _: NOTHING)


def test_what_is_read_later_is_added_behind_and_the_person_stays() -> None:
    """A second page changes neither the cursor nor the order."""
    state = moved_to(listed(3), 2)
    state = with_more(state, pictures(5, begin=3), lambda _: NOTHING)
    assert (state.cursor, len(state.shown)) == (2, 5)
    assert state.current is not None
    assert state.current.record_id == "r2"


def test_the_ends_are_ends() -> None:
    """Before the first and behind the last there is nothing; an empty list has no current picture."""
    assert moved(listed(3), -1).cursor == 0
    assert moved(listed(3), 9).cursor == 2
    empty = moved(listed(0), 1)
    assert (empty.cursor, empty.current) == (0, None)


def test_the_next_without_a_verdict_is_sought_from_here_on_and_from_the_start_after_the_end() -> None:
    """Rated ones are passed over; when all are rated there is none."""
    state = moved_to(listed(4), 2)
    assert next_without_verdict(state, {"r3", "r0"}.__contains__) == 1
    assert next_without_verdict(state, lambda _: True) is None
    assert next_without_verdict(listed(0), lambda _: False) is None


def test_the_current_picture_may_be_the_only_one_without_a_verdict() -> None:
    """Then the next without one is this one."""
    assert next_without_verdict(moved_to(listed(3), 1), {"r0", "r2"}.__contains__) == 1


SAID = {
    "r0": Feedback(score=5, tags=("hands",)),
    "r1": Feedback(score=2),
    "r2": Feedback(rejected=True),
    "r3": Feedback(favourite=True),
    "r4": Feedback(score=3, favourite=True),
}
KEPT: dict[Verdict, list[int]] = {
    "any": [0, 1, 2, 3, 4, 5],
    "unrated": [3, 5],
    "rated": [0, 1, 4],
    "5": [0],
    "4+": [0],
    "3+": [0, 4],
    "2-": [1],
    "rejected": [2],
    "favourite": [3, 4],
}


def test_each_sieve_keeps_what_its_name_says() -> None:
    """By verdict, and by tag."""
    state = listed(6)
    for verdict, kept in KEPT.items():
        sieve = Sieve(verdict=verdict)
        assert list(sifted(state, sieve, lambda record: SAID.get(record, NOTHING)).shown) == kept, verdict
    tagged = sifted(state, Sieve(tag="hands"), lambda record: SAID.get(record, NOTHING))
    assert list(tagged.shown) == [0]


def test_another_sieve_leaves_the_person_at_the_same_picture_or_the_next_that_is_left() -> None:
    """And at the last where nothing follows."""

    def said(record: str) -> Feedback:
        return SAID.get(record, NOTHING)

    at_favourite = moved_to(listed(6), 3)
    assert sifted(at_favourite, Sieve(verdict="favourite"), said).current == at_favourite.current
    after = sifted(at_favourite, Sieve(verdict="rated"), said)
    assert after.current is not None
    assert after.current.record_id == "r4"
    last = sifted(at_favourite, Sieve(verdict="rejected"), said)
    assert (last.cursor, len(last.shown)) == (0, 1)


@given(count=st.integers(1, 30), cursor=st.integers(0, 29), rated=st.sets(st.integers(0, 29)))
def test_wherever_a_key_leads_is_among_what_is_decoded_ahead(count: int, cursor: int, rated: set[int]) -> None:
    """The picture itself first; then next, before, and next without a verdict are all among those needed next."""
    state = moved_to(listed(count), cursor)
    verdicts = {f"r{n}" for n in rated}
    needed = needed_next(state, verdicts.__contains__)
    assert needed[0] == state.cursor
    assert len(needed) == len(set(needed)) <= 8
    for place in (moved(state, 1).cursor, moved(state, -1).cursor, next_without_verdict(state, verdicts.__contains__)):
        assert place is None or place in needed
