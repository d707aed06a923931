"""Presets and one-click actions: what a person named, as a row of buttons."""

from __future__ import annotations

import tkinter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

from stablenew.errors import InputError
from stablenew.gui.dialog import ask_line
from stablenew.pipeline.presets import OneClickAction, list_actions, list_presets, read_action
from stablenew.workspace import Workspace

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

BUTTONS = 4
"""So many one-click actions have a button; the others are in a menu."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What there is in the workspace."""

    presets: tuple[str, ...] = ()
    actions: tuple[OneClickAction, ...] = ()


def read_named(workspace: Workspace) -> Named:
    """Every preset's name and every readable one-click action. For a worker's thread."""
    actions = []
    for name in list_actions(workspace):
        try:
            actions.append(read_action(workspace, name))
        except InputError:
            continue  # `stablenew go --list` names it; a file that cannot be read must not hide the others
    return Named(presets=tuple(list_presets(workspace)), actions=tuple(actions))


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetOrders:
    """What the row asks of the Run tab."""

    propose: Callable[[str], None]
    save_preset: Callable[[str], None]
    go: Callable[[OneClickAction], None]
    save_action: Callable[[str], None]
    open_picture: Callable[[], None]


class PresetBar(ttk.Frame):
    """Presets on the left, one-click actions in the middle, a picture's settings on the right."""

    def __init__(self, master: tkinter.Misc, window: StableNewGUI, orders: PresetOrders) -> None:
        px = window.theme.px
        super().__init__(master)
        self._window, self._orders, self._px = window, orders, px
        ttk.Label(self, text="Preset").pack(side="left", padx=(0, px(8)))
        self._preset = tkinter.StringVar(self)
        self.presets = ttk.Combobox(self, textvariable=self._preset, state="readonly", width=18)
        self.presets.pack(side="left")
        self.presets.bind("<<ComboboxSelected>>", lambda _: orders.propose(self._preset.get()))
        ttk.Button(self, text="Save as preset...", command=self._ask_preset).pack(side="left", padx=px(4))
        ttk.Separator(self, orient="vertical").pack(side="left", fill="y", padx=px(8))
        ttk.Label(self, text="One click").pack(side="left", padx=(0, px(8)))
        self._buttons = ttk.Frame(self)
        self._buttons.pack(side="left")
        ttk.Button(self, text="Save as one click...", command=self._ask_action).pack(side="left", padx=px(4))
        ttk.Button(self, text="Settings of a picture...", command=orders.open_picture).pack(side="right")
        self.read()

    def read(self) -> None:
        """Look what there is now."""
        self._window.jobs.start(lambda: read_named(self._window.workspace), self._show, key="named")

    def _show(self, named: Named) -> None:
        self.presets.configure(values=named.presets, state="readonly" if named.presets else "disabled")
        for child in self._buttons.winfo_children():
            child.destroy()
        for action in named.actions[:BUTTONS]:
            text = action.label if len(action.label) <= 20 else action.label[:18] + "..."
            button = ttk.Button(self._buttons, text=text, command=partial(self._orders.go, action))
            button.pack(side="left", padx=(0, self._px(4)))
            ttk.ToolTip(button, text=described(action), delay=600)
        if len(named.actions) > BUTTONS:
            self._more(named.actions[BUTTONS:])
        if not named.actions:
            ttk.Label(self._buttons, text="none yet", style="Muted.TLabel").pack()

    def _more(self, actions: tuple[OneClickAction, ...]) -> None:
        more = ttk.Menubutton(self._buttons, text=f"{len(actions)} more")
        menu = ttk.Menu(more, tearoff=False)
        for action in actions:
            menu.add_command(label=action.label, command=partial(self._orders.go, action))
        more.configure(menu=menu)
        more.pack(side="left")

    def _ask_preset(self) -> None:
        question = "The settings you changed are saved under this name."
        ask_line(
            self, self._window.theme, title="Save as preset", question=question, button="Save",
            then=self._orders.save_preset,
        )  # fmt: skip

    def _ask_action(self) -> None:
        question = "The chosen packs, settings and axes become a button with this label, which records carry too."
        ask_line(
            self, self._window.theme, title="Save as one-click action", question=question, button="Save",
            then=self._orders.save_action,
        )  # fmt: skip


def described(action: OneClickAction) -> str:
    """What the action runs, in a few lines."""
    lines = ["packs " + ", ".join(action.packs)]
    lines += [f"preset {action.preset}"] if action.preset else []
    lines += list(action.set)
    lines += [f"vary {text}" for text in action.vary]
    lines += [f"backend {action.backend}"] if action.backend else []
    lines += [f"at most {action.limit}"] if action.limit else []
    return "\n".join(lines)
