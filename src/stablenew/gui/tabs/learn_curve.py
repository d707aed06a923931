"""What a number does, as a curve: the mean, its 80 % and 95 % bands, and a dot at each value that was tried."""

from __future__ import annotations

import math
import tkinter
from collections.abc import Callable, Sequence

from stablenew.gui.tabs.learn_charts import Chart, Scale, bars_of, scale_of
from stablenew.gui.theme import SMALL, Theme
from stablenew.learning.card_text import value_text
from stablenew.learning.recommendation import SettingEffect, ValueEffect
from stablenew.learning.search_space import LOGARITHMIC, is_number

LEAST = 5
"""Fewer values than these are drawn as rows."""

HEIGHT, LEFT, RIGHT, BELOW, APART = 156, 52, 40, 36, 72
"""Logical pixels: all of it, the scale of stars, right of the last value, the values below, between two names."""

TICKS = 6


def is_curve(effect: SettingEffect) -> bool:
    """Whether the setting's values are numbers, and enough of them."""
    return len(effect.values) >= LEAST and all(is_number(each.value) for each in effect.values)


def places(effect: SettingEffect) -> list[float]:
    """0..1 for each value: equal steps, or equal ratios where those count."""
    values = [float(each.value) for each in effect.values]
    if effect.name in LOGARITHMIC and min(values) > 0:
        values = [math.log(value) for value in values]
    low, high = min(values), max(values)
    return [(value - low) / (high - low) if high > low else 0.5 for value in values]


def named(effect: SettingEffect, xs: Sequence[float], apart: float) -> list[int]:
    """Which values are named below the curve: the tried ones first, none nearer to another than `apart`."""
    order = sorted(range(len(xs)), key=lambda n: (not effect.values[n].tested, -effect.values[n].images, n))
    found: list[int] = []
    for number in order:
        if all(abs(xs[number] - xs[other]) >= apart for other in found):
            found.append(number)
    return sorted(found)


class CurveChart(Chart):
    """One setting's curve."""

    def __init__(self, master: tkinter.Misc, theme: Theme) -> None:
        super().__init__(master, theme)
        self.effect: SettingEffect | None = None
        self.configure(height=theme.px(HEIGHT))

    def show(self, effect: SettingEffect) -> None:
        """Draw this one."""
        self.effect = effect
        self._draw()

    def _draw(self) -> None:
        super()._draw()
        px, palette = self._theme.px, self._theme.palette
        left, right, bottom = px(LEFT), self.winfo_width() - px(RIGHT), px(HEIGHT - BELOW)
        if self.effect is None or right - left < px(60):
            return
        scale = scale_of(bars_of(self.effect), TICKS)

        def y(stars: float) -> float:
            return bottom - scale.place(stars) * (bottom - px(6))

        xs = [left + place * (right - left) for place in places(self.effect)]
        self._band(xs, y, lambda each: (each.stars.low, each.stars.high), palette.border)
        self._band(xs, y, lambda each: (each.stars.low80, each.stars.high80), palette.selection)
        self._scale(scale, y, left, right)
        means = [y(each.stars.mean) for each in self.effect.values]
        self.create_line(
            *(each for point in zip(xs, means, strict=True) for each in point), fill=palette.accent, width=px(2)
        )
        for x, mean, each in zip(xs, means, self.effect.values, strict=True):
            if each.tested:
                self._dot(x, mean, px(4))
        for number in named(self.effect, xs, px(APART)):
            self._name_below(self.effect.values[number], xs[number], bottom)

    def _band(
        self,
        xs: Sequence[float],
        y: Callable[[float], float],
        ends: Callable[[ValueEffect], tuple[float, float]],
        colour: str,
    ) -> None:
        assert self.effect is not None
        low, high = zip(*(ends(each) for each in self.effect.values), strict=True)
        edge = [*zip(xs, map(y, high), strict=True), *reversed([*zip(xs, map(y, low), strict=True)])]
        self.create_polygon(*(each for point in edge for each in point), fill=colour, width=0)

    def _scale(self, scale: Scale, y: Callable[[float], float], left: int, right: int) -> None:
        palette, px = self._theme.palette, self._theme.px
        for tick in scale.ticks:
            zero = abs(tick) < 1e-9
            if zero:
                self.create_line(left, y(tick), right, y(tick), fill=palette.muted)
            text = "0" if zero else f"{tick:+g}" if scale.low < 0 else f"{tick:g}"
            self.create_text(left - px(8), y(tick), anchor="e", text=text, font=SMALL, fill=palette.muted)

    def _dot(self, x: float, y: float, radius: int) -> None:
        accent = self._theme.palette.accent
        self.create_oval(x - radius, y - radius, x + radius, y + radius, fill=accent, outline=accent)

    def _name_below(self, each: ValueEffect, x: float, bottom: int) -> None:
        palette, px = self._theme.palette, self._theme.px
        ink = palette.foreground if each.tested else palette.muted
        self.create_text(x, bottom + px(4), anchor="n", text=value_text(each.value), font=SMALL, fill=ink)
        if each.tested:
            count = f"{each.images} picture{'' if each.images == 1 else 's'}"
            self.create_text(x, bottom + px(18), anchor="n", text=count, font=SMALL, fill=palette.muted)
