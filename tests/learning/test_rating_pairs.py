"""Which pictures are compared next, and what a comparison says."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gui_v2.many_pictures import make_workspace

from stablenew.learning.learning_feedback import RatingWriter, undo_of
from stablenew.learning.rating_pairs import (
    candidates,
    compared_before,
    is_matched,
    preference,
    rows_to_ask,
    tie,
)
from stablenew.learning.record_index import RecordIndex
from stablenew.learning.recorded_picture import RecordedPicture
from stablenew.workspace import Workspace


def picture(number: int, *, prompt: str = "p", seed: int = 1, key: str = "") -> RecordedPicture:
    return RecordedPicture(
        record_id=f"r{number}", run_id="run", path="x.png", prompt=prompt, seed=seed, settings_key=key or f"k{number}"
    )


def test_matched_pairs_come_before_those_of_other_seeds_and_nothing_else_is_asked() -> None:
    """Same prompt always; different settings always; same seed first."""
    found = [
        picture(1),
        picture(2),
        picture(3, seed=2),
        picture(4, prompt="q"),
        picture(5, key="k1"),
    ]
    rows = list(rows_to_ask(found, set(), random.Random(3)))
    assert [is_matched(row) for row in rows] == [True, True, False, False, False]
    ids = {frozenset(each.record_id for each in row) for row in rows}
    assert frozenset({"r1", "r5"}) not in ids
    assert not any("r4" in pair for pair in ids)


@given(
    kinds=st.lists(st.tuples(st.sampled_from("pq"), st.integers(1, 3), st.sampled_from("abc")), max_size=20),
    size=st.integers(3, 4),
    chance=st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None)
def test_longer_rows_show_each_picture_once_or_to_fill_a_row_twice(
    kinds: list[tuple[str, int, str]], size: int, chance: random.Random
) -> None:
    """Rows have two to `size` pictures of one prompt, no settings twice; full where there are enough of one seed."""
    found = [picture(n, prompt=p, seed=s, key=k) for n, (p, s, k) in enumerate(kinds)]
    rows = list(rows_to_ask(found, set(), chance, size=size))
    for row in rows:
        assert 2 <= len(row) <= size
        assert len({each.text for each in row}) == 1
        assert len({each.settings_key for each in row}) == len(row)
        of_this_seed = {each.settings_key for each in found if (each.text, each.seed) == (row[0].text, row[0].seed)}
        assert not is_matched(row) or len(row) == min(size, len(of_this_seed))
    assert max(Counter(each.record_id for row in rows for each in row).values(), default=1) <= 2


def test_what_was_compared_is_not_asked_again_until_it_is_taken_back(workspace: Workspace) -> None:
    """A preference and a tie both count as compared, for the person who said so; an undo makes them askable."""
    make_workspace(workspace, 3)
    writer = RatingWriter(workspace.ratings)
    with RecordIndex.of(workspace) as index:
        found = candidates(index)
        assert len(list(rows_to_ask(found, set(), random.Random(1)))) == 3
        best = preference((found[0], found[1]), 0, who="ann")
        even = tie((found[1], found[2]), who="ann")
        writer.append(best, even)
        seen = compared_before(index, found, "ann")
        assert len(list(rows_to_ask(found, seen, random.Random(1)))) == 1
        assert compared_before(index, found, "bob") == set()
        writer.append(undo_of(even))
        assert len(list(rows_to_ask(found, compared_before(index, found, "ann"), random.Random(1)))) == 2
    writer.close()
    assert [each.record_id for each in best.better_than] == [found[1].record_id]
    assert even.better_than == []
    assert even.shown == [found[1].record_id, found[2].record_id]
    assert even.equal_to[0].image_sha256 == found[2].sha256
