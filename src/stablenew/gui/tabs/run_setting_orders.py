"""What the Run tab's buttons do with settings: presets, one-click actions, pictures, proposals of other tabs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tkinter import filedialog
from typing import TYPE_CHECKING

from stablenew.errors import StableNewError
from stablenew.gui.difference import Difference, difference, show_difference
from stablenew.gui.events import ProposeSettings
from stablenew.gui.form import text_of
from stablenew.gui.notices import Action, Notice
from stablenew.gui.picture_settings import read_proposal
from stablenew.gui.tabs.run_launch import write_one_line_pack
from stablenew.pipeline.presets import OneClickAction, Preset, read_preset, save_action, save_preset

if TYPE_CHECKING:
    from stablenew.gui.tabs.run import RunTab


class SettingOrders:
    """Every method is for Tk's thread and returns at once."""

    def __init__(self, tab: RunTab) -> None:
        self._tab, self._window = tab, tab.window

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

    def ask_picture(self) -> None:
        """Ask for a picture, and show its settings."""
        types = [("Pictures", "*.png *.jpg *.jpeg *.webp *.avif"), ("All files", "*")]
        chosen = filedialog.askopenfilename(parent=self._tab, title="Settings of a picture", filetypes=types)
        if chosen:
            self.propose_picture(Path(chosen))

    def propose_picture(self, path: Path) -> None:
        """Show the settings that a picture carries."""
        self._window.jobs.start(lambda: read_proposal(path), self._window.send)

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
