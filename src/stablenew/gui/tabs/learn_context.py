"""What advice is asked about: a model, a pack, one experiment or all there is, and what it is to be good for."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ttkbootstrap as ttk

from stablenew.gui.theme import Theme
from stablenew.learning.advice import Question
from stablenew.learning.experiments import list_experiments
from stablenew.learning.prompt_class import ANY, TAG
from stablenew.learning.recommendation import Purpose
from stablenew.learning.record_index import RecordIndex
from stablenew.workspace import Workspace

ANY_MODEL, ANY_PROMPTS, EVERYTHING = "any model", "any prompts", "every rated picture"
PURPOSES: Mapping[str, Purpose] = {"the best pictures": "quality", "good pictures sooner": "time"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What advice is about; None: any."""

    model: str | None = None
    prompt_class: str | None = None
    experiment_id: str | None = None
    purpose: Purpose = "quality"


def read_choices(index: RecordIndex, workspace: Workspace) -> dict[str, list[str]]:
    """The models and packs that there are records of, and the experiments, the newest first."""
    models = {str(group.values[0]) for group in index.groups(["model"]) if group.values[0]}
    packs = {str(group.values[0]) for group in index.groups(["pack"]) if group.values[0]}
    experiments = sorted(list_experiments(workspace), key=lambda each: each.created_at, reverse=True)
    names = [each.experiment_id for each in experiments]
    return {"model": sorted(models), "pack": sorted(packs), "experiment": names}


def prompts_on_offer(packs: Sequence[str], classes: Sequence[str]) -> dict[str, str | None]:
    """What can be chosen as prompts, and what is then asked about; a class called as a pack is asked for with it."""
    own = {TAG + name: name for name in classes if name not in packs}
    return {ANY_PROMPTS: None, **{name: name for name in packs}, **own}


class ContextBar(ttk.Frame):
    """The choices in a row. `changed` is called when the person chose otherwise."""

    def __init__(self, master: tkinter.Misc, theme: Theme, changed: Callable[[], None]) -> None:
        super().__init__(master)
        px = theme.px
        self._model = tkinter.StringVar(self, ANY_MODEL)
        self._class = tkinter.StringVar(self, ANY_PROMPTS)
        self._experiment = tkinter.StringVar(self, EVERYTHING)
        self._purpose = tkinter.StringVar(self, next(iter(PURPOSES)))
        fields = (
            ("for", self._model, 18),
            ("on", self._class, 16),
            ("from", self._experiment, 30),
            ("", self._purpose, 19),
        )
        self.fields: list[ttk.Combobox] = []
        for text, variable, width in fields:
            if text:
                ttk.Label(self, text=text, style="Muted.TLabel").pack(side="left", padx=(0, px(6)))
            field = ttk.Combobox(self, textvariable=variable, state="readonly", width=width)
            field.pack(side="left", padx=(0, px(12)))
            field.bind("<<ComboboxSelected>>", lambda _: changed())
            self.fields.append(field)
        self.fields[3].configure(values=tuple(PURPOSES))
        self._packs: Sequence[str] = ()
        self._classes: Sequence[str] = ()
        self._prompts: dict[str, str | None] = {}
        self.offer({})

    @property
    def context(self) -> Context:
        """What is chosen."""
        model = self._model.get()
        return Context(
            model=None if model == ANY_MODEL else model,
            prompt_class=self._prompts.get(self._class.get()),
            experiment_id=None if self._experiment.get() == EVERYTHING else self._experiment.get(),
            purpose=PURPOSES[self._purpose.get()],
        )

    def look_at(self, experiment_id: str) -> None:
        """Choose that experiment, whatever its model and prompts."""
        self._model.set(ANY_MODEL)
        self._class.set(ANY_PROMPTS)
        self._experiment.set(experiment_id)

    def offer(self, choices: Mapping[str, Sequence[str]]) -> None:
        """Let these models, packs and experiments be chosen."""
        self._packs = choices.get("pack", ())
        self._offer_prompts()
        self.fields[0].configure(values=(ANY_MODEL, *choices.get("model", ())))
        self.fields[2].configure(values=(EVERYTHING, *choices.get("experiment", ())))

    def offer_classes(self, names: Sequence[str]) -> None:
        """Let these prompt classes be chosen beside the packs."""
        self._classes = names
        self._offer_prompts()

    def _offer_prompts(self) -> None:
        offered = prompts_on_offer(self._packs, self._classes)
        self.fields[1].configure(values=tuple(offered))
        # What was chosen while it was on offer stays meant.
        self._prompts |= offered


def question_of(context: Context, who: str | None) -> Question:
    """The context as advice is asked about it, from the ratings of `who`."""
    return Question(model=context.model, pack=context.prompt_class, who=who, experiment_id=context.experiment_id)


def card_arguments(context: Context) -> dict[str, Any]:
    """The context as `make_card` takes it."""
    return {
        "model": context.model or ANY,
        "prompt_class": context.prompt_class or ANY,
        "purpose": context.purpose,
    }
