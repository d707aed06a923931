"""Repeats, sides, drift and breaks, from rating lines whose answers are known."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from stablenew.learning.learning_feedback import RatedPicture, Rating, new_rating, undo_of
from stablenew.learning.rater_checks import (
    agreement,
    break_hint,
    check_rater,
    looks_of,
    newest_sitting,
    position_bias,
    repeat_shift,
    standing,
    star_trend,
)

START = datetime(2026, 11, 22, 10, tzinfo=UTC)


def pick(number: int, left: str, right: str, answer: str, *, ms: int = 3000, gap_s: float = 4) -> Rating:
    """The line of one comparison: `answer` is left, right, tie or skip."""
    best, other = (right, left) if answer == "right" else (left, right)
    said = {"left": "better_than", "right": "better_than", "tie": "equal_to"}.get(answer)
    others = {said: [RatedPicture(record_id=other)]} if said else {}
    moment = START + timedelta(seconds=gap_s * number)
    return new_rating(best, moment=moment, shown=[left, right], decided_ms=ms, **others)


def star(number: int, record: str, score: int, gap_s: float = 4) -> Rating:
    return new_rating(record, moment=START + timedelta(seconds=gap_s * number), score=score)


def test_a_look_tells_sides_and_answer() -> None:
    """Left, right, tie and skip come back as they were said, in order, whatever the order of the lines."""
    lines = [pick(n, "a", f"b{n}", answer) for n, answer in enumerate(("left", "right", "tie", "skip"))]
    looks = looks_of(standing(reversed(lines)))
    assert [look.answer for look in looks] == ["left", "right", "tie", "skip"]
    assert [look.chosen for look in looks] == ["a", "b1", None, None]


def test_hidden_repeats_agree_when_the_same_picture_wins_on_the_other_side() -> None:
    """Swapped sides and the same picture is agreement; the same side and another picture is not."""
    lines = [
        pick(0, "a", "b", "left"), pick(1, "c", "d", "left"), pick(2, "e", "f", "tie"), pick(3, "g", "h", "skip"),
        pick(4, "b", "a", "right"), pick(5, "d", "c", "left"), pick(6, "f", "e", "tie"), pick(7, "h", "g", "left"),
    ]  # fmt: skip
    found = agreement(looks_of(standing(lines)))
    assert found is not None
    assert (found.count, found.n) == (2, 3)


def test_what_was_taken_back_counts_nowhere() -> None:
    """After an undo the pair is as never asked."""
    first, second = pick(0, "a", "b", "left"), pick(1, "b", "a", "left")
    lines = [first, second, undo_of(second, moment=START + timedelta(seconds=9))]
    assert agreement(looks_of(standing(lines))) is None
    assert len(standing(lines)) == 1


def test_a_leaning_to_the_left_shows_and_chance_does_not() -> None:
    """45 of 60 left is said to be a leaning; 33 of 60 is not; ties and skips are no sides."""
    leaning = [pick(n, f"a{n}", f"b{n}", "left" if n < 45 else "right") for n in range(60)]
    fair = [pick(n, f"a{n}", f"b{n}", "left" if n < 33 else "right") for n in range(60)]
    others = [pick(60 + n, f"c{n}", f"d{n}", ("tie", "skip")[n % 2]) for n in range(20)]
    found = position_bias(looks_of(standing([*leaning, *others])))
    assert found is not None
    assert (found.count, found.n) == (45, 60)
    assert any("picked 75 %" in said and "leaning" in said for said in check_rater(leaning).statements)
    assert not any("leaning" in said for said in check_rater(fair).statements)


def test_sides_of_an_honest_rater_rarely_look_like_a_leaning() -> None:
    """Of 300 raters without a leaning, about 5 % are said to have one."""
    chance = random.Random(3)
    accused = 0
    for _ in range(300):
        lines = [pick(n, f"a{n}", f"b{n}", chance.choice(("left", "right"))) for n in range(60)]
        found = position_bias(looks_of(lines))
        assert found is not None
        accused += found.low > 0.5 or found.high < 0.5
    assert accused / 300 < 0.09


def test_a_scale_that_moved_shows_in_repeats() -> None:
    """Eight pictures rated a star lower the second time: it shows; rated again at once is a correction."""
    first = [star(n, f"p{n}", 3 + n % 3) for n in range(8)]
    later = [star(20 + n, f"p{n}", 2 + n % 3 + (n == 0)) for n in range(8)]
    shift = repeat_shift(standing([*first, *later]))
    assert shift is not None
    assert shift.n == 8
    assert shift.value == pytest.approx(-7 / 8)
    assert shift.high < 0
    corrected = [star(0, "p", 2), star(1, "p", 4), star(2, "q", 2), star(3, "q", 4)]
    assert repeat_shift(standing(corrected)) is None


def test_a_trend_is_the_least_squares_slope_per_hundred() -> None:
    """One star more in the second half of 40: 200 / 5330 stars a rating, worked out by hand."""
    stars = [star(n, f"p{n}", 3 if n < 20 else 4) for n in range(40)]
    trend = star_trend(standing(stars))
    assert trend is not None
    # sum of (x - mean)(y - mean) over sum of (x - mean)^2, with x counted in ratings
    assert trend.value == pytest.approx(100 * 200 / 5330)
    assert trend.low > 0
    assert star_trend(standing(stars[:19])) is None


def test_steady_stars_have_no_trend() -> None:
    """Noise without a trend: the interval holds 0 in about 95 % of sessions."""
    chance = random.Random(11)
    held = 0
    for _ in range(200):
        trend = star_trend([star(n, f"p{n}", chance.randint(1, 5)) for n in range(50)])
        assert trend is not None
        held += trend.low <= 0 <= trend.high
    assert 0.9 <= held / 200 <= 0.99


def test_a_sitting_ends_with_half_an_hour_of_nothing() -> None:
    """The newest sitting begins after the last long pause."""
    lines = [star(n, f"p{n}", 3) for n in range(10)] + [star(n + 1000, f"q{n}", 3) for n in range(4)]
    assert [rating.record_id for rating in newest_sitting(standing(lines))] == ["q0", "q1", "q2", "q3"]


def test_a_break_is_proposed_for_its_own_reason_and_not_without_one() -> None:
    """Too many, ever faster, or less and less in agreement; a calm sitting of 100 gets no hint."""
    calm = [pick(n, f"a{n}", f"b{n}", "left") for n in range(100)]
    assert break_hint(calm) == ""
    assert "151 ratings in this sitting" in break_hint([pick(n, f"a{n}", f"b{n}", "left") for n in range(151)])
    hurried = [pick(n, f"a{n}", f"b{n}", "left", ms=4000 if n < 60 else 900) for n in range(100)]
    assert "0.9 s now, 4.0 s at first" in break_hint(hurried)
    shown = [pick(n, f"a{n}", f"b{n}", "left") for n in range(14)]
    again = [pick(20 + n, f"b{n}", f"a{n}", "right" if n < 8 or n == 13 else "left") for n in range(14)]
    assert "of the last 6 repeats you answered 1 as before, of the 8 earlier ones 8" in break_hint([*shown, *again])


def test_every_number_said_is_a_number_found() -> None:
    """The sentence about repeats says the share, its interval and how many there were."""
    lines = [pick(n, f"a{n}", f"b{n}", "left") for n in range(10)]
    lines += [pick(20 + n, f"b{n}", f"a{n}", "right" if n < 9 else "left") for n in range(10)]
    found = check_rater(lines)
    assert found.agreement is not None
    assert found.statements[0] == (
        f"10 pairs shown again: {found.agreement.mean * 100:.0f} % answered as before "
        f"({found.agreement.low * 100:.0f}..{found.agreement.high * 100:.0f} %; guessing gives 50 %)"
    )
