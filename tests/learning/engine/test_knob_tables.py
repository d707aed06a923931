"""How alike the values of a setting are: the tables every kernel is put together from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stablenew.learning.engine.knob_tables import KnobTable, encode_space
from stablenew.learning.search_space import Knob, SearchSpace, space_from_values

FAMILIES = {"a_1": "a", "a_2": "a", "b_1": "b"}
SPACE = space_from_values(
    {"model": ["a_1", "a_2", "b_1"], "steps": [5, 10, 20, 40], "cfg_scale": [1.0, 2.5, 7.0, 7.5, 30.0]},
    {"model": FAMILIES},
)


def tables(space: SearchSpace = SPACE) -> dict[str, KnobTable]:
    return {table.knob.name: table for table in encode_space(space, []).tables}


@pytest.mark.parametrize("name", SPACE.names)
@pytest.mark.parametrize("length", [0.02, 0.35, 2.0])
def test_a_centred_table_has_no_mean_and_a_mean_variance_of_one(name: str, length: float) -> None:
    """Over the values that may be chosen, so that a main effect says nothing about the mean of all."""
    table = tables()[name]
    _, centred, _, _ = table.at_length(length)
    assert centred @ table.weights == pytest.approx(np.zeros(len(centred)), abs=1e-9)
    assert float(table.weights @ np.diag(centred)) == pytest.approx(1)
    assert centred == pytest.approx(centred.T)
    assert np.linalg.eigvalsh(centred).min() > -1e-9


@given(
    numbers=st.lists(st.floats(0.1, 100).map(lambda value: round(value, 2)), min_size=2, max_size=12, unique=True),
    length=st.floats(0.05, 3),
)
@settings(max_examples=60, deadline=None)
def test_the_slope_of_a_table_is_its_derivative_by_log_length(numbers: list[float], length: float) -> None:
    """Plain and centred, against a central difference."""
    table = tables(space_from_values({"cfg_scale": numbers}))["cfg_scale"]
    step = 1e-5
    up, down = table.at_length(length * math.exp(step)), table.at_length(length * math.exp(-step))
    _, _, plain_slope, centred_slope = table.at_length(length)
    assert plain_slope == pytest.approx((up[0] - down[0]) / (2 * step), abs=1e-5)
    assert centred_slope == pytest.approx((up[1] - down[1]) / (2 * step), abs=1e-3)


def test_near_numbers_are_more_alike_than_far_ones_and_steps_by_their_ratio() -> None:
    """7 and 7.5 nearly the same; 5 to 10 steps as far as 20 to 40."""
    guidance, *_ = tables()["cfg_scale"].at_length(0.3)
    assert guidance[2, 3] > guidance[1, 2] > guidance[1, 4]
    steps, *_ = tables()["steps"].at_length(0.3)
    assert steps[0, 1] == pytest.approx(steps[2, 3])


def test_a_category_is_like_itself_and_a_checkpoint_like_its_family() -> None:
    """Another family's is not alike at all, and no length changes that."""
    table = tables()["model"]
    assert table.alike[0, 0] == 1
    assert 0 < table.alike[0, 1] < 1
    assert table.alike[0, 2] == 0
    assert (table.at_length(0.1)[1] == table.at_length(5.0)[1]).all()
    assert not table.at_length(1.0)[3].any()


def test_values_only_seen_join_the_table_without_moving_its_middle() -> None:
    """They can be looked up, not chosen: the mean is over what may be chosen."""
    table = encode_space(SPACE, [{"model": "c_9", "steps": 80, "cfg_scale": 7.0}]).tables[1]
    assert table.values == (5, 10, 20, 40, 80)
    assert table.declared == 4
    assert table.weights.tolist() == [0.25] * 4 + [0]
    assert table.centred @ table.weights == pytest.approx(np.zeros(5), abs=1e-9)


def test_settings_go_to_rows_and_back() -> None:
    """10 and 10.0 are one value; a setting with a single value has no table; an unknown value is a KeyError."""
    space = space_from_values({"sampler": ["A"], "steps": [10, 20], "hires": [True, False]})
    encoding = encode_space(space, [])
    assert [table.knob.name for table in encoding.tables] == ["steps", "hires"]
    row = encoding.encode([{"sampler": "A", "steps": 10.0, "hires": True}])
    assert encoding.decode(row[0]) == {"steps": 10, "hires": True}
    with pytest.raises(KeyError):
        encoding.encode([{"sampler": "A", "steps": 30, "hires": True}])


def test_a_list_is_told_apart_by_what_it_says() -> None:
    """Values that cannot be looked up as they are can be all the same."""
    knob = Knob(name="scripts", values=(["a"], ["b"]))
    encoding = encode_space(SearchSpace(knobs=(knob,)), [{"scripts": ["b"]}])
    assert encoding.encode([{"scripts": ["b"]}]).tolist() == [[1]]
