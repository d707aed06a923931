"""SQL over all records and ratings with DuckDB, packed or not."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from stablenew.errors import InputError
from stablenew.learning.learning_reader import record_files
from stablenew.learning.rating_fold import read_feedback
from stablenew.learning.record_packs import is_pack, open_duckdb
from stablenew.workspace import Workspace

COLUMNS = {
    "record_id": "run.record_id", "run_id": "run.run_id", "timestamp": "run.timestamp", "source": "run.source",
    "experiment_id": "run.experiment_id", "user_id": "run.user_id", "host_id": "run.host_id",
    "pack_name": "prompt.pack_name", "prompt": "prompt.prompt", "negative_prompt": "prompt.negative_prompt",
    "model": "pipeline.model", "vae": "pipeline.vae", "sampler": "pipeline.sampler", "scheduler": "pipeline.scheduler",
    "backend": "pipeline.backend", "settings_key": "pipeline.settings_key", "status": "outcome.status",
    "error_type": "outcome.error_type",
}  # fmt: skip
NUMBERS = {
    "seed": ("prompt.seed", "BIGINT"),
    "cfg_scale": ("pipeline.cfg_scale", "DOUBLE"),
    "steps": ("pipeline.steps", "INT"),
    "width": ("pipeline.width", "INT"),
    "height": ("pipeline.height", "INT"),
    "seconds": ("outcome.duration_s", "DOUBLE"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The columns of a query's result and its rows."""

    names: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def query_records(workspace: Workspace, sql: str) -> Answer:
    """The answer to `sql`, which may ask the tables `records` (each record once, its columns, `rating`, `tags`, and the
    whole record as the JSON `record`) and `feedback`. Raises InputError when it is wrong or DuckDB is missing.
    """
    db = open_duckdb()
    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        try:
            _create_views(db, workspace, Path(folder))
            found = db.execute(sql)
            names = tuple(column[0] for column in found.description or ())
            return Answer(names=names, rows=found.fetchall())
        except duckdb.Error as exc:
            raise InputError(str(exc)) from exc
        finally:
            db.close()


def _create_views(db: Any, workspace: Workspace, folder: Path) -> None:
    feedback = folder / "feedback.jsonl"
    with feedback.open("wb") as file:
        for record_id, held in read_feedback(workspace.ratings).items():
            said = held.as_info()
            row = {"record_id": record_id, "rating": said.rating, "tags": said.tags, "notes": said.notes}
            file.write(msgspec.json.encode(row) + b"\n")
    db.execute(
        f"""CREATE TABLE feedback AS FROM read_json({_text(feedback)}, format = 'newline_delimited',
            columns = {{record_id: 'VARCHAR', rating: 'DOUBLE', tags: 'VARCHAR[]', notes: 'VARCHAR'}})"""
    )
    columns = [f"record->>'$.{path}' AS {name}" for name, path in COLUMNS.items()]
    columns += [f"TRY_CAST(record->>'$.{path}' AS {kind}) AS {name}" for name, (path, kind) in NUMBERS.items()]
    db.execute(
        f"""CREATE VIEW records AS
            WITH lines AS ({_lines(workspace)}),
            parts AS (SELECT {", ".join(columns)}, record, file, place FROM lines WHERE record IS NOT NULL),
            current AS (SELECT * EXCLUDE (file, place) FROM parts WHERE record_id IS NOT NULL AND status IS NOT NULL
                QUALIFY row_number() OVER (PARTITION BY record_id
                    ORDER BY status = 'ok' DESC, timestamp DESC, file DESC, place DESC) = 1)
            SELECT c.*, coalesce(f.rating, TRY_CAST(c.record->>'$.feedback.rating' AS DOUBLE)) AS rating,
                coalesce(f.tags, []) AS tags, coalesce(f.notes, '') AS notes
            FROM current c LEFT JOIN feedback f USING (record_id)"""
    )


def _lines(workspace: Workspace) -> str:
    """Every readable line as JSON, with its file and its place in it."""
    files = record_files(workspace.records)
    plain, packs = [file for file in files if not is_pack(file)], [file for file in files if is_pack(file)]
    parts = ["SELECT NULL::JSON AS record, NULL::VARCHAR AS file, NULL::BIGINT AS place WHERE false"]
    if plain:
        names = ", ".join(map(_text, plain))
        # A line DuckDB cannot read becomes NULL, and is left out with the empty ones.
        parts.append(
            f"""SELECT json AS record, filename AS file, row_number() OVER () AS place
                FROM read_ndjson_objects([{names}], ignore_errors = true, filename = true,
                    maximum_object_size = 67108864)"""
        )
    if packs:
        names = ", ".join(map(_text, packs))
        parts.append(
            f"""SELECT TRY_CAST(line AS JSON) AS record, filename AS file, place
                FROM read_parquet([{names}], filename = true)"""
        )
    return " UNION ALL ".join(parts)


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
