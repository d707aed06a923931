"""How good the advice is, in made-up worlds with a known answer, against what people do without it.

    python bench/bench_recommend.py [--seeds 20] [--families NAME ...] [--scenario NAME ...] [--jobs 2] [--json FILE]

Four families of landscapes (taste_world.py), as many worlds of each as there are seeds, and in each a person with
noise, bias, drift and misclicks. The engine gets records and ratings and gives advice and the next row
(taste_scenarios.py). Regret is how many stars worse the settings believed best are than the best there are; tables tell
medians over worlds. Optuna is left out where it is not installed. See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from taste_scenarios import Finding

FAMILIES = ("additive", "diffusion", "gpmix", "needle")
ALL = "all"
DEFAULT = ("cold", "focus", "packs", "clicks", "noise", "cpu")
TITLES = {
    "cold": "cold start, nine settings",
    "focus": "cold start, six settings",
    "packs": "3,000 old ratings of ten other packs, then new ones",
    "clicks": "15 clicks on the best of six against 60 stars, random rows",
    "quick": "cold start, cut short",
}
ENGINE = "engine"
TIMED_SEEDS = 2
"""Processor time is much the same in every world: so many of each family are enough."""
AIMS = {"random": 0.45, "Optuna TPE": 0.5, "sweeps": 0.45, "value means": 0.6}


def measure(task: tuple[str, str, int]) -> list[Finding]:
    """One scenario in one world."""
    from taste_scenarios import SCENARIOS

    scenario, family, seed = task
    return SCENARIOS[scenario](family, seed)


def measured(tasks: Sequence[tuple[str, str, int]], jobs: int) -> list[Finding]:
    """All of `tasks` by `jobs` processes, in the order of the tasks."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(measure, task): task for task in tasks}
        for done, each in enumerate(as_completed(waiting), 1):
            print(f"\r{done} of {len(tasks)}: {waiting[each]}".ljust(60), end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        return [finding for each in waiting for finding in each.result()]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lines with the first column to the left and all others to the right."""
    every = [head, *rows]
    widths = [max(len(row[at]) for row in every) for at in range(len(head))]
    lines = ("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in every)
    return "\n".join(line.rstrip() for line in lines)


def middle(values: Iterable[float | None]) -> str:
    """The median of what is known of `values`."""
    known = [value for value in values if value is not None]
    return f"{median(known):.2f}" if known else "-"


def share(values: Iterable[bool | None]) -> str:
    """Which part of what is known of `values` is true."""
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):.2f}" if known else "-"


def columns(found: Sequence[Finding], of: Callable[[Finding], object]) -> list[object]:
    """The different values of `of`, as they come."""
    return list(dict.fromkeys(map(of, found)))


def regrets(found: Sequence[Finding]) -> str:
    """Median regret of each method after so many ratings."""
    marks = columns(found, lambda each: each.ratings)
    methods = columns(found, lambda each: each.method)
    rows = (
        [
            str(method),
            *(middle(each.regret for each in found if (each.method, each.ratings) == (method, mark)) for mark in marks),
        ]
        for method in methods
    )
    return table(["median regret after", *map(str, marks)], rows)


def by_family(found: Sequence[Finding]) -> str:
    """The engine's median regret in the end, and the ratios of it to each rival's, by family and over all."""
    last = [each for each in found if each.ratings == max(finding.ratings for finding in found)]
    families = [*columns(last, lambda each: each.family), ALL]

    def regret(method: str, family: object) -> float:
        return median(
            each.regret
            for each in last
            if each.method == method and family in (ALL, each.family) and each.regret is not None
        )

    rows = [[f"engine after {last[0].ratings}", *(f"{regret(ENGINE, family):.2f}" for family in families), ""]]
    for method in map(str, columns(last, lambda each: each.method)):
        if method != ENGINE:
            ratios = (regret(ENGINE, family) / regret(method, family) for family in families)
            aim = f"{AIMS[method]:g}" if method in AIMS else ""
            rows.append([f"over {method}", *(f"{ratio:.2f}" for ratio in ratios), aim])
    return table(["ratio of medians", *map(str, families), "aim"], rows)


def gate(found: Sequence[Finding]) -> str:
    """How often something was advised after so many ratings, and how that turned out."""
    own = [each for each in found if each.enough is not None]
    marks = columns(own, lambda each: each.ratings)
    groups = [(str(mark), [each for each in own if each.ratings == mark]) for mark in marks]
    rows = (
        [
            name,
            share(each.enough for each in group),
            str(sum(bool(each.enough) for each in group)),
            middle(each.advised for each in group),
            middle(each.error for each in group),
            share(each.in80 for each in group),
            share(each.in95 for each in group),
        ]
        for name, group in [*groups, (ALL, own)]
    )
    return table(["ratings", "advised in", "worlds", "regret", "expected too high by", "in 80 %", "in 95 %"], rows)


def abstaining(found: Sequence[Finding]) -> str:
    """In which share of worlds without any effect something was ever advised until so many ratings."""
    marks = columns(found, lambda each: each.ratings)
    rows = (
        [
            str(name),
            *(
                share(each.enough for each in found if each.ratings == mark and name in (ALL, each.method))
                for mark in marks
            ),
        ]
        for name in [*columns(found, lambda each: each.method), ALL]
    )
    return table(["advised until", *map(str, marks)], rows)


def seconds(found: Sequence[Finding]) -> str:
    """Median processor seconds by the number of distinct rated settings."""
    counts = columns(found, lambda each: each.ratings)
    rows = (
        [str(name), *(middle(each.cpu for each in found if (each.method, each.ratings) == (name, n)) for n in counts)]
        for name in columns(found, lambda each: each.method)
    )
    return table(["CPU seconds at", *map(str, counts)], rows)


def report(scenario: str, found: Sequence[Finding]) -> Iterator[str]:
    """The tables of one scenario."""
    if scenario == "noise":
        yield "no setting matters: share of worlds in which something was advised (aim 0.05 or less)"
        yield abstaining(found)
    elif scenario == "cpu":
        yield "processor time, one thread (aim for the next row: 0.3 and 1.5)"
        yield seconds(found)
    else:
        yield TITLES[scenario]
        yield regrets(found)
        if scenario in ("cold", "focus", "quick"):
            yield by_family(found)
        if scenario != "clicks":
            yield gate(found)


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="worlds of each family")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--scenario", nargs="+", choices=[*DEFAULT, "quick"], default=list(DEFAULT))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes at once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="store every single finding")
    return parser.parse_args()


def main() -> None:
    """Measure and print everything."""
    chosen = options()
    # Read when numpy is imported, which only the processes started from here on do.
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} CPUs")
    print(f"{chosen.seeds} worlds of each of {', '.join(chosen.families)}")
    every: list[Finding] = []
    for scenario in chosen.scenario:
        start = time.perf_counter()
        seeds = min(chosen.seeds, TIMED_SEEDS) if scenario == "cpu" else chosen.seeds
        found = measured(list(product([scenario], chosen.families, range(seeds))), chosen.jobs)
        print("", *report(scenario, found), sep="\n\n")
        print(f"\n{time.perf_counter() - start:.0f} s at a load of {os.getloadavg()[0]:.0f}", flush=True)
        every += found
    if chosen.json:
        chosen.json.write_text(json.dumps([dataclasses.asdict(each) for each in every], indent=1) + "\n")


if __name__ == "__main__":
    main()
