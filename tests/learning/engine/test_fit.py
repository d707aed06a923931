"""The kernel's unknowns and the belief that follows from them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.learning.engine.landscape import SPACE, evidence_of, good_taste, rated_rows

from stablenew.learning.engine.fit import fit, log_evidence
from stablenew.learning.engine.from_evidence import encode_evidence, whole_problem
from stablenew.learning.engine.kernel import Hyper, covariance, default_prior, tables_at, variance
from stablenew.learning.engine.posterior import nuisance_of, posterior_of
from stablenew.learning.engine.problem import choice_log_likelihood, sites_at
from stablenew.learning.evidence import Evidence, Preferred


def some_evidence() -> Evidence:
    """Two contexts, and choices."""
    own = rated_rows(good_taste, 5, seed=1)
    others = rated_rows(good_taste, 4, seed=2, context="other")
    preferred = [
        Preferred(best=row[0].settings, others=tuple(each.settings for each in row[1:])) for row in (own[:6], own[6:12])
    ]
    return evidence_of([*own, *others], preferred=tuple(preferred))


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_is_the_slope_of_the_log_evidence(seed: int) -> None:
    """Each of its numbers agrees with a central difference."""
    evidence = some_evidence()
    encoding = encode_evidence(evidence)
    problem = whole_problem(evidence, encoding, "")
    rng = np.random.default_rng(seed)
    prior = default_prior(len(encoding.tables))
    vector = prior.centre + 0.5 * prior.spread * rng.normal(size=len(prior.centre))
    sites = sites_at(problem, rng.normal(0, 0.4, len(problem.points)), 0.45)
    _, gradient = log_evidence(vector, problem, encoding, sites)
    for at in range(len(vector)):
        step = np.zeros(len(vector))
        step[at] = 1e-5
        up, _ = log_evidence(vector + step, problem, encoding, sites)
        down, _ = log_evidence(vector - step, problem, encoding, sites)
        assert gradient[at] == pytest.approx((up - down) / 2e-5, abs=2e-4)


def test_the_fit_is_no_worse_than_where_it_began() -> None:
    """What is found is at least as probable as the prior's centre."""
    evidence = evidence_of(rated_rows(good_taste, 10))
    encoding = encode_evidence(evidence)
    problem = whole_problem(evidence, encoding, "")
    prior = default_prior(len(encoding.tables))

    def posterior_density(vector: np.ndarray) -> float:
        return log_evidence(vector, problem, encoding)[0] + prior.log_density(vector)[0]

    found = fit(problem, encoding).to_vector()
    assert posterior_density(found) > posterior_density(prior.centre)


def test_hyper_parameters_survive_being_a_vector() -> None:
    """To a vector and back gives the same."""
    hyper = Hyper(
        weights=np.array([0.1, 0.2]), lengths=np.array([0.3, 0.4]), pairs=2.0, product=0.01, noise=0.5, row=0.1, rho=0.6
    )
    again = Hyper.from_vector(hyper.to_vector())
    assert np.allclose(again.to_vector(), hyper.to_vector())
    assert again.rho == pytest.approx(0.6)


def test_the_belief_is_the_textbook_one() -> None:
    """Means and variances agree with dense Gaussian conditioning on all ratings at once, repeats, rows and drift
    included.
    """
    scored = rated_rows(good_taste, 6, seed=3)
    scored += [scored[0], scored[1], scored[1]]
    evidence = evidence_of(scored)
    encoding = encode_evidence(evidence)
    problem = whole_problem(evidence, encoding, "")
    hyper = fit(problem, encoding)
    belief = posterior_of(problem, hyper, encoding)
    rows = encoding.encode([{"sampler": "DDIM", "steps": 20, "cfg_scale": 5.0}, scored[0].settings])
    tables = tables_at(encoding, hyper)
    at = problem.points[problem.point]
    here = np.zeros(len(at), dtype=np.int64)
    total = covariance(hyper, tables, at, at, here, here) + nuisance_of(problem, hyper).dense()
    cross = covariance(hyper, tables, rows, at, np.zeros(2, dtype=np.int64), here)
    mean, spread = belief.mean_and_variance(rows)
    assert mean == pytest.approx(cross @ np.linalg.solve(total, problem.stars), abs=1e-3)
    dense = variance(hyper, tables, rows) - np.einsum("ij,ji->i", cross, np.linalg.solve(total, cross.T))
    assert spread == pytest.approx(dense, abs=1e-3)
    assert belief.mean_and_covariance(rows)[1].diagonal() == pytest.approx(spread, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_intervals_are_right_on_data_drawn_from_the_model_itself(seed: int) -> None:
    """Of settings never rated, about 80 % lie in the 80 % interval when everything assumed is true."""
    rng = np.random.default_rng(seed)
    evidence = evidence_of(rated_rows(good_taste, 20, seed=seed))
    encoding = encode_evidence(evidence)
    problem = whole_problem(evidence, encoding, "")
    count = len(encoding.tables)
    hyper = Hyper(
        weights=np.full(count, 0.2), lengths=np.full(count, 0.35), pairs=2.0, product=0.02, noise=0.4, row=0.05, rho=0.7
    )
    every = np.stack(np.meshgrid(*[np.arange(table.declared) for table in encoding.tables], indexing="ij"), -1)
    every = every.reshape(-1, count)
    tables, here = tables_at(encoding, hyper), np.zeros(len(every), dtype=np.int64)
    prior = covariance(hyper, tables, every, every, here, here)
    values, vectors = np.linalg.eigh(prior)
    truth = vectors @ (np.sqrt(np.maximum(values, 0)) * rng.normal(size=len(every)))
    place = {tuple(row): at for at, row in enumerate(every)}
    expected = truth[[place[tuple(row)] for row in problem.points[problem.point]]]
    noise = np.linalg.cholesky(nuisance_of(problem, hyper).dense()) @ rng.normal(size=len(problem.stars))
    drawn = dataclasses.replace(problem, stars=expected + noise)
    mean, spread = posterior_of(drawn, hyper, encoding).mean_and_variance(every)
    score = (truth - mean) / np.sqrt(spread)
    # Neighbouring settings share their errors, so the shares of 96 settings scatter widely around 0.80 and 0.95.
    assert 0.55 < float((np.abs(score) < 1.2816).mean()) <= 0.97
    assert float((np.abs(score) < 1.96).mean()) > 0.8


def test_choices_move_the_belief_towards_what_was_chosen() -> None:
    """Settings that win rows come out above those that lose, without a single star; the likelihood agrees."""
    rng = np.random.default_rng(0)
    preferred = []
    for _ in range(30):
        row = [{knob.name: knob.values[int(rng.integers(len(knob.values)))] for knob in SPACE.knobs} for _ in range(6)]
        row.sort(key=good_taste, reverse=True)
        preferred.append(Preferred(best=row[0], others=tuple(row[1:])))
    evidence = evidence_of([], preferred=tuple(preferred))
    encoding = encode_evidence(evidence)
    problem = whole_problem(evidence, encoding, "")
    hyper = fit(problem, encoding)
    belief = posterior_of(problem, hyper, encoding)
    good, bad = encoding.encode(
        [{"sampler": "DDIM", "steps": 40, "cfg_scale": 5.0}, {"sampler": "LMS", "steps": 5, "cfg_scale": 11.0}]
    )
    mean = belief.mean(np.stack([good, bad]))
    assert mean[0] > mean[1] + 0.5
    at_points = belief.mean(problem.points)
    flat = np.zeros(len(at_points))
    assert choice_log_likelihood(problem, at_points, hyper.noise) > choice_log_likelihood(problem, flat, hyper.noise)


def test_a_faded_choice_moves_the_belief_less() -> None:
    """The same choices, each counted as a tenth, tell their settings less far apart."""
    good, bad = {"sampler": "DDIM", "steps": 40, "cfg_scale": 5.0}, {"sampler": "LMS", "steps": 5, "cfg_scale": 11.0}
    apart = []
    for noise in (1.0, 10.0):
        choices = tuple(Preferred(best=good, others=(bad,), noise=noise) for _ in range(12))
        evidence = evidence_of([], preferred=choices)
        encoding = encode_evidence(evidence)
        problem = whole_problem(evidence, encoding, "")
        hyper = Hyper.from_vector(default_prior(len(encoding.tables)).centre)
        mean = posterior_of(problem, hyper, encoding).mean(encoding.encode([good, bad]))
        apart.append(float(mean[0] - mean[1]))
    assert apart[0] > 1.5 * apart[1] > 0
