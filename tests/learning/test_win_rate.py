"""Shares and win rates against known answers, and what their intervals promise."""

from __future__ import annotations

import math
import random

import pytest

from stablenew.learning.win_rate import WinRate, anytime_interval, share, verdict, win_rate


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17, table I, method 3 (Wilson's score).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_shares_have_the_published_intervals(count: int, n: int, low: float, high: float) -> None:
    """Wilson's interval is the one of Newcombe's table, to its last digit."""
    found = share(count, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_a_win_rate_is_said_in_one_line() -> None:
    """56 of 90 pairs: rate, interval and number of pairs."""
    assert win_rate(50, 12, 28).text == "62 %, 52..72 %, 90 pairs"
    assert win_rate(1, 0, 0).text == "100 %, 21..100 %, 1 pair"


def test_ties_count_half() -> None:
    """Ten ties are as five wins and five losses."""
    tied, split = win_rate(0, 10, 0), win_rate(5, 0, 5)
    assert (tied.rate, tied.low, tied.high) == (split.rate, split.low, split.high)


def test_nothing_judged_says_nothing() -> None:
    """Without a pair everything is possible."""
    empty = win_rate(0, 0, 0)
    assert (empty.rate, empty.low, empty.high, empty.low_anytime, empty.high_anytime) == (0.5, 0, 1, 0, 1)
    assert verdict(empty, complete=False) == "open"
    assert verdict(empty, complete=True) == "undecided"


def test_the_anytime_interval_is_where_the_mixture_does_not_win() -> None:
    """With one win the uniform mixture gives 1/2, so p is excluded where 1/2 >= 20 p: up to 1/40."""
    low, high = anytime_interval(1, 1)
    assert low == pytest.approx(1 / 40, abs=1e-9)
    assert high == 1.0
    assert anytime_interval(0, 1)[1] == pytest.approx(39 / 40, abs=1e-9)


def ever_excludes(chance: random.Random, rate: float, tie: float, bounds: str) -> bool:
    """Whether, over 120 pairs looked at after each one, the interval ever leaves the truth out."""
    wins = ties = 0
    for n in range(1, 121):
        drawn = chance.random()
        ties += drawn < tie
        wins += tie <= drawn < tie + (1 - tie) * rate
        found = win_rate(wins, ties, n - wins - ties)
        truth = tie / 2 + (1 - tie) * rate
        low, high = (found.low_anytime, found.high_anytime) if bounds == "anytime" else (found.low, found.high)
        if n >= 10 and not low <= truth <= high:
            return True
    return False


@pytest.mark.parametrize(("rate", "tie"), [(0.5, 0.0), (0.7, 0.0), (0.5, 0.4)])
def test_looking_after_every_pair_is_safe_with_the_anytime_interval(rate: float, tie: float) -> None:
    """Looked at 111 times, the anytime interval leaves the truth out in at most 5 % of sessions; with ties too."""
    chance = random.Random(4)
    missed = sum(ever_excludes(chance, rate, tie, "anytime") for _ in range(200))
    assert missed <= 15  # 5 % of 200 and three standard deviations: 10 + 9, and in truth it is fewer


def test_looking_after_every_pair_breaks_the_fixed_interval() -> None:
    """The same looking fools the interval for a settled number in more than a tenth of sessions: why there are two."""
    chance = random.Random(4)
    assert sum(ever_excludes(chance, 0.5, 0.0, "fixed") for _ in range(200)) > 20


def test_the_fixed_interval_covers_when_the_number_is_settled() -> None:
    """Exactly, over all outcomes of 60 pairs: 94 to 96 % on average over rates, and 92 % at least at each."""
    covered = []
    for rate in (number / 100 for number in range(20, 81)):
        held = [share(wins, 60).low <= rate <= share(wins, 60).high for wins in range(61)]
        covered.append(
            sum(math.comb(60, wins) * rate**wins * (1 - rate) ** (60 - wins) for wins in range(61) if held[wins])
        )
    assert 0.94 <= sum(covered) / len(covered) <= 0.96
    assert min(covered) > 0.92


@pytest.mark.parametrize(
    ("rate", "complete", "expected"),
    [
        (win_rate(56, 0, 34), True, "better"),
        (win_rate(32, 0, 28), True, "undecided"),
        (win_rate(29, 0, 31), True, "worse"),
        (win_rate(29, 0, 31), False, "open"),
        (win_rate(2, 0, 18), False, "worse"),
        (win_rate(18, 0, 2), False, "better"),
        (win_rate(56, 0, 34), False, "open"),
    ],
)
def test_verdicts(rate: WinRate, complete: bool, expected: str) -> None:
    """Complete: by the settled interval, and not winning is losing. Before: only what holds at every moment."""
    assert verdict(rate, complete=complete) == expected
