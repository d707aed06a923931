"""Whatever happens to the files, the index answers as a naive full scan does."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.learning.archive import (
    USUAL,
    group_sums,
    make_record,
    naive_damage,
    naive_groups,
    naive_list,
    naive_records,
    open_index,
    rate,
)

from stablenew.learning.learning_feedback import RatingWriter, undo_of
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.record_filter import parse_condition
from stablenew.learning.record_index import Query

FILES = ("a", "b", "a.host-1")
IDS = tuple(f"id{number}" for number in range(6))

records = st.builds(
    make_record,
    st.sampled_from(IDS),
    sampler=st.sampled_from(["Euler", "DDIM"]),
    steps=st.sampled_from([20, 30]),
    prompt=st.sampled_from(["a red fox", "a blue fox at golden hour", "golden lighthouse"]),
    timestamp=st.sampled_from(["2026-11-22T10:00:00.000Z", "2026-11-22T10:00:01.500Z", "2026-11-23T00:00:00Z"]),
    status=st.sampled_from(["ok", "failed", "cancelled"]),
    duration_s=st.sampled_from([None, 0.5, 2.25]),
)
names = st.sampled_from(FILES)


class Archive(RuleBasedStateMachine):
    """Files of records and ratings that people and programs do things to, and one index that is asked all along."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="index-model-"))
        (self.folder / "records").mkdir()
        self.index = open_index(self.folder, lines_at_once=3)
        self.ratings = RatingWriter(self.folder / "ratings", durability="none")
        self.said = []
        self.second = 0

    def teardown(self) -> None:
        self.index.close()
        self.ratings.close()
        shutil.rmtree(self.folder)

    def path(self, name: str) -> Path:
        return self.folder / "records" / f"{name}.jsonl"

    @rule(name=names, added=st.lists(records, min_size=1, max_size=5))
    def append(self, name: str, added: list[LearningRecord]) -> None:
        with self.path(name).open("ab") as file:
            file.writelines(record.to_line() + b"\n" for record in added)

    @rule(name=names, text=st.sampled_from([b"{not json\n", b"\n", b'{"run":1}\n', b'{"run":{"rec', b"\xff\xfe\n"]))
    def append_damage(self, name: str, text: bytes) -> None:
        with self.path(name).open("ab") as file:
            file.write(text)

    @rule(name=names, record=records)
    def append_without_newline(self, name: str, record: LearningRecord) -> None:
        with self.path(name).open("ab") as file:
            file.write(record.to_line())

    @rule(name=names, share=st.floats(0, 1))
    def truncate(self, name: str, share: float) -> None:
        if self.path(name).exists():
            with self.path(name).open("r+b") as file:
                file.truncate(int(share * self.path(name).stat().st_size))

    @rule(name=names)
    def delete(self, name: str) -> None:
        self.path(name).unlink(missing_ok=True)

    @rule(kept=names)
    def delete_all_but(self, kept: str) -> None:
        for name in set(FILES) - {kept}:
            self.path(name).unlink(missing_ok=True)

    @rule(name=names, other=names, in_place=st.booleans())
    def replace(self, name: str, other: str, in_place: bool) -> None:
        if self.path(other).exists():
            data = self.path(other).read_bytes()
            if in_place:
                self.path(name).write_bytes(data)
            else:
                new = self.folder / "new"
                new.write_bytes(data)
                new.replace(self.path(name))

    @rule(record_id=st.sampled_from(IDS), score=st.integers(1, 5), who=st.sampled_from([None, "ann", "bob"]))
    def rate(self, record_id: str, score: int, who: str | None) -> None:
        self.say(rate(record_id, score, self.tick(), who=who))

    @rule(record_id=st.sampled_from(IDS), tag=st.sampled_from(["hands", "rejected"]), weak=st.booleans())
    def tag(self, record_id: str, tag: str, weak: bool) -> None:
        self.say(rate(record_id, None, self.tick(), add_tags=[tag], weak=weak))

    @rule(place=st.integers(0, 20))
    def undo(self, place: int) -> None:
        if self.said:
            undone = undo_of(self.said[place % len(self.said)])
            self.say(undone)

    @rule()
    def delete_ratings(self) -> None:
        (self.folder / "ratings" / "ratings.jsonl").unlink(missing_ok=True)

    @rule()
    def another_process_catches_up(self) -> None:
        with open_index(self.folder) as other:
            other.catch_up()

    @rule(after=st.integers(0, 2))
    def kill_a_catch_up(self, after: int) -> None:
        def stop(_: int) -> None:
            nonlocal after
            after -= 1
            if after < 0:
                raise KeyboardInterrupt

        index = open_index(self.folder, lines_at_once=2, progress=stop)
        try:
            index.catch_up()
        except KeyboardInterrupt:
            pass
        finally:
            index.close()

    @rule()
    def delete_index(self) -> None:
        self.index.close()
        for path in self.folder.glob("index.sqlite*"):
            path.unlink()
        self.index = open_index(self.folder, lines_at_once=3)

    @rule(share=st.floats(0, 1))
    def spoil_index(self, share: float) -> None:
        self.index.close()
        path = self.folder / "index.sqlite"
        if path.exists():
            with path.open("r+b") as file:
                file.seek(int(share * path.stat().st_size) // 4096 * 4096)
                file.write(b"\xa5" * 4096)
        self.index = open_index(self.folder, lines_at_once=3)

    def tick(self) -> int:
        self.second += 1
        return self.second

    def say(self, rating: object) -> None:
        self.said.append(rating)
        self.ratings.append(rating)

    @invariant()
    def same_answers(self) -> None:
        truth = naive_records(self.folder)
        by_sampler = (parse_condition("sampler=Euler"),)
        assert list(self.ids()) == naive_list(truth)
        assert list(self.ids(where=by_sampler, words="fox -red")) == naive_list(truth, by_sampler, "fox -red")
        assert {r.run.record_id: r for r in self.index.records()} == {r.run.record_id: r for r in truth}
        for by in (USUAL, ["sampler"], ["sampler", "steps"], ["status", "day"], ["seed", "rating"], []):
            wanted = naive_groups(truth, by)
            assert group_sums(self.index.groups(by)) == wanted
        tagged = (parse_condition("tag=hands"), parse_condition("rating>=3"))
        assert list(self.ids(where=tagged)) == naive_list(truth, tagged)
        assert [(each.path.name, each.line_number) for each in self.index.damage()] == naive_damage(self.folder)

    def ids(self, **query: object) -> list[str]:
        return [record.run.record_id for record in self.index.records(Query(**query))]


TestArchive = Archive.TestCase
TestArchive.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_a_superseded_record_that_counts_again_has_no_score_that_was_taken_back_meanwhile() -> None:
    """Found by the machine: rated, copied to another file, ratings deleted, the copy deleted."""
    state = Archive()
    try:
        state.rate(record_id="id0", score=1, who=None)
        state.append(added=[make_record("id0", sampler="Euler", steps=20)], name="a")
        state.same_answers()
        state.replace(in_place=False, name="b", other="a")
        state.same_answers()
        state.delete_ratings()
        state.same_answers()
        state.delete(name="b")
        state.same_answers()
    finally:
        state.teardown()
