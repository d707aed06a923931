"""What the Learn tab's buttons do to experiments: store, start, stop, go on, each on the experiment's own backend."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from stablenew.gui.events import BackendChanged, BackendChoice
from stablenew.gui.notices import Action, Notice
from stablenew.gui.tabs.learn_draft import Designed, store_experiment
from stablenew.gui.tabs.learn_proof import PlannedProof, start_proof
from stablenew.learning.experiments import Experiment, read_experiment
from stablenew.pipeline.cost import describe, is_large

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

LARGE = "large design"
"""The notice that asks whether a large design is to be started; it holds that design."""


class ExperimentDesk:
    """Every method is for Tk's thread and returns at once. `stored` is told what was stored, `started` what began."""

    def __init__(
        self, window: StableNewGUI, stored: Callable[[Experiment], None], started: Callable[[str], None]
    ) -> None:
        self._window, self._stored, self._started = window, stored, started
        self._waiting: tuple[BackendChoice, Callable[[], None]] | None = None

    def start_design(self, designed: Designed, *, sure: bool = False) -> None:
        """Store the design and run it; a large one is asked about first."""
        if not sure and is_large(designed.estimate):
            start = Action(label="Start it", do=partial(self.start_design, designed, sure=True))
            text = f"That is a lot: {describe(designed.estimate)}."
            self._window.notify(Notice(text=text, severity="warning", actions=(start,), key=LARGE))
            return
        self._store(designed, lambda experiment: self._run(experiment))

    def design_edited(self) -> None:
        """A large design that was asked about is not the one on the page any more."""
        self._window.notices.drop(LARGE)

    def keep_design(self, designed: Designed) -> None:
        """Store the design; it can be started later."""
        self._store(designed, lambda _: None)

    def run(self, experiment_id: str) -> None:
        """Make what is missing of a stored experiment."""
        workspace = self._window.workspace
        self._window.jobs.start(lambda: read_experiment(workspace, experiment_id), self._run, key="run experiment")

    def prove(self, planned: PlannedProof) -> None:
        """Make the pairs that are missing of a comparison, on its own backend."""
        proof, workspace = planned.proof, self._window.workspace

        def begin() -> None:
            controller = self._window.controller
            if controller is not None:
                self._window.jobs.start(lambda: start_proof(controller, workspace, proof))

        self._on_backend(BackendChoice(name=proof.backend, url=proof.backend_url), begin)

    def stop(self, *, now: bool) -> None:
        """End it after the picture being made, or `now`, inside it."""
        controller = self._window.controller
        if controller is not None:
            controller.stop(now=now)

    def backend_answered(self, event: BackendChanged) -> None:
        """What waited for another backend can begin, or cannot."""
        waiting = self._waiting
        if waiting is None or event.choice != waiting[0] or event.state == "opening":
            return  # another one answers, chosen before: the wanted one will too
        self._waiting = None
        if event.state == "ready":
            waiting[1]()
        else:
            self._window.notify(Notice(text=f"It cannot start: {event.problem}", severity="bad"))

    def _store(self, designed: Designed, then: Callable[[Experiment], None]) -> None:
        window = self._window
        window.notices.drop(LARGE)  # it would store the design once more
        if window.backend is None:
            window.notify(Notice(text="No backend is open: choose one in Run.", severity="bad", key="experiment"))
            return
        choice, workspace = window.backend.choice, window.workspace

        def kept(experiment: Experiment) -> None:
            self._stored(experiment)
            then(experiment)

        window.jobs.start(lambda: store_experiment(workspace, designed, choice), kept)

    def _run(self, experiment: Experiment) -> None:
        choice = BackendChoice(name=experiment.backend, url=experiment.backend_url)
        self._on_backend(choice, partial(self._begin, experiment.experiment_id))

    def _on_backend(self, choice: BackendChoice, begin: Callable[[], None]) -> None:
        """Do it once this backend is open and has answered."""
        backend = self._window.backend
        if backend is not None and backend.state == "ready" and _is_it(backend.choice, choice):
            begin()
            return
        self._waiting = choice, begin
        self._window.choose_backend(choice)

    def _begin(self, experiment_id: str) -> None:
        controller, workspace = self._window.controller, self._window.workspace
        if controller is not None:
            self._window.notices.drop("experiment")
            self._window.notices.drop(LARGE)
            self._window.jobs.start(
                lambda: controller.start_experiment(workspace, experiment_id), lambda _: self._started(experiment_id)
            )


def _is_it(opened: BackendChoice, wanted: BackendChoice) -> bool:
    return opened.name == wanted.name and (wanted.url is None or opened.url == wanted.url)
