"""Experiments driven through a callable: what is missing is made, what fails is listed, what is there is kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.learning.plans import make_plan

from stablenew.learning.execution_context import ExecutionContext
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.learning_runner import LearningJob, LearningProgress, LearningRunner, summarise
from stablenew.variant import Failure, Variant

Answer = Callable[[Variant], str | None]


def record_of(variant: Variant, failure: str | None = None) -> LearningRecord:
    context = ExecutionContext(
        run_id="e1",
        record_id=variant.record_id("e1"),
        timestamp="2026-11-22T10:00:00.000Z",
        experiment_id=variant.experiment_id,
        cell=variant.cell,
        prompt=variant.prompt,
        seed=variant.seed,
        variant_id=variant.variant_id,
        failure=None if failure is None else Failure(type="GenerationFailed", message=failure),
    )
    return LearningRecord.from_pipeline_context(variant.config, context)


class Studio:
    """Makes a record of each variant it is handed; `answer` says why one fails, `stop_after` ends it early."""

    def __init__(self, answer: Answer = lambda _: None, stop_after: int = 1000) -> None:
        self.answer, self.stop_after = answer, stop_after
        self.jobs: list[LearningJob] = []
        self.records: list[LearningRecord] = []

    def __call__(self, job: LearningJob, on_record: Callable[[LearningRecord], None]) -> None:
        self.jobs.append(job)
        for variant in job.missing[: self.stop_after]:
            self.records.append(record_of(variant, self.answer(variant)))
            on_record(self.records[-1])


def test_a_result_lists_cells_records_and_failures() -> None:
    """Two cells of two rows; one variant fails: its cell says so, with the reason."""
    studio = Studio(lambda variant: "out of memory" if variant.index == 3 else None)
    seen: list[LearningProgress] = []
    result = LearningRunner(studio, on_progress=seen.append).run(make_plan(), "e1")
    assert [each.cell.name for each in result.cells] == ["steps=10", "steps=20"]
    assert len(result.records) == 3
    assert [failure.reason for failure in result.failures] == ["out of memory"]
    assert (result.missing, result.complete) == (0, False)
    assert [(each.done, each.failed) for each in seen] == [(0, 0), (1, 0), (2, 0), (3, 0), (3, 1)]
    assert {(each.total, each.cells) for each in seen} == {(4, 2)}
    assert seen[-1].newest is studio.records[-1]


def test_only_what_is_missing_is_made_again() -> None:
    """After a stop and a failure the rest and the failed one are handed over; then nothing, and nobody is called."""
    first = Studio(lambda variant: "no" if variant.index == 1 else None, stop_after=3)
    result = LearningRunner(first).run(make_plan(), "e1")
    assert (len(result.records), len(result.failures), result.missing) == (2, 1, 1)
    second = Studio()
    result = LearningRunner(second).run(make_plan(), "e1", recorded=first.records)
    assert [variant.index for variant in second.jobs[0].missing] == [1, 3]
    assert result.complete
    third = Studio()
    assert LearningRunner(third).run(make_plan(), "e1", recorded=first.records + second.records).complete
    assert third.jobs == []


def test_records_of_others_do_not_count() -> None:
    """A record of another experiment that happens to be called back changes nothing."""
    stranger = next(iter(Studio().records), None)
    studio = Studio()
    LearningRunner(studio).run(make_plan(), "other")
    stranger = studio.records[0]
    seen: list[LearningProgress] = []

    def execute(job: LearningJob, on_record: Callable[[LearningRecord], None]) -> None:
        on_record(stranger)

    result = LearningRunner(execute, on_progress=seen.append).run(make_plan(), "e1")
    assert (len(seen), result.missing) == (1, 4)


def test_what_the_callable_raises_comes_out() -> None:
    """Whoever started the experiment hears why it could not go on."""

    def execute(job: LearningJob, on_record: Callable[[LearningRecord], None]) -> None:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        LearningRunner(execute).run(make_plan(), "e1")


def test_a_good_record_counts_before_a_failure_in_any_order() -> None:
    """As everywhere: a success before a failure."""
    studio = Studio()
    LearningRunner(studio).run(make_plan(), "e1")
    whole = studio.jobs[0].whole
    failed = record_of(studio.jobs[0].missing[0], "no")
    for records in ([failed, *studio.records], [*studio.records, failed]):
        assert summarise(whole, records).complete
