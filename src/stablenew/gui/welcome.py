"""What the window asks at its first start."""

from __future__ import annotations

from collections.abc import Callable

from stablenew.gui.notices import Action, Notice
from stablenew.workspace import Workspace


def learning_question(workspace: Workspace, answer: Callable[[bool], None]) -> Notice:
    """Whether runs should be recorded; `answer` is called with the choice."""
    text = (
        "Learning Mode keeps one record for every picture of a run (prompt, settings, seed, seconds) on this machine, "
        f"in {workspace.records}, so that your ratings can tell which settings work. Turn it on?"
    )
    turn_on = Action(label="Turn on", do=lambda: answer(True))
    leave_off = Action(label="Leave off", do=lambda: answer(False))
    return Notice(text=text, actions=(turn_on, leave_off), key="learning")
