"""How long settings take, from pictures that were timed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.learning.engine.landscape import SPACE, good_taste, rated_rows

from stablenew.learning.engine.knob_tables import encode_space
from stablenew.learning.engine.timing import LEAST_TIMED, MOST_TIMED, seconds_at
from stablenew.learning.evidence import Scored
from stablenew.learning.search_space import Settings

ENCODING = encode_space(SPACE, [])


def takes(settings: Settings) -> float:
    """A second for five steps; Heun takes twice as long."""
    return float(settings["steps"] / 5 * (2 if settings["sampler"] == "Heun" else 1))


def timed(rows: int, noise: float = 0.05) -> list[Scored]:
    rng = np.random.default_rng(1)
    return [
        dataclasses.replace(each, seconds=takes(each.settings) * float(np.exp(rng.normal(0, noise))))
        for each in rated_rows(good_taste, rows)
    ]


def test_steps_and_samplers_multiply() -> None:
    """Every combination comes out within a fifth, those never made among them."""
    every = np.stack(np.meshgrid(*[np.arange(table.declared) for table in ENCODING.tables], indexing="ij"), -1)
    rows = every.reshape(-1, 3)
    found = seconds_at(timed(8), ENCODING, rows)
    assert found is not None
    assert found == pytest.approx([takes(ENCODING.decode(row)) for row in rows], rel=0.2)


def test_few_timed_pictures_say_nothing() -> None:
    """Below LEAST_TIMED there is no answer; pictures without a time, or with none above 0, are no help."""
    rows = np.zeros((1, 3), dtype=np.int64)
    some = timed(2)
    assert seconds_at(some[: LEAST_TIMED - 1], ENCODING, rows) is None
    assert seconds_at(some[:LEAST_TIMED], ENCODING, rows) is not None
    useless = [dataclasses.replace(each, seconds=at % 2 * 0.0 if at % 2 else None) for at, each in enumerate(some)]
    assert seconds_at([*some[: LEAST_TIMED - 1], *useless], ENCODING, rows) is None
    assert seconds_at([], ENCODING, rows) is None


def test_the_newest_times_count() -> None:
    """A new machine is ten times as fast: what the old one took is forgotten once enough is timed."""
    new = timed(MOST_TIMED // 6 + 1)
    old = [dataclasses.replace(each, seconds=(each.seconds or 0) * 10) for each in timed(20)]
    rows = ENCODING.encode([{"sampler": "Euler", "steps": 20, "cfg_scale": 5.0}])
    found = seconds_at([*old, *new], ENCODING, rows)
    assert found is not None
    assert found[0] == pytest.approx(4, rel=0.2)


def test_seconds_are_never_negative() -> None:
    """However wild the times are."""
    rng = np.random.default_rng(0)
    wild = [dataclasses.replace(each, seconds=float(np.exp(rng.normal(0, 4)))) for each in timed(5)]
    found = seconds_at(wild, ENCODING, np.zeros((1, 3), dtype=np.int64))
    assert found is not None
    assert np.isfinite(found).all()
    assert (found > 0).all()
