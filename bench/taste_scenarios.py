"""One made-up world at a time through the engine's public interface: records and ratings in, advice and next row out.

Each scenario takes a family and a seed and tells what was found as Findings; what they come to is bench_recommend's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from stablenew.learning.evidence import Evidence
from stablenew.learning.recommend import next_batch, recommend
from stablenew.learning.recommendation import Recommendation
from taste_archive import ROW, Archive, Stars, as_rows, baseline, new_archive, numbers
from taste_rivals import Rival, rated_at_random, rivals_at_hand
from taste_world import Floats, World

ENGINE, PASSIVE = "engine", "engine, random"
MARKS = (12, 24, 30, 48, 80)
GATE_FROM = 24
OLD_PACKS, OLD_RATINGS = 10, 3000
NEW_MARKS = (0, 12, 24)
CHOICES, CLICKED_STARS = 15, 60
NOISE_MARKS = (24, 48, 80, 160)
NOISES = {"sd 0.3": 0.3, "sd 0.6": 0.6, "sd 1.0": 1.0, "sd 1.5": 1.5, "uniform 1..5": 0.0}
"""Worlds of no effect: the spread of stars around 3; 0 is for stars that are all as likely."""
TIMED = (160, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one method made of one world after so many ratings.

    `regret` is of the settings believed best. `enough`: whether `recommend` named any, None where it was not asked;
    `advised`: their regret, `error`: what it expected of them less what they get, `in80` and `in95`: whether its
    intervals hold that.
    """

    scenario: str
    method: str
    family: str
    seed: int
    ratings: int
    regret: float | None = None
    enough: bool | None = None
    advised: float | None = None
    error: float | None = None
    in80: bool | None = None
    in95: bool | None = None
    cpu: float | None = None


Scenario = Callable[[str, int], list[Finding]]


def cold(family: str, seed: int) -> list[Finding]:
    """Nine settings and nothing known; the rivals get as many ratings of a person of the same taste."""
    return _from_nothing("cold", family, seed, MARKS, rivals_at_hand())


def focus(family: str, seed: int) -> list[Finding]:
    """Six settings: one model, VAE and size."""
    return _from_nothing("focus", family, seed, MARKS, rivals_at_hand())


def quick(family: str, seed: int) -> list[Finding]:
    """A cold start that ends early: whether all of this still works."""
    return _from_nothing("quick", family, seed, (12, 24), rivals_at_hand())


def packs(family: str, seed: int) -> list[Finding]:
    """Many ratings of random settings in other packs, then few in a new one, its rows chosen by the engine."""
    new = World(family, seed, OLD_PACKS + 1)
    archive = new_archive(new)
    rng = np.random.default_rng([seed, 3])
    for pack in range(1, OLD_PACKS + 1):
        old = World(family, seed, pack)
        rows, stars = rated_at_random(old, (OLD_RATINGS // OLD_PACKS,), rng)
        for start in range(0, len(rows), ROW):
            archive.add_stars(rows[start : start + ROW], stars[start : start + ROW], f"pack {pack}")
    asked = _asked(archive, new.rate_row, NEW_MARKS, "new")
    return [_finding("packs", ENGINE, new, mark, evidence, row, "new") for mark, evidence, row in asked]


def clicks(family: str, seed: int) -> list[Finding]:
    """Fifteen clicks on the best of six, against sixty stars, both on random rows."""
    world, rng = World(family, seed), np.random.default_rng([seed, 4])
    chosen, starred = new_archive(world), new_archive(world)
    for _ in range(CHOICES):
        rows = world.space.random(rng, ROW)
        chosen.add_choice(rows, world.best_of(rows))
    rated = World(family, seed)
    for _ in range(CLICKED_STARS // ROW):
        rows = rated.space.random(rng, ROW)
        starred.add_stars(rows, rated.rate_row(rows))
    return [
        _finding("clicks", method, world, count, archive.evidence())
        for method, count, archive in (("best of six", CHOICES, chosen), ("stars", CLICKED_STARS, starred))
    ]


def noise(family: str, seed: int) -> list[Finding]:
    """All settings are equally good, and the engine chooses what is seen: whether it ever claims to know better.

    `enough` at a mark: so far or before.
    """
    found = []
    for number, (name, spread) in enumerate(NOISES.items()):
        world, rng = World(family, seed), np.random.default_rng([seed, 5, number, *family.encode()])
        enough = False
        for mark, evidence, _ in _asked(new_archive(world), _careless(spread, rng), NOISE_MARKS):
            enough = enough or recommend(evidence, baseline()).enough
            found.append(Finding(scenario="noise", method=name, family=family, seed=seed, ratings=mark, enough=enough))
    return found


def cpu(family: str, seed: int) -> list[Finding]:
    """Processor time of the next row of six and of the advice, every rated setting another one."""
    found = []
    for ratings in TIMED:
        world = World(family, seed)
        archive = new_archive(world)
        rows, stars = rated_at_random(world, (ratings,), np.random.default_rng([seed, 6]))
        for start in range(0, ratings, ROW):
            archive.add_stars(rows[start : start + ROW], stars[start : start + ROW])
        evidence = archive.evidence()
        actions: dict[str, Callable[[], object]] = {
            "next_batch of 6": partial(next_batch, evidence, baseline(), size=ROW),
            "recommend": partial(recommend, evidence, baseline()),
        }
        found += [
            Finding(scenario="cpu", method=name, family=family, seed=seed, ratings=ratings, cpu=_cpu(action))
            for name, action in actions.items()
        ]
    return found


SCENARIOS: dict[str, Scenario] = {each.__name__: each for each in (cold, focus, packs, clicks, noise, cpu, quick)}


def _from_nothing(
    scenario: str, family: str, seed: int, marks: Sequence[int], rivals: dict[str, Rival]
) -> list[Finding]:
    narrow = scenario == "focus"
    world = World(family, seed, focus=narrow)
    found = [
        _finding(scenario, ENGINE, world, mark, evidence, row)
        for mark, evidence, row in _asked(new_archive(world), world.rate_row, marks)
    ]
    passive = World(family, seed, focus=narrow)
    rows, stars = rated_at_random(passive, marks, np.random.default_rng([seed, 1]))
    archive, done = new_archive(passive), 0
    for mark in marks:
        while done < mark:
            end = min(done + ROW, mark)
            archive.add_stars(rows[done:end], stars[done:end])
            done = end
        found.append(_finding(scenario, PASSIVE, passive, mark, archive.evidence()))
    for name, rival in rivals.items():
        believed = rival(World(family, seed, focus=narrow), marks, np.random.default_rng([seed, 1]))
        found += [
            Finding(scenario=scenario, method=name, family=family, seed=seed, ratings=mark, regret=world.regret(row))
            for mark, row in believed.items()
        ]
    return found


def _asked(
    archive: Archive, rate: Stars, marks: Sequence[int], pack: str = ""
) -> Iterator[tuple[int, Evidence, Floats]]:
    """The engine chooses rows and gets their stars: at each of `marks` the evidence, and what it believes best."""
    done, start = 0, baseline()
    for mark in marks:
        while done < mark:
            batch = as_rows(next_batch(archive.evidence(), start, context=pack, size=min(ROW, mark - done)))
            archive.add_stars(batch, rate(batch), pack)
            done += len(batch)
        evidence = archive.evidence()
        yield mark, evidence, numbers(next_batch(evidence, start, context=pack, size=1)[0])


def _finding(
    scenario: str,
    method: str,
    world: World,
    ratings: int,
    evidence: Evidence,
    best: Floats | None = None,
    pack: str = "",
) -> Finding:
    """`best`: what the engine believes best, asked for where it is not known yet."""
    if best is None:
        best = numbers(next_batch(evidence, baseline(), context=pack, size=1)[0])
    found = Finding(
        scenario=scenario,
        method=method,
        family=world.family,
        seed=world.seed,
        ratings=ratings,
        regret=world.regret(best),
    )
    asked = method == ENGINE and (ratings >= GATE_FROM or pack)
    return _with_advice(found, world, recommend(evidence, baseline(), context=pack)) if asked else found


def _with_advice(found: Finding, world: World, advice: Recommendation) -> Finding:
    """`found` with how the advice turned out, where any was given."""
    if not advice.enough:
        return replace(found, enough=False)
    advised = numbers(advice.settings)
    stars, expected = float(world.stars(advised[None])[0]), advice.expected
    return replace(
        found,
        enough=True,
        advised=world.regret(advised),
        error=expected.mean - stars,
        in80=expected.low80 <= stars <= expected.high80,
        in95=expected.low <= stars <= expected.high,
    )


def _careless(spread: float, rng: np.random.Generator) -> Stars:
    """Stars that settings have nothing to do with."""

    def rate(rows: Floats) -> list[int]:
        if not spread:
            return [int(each) for each in rng.integers(1, 6, len(rows))]
        return [int(each) for each in np.clip(np.round(3 + rng.normal(0, spread, len(rows))), 1, 5)]

    return rate


def _cpu(action: Callable[[], object]) -> float:
    """Processor seconds of `action`, the better of two times: the first may have to import."""
    times = []
    for _ in range(2):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times)
