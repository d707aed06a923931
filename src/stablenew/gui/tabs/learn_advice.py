"""What the ratings say: the advice with its intervals and proof, what each setting does, and what is not known."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import ttkbootstrap as ttk

from stablenew.controller.advice_desk import AdviceDesk
from stablenew.errors import InputError
from stablenew.gui.events import ProposeSettings
from stablenew.gui.scrolling import ScrollArea
from stablenew.gui.tabs.learn_charts import Bar, IntervalChart, bars_of
from stablenew.gui.tabs.learn_context import Context, ContextBar, question_of, read_choices
from stablenew.gui.tabs.learn_curve import CurveChart, is_curve
from stablenew.gui.tabs.learn_map import MapPanel
from stablenew.gui.tabs.learn_pairs import first_pair, mappable
from stablenew.gui.tabs.learn_parts import Halves, add_heading, add_text
from stablenew.gui.tabs.learn_strip import PictureStrip
from stablenew.gui.tabs.learn_words import cell_text, counted, gain_text
from stablenew.learning.card_text import value_text
from stablenew.learning.recommendation import Alternative, Recommendation
from stablenew.learning.settings_map import SettingsMap
from stablenew.pipeline.card_presets import settable
from stablenew.pipeline.next_cells import cells_to_try
from stablenew.workspace import Workspace

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

BATCH = 6
EFFECTS_READ = (
    "Stars more or less than the setting's mean, everything else averaged over. "
    "Thick or dark: 80 %, thin or light: 95 %."
)
ALTERNATIVES = 3
ADVISE_AFTER_MS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AdviceOrders:
    """What the page asks of the tab."""

    apply: Callable[[Recommendation], None]
    make_card: Callable[[Context], None]
    try_next: Callable[[Sequence[Mapping[str, Any]]], None]


def headline(advice: Recommendation) -> str:
    """The advice in a few words."""
    if not advice.enough:
        return "Not enough evidence yet"
    if not advice.changes:
        return "Keep the settings you use"
    return f"Change {counted(len(advice.changes), 'setting')}: {gain_text(advice.gain)} stars"


def expected_bars(advice: Recommendation) -> list[Bar]:
    """What is expected of the settings now, of the advice, and of those that may do as well."""
    bars = [Bar(label="as now", estimate=advice.baseline_expected, note=_images(advice.baseline_expected.images))]
    if not advice.enough:
        return bars
    if advice.changes:
        note = _images(advice.expected.images)
        bars.append(Bar(label="as advised", estimate=advice.expected, note=note, strong=True))
    for other in advice.alternatives[:ALTERNATIVES]:
        bars.append(_other(f"or {_against(advice, other)}", other))
    if advice.cheapest is not None and advice.cheapest.settings != advice.settings:
        bars.append(_other(f"cheapest: {_against(advice, advice.cheapest)}", advice.cheapest))
    return bars


def sentences(advice: Recommendation) -> list[str]:
    """The advice's statements without those that stand above them already."""
    told = (*advice.warnings, *((advice.reason,) if not advice.enough else ()))
    return [sentence for sentence in advice.statements if not any(each in sentence for each in told)]


def propose_advice(workspace: Workspace, advice: Recommendation) -> ProposeSettings:
    """What the advice would change in Run. For a worker's thread."""
    origin = f"advice for {advice.context}" if advice.context else "advice"
    settings, passed_over = settable(workspace, advice.settings)
    return ProposeSettings(settings=settings, origin=origin, left_out=passed_over)


class AdvicePage(ttk.Frame):
    """It asks when it is seen and something changed since the last time."""

    def __init__(self, master: tkinter.Misc, window: StableNewGUI, desk: AdviceDesk, orders: AdviceOrders) -> None:
        super().__init__(master)
        self._window, self._desk, self._orders = window, desk, orders
        self.advice: Recommendation | None = None
        self._about: Context | None = None
        self._stale = True
        self._due: str | None = None
        self._charts: list[IntervalChart | CurveChart] = []
        self.strip: PictureStrip | None = None
        self.map: MapPanel | None = None
        self._pair: tuple[str, str] | None = None
        px = window.theme.px
        self._lay_out_head(px)
        ttk.Separator(self).pack(fill="x")
        self.panes = Halves(self, 0.58)
        self.panes.pack(fill="both", expand=True)
        holder = ttk.Frame(self.panes)
        self._lay_out_buttons(holder)
        self.left, self.right = ScrollArea(holder, window.theme), ScrollArea(self.panes, window.theme)
        self.left.pack(fill="both", expand=True)
        self.panes.add(holder, weight=1)
        self.panes.add(self.right, weight=1)
        self._body: list[ttk.Frame] = []
        self.bind("<Map>", lambda _: self._seen())
        self._say("Reading …")

    def look_at(self, experiment_id: str) -> None:
        """Ask about that experiment alone."""
        self.bar.look_at(experiment_id)
        self._asked_otherwise()

    def changed(self) -> None:
        """Records or ratings changed: what is shown may not hold any more."""
        self._stale = True
        self.ask_soon()

    def _asked_otherwise(self) -> None:
        """What is shown is about something else until there is an answer: nothing is done with it."""
        self._window.jobs.drop("next batch")
        self._arrange()
        self.changed()

    def ask_soon(self) -> None:
        """Ask anew, once for many changes; not while nobody sees it."""
        if self._due is None and self.winfo_ismapped():
            self._due = self.after(ADVISE_AFTER_MS, self.ask)

    def ask(self) -> None:
        """Ask for advice anew."""
        self._due, self._stale = None, False
        context = self.bar.context
        desk, question = self._desk, question_of(context, self._window.ratings.who)
        self.said.configure(text="Working it out …")
        self._window.jobs.start(
            lambda: desk.recommend(question, purpose=context.purpose),
            partial(self._take, context),
            failed=self._failed,
            key="advice",
        )

    def ask_next(self) -> None:
        """Ask which pictures would change the advice most."""
        context, desk, workspace = self.bar.context, self._desk, self._window.workspace
        question, per_second = question_of(context, self._window.ratings.who), context.purpose == "time"
        self.said.configure(text="Looking for what to try …")
        self._window.jobs.start(
            lambda: cells_to_try(workspace, desk.next_row(question, images=BATCH, per_second=per_second)),
            self._take_next,
            failed=self._no_next,
            key="next batch",
        )

    def use_theme(self) -> None:
        """Take on the theme's colours."""
        self.left.recolour()
        self.right.recolour()
        for chart in (*self._charts, *((self.map,) if self.map is not None else ())):
            chart.use_theme()
        if self.strip is not None and self.strip.winfo_exists():
            self.strip.show(self.strip.pictures)

    # Parts.

    def _lay_out_head(self, px: Callable[[float], int]) -> None:
        head = ttk.Frame(self, padding=(px(16), px(8)))
        head.pack(fill="x")
        self.bar = ContextBar(head, self._window.theme, self._asked_otherwise)
        self.bar.pack(side="left")
        self.said = ttk.Label(head, style="Muted.TLabel")
        self.said.pack(side="left")

    def _lay_out_buttons(self, holder: ttk.Frame) -> None:
        px = self._window.theme.px
        row = ttk.Frame(holder, padding=(px(16), px(12), px(16), 0))
        row.pack(fill="x")
        self.apply_button = ttk.Button(row, text="Apply...", bootstyle="primary", command=self._apply)
        self.card_button = ttk.Button(row, text="Make card", command=lambda: self._orders.make_card(self.bar.context))
        self.next_button = ttk.Button(row, text="What to try next", command=self.ask_next)
        for button in (self.apply_button, self.card_button, self.next_button):
            button.pack(side="left", padx=(0, px(8)))
        ttk.ToolTip(self.apply_button, text="Shows what would change in Run before anything does", delay=600)
        ttk.ToolTip(self.card_button, text="Keeps the advice that every rated picture gives", delay=600)
        ttk.ToolTip(self.next_button, text="Design an experiment that would change the advice most", delay=600)
        self._arrange()

    def _anew(self) -> tuple[ttk.Frame, ttk.Frame]:
        for part in self._body:
            part.destroy()
        if self.map is not None and self.map.picked is not None:
            self._pair = self.map.picked
        self._charts, self.strip, self.map = [], None, None
        self._body = [ttk.Frame(area.body, padding=self._window.theme.px(16)) for area in (self.left, self.right)]
        for part in self._body:
            part.pack(fill="both", expand=True)
        return self._body[0], self._body[1]

    def _say(self, text: str) -> None:
        left, _ = self._anew()
        add_text(left, self._window.theme, text, style="Muted.TLabel")

    def _chart(self, master: ttk.Frame, bars: Sequence[Bar], **widths: int) -> None:
        chart = IntervalChart(master, self._window.theme, **widths)
        chart.pack(fill="x")
        chart.show(bars)
        self._charts.append(chart)

    # What is seen.

    def _take(self, context: Context, advice: Recommendation) -> None:
        self.advice, self._about = advice, context
        self.said.configure(text="")
        left, right = self._anew()
        self._show_advice(left, advice)
        self._show_effects(right, advice)
        self._arrange()

    def _failed(self, exc: Exception) -> None:
        self.said.configure(text="")
        self.advice = None
        self._say(str(exc))
        self._arrange()
        if not isinstance(exc, InputError):
            self._window.report(exc)

    def _no_next(self, exc: Exception) -> None:
        self.said.configure(text="")
        self._window.report(exc)

    def _show_advice(self, left: ttk.Frame, advice: Recommendation) -> None:
        theme, px = self._window.theme, self._window.theme.px
        ttk.Label(left, text=headline(advice), style="Title.TLabel").pack(anchor="w")
        about = f"{advice.context}: {advice.baseline_expected.images:,} of " if advice.context else ""
        much = f"{counted(advice.ratings, 'rating')}, {counted(advice.choices, 'choice')} of the best"
        add_text(left, theme, f"{about}{much}", "Muted.TLabel")
        if not advice.enough:
            add_text(left, theme, advice.reason)
        for warning in advice.warnings:
            add_text(left, theme, f"▲  {warning}", "Warning.TLabel")
        if advice.changes:
            self._show_changes(left, advice)
        add_heading(left, theme, "Expected stars")
        self._chart(left, expected_bars(advice), label_width=200, note_width=104)
        if advice.proof:
            add_heading(left, theme, "Pictures made with settings like these, best first")
            self.strip = PictureStrip(left, self._window)
            self.strip.pack(fill="x", pady=(0, px(4)))
            self.strip.ask(advice.proof)
        said = sentences(advice)
        if said:
            add_heading(left, theme, "In words")
        for sentence in said:
            add_text(left, theme, sentence)

    def _show_changes(self, left: ttk.Frame, advice: Recommendation) -> None:
        px = self._window.theme.px
        columns = (("now", 80), ("advised", 80), ("stars", 130), ("pictures", 80))
        table = ttk.Treeview(
            left, columns=[name for name, _ in columns], height=len(advice.changes), selectmode="none", takefocus=False
        )
        table.heading("#0", text="setting", anchor="w")
        table.column("#0", width=px(90), stretch=True)
        for name, width in columns:
            table.heading(name, text=name, anchor="w")
            table.column(name, width=px(width), anchor="w", stretch=True)
        for change in advice.changes:
            much = counted(change.images, "picture") if change.tested else "not tested"
            values = (value_text(change.before), value_text(change.after), gain_text(change.gain), much)
            table.insert("", "end", text=change.name, values=values)
        table.pack(fill="x", pady=(px(8), 0))
        self.table = table

    def _show_effects(self, right: ttk.Frame, advice: Recommendation) -> None:
        theme = self._window.theme
        add_heading(right, theme, "What each setting does", first=True)
        if not advice.effects:
            add_text(right, theme, "Nothing is known yet: no two rated pictures differ in a setting.", "Muted.TLabel")
            return
        add_text(
            right,
            theme,
            EFFECTS_READ,
            "SmallMuted.TLabel",
        )
        for effect in sorted(advice.effects, key=lambda each: -each.share):
            share = f"{100 * effect.share:.0f} % of what settings explain"
            add_heading(right, theme, effect.name, aside=share)
            if is_curve(effect):
                curve = CurveChart(right, theme)
                curve.pack(fill="x")
                curve.show(effect)
                self._charts.append(curve)
            else:
                self._chart(right, bars_of(effect), label_width=100, note_width=190)

        self._show_map(right, advice)

    def _show_map(self, right: ttk.Frame, advice: Recommendation) -> None:
        names, first = mappable(advice.effects), first_pair(advice.effects)
        if first is None:
            return
        add_heading(right, self._window.theme, "Two settings together")
        self.map = MapPanel(right, self._window.theme, names, self._ask_map)
        self.map.pack(fill="x")
        self.map.choose(self._pair if self._pair is not None and set(self._pair) <= set(names) else first)

    def _ask_map(self, pair: tuple[str, str]) -> None:
        context, desk, panel = self._about or self.bar.context, self._desk, self.map
        question = question_of(context, self._window.ratings.who)
        self._window.jobs.start(
            lambda: desk.settings_map(question, pair),
            partial(self._map_of, panel),
            failed=partial(self._no_map, panel),
            key="advice map",
        )

    def _map_of(self, panel: MapPanel | None, found: SettingsMap) -> None:
        if panel is not None and panel is self.map:
            panel.show(found)

    def _no_map(self, panel: MapPanel | None, exc: Exception) -> None:
        if panel is not None and panel is self.map:
            panel.fail(str(exc))
        if not isinstance(exc, InputError):
            self._window.report(exc)

    def _arrange(self) -> None:
        advice = self.advice
        able = advice is not None and advice.enough and self._about == self.bar.context
        self.apply_button.configure(state="normal" if able and advice and advice.changes else "disabled")
        whole = self.bar.context.experiment_id is None
        self.card_button.configure(state="normal" if able and whole else "disabled")

    # What the person does.

    def _seen(self) -> None:
        workspace = self._window.workspace
        self._window.library.ask(
            lambda index: read_choices(index, workspace),
            self.bar.offer,
            failed=self._window.report,
            key="advice choices",
        )
        if self._stale:
            jobs = self._window.jobs
            jobs.start(self._desk.rated_classes, self.bar.offer_classes, key="advice classes")
            self.ask_soon()

    def _apply(self) -> None:
        if self.advice is not None:
            self._orders.apply(self.advice)

    def _take_next(self, cells: Sequence[Mapping[str, Any]]) -> None:
        self.said.configure(text="")
        self._orders.try_next(cells)


def _against(advice: Recommendation, other: Alternative) -> str:
    """How other settings differ from those advised."""
    own = {name: value for name, value in other.settings.items() if value != advice.settings.get(name)}
    return cell_text(own) if own else "the same"


def _other(label: str, other: Alternative) -> Bar:
    seconds = "" if other.seconds is None else f"{other.seconds:.1f} s a picture"
    return Bar(label=label, estimate=other.expected, note=seconds or _images(other.expected.images))


def _images(number: int) -> str:
    return counted(number, "picture")
