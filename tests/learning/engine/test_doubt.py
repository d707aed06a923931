"""A rating that all others make unlikely counts for less."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.linalg import cho_solve, cholesky
from tests.learning.engine.landscape import BASELINE, evidence_of, good_taste, rated_rows

from stablenew.learning.engine.advisor import believe
from stablenew.learning.engine.doubt import doubt_alike, fit_in_doubt
from stablenew.learning.engine.fit import fit, left_out
from stablenew.learning.engine.from_evidence import FIT_RATINGS, encode_evidence, part_to_fit, whole_problem
from stablenew.learning.engine.kernel import covariance, tables_at
from stablenew.learning.engine.posterior import nuisance_of, posterior_of
from stablenew.learning.evidence import Preferred, Scored


def with_a_slip(rows: int = 12) -> tuple[list[Scored], int]:
    """Careful ratings, one of which, of a picture that is clearly bad, is five stars by a slip."""
    scored = rated_rows(good_taste, rows, seed=4, noise=0.2)
    at = min(range(len(scored)), key=lambda number: good_taste(dict(scored[number].settings)))
    scored[at] = dataclasses.replace(scored[at], stars=5.0)
    return scored, at


def test_a_slip_is_doubted_more_than_any_other_rating() -> None:
    """And hardly any of the others is."""
    scored, slip = with_a_slip()
    evidence = evidence_of(scored)
    encoding = encode_evidence(evidence)
    part = part_to_fit(evidence, encoding, "")
    _, doubted = fit_in_doubt(part, fit(part, encoding), encoding)
    doubts = dict(zip(doubted.rating.tolist(), doubted.looseness.tolist(), strict=True))
    assert max(doubts, key=doubts.__getitem__) == slip
    assert doubts[slip] > 4
    assert np.median(list(doubts.values())) < 1


def test_a_slip_moves_the_belief_less_than_it_would_undoubted() -> None:
    """What is expected of the settings it was about stays nearer to the truth."""
    scored, slip = with_a_slip()
    evidence = evidence_of(scored)
    belief = believe(evidence, BASELINE, "")
    encoding = belief.encoding
    at = encoding.encode([scored[slip].settings])
    whole = whole_problem(evidence, encoding, "")
    plain = posterior_of(whole, fit(part_to_fit(evidence, encoding, ""), encoding), encoding)
    truth = good_taste(dict(scored[slip].settings)) - 3
    assert abs(float(belief.posterior.mean(at)[0]) - truth) < 0.6 * abs(float(plain.mean(at)[0]) - truth)


@pytest.mark.parametrize("choices", [False, True])
def test_what_the_others_say_of_a_rating_is_as_if_it_had_not_been_given(choices: bool) -> None:
    """Agrees with conditioning on all other ratings, one by one; with choices, on what they come to with all."""
    own = rated_rows(good_taste, 4, seed=6)
    preferred = (Preferred(best=own[0].settings, others=(own[1].settings, own[2].settings)),) if choices else ()
    evidence = evidence_of([*own, own[3]], preferred=preferred)
    encoding = encode_evidence(evidence)
    problem = part_to_fit(evidence, encoding, "")
    hyper = fit(problem, encoding)
    off, variance = left_out(problem, hyper, encoding)
    assert len(off) == len(own) + 1
    if choices:
        plain, _ = left_out(dataclasses.replace(problem, choices=()), hyper, encoding)
        assert not np.allclose(off, plain)
        return
    tables = tables_at(encoding, hyper)
    here = problem.context
    prior = covariance(hyper, tables, problem.points, problem.points, here, here)[np.ix_(problem.point, problem.point)]
    total = prior + nuisance_of(problem, hyper).dense()
    noise = hyper.noise * problem.looseness
    for at in range(len(off)):
        others = np.delete(np.arange(len(off)), at)
        factor = (cholesky(total[np.ix_(others, others)], lower=True), True)
        mean = total[at, others] @ cho_solve(factor, problem.stars[others])
        spread = total[at, at] - total[at, others] @ cho_solve(factor, total[others, at])
        assert off[at] == pytest.approx(problem.stars[at] - mean)
        assert variance[at] == pytest.approx(spread - noise[at], abs=1e-9)


def test_ratings_that_were_not_looked_at_count_as_much_as_the_others_on_average() -> None:
    """More ratings than the kind of landscape is learned from: none of them counts for nothing, or for all."""
    evidence = evidence_of(rated_rows(good_taste, FIT_RATINGS // 6 + 10, seed=8))
    encoding = encode_evidence(evidence)
    part = part_to_fit(evidence, encoding, "")
    _, doubted = fit_in_doubt(part, fit(part, encoding), encoding)
    whole = doubt_alike(whole_problem(evidence, encoding, ""), part, doubted, len(evidence.scored))
    looked_at = np.isin(whole.rating, part.rating)
    assert whole.looseness[looked_at] == pytest.approx(doubted.looseness)
    (others,) = set(whole.looseness[~looked_at].tolist())
    assert 1 / others == pytest.approx(np.mean(1 / doubted.looseness))


def test_nothing_rated_is_nothing_to_doubt() -> None:
    """Choices alone, or nothing at all: as before."""
    own = rated_rows(good_taste, 1)
    evidence = evidence_of([], preferred=(Preferred(best=own[0].settings, others=(own[1].settings,)),))
    encoding = encode_evidence(evidence)
    part = part_to_fit(evidence, encoding, "")
    hyper, doubted = fit_in_doubt(part, fit(part, encoding), encoding)
    assert doubted is part
    assert np.array_equal(hyper.to_vector(), fit(part, encoding).to_vector())
    whole = whole_problem(evidence, encoding, "")
    assert doubt_alike(whole, part, doubted, 0) is whole
