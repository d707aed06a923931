"""What the Run tab's buttons do: start and stop runs, go on with earlier ones, presets, one-click actions, pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tkinter import filedialog
from typing import TYPE_CHECKING

from stablenew.controller.events import RunFinished, RunStarted
from stablenew.errors import InputError, StableNewError
from stablenew.gui.difference import Difference, difference, show_difference
from stablenew.gui.events import BackendChanged, BackendChoice, OpenExperiment, OpenRun, ProposeSettings
from stablenew.gui.form import text_of
from stablenew.gui.notices import Action, Notice
from stablenew.gui.picture_settings import read_proposal
from stablenew.gui.tabs.run_launch import Planned, plan_wish, start_planned, write_one_line_pack
from stablenew.gui.tabs.run_presets import PresetOrders
from stablenew.pipeline.cost import describe, is_large
from stablenew.pipeline.presets import OneClickAction, Preset, read_preset, save_action, save_preset
from stablenew.pipeline.promotion import promote_run, rated_at_least
from stablenew.pipeline.run_folder import RunFolder, read_manifest
from stablenew.pipeline.run_list import RunSummary, last_statuses, unfinished_runs
from stablenew.prompts.randomizer import Plan
from stablenew.run_request import Continuation, Wish, continued_run, wish_of_action
from stablenew.workspace import Workspace

if TYPE_CHECKING:
    from stablenew.gui.tabs.run import RunTab

SAFE_LIMIT = 100
GOOD_RATING = 4.0


class RunOrders:
    """Every method is for Tk's thread and returns at once."""

    def __init__(self, tab: RunTab) -> None:
        self._tab, self._window = tab, tab.window
        self.running: Plan | None = None
        self._next: Callable[[], None] | None = None
        self._wanted: BackendChoice | None = None
        self._starting = False

    # --- runs ---------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run what stands in the tab."""
        if self._tab.view.busy or self._starting:
            return
        problems = self._tab.problems
        if problems:
            self._window.notify(Notice(text=problems[0], severity="bad", key="start"))
            return
        self._plan_and_start(self._tab.wish())

    def stop(self) -> None:
        """End the run after the picture being made; asked again, inside it."""
        controller = self._window.controller
        if controller is not None:
            controller.stop(now=controller.state == "stopping")

    def resume(self, run_id: str) -> None:
        """Go on with a run, on its own backend; with an experiment's in Learn."""
        workspace, source = self._window.workspace, self._window.source
        self._window.jobs.start(lambda: _going_on(workspace, run_id, source), self._continue)

    def offer_unfinished(self) -> None:
        """Offer to go on with the newest run that was not finished, unless it was declined before."""
        self._window.jobs.start(lambda: unfinished_runs(self._window.workspace), self._offer)

    def follow(self, event: object) -> None:
        """React to the run's own events."""
        if isinstance(event, RunStarted) and event.already_done:
            folder = RunFolder(self._window.workspace, event.run_id)
            self._window.jobs.start(lambda: _done_before(folder), partial(self._tab.mark_done, event.run_id))
        if isinstance(event, RunFinished):
            run_id = event.run_id
            self._window.jobs.start(
                lambda: read_manifest(self._window.workspace, run_id).paused_stages, partial(self._offer_stages, run_id)
            )

    def backend_answered(self, event: BackendChanged) -> None:
        """What waited for another backend can begin, or cannot."""
        if self._next is None or event.choice != self._wanted or event.state == "opening":
            return  # another one answers, chosen before: the wanted one will too
        waiting, self._next = self._next, None
        if event.state == "ready":
            waiting()
        else:
            self._window.notify(Notice(text=f"The run cannot start: {event.problem}", severity="bad"))

    def _plan_and_start(self, wish: Wish) -> None:
        backend, workspace = self._window.backend, self._window.workspace
        if backend is None or self._window.controller is None:
            problem = backend.problem if backend else "no backend is open"
            self._window.notify(Notice(text=f"The run cannot start: {problem}", severity="bad", key="start"))
            return
        name, can = backend.choice.name, backend.capabilities
        self._window.jobs.start(
            lambda: plan_wish(wish, workspace, name, can), partial(self._planned, wish), key="start"
        )

    def _planned(self, wish: Wish, planned: Planned) -> None:
        for note in planned.notes:
            self._tab.say(note)
        if not is_large(planned.estimate):
            self._start(planned)
            return
        actions = [Action(label="Start it", do=partial(self._start, planned))]
        if planned.plan.count > SAFE_LIMIT:
            actions.append(Action(label=f"Run {SAFE_LIMIT} of it, balanced", do=partial(self._limited, wish)))
        text = f"That is a lot: {describe(planned.estimate)}."
        self._window.notify(Notice(text=text, severity="warning", actions=tuple(actions), key="start"))

    def _limited(self, wish: Wish) -> None:
        self._plan_and_start(dataclasses.replace(wish, limit=SAFE_LIMIT))

    def _start(self, planned: Planned) -> None:
        controller = self._window.controller
        if controller is None:
            return
        self._window.notices.drop("start")
        self.running, self._starting = planned.plan, True
        self._window.jobs.start(lambda: start_planned(controller, planned), self._started, failed=self._not_started)

    def _started(self, _: object) -> None:
        self._starting = False

    def _not_started(self, exc: Exception) -> None:
        self._starting = False
        self._window.report(exc)

    def _continue(self, going_on: Continuation | OpenExperiment) -> None:
        if isinstance(going_on, OpenExperiment):
            self._window.send(going_on)
            return
        options = going_on.options
        choice = BackendChoice(name=options.backend, url=options.url, model=options.model)
        self.running = going_on.variants if isinstance(going_on.variants, Plan) else None
        self._on_backend(choice, partial(self._begin_again, going_on))

    def _begin_again(self, going_on: Continuation) -> None:
        controller = self._window.controller
        if controller is not None:
            self._window.jobs.start(lambda: controller.start(going_on.config, going_on.variants, resume=True))

    def _on_backend(self, choice: BackendChoice, then: Callable[[], None]) -> None:
        """Do `then` once this backend is open and has answered."""
        backend = self._window.backend
        if backend is not None and backend.state == "ready" and _same(backend.choice, choice):
            then()
            return
        self._next, self._wanted = then, choice
        self._window.choose_backend(choice)

    def _offer(self, found: list[RunSummary]) -> None:
        declined = set(self._window.recall("run").get("declined", ()))
        left = [summary for summary in found if summary.manifest.run_id not in declined]
        if not left or self._tab.view.busy:
            return
        run_id, total = left[0].manifest.run_id, left[0].manifest.variant_count
        self._window.notify(
            Notice(
                text=f"Run {run_id} was not finished: {left[0].unfinished} of {total} variants are left.",
                actions=(
                    Action(label="Resume", do=partial(self.resume, run_id)),
                    Action(label="Not now", do=partial(self._decline, run_id)),
                ),
                key="unfinished",
            )
        )

    def _decline(self, run_id: str) -> None:
        declined = list(self._window.recall("run").get("declined", ()))
        self._window.remember("run", {"declined": [*declined, run_id][-50:]})

    def _offer_stages(self, run_id: str, paused: tuple[str, ...]) -> None:
        if not paused:
            return
        self._window.notify(
            Notice(
                text=f"Run {run_id} paused before {paused[0]}.",
                actions=(
                    Action(label="Go on with all", do=partial(self._promote, run_id, None)),
                    Action(
                        label=f"Only {GOOD_RATING:g} stars and better", do=partial(self._promote, run_id, GOOD_RATING)
                    ),
                    Action(label="Review first", do=partial(self._review, run_id, paused)),
                ),
                key="paused",
            )
        )

    def _review(self, run_id: str, paused: tuple[str, ...]) -> None:
        self._window.send(OpenRun(run_id=run_id))
        self._offer_stages(run_id, paused)

    def _promote(self, run_id: str, rating: float | None) -> None:
        self._window.jobs.start(lambda: self._promoted(run_id, rating), self.resume)

    def _promoted(self, run_id: str, rating: float | None) -> str:
        workspace = self._window.workspace
        if rating is None:
            chosen = _done_before(RunFolder(workspace, run_id))
        else:
            chosen = rated_at_least(workspace, run_id, rating)
            if not chosen:
                raise InputError(f"nothing in run {run_id} is rated {rating:g} or better")
        return promote_run(workspace, run_id, chosen)

    # --- settings -----------------------------------------------------------------------------------------------------

    def for_presets(self) -> PresetOrders:
        """What the row of presets and one-click actions may ask for."""
        return PresetOrders(
            propose=self.propose_preset,
            save_preset=self.save_preset,
            go=self.go,
            save_action=self.save_action,
            open_picture=self.ask_picture,
        )

    def show_proposal(self, proposal: ProposeSettings) -> None:
        """Show what the proposal would change, and take it over once that is agreed."""
        found = difference(self._tab.settings(), proposal.settings)
        show_difference(
            self._tab, self._window.theme, proposal, self._tab.settings(), found, partial(self._take, proposal, found)
        )

    def propose_preset(self, name: str) -> None:
        """Show what the preset would change."""
        workspace = self._window.workspace
        self._window.jobs.start(
            lambda: ProposeSettings(settings=read_preset(workspace, name).settings, origin=f"preset {name}"),
            self._window.send,
            key="proposal",
        )

    def save_preset(self, name: str, replace: bool = False) -> None:
        """Keep the changed settings under a name."""
        preset = Preset(settings=dict(self._tab.stages.changes))
        if not preset.settings:
            self._window.notify(Notice(text="Nothing to save: no setting is changed.", severity="warning"))
            return
        workspace = self._window.workspace
        self._save(
            lambda: save_preset(workspace, name, preset, replace=replace),
            partial(self.save_preset, name, True),
            replace,
        )

    def save_action(self, label: str, replace: bool = False) -> None:
        """Keep packs, settings and axes as a one-click action."""
        wish, backend, workspace = self._tab.wish(), self._window.backend, self._window.workspace
        if not wish.packs:
            self._window.notify(Notice(text="Nothing to save: no pack is chosen.", severity="warning"))
            return
        action = OneClickAction(
            label=label,
            packs=tuple(str(path.resolve()) for path in wish.packs),
            set=tuple(f"{path}={text_of(value) or 'none'}" for path, value in wish.settings.items()),
            vary=wish.vary,
            backend=backend.choice.name if backend else None,
            limit=wish.limit,
        )
        if wish.vary_together or wish.skip or wish.seeds:
            text = "One-click actions keep no linked axes, skip rules or seeds per cell: those were left out."
            self._window.notify(Notice(text=text, severity="warning"))
        self._save(
            lambda: save_action(workspace, label, action, replace=replace),
            partial(self.save_action, label, True),
            replace,
        )

    def go(self, action: OneClickAction) -> None:
        """Run a one-click action, on its own backend."""
        if self._tab.view.busy:
            self._window.notify(Notice(text="A run is under way: wait for it or stop it first.", severity="warning"))
            return
        wish = dataclasses.replace(wish_of_action(action), no_learning=not self._window.state.learning)
        backend = self._window.backend
        name = action.backend or (backend.choice.name if backend else None)
        if (backend is not None and name == backend.choice.name) or name is None:
            self._plan_and_start(wish)
        else:
            self._on_backend(BackendChoice(name=name), partial(self._plan_and_start, wish))

    def ask_picture(self) -> None:
        """Ask for a picture, and show its settings."""
        types = [("Pictures", "*.png *.jpg *.jpeg *.webp *.avif"), ("All files", "*")]
        chosen = filedialog.askopenfilename(parent=self._tab, title="Settings of a picture", filetypes=types)
        if chosen:
            self.propose_picture(Path(chosen))

    def propose_picture(self, path: Path) -> None:
        """Show the settings that a picture carries."""
        self._window.jobs.start(lambda: read_proposal(path), self._window.send, key="proposal")

    def _take(self, proposal: ProposeSettings, found: Difference, with_prompt: bool) -> None:
        if found.changes:
            self._tab.take_settings(found.changes)
        if with_prompt and proposal.prompt:
            stem = Path(proposal.origin).stem or "prompt"
            workspace = self._window.workspace
            self._window.jobs.start(
                lambda: write_one_line_pack(workspace, stem, proposal.prompt, proposal.negative_prompt),
                lambda path: self._tab.packs.add([path]),
            )

    def _save(self, write: Callable[[], Path], again: Callable[[], None], replaced: bool) -> None:
        def saved(path: Path) -> None:
            self._tab.presets.read()
            self._window.notify(Notice(text=f"Saved {path}", severity="good", key="saved"))

        def refused(exc: Exception) -> None:
            if not isinstance(exc, StableNewError) or replaced or "already" not in str(exc):
                self._window.report(exc)
                return
            text = str(exc).partition(":")[0] + "."
            self._window.notify(
                Notice(text=text, severity="warning", actions=(Action(label="Replace it", do=again),), key="saved")
            )

        self._window.jobs.start(write, saved, failed=refused)


def _laid_out(going_on: Continuation) -> Continuation:
    """`going_on` with its plan counted: what that takes is done here, off Tk's thread, and kept in the plan."""
    if isinstance(going_on.variants, Plan):
        assert going_on.variants.count >= 0
    return going_on


def _going_on(workspace: Workspace, run_id: str, source: str) -> Continuation | OpenExperiment:
    """What it takes to go on with a run; an experiment's pictures are made by the experiment."""
    recipe = read_manifest(workspace, run_id).recipe or {}
    if "experiment" in recipe:
        return OpenExperiment(experiment_id=str(recipe["experiment"]), go_on=True)
    return _laid_out(continued_run(workspace, run_id, source))


def _done_before(folder: RunFolder) -> frozenset[int]:
    """The variants of a run with a picture of each of its stages so far."""
    statuses = last_statuses(folder)
    return frozenset(
        index for index, stages in statuses.items() if stages and all(status == "ok" for status in stages.values())
    )


def _same(open_one: BackendChoice, wanted: BackendChoice) -> bool:
    return open_one.name == wanted.name and (wanted.url is None or open_one.url == wanted.url)
