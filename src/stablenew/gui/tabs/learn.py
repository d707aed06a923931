"""Learn: experiments designed, run and rated; what the ratings say; taste cards. Its pages lie beside it."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ttkbootstrap as ttk

from stablenew.controller.advice_desk import AdviceDesk
from stablenew.controller.events import ExperimentAdvanced, RunFailed, RunFinished, StateChanged
from stablenew.gui.events import BackendChanged, OpenExperiment, RatingsStored, ThemeChanged
from stablenew.gui.notices import Action, Notice
from stablenew.gui.tabs.learn_advice import AdviceOrders, AdvicePage, propose_advice
from stablenew.gui.tabs.learn_cards import CardsPage
from stablenew.gui.tabs.learn_context import Context, card_arguments
from stablenew.gui.tabs.learn_design import DesignPage
from stablenew.gui.tabs.learn_experiments import ExperimentOrders, ExperimentsPage
from stablenew.gui.tabs.learn_fold import ExperimentView
from stablenew.gui.tabs.learn_orders import ExperimentDesk
from stablenew.gui.tabs.learn_proof import PlannedProof, planned_proof
from stablenew.gui.tabs.learn_prove import ProvePage
from stablenew.gui.tabs.learn_rate import RatePage
from stablenew.learning.advice import Question
from stablenew.learning.blind_pairs import Proof
from stablenew.learning.card_store import MadeCard, make_card
from stablenew.learning.experiments import Experiment
from stablenew.learning.recommendation import Purpose, Recommendation
from stablenew.learning.taste_card import TasteCard
from stablenew.pipeline.proof_outcome import Conclusion
from stablenew.workspace import Workspace

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

KEY = "learn"
PAGES = {"design": "Design", "experiments": "Experiments", "advice": "Advice", "cards": "Cards"}
REDRAW_MS = 150


class LearnTab(ttk.Frame):
    """The tab. `advice_desk` stands in for the learning part where one is given."""

    def __init__(self, master: tkinter.Misc, window: StableNewGUI, advice_desk: AdviceDesk | None = None) -> None:
        super().__init__(master)
        self.window = window
        self.view = ExperimentView()
        self.desk = ExperimentDesk(window, self._stored, self._started)
        self._advice_desk = advice_desk or AdviceDesk(window.workspace)
        self._due = False
        self._to_judge: Proof | None = None
        self._memory = dict(window.recall(KEY))
        self.page = ""
        self._lay_out()
        self.design.take(self._memory)
        self.design.remembered_packs(self._memory)
        wanted = str(self._memory.get("page"))
        self.show(wanted if wanted in PAGES else "design")

    @property
    def panes(self) -> ttk.Panedwindow:
        """The divided part of the page that is shown: F6 goes through it."""
        divided = (self.design.panes, self.experiments.panes, self.advice.panes, self.cards.panes)
        return dict(zip(PAGES, divided, strict=True)).get(self.page, self.design.panes)

    def handle(self, event: object) -> None:
        """Go on by one event."""
        before = self.view.revision
        self.view.take(event)
        if self.view.revision != before:
            self._draw_soon()
        if isinstance(event, (RunFinished, RunFailed)):
            self.experiments.read_soon()
            self.advice.changed()
            self._offer_judging(event.run_id or "")
        elif isinstance(event, ExperimentAdvanced):
            self.experiments.count_soon(event.experiment_id)
        elif isinstance(event, RatingsStored):
            self.experiments.read_soon()
            self.advice.changed()
        elif isinstance(event, BackendChanged):
            self.desk.backend_answered(event)
            self.design.show_backend()
        elif isinstance(event, StateChanged):
            self.design.show_busy(self.view.busy)
            self._say_complete()
        elif isinstance(event, OpenExperiment):
            self._open(event)
        elif isinstance(event, ThemeChanged):
            self._use_theme()

    def show(self, page: str) -> None:
        """Bring a page to the front: one of PAGES, or "rate" or "prove", which fill the tab."""
        for frame in self._frames.values():
            frame.pack_forget()
        self.page = page
        if page in PAGES:
            self._chosen.set(page)
            self.head.pack(fill="x", before=self._line)
            self._remember({"page": page})
        else:
            self.head.pack_forget()
        self._frames[page].pack(fill="both", expand=True)

    # Parts.

    def _lay_out(self) -> None:
        px = self.window.theme.px
        self.head = ttk.Frame(self, padding=(px(16), px(8)))
        self._chosen = tkinter.StringVar(self)
        self.page_buttons: dict[str, ttk.Radiobutton] = {}
        for key, title in PAGES.items():
            button = ttk.Radiobutton(
                self.head,
                text=title,
                value=key,
                variable=self._chosen,
                command=lambda key=key: self.show(key),
                bootstyle="primary-outline-toolbutton",
                padding=(px(12), px(3)),
            )
            button.pack(side="left", padx=(0, px(4)))
            self.page_buttons[key] = button
        self.stop_button = ttk.Button(self.head, text="Stop", command=self._stop, padding=(px(8), px(2)))
        self.progress = ttk.Label(self.head, style="Muted.TLabel")
        self._line = ttk.Separator(self)
        self._line.pack(fill="x")
        self._make_pages()

    def _make_pages(self) -> None:
        window, desk = self.window, self.desk
        self.design = DesignPage(self, window, desk.start_design, desk.keep_design, self._design_edited)
        orders = ExperimentOrders(
            run=desk.run,
            stop=self._stop,
            rate=self.rate,
            advise=self.see_advice,
            design=lambda: self.show("design"),
        )
        self.experiments = ExperimentsPage(self, window, self.view, orders)
        self.rating = RatePage(self, window, lambda: self.show("experiments"), self.see_advice)
        advice = AdviceOrders(apply=self._apply, make_card=self._make_card, try_next=self._try_next)
        self.advice = AdvicePage(self, window, self._advice_desk, advice)
        self.cards = CardsPage(
            self, window, make=lambda: self.show("advice"), prove=self.prove, taste_changed=self.advice.changed
        )
        self.proving = ProvePage(self, window, self._judged, lambda: self.show("cards"))
        self._frames: Mapping[str, ttk.Frame] = {
            "design": self.design,
            "experiments": self.experiments,
            "rate": self.rating,
            "advice": self.advice,
            "cards": self.cards,
            "prove": self.proving,
        }

    # What the pages ask for.

    def rate(self, experiment_id: str) -> None:
        """Rate the rows of an experiment."""
        self.window.notices.drop("experiment")
        self.show("rate")
        self.rating.begin(experiment_id)

    def see_advice(self, experiment_id: str) -> None:
        """What an experiment alone says."""
        self.show("advice")
        self.advice.look_at(experiment_id)

    def prove(self, card: TasteCard) -> None:
        """Compare the card's settings with the old ones in blind pairs; pictures that are missing are made first."""
        workspace = self.window.workspace
        self.window.jobs.start(lambda: planned_proof(workspace, card), self._proof_planned)

    def _proof_planned(self, planned: PlannedProof) -> None:
        if not planned.missing and self.page == "cards" and self.winfo_viewable():
            self._judge(planned.proof)
            return
        if not planned.missing:
            self._offer("The pairs are there.", "Judge them", lambda: self._judge(planned.proof), key="proof")
            return
        text = f"{planned.missing} pairs are to be made for this, with {planned.proof.backend}."
        make = Action(label="Make them", do=lambda: self._make_pairs(planned))
        actions = [make]
        if planned.missing < planned.pairs:
            actions.append(Action(label="Judge those there are", do=lambda: self._judge(planned.proof)))
        self.window.notify(Notice(text=text, actions=tuple(actions), key="proof"))

    def _make_pairs(self, planned: PlannedProof) -> None:
        self._to_judge = planned.proof
        self.desk.prove(planned)

    def _judge(self, proof: Proof) -> None:
        self.window.notices.drop("proof")
        self._to_judge = None
        self.window.select(KEY)
        self.show("prove")
        self.proving.begin(proof)

    def _judged(self, done: Conclusion) -> None:
        said = ". ".join(each.rstrip(".") for each in (*done.said, *(each.said for each in done.presets)))
        self.window.notify(Notice(text=f"Card {done.card.name}: {said}", key="proof"))
        self.advice.changed()
        self.cards.choose(done.card.name)
        if self.page == "prove" and not self.proving.going_on:
            self.show("cards")

    def _offer(self, text: str, label: str, do: Callable[[], None], *, key: str) -> None:
        """Say that something is there which the person asked for and went on from: they are not taken away by it."""
        self.window.notify(Notice(text=text, actions=(Action(label=label, do=do),), key=key))

    def _offer_judging(self, run_id: str) -> None:
        proof = self._to_judge
        if proof is not None and proof.proof_id == run_id:
            judge = Action(label="Judge them", do=lambda: self._judge(proof))
            self.window.notify(Notice(text=f"The pairs of card {proof.card} are made.", actions=(judge,), key="proof"))

    def _stop(self) -> None:
        self.desk.stop(now=self.view.stopping)

    def _stored(self, experiment: Experiment) -> None:
        self.experiments.choose(experiment.experiment_id)
        if self.page == "design":
            self.show("experiments")

    def _started(self, experiment_id: str) -> None:
        self.experiments.choose(experiment_id)

    def _apply(self, advice: Recommendation) -> None:
        workspace = self.window.workspace
        self.window.jobs.start(lambda: propose_advice(workspace, advice), self.window.send)

    def _make_card(self, context: Context) -> None:
        workspace, who, desk = self.window.workspace, self.window.ratings.who, self._advice_desk

        def adviser(_: Workspace, question: Question, *, purpose: Purpose) -> Recommendation:
            return desk.recommend(question, purpose=purpose)

        self.window.jobs.start(
            lambda: make_card(workspace, **card_arguments(context), who=who, adviser=adviser), self._card_made
        )

    def _card_made(self, made: MadeCard) -> None:
        if made.card is None:
            self.window.notify(Notice(text=f"No card: {made.said}", severity="warning", key="card"))
            return
        self.window.notify(Notice(text=f"Card {made.card.name}: {made.said}", severity="good", key="card"))
        self.cards.choose(made.card.name)
        if self.page == "advice":
            self.show("cards")

    def _try_next(self, cells: Sequence[Mapping[str, Any]]) -> None:
        if self.page == "advice" and self.winfo_viewable():
            self._design_cells(cells)
        else:
            self._offer("What to try next is found.", "Design it", lambda: self._design_cells(cells), key="next")

    def _design_cells(self, cells: Sequence[Mapping[str, Any]]) -> None:
        self.window.select(KEY)
        self.design.take_cells(cells)
        self.show("design")

    # What comes.

    def _open(self, event: OpenExperiment) -> None:
        self.experiments.choose(event.experiment_id)
        self.show("experiments")
        if event.go_on:
            self.desk.run(event.experiment_id)

    def _say_complete(self) -> None:
        result = self.view.result
        if not self.view.busy and result is not None and result.complete and self.page != "rate":
            name = result.experiment_id
            rate = Action(label="Rate it", do=lambda: self._rate_from_notice(name))
            self.window.notify(Notice(text=f"Experiment {name} is complete.", actions=(rate,), key="experiment"))

    def _rate_from_notice(self, experiment_id: str) -> None:
        self.window.select(KEY)
        self.rate(experiment_id)

    def _draw_soon(self) -> None:
        if not self._due:
            self._due = True
            self.after(REDRAW_MS, self._draw)

    def _draw(self) -> None:
        self._due = False
        view, px = self.view, self.window.theme.px
        self.experiments.show_progress()
        if view.working:
            self.progress.configure(text=f"{view.experiment_id}: {100 * view.fraction:.0f} %")
            self.stop_button.configure(text="Stop now" if view.stopping else "Stop")
            self.stop_button.pack(side="right", padx=(px(8), 0))
            self.progress.pack(side="right")
            self._draw_soon()
        else:
            self.progress.pack_forget()
            self.stop_button.pack_forget()

    def _use_theme(self) -> None:
        self.design.area.recolour()
        self.experiments.recolour()
        self.rating.use_theme()
        self.advice.use_theme()
        self.cards.use_theme()
        self.proving.use_theme()

    def _design_edited(self) -> None:
        self.desk.design_edited()
        self._remember(self.design.memory())

    def _remember(self, values: Mapping[str, Any]) -> None:
        self.window.remember(KEY, values)
