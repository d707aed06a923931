"""What planning costs against dynamicprompts, and how evenly a limited plan is spread, measured in one run.

    python bench/bench_plans.py [--variants N] [--rounds N] [--json FILE]

The two sides take turns and their medians of CPU time are compared. A variant of ours has its prompt, negative prompt,
bindings, seed and settings; dynamicprompts gives the text alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, islice, product
from pathlib import Path
from random import Random

from dynamicprompts.generators import CombinatorialPromptGenerator
from dynamicprompts.wildcards import WildcardManager

from stablenew.config import PipelineConfig
from stablenew.prompts.axes import parse_axis
from stablenew.prompts.balanced import BalancedOrder
from stablenew.prompts.pack import parse_pack
from stablenew.prompts.randomizer import Plan, make_plan
from stablenew.prompts.wildcards import Wildcards, WildcardValues

NAMES = "abcde"
WORDS = {name: [f"{name}{i}" for i in range(100)] for name in NAMES}
PHRASES = {name: [f"{name} phrase {i}, of words" for i in range(100)] for name in NAMES}
FIVE_WILDCARDS = "a __a__ and __b__ in __c__, __d__ with __e__"


def alternatives(values: dict[str, list[str]]) -> str:
    """The same line with its values written into it."""
    text = FIVE_WILDCARDS
    for name, options in values.items():
        text = text.replace(f"__{name}__", "{" + "|".join(options) + "}")
    return text


def our_plan(template: str, values: dict[str, list[str]], limit: int | None = None, varied: Sequence[str] = ()) -> Plan:
    """A plan of one line, from its text."""
    given = {name: WildcardValues(texts=tuple(options)) for name, options in values.items()}
    lines = parse_pack(template, name="bench").prompt_lines()
    axes = [parse_axis(text) for text in varied]
    return make_plan(PipelineConfig(), lines, axes=axes, limit=limit, wildcards=Wildcards(given=given))


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def consume(items: Iterable[object], count: int) -> None:
    """Take `count` items, keeping none."""
    for _ in islice(items, count):
        pass


def against_dynamicprompts(template: str, values: dict[str, list[str]], variants: int, rounds: int) -> dict[str, float]:
    """Microseconds a variant, and the ratios, for the grid in order and for a balanced plan of the same length."""
    generator = CombinatorialPromptGenerator(WildcardManager(root_map={"": [dict(values)]}))
    works: dict[str, Callable[[], object]] = {
        "theirs": lambda: generator.generate(template, variants),
        "grid": lambda: consume(our_plan(template, values), variants),
        "balanced": lambda: consume(our_plan(template, values, variants), variants),
    }
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(cpu(work))
    median = {name: statistics.median(found) / variants * 1e6 for name, found in times.items()}
    return {
        **{f"{name}_us": value for name, value in median.items()},
        "grid_ratio": median["theirs"] / median["grid"],
        "balanced_ratio": median["theirs"] / median["balanced"],
    }


def large_plan() -> dict[str, float]:
    """A pack of 25 billion combinations limited to 40: planned from its text and all 40 variants made."""
    values = {name: [f"{name} {i}" for i in range(120)] for name in NAMES}

    def work() -> Plan:
        plan = our_plan(FIVE_WILDCARDS, values, 40)
        consume(plan, 40)
        return plan

    times = [cpu(work) * 1e3 for _ in range(20)]
    return {"combinations": work().total, "first_ms": times[0], "median_ms": statistics.median(times)}


def evenness(cells: Sequence[tuple[int, ...]], levels: Sequence[int]) -> tuple[int, float]:
    """(the largest difference between two levels of an axis, the root mean square distance of pairs from even)."""
    worst = 0
    for j, count in enumerate(levels):
        counts = Counter(cell[j] for cell in cells)
        worst = max(worst, max(counts.values()) - min(counts[level] for level in range(count)))
    loss, pairs = 0.0, 0
    for i, j in combinations(range(len(levels)), 2):
        found = Counter((cell[i], cell[j]) for cell in cells)
        share = len(cells) / (levels[i] * levels[j])
        loss += sum((found[pair] - share) ** 2 for pair in product(range(levels[i]), range(levels[j])))
        pairs += levels[i] * levels[j]
    return worst, (loss / pairs) ** 0.5


def balance_table() -> list[dict[str, object]]:
    """Limited plans of 40 against the first 40 of the grid and the mean of 50 random choices."""
    rows: list[dict[str, object]] = []
    rng = Random(1)
    for levels in [(5, 5, 5, 5), (3, 4, 5), (7, 5, 3, 2, 4), (10, 9, 8), (2,) * 8, (6, 6, 4), (24, 6, 4, 9)]:
        every = list(product(*map(range, levels)))
        order = BalancedOrder(levels)
        random = [evenness(rng.sample(every, 40), levels) for _ in range(50)]
        rows.append(
            {
                "levels": "x".join(map(str, levels)),
                "balanced": evenness([order.cell(k) for k in range(40)], levels),
                "random": tuple(statistics.mean(column) for column in zip(*random, strict=True)),
                "prefix": evenness(every[:40], levels),
            }
        )
    return rows


def main() -> None:
    """Measure and print everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--variants", type=int, default=100_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    chosen = parser.parse_args()
    size = chosen.variants, chosen.rounds
    found = {
        "alternatives": against_dynamicprompts(alternatives(WORDS), {}, *size),
        "wildcards of phrases": against_dynamicprompts(FIVE_WILDCARDS, PHRASES, *size),
        "wildcards of single words": against_dynamicprompts(FIVE_WILDCARDS, WORDS, *size),
        "25 billion limited to 40": large_plan(),
        "balance": balance_table(),
    }
    text = json.dumps(found, indent=1)
    print(text)
    if chosen.json:
        chosen.json.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
