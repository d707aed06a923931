"""The cards of the Run tab: the model, and every stage with the settings declared for it."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Mapping
from typing import Any

import ttkbootstrap as ttk

from stablenew.backends.base import Capabilities
from stablenew.config import STAGES, PipelineConfig, Setting, declared_settings, extra_of
from stablenew.gui.card import BODY_INDENT, Card
from stablenew.gui.form import SettingsForm, is_shown, label_of, text_of
from stablenew.gui.theme import Theme

TITLES = {
    "": "Model and seed",
    "hires_scale": "Hires fix",
    "refiner": "Refiner",
    "adetailer_model": "ADetailer",
    "server": "Server extras",
}
"""Titles of the groups; one that has none goes by its own name."""


def grouped(settings: Mapping[str, Setting]) -> dict[tuple[str, str], list[Setting]]:
    """The settings by (stage or "", server extra or ""), in the order of declaration; which stages run is no field."""
    found: dict[tuple[str, str], list[Setting]] = {}
    for path, setting in settings.items():
        if path == "stages":
            continue
        stage, _, name = path.rpartition(".")
        extra = extra_of(name) or ""
        found.setdefault((stage, _JOINED.get(extra, extra)), []).append(setting)
    return found


_JOINED = {"restore_faces": "server", "scripts": "server"}


class StageCards(ttk.Frame):
    """Every setting, in cards. `changed` is called after every edit of the person's."""

    def __init__(self, master: tkinter.Misc, theme: Theme, changed: Callable[[], None]) -> None:
        super().__init__(master)
        self._changed = changed
        self._base = PipelineConfig()
        self._can: Capabilities | None = None
        self.cards: dict[tuple[str, str], Card] = {}
        self.forms: dict[tuple[str, str], SettingsForm] = {}
        self._stages_touched = False
        for (stage, extra), settings in grouped(declared_settings()).items():
            within = self.cards[(stage, "")].body if extra else self
            title = TITLES.get(extra or stage, extra or stage)
            toggled = self._stage_switched if stage and not extra else None
            card = Card(
                within, theme, title, toggled=toggled, opened=not extra, heading="TLabel" if extra else "Heading.TLabel"
            )
            form = SettingsForm(card.body, theme, settings, self._edited, indent=BODY_INDENT if extra else 0)
            form.pack(fill="x")
            self.cards[stage, extra], self.forms[stage, extra] = card, form
            if not extra:
                card.pack(fill="x", pady=(0, theme.px(8)))
        self._take_stages(self._base.stages)
        self.show(None)

    @property
    def changes(self) -> dict[str, Any]:
        """By path, what the person set."""
        found = {path: value for form in self.forms.values() for path, value in form.changes.items()}
        return found | ({"stages": self.stages} if self._stages_touched else {})

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that are switched on, in order."""
        return tuple(stage for stage in STAGES if self.cards[stage, ""].on.get())

    @property
    def problems(self) -> list[str]:
        """What is wrong in the fields of what will run."""
        return [
            problem
            for (stage, _), form in self.forms.items()
            if not stage or stage in self.stages
            for problem in form.problems
        ]

    def show(self, can: Capabilities | None) -> None:
        """Offer what the backend has, and only what it does."""
        self._can = can
        for (stage, extra), form in self.forms.items():
            form.show(can)
            if extra:
                there = any(is_shown(each.setting, can) or each.touched for each in form.fields.values())
                self.cards[stage, extra].pack(fill="x") if there else self.cards[stage, extra].pack_forget()
        self._summarise()

    def take_base(self, config: PipelineConfig) -> None:
        """Show `config` wherever nobody set anything."""
        self._base = config
        for form in self.forms.values():
            form.take_base(config)
        if not self._stages_touched:
            self._take_stages(config.stages)
        self._summarise()

    def take_changes(self, changes: Mapping[str, Any]) -> None:
        """Make exactly `changes` (typed, by path) the person's."""
        for form in self.forms.values():
            form.take_changes(changes)
        self._stages_touched = "stages" in changes
        self._take_stages(changes.get("stages", self._base.stages))
        self.show(self._can)

    def _take_stages(self, stages: tuple[str, ...]) -> None:
        for stage in STAGES:
            self.cards[stage, ""].turn(stage in stages)

    def _stage_switched(self) -> None:
        self._stages_touched = True
        self._edited()

    def _edited(self) -> None:
        self._summarise()
        self._changed()

    def _summarise(self) -> None:
        for (stage, extra), card in self.cards.items():
            changes = self.forms[stage, extra].changes
            if not extra:
                for (other, inner), form in self.forms.items():
                    changes |= form.changes if other == stage and inner else {}
            declared = declared_settings()
            said = [f"{label_of(declared[path])} {text_of(value) or 'none'}" for path, value in changes.items()]
            card.summarise(_shortened(said))


def _shortened(parts: list[str], limit: int = 3) -> str:
    more = f", +{len(parts) - limit}" if len(parts) > limit else ""
    return ", ".join(part if len(part) <= 28 else part[:25] + "..." for part in parts[:limit]) + more
