"""What the index gives, as ratios against DuckDB on Parquet and MLflow's file store, measured in one run.

    python bench/bench_index.py [--records 1000000] [--files 1000] [--folder DISK] [--json FILE] [--mlflow PYTHON]

The archive is synthetic: 1.8 KB a record, 20,480 prompts, 1,280 combinations of settings, one record in twenty rated.
Timed pairs take turns, and their medians are compared. DuckDB needs the extra `analytics`; PYTHON is an interpreter
that has mlflow (mlflow-skinny is enough). What is missing is said and left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from index_data import write_archive
from stablenew.config import PipelineConfig, Txt2ImgSettings
from stablenew.learning.index_query import Group
from stablenew.learning.learning_feedback import RatingWriter, new_rating
from stablenew.learning.learning_record import ExecutionContext, LearningRecord, LearningRecordWriter
from stablenew.learning.record_filter import parse_condition
from stablenew.learning.record_index import Query, RecordIndex
from stablenew.learning.record_wire import decode_record
from stablenew.workspace import Workspace

TWO = ["sampler", "scheduler"]
FIVE = ["model", *TWO, "cfg_scale", "steps"]
TURNS = 9
LOTS = 12

MLFLOW = """
import json, sys, time
import mlflow
mlflow.set_tracking_uri("file://" + sys.argv[1])
experiment = mlflow.create_experiment("bench")
start = time.perf_counter()
for number in range(300):
    with mlflow.start_run(experiment_id=experiment):
        mlflow.log_params({"sampler": ("Euler", "DDIM")[number % 2], "steps": 20 + number % 3, "cfg_scale": 7.0,
                           "scheduler": "Karras", "model": "m", "seed": number})
        mlflow.log_metrics({"rating": 1 + number % 5, "seconds": 3.25})
logged = time.perf_counter()
found = mlflow.search_runs([experiment], order_by=["metrics.rating DESC"], output_format="list", max_results=1000)
assert len(found) == 300
print(json.dumps([logged - start, time.perf_counter() - logged]))
"""


def in_turns(*actions: Callable[[], object]) -> list[float]:
    """The median seconds of each action, all of them measured in turns."""
    taken: list[list[float]] = [[] for _ in actions]
    for turn in range(TURNS + 1):
        for times, action in zip(taken, actions, strict=True):
            start = time.perf_counter()
            action()
            if turn:  # the first one warms caches
                times.append(time.perf_counter() - start)
    return [statistics.median(times) for times in taken]


def build(workspace: Workspace) -> dict[str, float]:
    """Index everything in this process; what it took."""
    before = time.process_time()
    with RecordIndex.of(workspace) as index:
        lines = index.catch_up().lines
    return {
        "lines": lines,
        "cpu_us": (time.process_time() - before) / max(lines, 1) * 1e6,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def full_build(workspace: Workspace) -> dict[str, float]:
    """A full build in a fresh process, with the cost of only decoding a line at the same time as a yardstick."""
    for path in workspace.index.parent.glob("index.sqlite*"):
        path.unlink()
    command = [sys.executable, __file__, "--build", str(workspace.root)]
    found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    found["bytes_a_record"] = workspace.index.stat().st_size / found["lines"]
    found["decode_us"] = decode_cost(workspace)
    return found


def decode_cost(workspace: Workspace) -> float:
    """CPU microseconds that msgspec alone takes to decode and validate one line."""
    lines = next(iter(sorted(workspace.records.iterdir()))).read_bytes().splitlines()
    before = time.process_time()
    for line in lines * 5:
        decode_record(line)
    return (time.process_time() - before) / (5 * len(lines)) * 1e6


def catch_up_cost(workspace: Workspace) -> dict[str, float]:
    """Lots of 10,000 records in ten files, each caught up by an index opened and closed for it; then by one left open.

    So many lots that the keys that wait are merged at least once: the means have their share of that in them.
    """
    opened, staying = [], []
    for lot in range(LOTS):
        append_lot(workspace, lot)
        before = time.process_time()
        with RecordIndex.of(workspace) as index:
            lines = index.catch_up().lines
        opened.append((time.process_time() - before) / lines * 1e6)
    with RecordIndex.of(workspace) as index:
        index.catch_up()
        for lot in range(LOTS, 2 * LOTS):
            append_lot(workspace, lot)
            before = time.process_time()
            lines = index.catch_up().lines
            staying.append((time.process_time() - before) / lines * 1e6)
        idle = in_turns(index.catch_up)[0]
    return {
        "opened_cpu_us": statistics.mean(opened),
        "opened_cpu_us_median": statistics.median(opened),
        "staying_cpu_us": statistics.mean(staying),
        "staying_cpu_us_median": statistics.median(staying),
        "decode_us": decode_cost(workspace),
        "idle_ms": idle * 1e3,
    }


def append_lot(workspace: Workspace, lot: int) -> None:
    """Append 1,000 records with ids of their own, later than all there are, to each of ten files."""
    for number, path in enumerate(sorted(workspace.records.iterdir())[:10]):
        lines = path.read_bytes().splitlines()[:1000]
        fresh = [
            line.replace(b'"record_id":"', b'"record_id":"n%d-%d-' % (lot, number), 1)
            .replace(b'"timestamp":"2026', b'"timestamp":"%d' % (2027 + lot), 1)
            for line in lines
        ]  # fmt: skip
        with path.open("ab") as file:
            file.write(b"\n".join(fresh) + b"\n")


def against_duckdb(workspace: Workspace, folder: Path) -> dict[str, float]:
    """Group-by and the last 50 records with bodies, against DuckDB on zstd Parquet of the same records."""
    import duckdb

    parquet = folder / "records.parquet"
    db = duckdb.connect()
    db.execute(
        f"""COPY (SELECT r.* REPLACE (struct_update(run, timestamp := run.timestamp::VARCHAR) AS run), s.score AS rating
            FROM read_json('{workspace.records}/*.jsonl', format='newline_delimited') AS r
            LEFT JOIN read_json('{workspace.ratings}/*.jsonl') AS s ON s.record_id = r.run.record_id)
            TO '{parquet}' (FORMAT parquet, COMPRESSION zstd)"""
    )
    newest = f"SELECT * FROM '{parquet}' ORDER BY run.timestamp DESC LIMIT 50"
    with RecordIndex.of(workspace) as index:
        for by in (TWO, FIVE):
            assert _as_groups(index.groups(by)) == _as_groups_of_duckdb(db.execute(_grouped(parquet, by)).fetchall())
        where = (parse_condition("run=run-00007"),)
        questions: dict[str, Callable[[], object]] = {
            "two": lambda: index.groups(TWO),
            "five": lambda: index.groups(FIVE),
            "last_50": lambda: list(index.records(Query(limit=50))),
            "search": lambda: list(index.records(Query(words="lighthouse moonlight", limit=50))),
            "rows": lambda: index.groups(["pack_name", "day"], where),
        }
        theirs: dict[str, Callable[[], object]] = {
            "duckdb_two": lambda: db.execute(_grouped(parquet, TWO)).fetchall(),
            "duckdb_five": lambda: db.execute(_grouped(parquet, FIVE)).fetchall(),
            "duckdb_last_50": lambda: db.execute(newest).fetchall(),
        }
        times = in_turns(*questions.values(), *theirs.values(), index.catch_up)
        # Every question of ours first looks for news in the files; DuckDB reads one file that stays as it is.
        with index.held_still():
            still = in_turns(*questions.values(), *theirs.values())
    names = [*questions, *theirs, "look_for_news"]
    found = {f"{name}_ms": seconds * 1e3 for name, seconds in zip(names, times, strict=True)}
    found |= {f"{name}_still_ms": seconds * 1e3 for name, seconds in zip(names[:-1], still, strict=True)}
    found["parquet_mb"] = parquet.stat().st_size / 1e6
    for name in ("two", "five", "last_50"):
        found[f"{name}_ratio"] = found[f"duckdb_{name}_ms"] / found[f"{name}_ms"]
        found[f"{name}_ratio_still"] = found[f"duckdb_{name}_still_ms"] / found[f"{name}_still_ms"]
    return found


def _grouped(parquet: Path, by: list[str]) -> str:
    columns = ", ".join(f"pipeline.{name}" for name in by)
    return f"SELECT {columns}, count(*), count(rating), sum(rating) FROM '{parquet}' GROUP BY ALL"


def _as_groups(groups: list[Group]) -> dict[tuple[object, ...], tuple[int, int, int]]:
    return {group.values: (group.n, group.rated, group.score // 1000) for group in groups}


def _as_groups_of_duckdb(rows: list[tuple[Any, ...]]) -> dict[tuple[object, ...], tuple[int, int, int]]:
    return {row[:-3]: (row[-3], row[-2], int(row[-1] or 0)) for row in rows}


def cold_query(workspace: Workspace) -> float:
    """Seconds from the start of the process to the end of a grouped query's output, the median of several."""
    command = [sys.executable, "-m", "stablenew", "records", "stats", "--by", "sampler", "--json"]
    environment = {**os.environ, "STABLENEW_WORKSPACE": str(workspace.root)}
    return in_turns(lambda: subprocess.run(command, capture_output=True, check=True, env=environment))[0]


def against_mlflow(python: str, folder: Path) -> dict[str, float]:
    """300 runs logged and queried: records and ratings on one side, runs with parameters and metrics on the other."""
    store = folder / "mlruns"
    environment = {**os.environ, "MLFLOW_ALLOW_FILE_STORE": "true"}
    command = [python, "-c", MLFLOW, str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    logged, queried = json.loads(done.stdout.splitlines()[-1])
    workspace = Workspace(root=folder / "ours")
    start = time.perf_counter()
    writer, ratings = LearningRecordWriter(workspace.records), RatingWriter(workspace.ratings, durability="background")
    for number in range(300):
        settings = Txt2ImgSettings(sampler=("Euler", "DDIM")[number % 2], steps=20 + number % 3, scheduler="Karras")
        context = ExecutionContext(
            run_id="bench", record_id=f"r{number}", seed=number, prompt="a fox", duration_s=3.25, host_id="h"
        )
        config = PipelineConfig(model="m", txt2img=settings)
        writer.write_record(LearningRecord.from_pipeline_context(config, context))
        ratings.append(new_rating(f"r{number}", score=1 + number % 5))
    ours_logged = time.perf_counter()
    with RecordIndex.of(workspace) as index:
        assert len(list(index.records(Query(sort="rating", limit=1000)))) == 300
        ours_queried = time.perf_counter()
        again = in_turns(lambda: list(index.records(Query(sort="rating", limit=1000))), lambda: index.groups(FIVE))
    writer.close()
    ratings.close()
    ours = ours_queried - start
    return {
        "mlflow_log_s": logged,
        "mlflow_query_s": queried,
        "ours_log_s": ours_logged - start,
        "ours_first_query_s": ours_queried - ours_logged,
        "ours_query_ms": again[0] * 1e3,
        "ours_groups_ms": again[1] * 1e3,
        "log_ratio": logged / (ours_logged - start),
        "query_ratio": queried / again[0],
        "grouped_query_ratio": queried / again[1],
        "all_ratio": (logged + queried) / ours,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure; a temporary one by default")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--mlflow", help="an interpreter that has mlflow")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:
        print(json.dumps(build(Workspace(root=options.build))))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        workspace = Workspace(root=folder)
        write_archive(folder / "learning", options.files, options.records // options.files)
        found: dict[str, object] = {"machine": f"{platform.platform()}, {os.cpu_count()} CPUs", "load": os.getloadavg()}
        found["full_build"] = full_build(workspace)
        found["cold_query_s"] = cold_query(workspace)
        if importlib.util.find_spec("duckdb"):
            found["duckdb"] = against_duckdb(workspace, folder)
        else:
            found["duckdb"] = "left out: pip install stablenew[analytics]"
        found["catch_up"] = catch_up_cost(workspace)
        found["load_at_the_end"] = os.getloadavg()
        found["mlflow"] = against_mlflow(options.mlflow, folder) if options.mlflow else "left out: give --mlflow PYTHON"
    text = json.dumps(found, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
