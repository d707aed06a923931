"""What people do without the engine: random settings, Optuna, one setting at a time, and the mean stars of each value.

Each takes a world and the numbers of ratings at which it is asked, and tells the settings it believes best at each.
Where several are rated best, chance decides.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from taste_archive import NAMES, ROW
from taste_world import CATEGORIES, GRIDS, USUAL, Floats, World

Marks = Sequence[int]
Believed = dict[int, Floats]
Rival = Callable[[World, Marks, np.random.Generator], Believed]

BINS = 5
"""Numbers are counted in so many equal parts of their range."""


def rated_at_random(world: World, marks: Marks, rng: np.random.Generator) -> tuple[Floats, list[int]]:
    """Random settings in rows, and their stars."""
    rows = world.space.random(rng, marks[-1])
    stars: list[int] = []
    for start in range(0, len(rows), ROW):
        stars += world.rate_row(rows[start : start + ROW])
    return rows, stars


def nothing_changed(world: World, marks: Marks, rng: np.random.Generator) -> Believed:
    """The usual settings, whatever is rated."""
    return dict.fromkeys(marks, USUAL)


def random_search(world: World, marks: Marks, rng: np.random.Generator) -> Believed:
    """The best rated of random settings."""
    rows, stars = rated_at_random(world, marks, rng)
    return {mark: rows[_one_of_the_best(stars[:mark], rng)] for mark in marks}


def value_means(world: World, marks: Marks, rng: np.random.Generator) -> Believed:
    """For each setting the value with the highest mean, out of random settings."""
    rows, stars = rated_at_random(world, marks, rng)
    return {mark: _best_values(world, rows[:mark], np.array(stars[:mark]), rng) for mark in marks}


def tree_parzen(world: World, marks: Marks, rng: np.random.Generator) -> Believed:
    """Optuna's multivariate TPE in batches of a row, and the best rated of what it tried."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    sampler = optuna.samplers.TPESampler(multivariate=True, seed=int(rng.integers(2**31)))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    tried: list[Floats] = []
    stars: list[int] = []
    found: Believed = {}
    for mark in marks:
        while len(stars) < mark:
            trials = [study.ask() for _ in range(min(ROW, mark - len(stars)))]
            rows = np.array([_suggested(trial, world) for trial in trials])
            said = world.rate_row(rows)
            for trial, score in zip(trials, said, strict=True):
                study.tell(trial, score)
            tried.extend(rows)
            stars += said
        found[mark] = tried[_one_of_the_best(stars, rng)]
    return found


def sweeps(world: World, marks: Marks, rng: np.random.Generator) -> Believed:
    """One setting after the other: a row of its values with all else as it is, and the best rated is kept."""
    current, rated = USUAL.copy(), 0
    found: Believed = {}
    while len(found) < len(marks):
        for at in range(len(NAMES)):
            values = _swept(world, at, current[at], rng)
            if len(values) < 2:
                continue
            for mark in marks:
                if rated <= mark < rated + len(values):
                    found[mark] = current.copy()
            rows = np.repeat(current[None], len(values), axis=0)
            rows[:, at] = values
            current = rows[_one_of_the_best(world.rate_row(rows), rng)]
            rated += len(values)
    return found


RIVALS: dict[str, Rival] = {
    "nothing changed": nothing_changed,
    "random": random_search,
    "Optuna TPE": tree_parzen,
    "sweeps": sweeps,
    "value means": value_means,
}


def rivals_at_hand() -> dict[str, Rival]:
    """The rivals that are installed here."""
    installed = importlib.util.find_spec("optuna") is not None
    return {name: rival for name, rival in RIVALS.items() if installed or rival is not tree_parzen}


def _one_of_the_best(stars: Sequence[float], rng: np.random.Generator) -> int:
    return int(rng.choice(np.flatnonzero(np.array(stars) == max(stars))))


def _suggested(trial: Any, world: World) -> Floats:
    """One trial's settings; steps by their ratio, as the engine has them."""
    row = [float(trial.suggest_categorical(name, range(world.space.levels[at]))) for at, name in enumerate(CATEGORIES)]
    for name, grid in zip(NAMES[len(CATEGORIES) :], GRIDS, strict=True):
        if name == "steps":
            row.append(float(trial.suggest_int(name, int(grid[0]), int(grid[-1]), log=True)))
        else:
            chosen = trial.suggest_float(name, float(grid[0]), float(grid[-1]), step=float(round(grid[1] - grid[0], 3)))
            row.append(float(grid[np.abs(grid - chosen).argmin()]))
    return np.array(row)


def _swept(world: World, at: int, current: float, rng: np.random.Generator) -> Floats:
    """At most a row of values to compare, the present one among them: numbers evenly spread, categories by chance."""
    values = world.space.values(at)
    if len(values) <= ROW:
        return values
    if at >= len(CATEGORIES):
        return np.unique([*values[np.linspace(0, len(values) - 1, ROW - 1).round().astype(int)], current])
    return np.array([current, *rng.choice(values[values != current], ROW - 1, replace=False)])


def _best_values(world: World, rows: Floats, stars: Floats, rng: np.random.Generator) -> Floats:
    best = USUAL.copy()
    for at in range(len(NAMES)):
        grid = world.space.values(at)
        parts = np.array_split(grid, min(BINS, len(grid))) if at >= len(CATEGORIES) else np.split(grid, len(grid))
        means = [stars[np.isin(rows[:, at], part)].mean() if np.isin(rows[:, at], part).any() else 0 for part in parts]
        part = parts[_one_of_the_best(means, rng)]
        best[at] = part[len(part) // 2]
    return best
