"""Made-up worlds with a known answer: how good settings are, and a person who rates the pictures they give.

A world has nine settings, a landscape of quality of one of four families, and a person with noise, bias, drift,
anchoring to the row, and misclicks. Settings are rows of numbers [n, 9]: five levels of categories, then steps,
guidance, denoising and lora strength. Everything follows from family and seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CATEGORIES = ("model", "sampler", "scheduler", "vae", "size")
GRIDS: tuple[Floats, ...] = (
    np.arange(5, 61, 1.0),
    np.arange(1, 15.01, 0.5),
    np.round(np.arange(0.05, 1.001, 0.05), 3),
    np.round(np.arange(0, 1.501, 0.1), 3),
)
"""The values of steps, guidance, denoising and lora strength."""
STEPS, GUIDANCE, DENOISE = 5, 6, 7
USUAL = np.array([0, 0, 0, 0, 0, 20, 7, 0.75, 0.8])
"""What somebody has who never changed a setting."""

LEAST_LEVELS, BEYOND_LEVELS = (3, 6, 3, 1, 3), (9, 13, 6, 4, 7)
FIXED_WHEN_FOCUSED = (0, 3, 4)
SURVEYED = 3000
"""So many random settings tell a landscape's mean and spread."""
ROW_MOOD = 0.25
ANCHORING = 0.15
SESSION, SESSION_MOOD = 30, 0.12
DRIFT_SPAN = 160
"""The person's drift is told for so many ratings."""
LEAST_NOISE, MOST_NOISE = 0.4, 1.0
WAVES = 400


@dataclass(frozen=True, slots=True)
class Points:
    """Settings as landscapes read them: category levels [n, 5], numbers from 0 to 1 [n, 4], steps by their ratio."""

    levels: Ints
    unit: Floats
    steps: Floats
    guidance: Floats


Landscape = Callable[[Points], Floats]


@dataclass(frozen=True, slots=True)
class Space:
    """How many levels each category has; the numbers have GRIDS in every world."""

    levels: tuple[int, ...]

    def random(self, rng: np.random.Generator, count: int) -> Floats:
        """`count` settings, each value as likely as any other."""
        columns = [rng.integers(levels, size=count) for levels in self.levels]
        return np.column_stack([*columns, *(rng.choice(grid, size=count) for grid in GRIDS)]).astype(np.float64)

    def values(self, at: int) -> Floats:
        """What the setting in column `at` may be."""
        if at < len(self.levels):
            return np.arange(self.levels[at], dtype=np.float64)
        return GRIDS[at - len(self.levels)]

    def neighbours(self, row: Floats) -> Floats:
        """Every change of one setting of `row`."""
        found = []
        for at in range(len(row)):
            others = self.values(at)[self.values(at) != row[at]]
            changed = np.repeat(row[None], len(others), axis=0)
            changed[:, at] = others
            found.append(changed)
        return np.concatenate(found)


def points(rows: Floats) -> Points:
    """What landscapes read of settings [n, 9]."""
    steps, guidance = rows[:, STEPS], rows[:, GUIDANCE]
    unit = np.column_stack([np.log(steps / 5) / np.log(12), (guidance - 1) / 14, rows[:, DENOISE], rows[:, 8] / 1.5])
    return Points(rows[:, :STEPS].astype(np.int64), unit, steps, guidance)


def _bump(place: Floats, centre: Floats | float, width: Floats | float) -> Floats:
    height: Floats = np.exp(-0.5 * ((place - centre) / width) ** 2)
    return height


def _additive(space: Space, rng: np.random.Generator) -> Landscape:
    """Each setting has its own effect, whatever the others are."""
    effects = [rng.normal(size=levels) for levels in space.levels]
    weights = rng.uniform(0.3, 1, 5) * [1, 1, 0.6, 0.5, 0.7]
    centres, widths, heights = rng.uniform(0.15, 0.85, 4), rng.uniform(0.15, 0.35, 4), rng.uniform(0.6, 1.8, 4)

    def quality(at: Points) -> Floats:
        categories = sum(weights[j] * effects[j][at.levels[:, j]] for j in range(5))
        return categories + sum(heights[j] * _bump(at.unit[:, j], centres[j], widths[j]) for j in range(4))

    return quality


def _diffusion(space: Space, rng: np.random.Generator) -> Landscape:
    """As diffusion models behave: samplers converge, few-step models want little guidance, some pairs go badly."""
    models, samplers, schedulers, vaes, sizes = space.levels
    pace, overdone = rng.uniform(3, 18, samplers), rng.random(samplers) < 0.3
    turbo = rng.random(models) < 0.25
    guidance = np.where(turbo, rng.uniform(1, 3, models), rng.uniform(3.5, 11, models))
    tolerance = np.where(turbo, 1.2, rng.uniform(1.5, 3.5, models))
    stretch = np.where(turbo, 0.35, 1.0)
    by_model, by_sampler = rng.normal(0, 0.6, models), rng.normal(0, 0.35, samplers)
    by_schedule = np.where(rng.random((samplers, schedulers)) < 0.18, -1.3, rng.normal(0, 0.2, (samplers, schedulers)))
    by_size = rng.normal(0, 0.45, (models, sizes))
    by_vae = np.where(rng.random((vaes, models)) < 0.15, -1.5, rng.normal(0, 0.15, (vaes, models)))
    denoise, denoise_width = rng.uniform(0.35, 0.85), rng.uniform(0.15, 0.3)
    lora, lora_width, lora_height = rng.uniform(0.2, 0.9, models), rng.uniform(0.2, 0.5), rng.uniform(0.3, 1)

    def quality(at: Points) -> Floats:
        model, sampler, scheduler, vae, size = at.levels.T
        converged = 1 - np.exp(-at.steps / (pace[sampler] * stretch[model]))
        late = np.maximum(0, at.steps - 30 * stretch[model])
        loss = np.where(overdone[sampler] | turbo[model], -0.02 * late, 0)
        guided = np.maximum(-1.8, -0.5 * ((at.guidance - guidance[model]) / tolerance[model]) ** 2)
        pairs = by_schedule[sampler, scheduler] + by_size[model, size] + by_vae[vae, model]
        painted = 1.2 * _bump(at.unit[:, 2], denoise, denoise_width)
        styled = lora_height * _bump(at.unit[:, 3], lora[model], lora_width)
        return 2 * converged + loss + guided + by_model[model] + by_sampler[sampler] + pairs + painted + styled

    return quality


def _gpmix(space: Space, rng: np.random.Generator) -> Landscape:
    """A smooth random function of everything at once; categories have hidden places in two dimensions."""
    spreads = (0.8, 0.8, 0.5, 0.4, 0.6)
    places = [rng.normal(size=(levels, 2)) * spread for levels, spread in zip(space.levels, spreads, strict=True)]
    lengths = rng.uniform(0.35, 0.8, 4)
    waves = rng.normal(size=(14, WAVES))
    phases, heights = rng.uniform(0, 2 * np.pi, WAVES), rng.normal(size=WAVES) / np.sqrt(WAVES / 2)

    def quality(at: Points) -> Floats:
        embedded = np.concatenate([*(places[j][at.levels[:, j]] for j in range(5)), at.unit / lengths], axis=1)
        return np.cos(embedded @ waves + phases) @ heights

    return quality


def _needle(space: Space, rng: np.random.Generator) -> Landscape:
    """A product: one bad setting spoils the picture, and only all good ones together make a very good one."""
    goods = [np.clip(rng.beta(1, 1.5, levels), 0, 1) for levels in space.levels]
    for good in goods:
        good[rng.integers(len(good))] = 1
    weights, centres, widths = rng.uniform(0.15, 0.6, 9), rng.uniform(0.15, 0.85, 4), rng.uniform(0.15, 0.3, 4)

    def quality(at: Points) -> Floats:
        categories = [1 - weights[j] * (1 - goods[j][at.levels[:, j]]) for j in range(5)]
        numbers = [1 - weights[5 + j] * (1 - _bump(at.unit[:, j], centres[j], widths[j])) for j in range(4)]
        return np.prod([*categories, *numbers], axis=0)

    return quality


_MAKERS = {"additive": _additive, "diffusion": _diffusion, "gpmix": _gpmix, "needle": _needle}
FAMILIES = tuple(_MAKERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """How somebody comes to stars: what the best and the mean picture are to them, and their faults."""

    best: float
    mean: float
    noise: float
    bias: float
    stretch: float
    slope: float

    @property
    def thresholds(self) -> Floats:
        """Where two stars begin, three, four and five."""
        return 3 + self.bias + self.stretch * np.array([-1.5, -0.5, 0.5, 1.5])


def _person(seed: int, drift: float) -> Person:
    rng = np.random.default_rng([seed, 9])
    best, mean, noise = rng.uniform(4.2, 4.9), rng.uniform(2.2, 2.8), rng.uniform(0.7, 1.3)
    bias, stretch = rng.normal(0, 0.25), rng.uniform(0.8, 1.25)
    return Person(best=best, mean=mean, noise=noise, bias=bias, stretch=stretch, slope=rng.normal(0, 0.3) * drift)


@dataclass(frozen=True, slots=True)
class _Part:
    """A landscape that counts `weight` after its mean and spread are taken out."""

    weight: float
    landscape: Landscape
    mean: float
    spread: float


class World:
    """A landscape of `family` and a person. Packs of one family and seed share the person and most of the landscape.

    `shift`: how much of a pack is its own. `misclick`: the share of ratings that are any star. `drift` scales all
    faults that depend on time and company, `noise` the person's scatter. `focus`: one model, VAE and size only.
    """

    def __init__(
        self, family: str, seed: int, pack: int = 0, *, shift: float = 0.5, misclick: float = 0.03, drift: float = 1.0,
        noise: float = 1.0, focus: bool = False,
    ) -> None:  # fmt: skip
        number = _family_number(family)
        root = np.random.default_rng([number, seed])
        levels = [int(root.integers(least, beyond)) for least, beyond in zip(LEAST_LEVELS, BEYOND_LEVELS, strict=True)]
        for at in FIXED_WHEN_FOCUSED if focus else ():
            levels[at] = 1
        self.family, self.seed, self.space = family, seed, Space(tuple(levels))
        surveyed = self.space.random(np.random.default_rng(seed + 5), SURVEYED)
        own = _MAKERS[family](self.space, np.random.default_rng([number, seed, 77, pack])) if pack else None
        self._parts = _mixed(_MAKERS[family](self.space, root), own, shift, points(surveyed))
        self.person = _person(seed, drift)
        self._misclick, self._drift = misclick, drift
        quality = self._quality(surveyed)
        self._mean = float(quality.mean())
        self.best = self._climb(surveyed[np.argsort(-quality)[:8]])
        self._highest = float(self._quality(self.best[None])[0])
        spread = np.clip(self._felt(surveyed), 0.5, 5.5).std()
        self._noise = float(np.clip(self.person.noise * spread, LEAST_NOISE, MOST_NOISE)) * noise
        self.best_stars = float(self.stars(self.best[None])[0])
        self._rng = np.random.default_rng([seed, 11, pack])
        self._rated, self._session = 0, 0.0

    def stars(self, rows: Floats) -> Floats:
        """The mean stars of endlessly many pictures of each of `rows`, with no drift, company or misclick."""
        scatter = np.hypot(self._noise, ROW_MOOD)
        return 1 + ndtr((self._felt(rows)[:, None] - self.person.thresholds[None]) / scatter).sum(axis=1)

    def regret(self, row: Floats) -> float:
        """How many stars worse `row` is than the best settings there are."""
        return self.best_stars - float(self.stars(row[None])[0])

    def seconds(self, rows: Floats) -> Floats:
        """What making one picture of each of `rows` takes."""
        rng = np.random.default_rng([self.seed, 13])
        models, samplers, _, _, sizes = self.space.levels
        by_model, by_sampler = rng.uniform(0.03, 0.25, models), rng.choice([1, 1, 1, 2.0], samplers)
        by_size = np.sort(rng.uniform(0.8, 3.5, sizes))
        model, sampler, _, _, size = rows[:, :STEPS].astype(np.int64).T
        work = by_model[model] * by_sampler[sampler] * by_size[size] * rows[:, STEPS]
        return 0.6 + work * np.maximum(rows[:, DENOISE], 0.1)

    def rate_row(self, rows: Floats) -> list[int]:
        """The person's stars for pictures seen side by side. The next row is seen later, with another mood."""
        felt = self._felt_now(rows)
        middle = felt.mean()
        return [self._click(each, middle) for each in felt]

    def best_of(self, rows: Floats) -> int:
        """Which of pictures seen side by side the person clicks as the best."""
        felt = self._felt_now(rows)
        if self._rng.random() < self._misclick:
            return int(self._rng.integers(len(rows)))
        return int(felt.argmax())

    def _click(self, felt: float, middle: float) -> int:
        if self._rated % SESSION == 0:
            self._session = self._rng.normal(0, SESSION_MOOD) * self._drift
        drifted = felt + self.person.slope * self._rated / DRIFT_SPAN + self._session
        stars = 1 + int((drifted - ANCHORING * self._drift * (middle - 3) > self.person.thresholds).sum())
        if self._rng.random() < self._misclick:
            stars = int(self._rng.integers(1, 6))
        self._rated += 1
        return stars

    def _felt_now(self, rows: Floats) -> Floats:
        mood = self._rng.normal(0, ROW_MOOD)
        return self._felt(rows) + mood + self._rng.normal(0, self._noise, len(rows))

    def _felt(self, rows: Floats) -> Floats:
        """Quality on the person's inner scale, where the mean and the best settings have their places."""
        share = (self._quality(rows) - self._mean) / (self._highest - self._mean)
        return self.person.mean + (self.person.best - self.person.mean) * share

    def _quality(self, rows: Floats) -> Floats:
        at = points(rows)
        scaled = [part.weight * (part.landscape(at) - part.mean) / part.spread for part in self._parts]
        return np.sum(scaled, axis=0)

    def _climb(self, starts: Floats) -> Floats:
        """The best that changing one setting at a time leads to from any of `starts`."""
        tops = [top for start in starts for top in self._way_up(start)]
        return max(tops, key=lambda top: top[0])[1]

    def _way_up(self, row: Floats, most: int = 40) -> Iterator[tuple[float, Floats]]:
        height = float(self._quality(row[None])[0])
        for _ in range(most):
            around = self.space.neighbours(row)
            quality = self._quality(around)
            highest = int(quality.argmax())
            if quality[highest] <= height + 1e-12:
                break
            row, height = around[highest], float(quality[highest])
        yield height, row


def _mixed(shared: Landscape, own: Landscape | None, shift: float, surveyed: Points) -> Sequence[_Part]:
    weighted = [(1.0, shared)] if own is None else [(float(np.sqrt(1 - shift**2)), shared), (shift, own)]
    parts = []
    for weight, landscape in weighted:
        quality = landscape(surveyed)
        parts.append(_Part(weight, landscape, float(quality.mean()), float(quality.std()) + 1e-9))
    return parts


def _family_number(family: str) -> int:
    number = 0
    for sign in family:
        number = (number * 131 + ord(sign)) % 2**31
    return number
