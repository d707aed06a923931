from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from stablenew.errors import InputError
from stablenew.learning.execution_context import ExecutionContext
from stablenew.learning.export import COLUMNS, Form, export_records
from stablenew.learning.learning_record import LearningRecord

PROMPT = 'a "cat",\nsecond line; ★ =1+1'


def make_records(count: int) -> Iterator[LearningRecord]:
    for number in range(count):
        context = ExecutionContext(
            run_id="r", record_id=f"id-{number}", prompt=PROMPT, seed=2**63 + number, bindings={"who": "a, b"}
        )
        yield LearningRecord.from_pipeline_context({"steps": 20 + number}, context)


def test_csv_is_read_back_as_it_was(tmp_path: Path) -> None:
    """Quotes, line breaks, commas and any script survive; objects are JSON; the columns are the documented ones."""
    path = tmp_path / "x.csv"
    assert export_records(make_records(3), path, "csv") == 3
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [row["prompt"] for row in rows] == [PROMPT] * 3
    assert json.loads(rows[0]["bindings"]) == {"who": "a, b"}
    assert [row["steps"] for row in rows] == ["20", "21", "22"]
    assert rows[0]["seed"] == str(2**63)


def test_json_lines_are_whole_records(tmp_path: Path) -> None:
    """Reading them gives the records that were written."""
    path = tmp_path / "x.jsonl"
    records = list(make_records(3))
    assert export_records(records, path, "jsonl") == 3
    assert [LearningRecord.from_json(line) for line in path.read_bytes().splitlines()] == records


def test_parquet_is_read_back_as_it_was(tmp_path: Path) -> None:
    """By DuckDB, with types: numbers are numbers, and a path with a quote in it is only a path."""
    duckdb = pytest.importorskip("duckdb", reason="Parquet needs the extra analytics")
    path = tmp_path / "it's.parquet"
    assert export_records(make_records(3), path, "parquet") == 3
    found = duckdb.sql("SELECT prompt, steps, cfg_scale FROM read_parquet($1)", params=[str(path)]).fetchall()
    assert found == [(PROMPT, 20, 7.0), (PROMPT, 21, 7.0), (PROMPT, 22, 7.0)]
    assert export_records(iter(()), path, "parquet") == 0


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_is_whole_or_not_at_all(form: Form, tmp_path: Path) -> None:
    """When it breaks off, what was there before stands and nothing else is left behind."""

    def broken() -> Iterator[LearningRecord]:
        yield from make_records(2)
        raise RuntimeError("the records cannot be read any more")

    path = tmp_path / "x"
    path.write_text("before")
    with pytest.raises(RuntimeError):
        export_records(broken(), path, form)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """As an input error."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        export_records(make_records(1), tmp_path / "file" / "x.csv", "csv")
