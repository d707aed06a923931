"""Records as files for other programs: CSV and Parquet tables with a column a field, or JSON lines with everything."""

from __future__ import annotations

import contextlib
import csv
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from stablenew.errors import InputError
from stablenew.learning.learning_record import LearningRecord

Form = Literal["csv", "jsonl", "parquet"]

_COLUMNS: dict[str, tuple[str, Callable[[LearningRecord], Any]]] = {
    "record_id": ("VARCHAR", lambda record: record.run.record_id),
    "run_id": ("VARCHAR", lambda record: record.run.run_id),
    "timestamp": ("VARCHAR", lambda record: record.run.timestamp),
    "source": ("VARCHAR", lambda record: record.run.source),
    "experiment_id": ("VARCHAR", lambda record: record.run.experiment_id),
    "cell": ("VARCHAR", lambda record: record.run.cell),
    "learning_tags": ("VARCHAR", lambda record: ", ".join(record.run.learning_tags)),
    "status": ("VARCHAR", lambda record: record.outcome.status),
    "rating": ("DOUBLE", lambda record: record.feedback.rating),
    "tags": ("VARCHAR", lambda record: ", ".join(record.feedback.tags)),
    "notes": ("VARCHAR", lambda record: record.feedback.notes),
    "backend": ("VARCHAR", lambda record: record.pipeline.backend),
    "backend_version": ("VARCHAR", lambda record: record.pipeline.backend_version),
    "model": ("VARCHAR", lambda record: record.pipeline.model),
    "model_hash": ("VARCHAR", lambda record: record.pipeline.model_hash),
    "vae": ("VARCHAR", lambda record: record.pipeline.vae),
    "sampler": ("VARCHAR", lambda record: record.pipeline.sampler),
    "scheduler": ("VARCHAR", lambda record: record.pipeline.scheduler),
    "cfg_scale": ("DOUBLE", lambda record: record.pipeline.cfg_scale),
    "steps": ("BIGINT", lambda record: record.pipeline.steps),
    "width": ("BIGINT", lambda record: record.pipeline.width),
    "height": ("BIGINT", lambda record: record.pipeline.height),
    "seed": ("HUGEINT", lambda record: record.prompt.seed),
    "seconds": ("DOUBLE", lambda record: record.outcome.duration_s),
    "variant_index": ("BIGINT", lambda record: record.pipeline.variant_index),
    "settings_key": ("VARCHAR", lambda record: record.pipeline.settings_key),
    "pack_name": ("VARCHAR", lambda record: record.prompt.pack_name),
    "line_number": ("BIGINT", lambda record: record.prompt.line_number),
    "prompt": ("VARCHAR", lambda record: record.prompt.prompt),
    "negative_prompt": ("VARCHAR", lambda record: record.prompt.negative_prompt),
    "template": ("VARCHAR", lambda record: record.prompt.template),
    "bindings": ("JSON", lambda record: record.prompt.bindings),
    "axes": ("JSON", lambda record: record.pipeline.axes),
    "stages": ("JSON", lambda record: [msgspec.to_builtins(stage) for stage in record.pipeline.stages]),
    "image": ("VARCHAR", lambda record: record.outcome.images[-1].path if record.outcome.images else None),
    "image_sha256": ("VARCHAR", lambda record: record.outcome.images[-1].sha256 if record.outcome.images else None),
    "error_type": ("VARCHAR", lambda record: record.outcome.error_type),
    "error_message": ("VARCHAR", lambda record: record.outcome.error_message),
}
COLUMNS = tuple(_COLUMNS)
"""The columns of a table, in order. `bindings`, `axes` and `stages` hold JSON; a text of several items is a list."""


def export_records(records: Iterable[LearningRecord], path: Path, form: Form) -> int:
    """Write `records` to `path`, whole or not at all, and return how many; they are streamed.

    Raises InputError when the file cannot be written, or DuckDB, which Parquet needs, is not installed.
    """
    try:
        with _replacing(path) as temporary:
            if form == "jsonl":
                return _write_lines(records, temporary, lambda record: record.to_line())
            if form == "csv":
                return _write_csv(records, temporary)
            return _write_parquet(records, temporary)
    except OSError as exc:
        raise InputError(f"{path} cannot be written: {exc.strerror or exc}") from exc


def table_row(record: LearningRecord) -> dict[str, Any]:
    """The values of COLUMNS, as JSON types."""
    return {name: value(record) for name, (_, value) in _COLUMNS.items()}


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_lines(records: Iterable[LearningRecord], path: Path, encode: Callable[[LearningRecord], bytes]) -> int:
    count = 0
    with path.open("wb") as file:
        for record in records:
            file.write(encode(record) + b"\n")
            count += 1
    return count


def _write_csv(records: Iterable[LearningRecord], path: Path) -> int:
    count = 0
    # With a byte order mark, without which Excel takes UTF-8 for something else.
    with path.open("w", encoding="utf-8-sig", newline="", errors="backslashreplace") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for record in records:
            writer.writerow(_cell(value) for value in table_row(record).values())
            count += 1
    return count


def _cell(value: Any) -> Any:
    return msgspec.json.encode(value).decode() if isinstance(value, (dict, list)) else value


def _write_parquet(records: Iterable[LearningRecord], path: Path) -> int:
    try:
        import duckdb
    except ImportError as exc:
        raise InputError('Parquet needs DuckDB: pip install "stablenew[analytics]"') from exc
    with tempfile.TemporaryDirectory(prefix="stablenew-") as folder:
        lines = Path(folder) / "rows.jsonl"
        count = _write_lines(records, lines, lambda record: msgspec.json.encode(table_row(record)))
        if not count:
            lines.write_bytes(b"")
        columns = {name: kind for name, (kind, _) in _COLUMNS.items()}
        try:
            with duckdb.connect(config={"enable_external_access": "true"}) as database:
                database.execute(
                    "COPY (SELECT * FROM read_json($lines, format='newline_delimited', columns=$columns, "
                    "maximum_object_size=33554432)) TO '" + str(path).replace("'", "''") + "' "
                    "(FORMAT parquet, COMPRESSION zstd)",
                    {"lines": str(lines), "columns": columns},
                )
        except duckdb.Error as exc:
            raise InputError(f"{path} cannot be written: {exc}") from exc
    return count
