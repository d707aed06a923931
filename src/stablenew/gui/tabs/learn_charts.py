"""Estimates with their intervals, drawn: a row each, a dot for the mean, thick for 80 %, thin for 95 %."""

from __future__ import annotations

import math
import tkinter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from tkinter import font as tkfont

from stablenew.gui.tabs.run_packs import elided
from stablenew.gui.theme import SMALL, Theme
from stablenew.learning.card_text import value_text
from stablenew.learning.recommendation import Estimate, SettingEffect, ValueEffect

ROW, AXIS = 22, 22
"""Logical pixels of a row, and of the scale below the last."""

TICKS_MAX, TICK_APART = 6, 56
"""So many marks of a scale, and no nearer than so many logical pixels."""
_STEPS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A row: what it is about, its estimate, what stands behind it. `strong`: it is the one; `faded`: never tried."""

    label: str
    estimate: Estimate
    note: str = ""
    strong: bool = False
    faded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """From `low` to `high`, with a mark at each of `ticks`."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """0..1 of the width; values beyond the ends lie at the ends."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


def scale_of(bars: Sequence[Bar], most: int = TICKS_MAX) -> Scale:
    """A scale of round numbers that holds every interval, with about `most` marks."""
    low = min((bar.estimate.low for bar in bars), default=1.0)
    high = max((bar.estimate.high for bar in bars), default=5.0)
    span = max(high - low, 0.1)
    step = next((each for each in _STEPS if span / each <= most - 1), _STEPS[-1])
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    return Scale(low=first * step, high=last * step, ticks=tuple(n * step for n in range(first, last + 1)))


def bars_of(effect: SettingEffect) -> list[Bar]:
    """What each value of a setting does. The best of those that were tried is the strong one."""
    tried = [each for each in effect.values if each.tested]
    best = max(tried, key=lambda each: each.stars.mean, default=None)
    return [
        Bar(
            label=value_text(each.value),
            estimate=each.stars,
            note=_behind(each),
            strong=each is best and len(tried) > 1,
            faded=not each.tested,
        )
        for each in effect.values
    ]


def _behind(effect: ValueEffect) -> str:
    """What a value's estimate rests on; of matched pairs also what they say."""
    if not effect.tested:
        return "not tested"
    pictures = f"{effect.images} picture{'' if effect.images == 1 else 's'}"
    if effect.matched is None:
        return pictures
    return f"{pictures}; {effect.pairs} pairs {effect.matched.mean:+.1f}"


class Chart(tkinter.Canvas):
    """Evidence as a drawing, made anew whenever its size or the theme is another."""

    def __init__(self, master: tkinter.Misc, theme: Theme) -> None:
        super().__init__(master, highlightthickness=0, borderwidth=0, width=1, takefocus=False)
        self._theme = theme
        self.bind("<Configure>", lambda _: self._draw())

    def use_theme(self) -> None:
        """Take on the theme's colours."""
        self._draw()

    def _draw(self) -> None:
        """Begin with an empty ground; each chart goes on from there."""
        self.delete("all")
        self.configure(background=self._theme.palette.background)


class IntervalChart(Chart):
    """Rows of intervals over one scale. It takes the height that its rows need."""

    def __init__(self, master: tkinter.Misc, theme: Theme, *, label_width: int = 130, note_width: int = 130) -> None:
        super().__init__(master, theme)
        self._label_width, self._note_width = theme.px(label_width), theme.px(note_width)
        self._label_room, self._note_room = self._label_width, self._note_width
        self.bars: tuple[Bar, ...] = ()

    def show(self, bars: Sequence[Bar]) -> None:
        """Draw these."""
        self.bars = tuple(bars)
        self.configure(height=self._theme.px(ROW * len(bars) + AXIS))
        self._draw()

    def _draw(self) -> None:
        super()._draw()
        palette, px = self._theme.palette, self._theme.px
        self._label_room = min(self._label_width, self.winfo_width() // 4)
        self._note_room = min(self._note_width, self.winfo_width() * 2 // 5)
        left, right = self._label_room, self.winfo_width() - self._note_room
        if not self.bars or right - left < px(60):
            return
        scale = scale_of(self.bars, max(3, min(TICKS_MAX, (right - left) // px(TICK_APART))))
        bottom = px(ROW) * len(self.bars)

        def x(value: float) -> float:
            return left + scale.place(value) * (right - left)

        for tick in scale.ticks:
            zero = abs(tick) < 1e-9 and scale.low < 0
            self.create_line(x(tick), 0, x(tick), bottom, fill=palette.muted if zero else palette.border)
            text = f"{tick:+g}" if scale.low < 0 and not zero else f"{tick:g}"
            self.create_text(x(tick), bottom + px(3), anchor="n", text=text, font=SMALL, fill=palette.muted)
        for number, bar in enumerate(self.bars):
            self._row(bar, number * px(ROW) + px(ROW) // 2, x)

    def _row(self, bar: Bar, y: int, x: Callable[[float], float]) -> None:
        palette, px = self._theme.palette, self._theme.px
        colour = palette.accent if bar.strong else palette.muted
        ink = palette.muted if bar.faded else palette.foreground
        font = tkfont.nametofont("StableNewHeading" if bar.strong else "TkDefaultFont", root=self)
        label = elided(bar.label, self._label_room - px(12), font.measure)
        self.create_text(0, y, anchor="w", text=label, fill=ink, font=font)
        own = bar.estimate
        dash = (2, 3) if bar.faded else ()
        self.create_line(x(own.low), y, x(own.high), y, fill=colour, width=px(1), dash=dash)
        if not bar.faded:
            self.create_line(x(own.low80), y, x(own.high80), y, fill=colour, width=px(5))
        dot, radius = x(own.mean), px(4)
        ground = palette.background if bar.faded else colour
        self.create_oval(dot - radius, y - radius, dot + radius, y + radius, fill=ground, outline=colour)
        note = tkfont.nametofont(SMALL, root=self)
        text = elided(bar.note, self._note_room - px(12), note.measure)
        self.create_text(self.winfo_width(), y, anchor="e", text=text, fill=palette.muted, font=SMALL)
