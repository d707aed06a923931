"""One real display for the window's tests, one window at a time, and pictures of it kept as artefacts."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stablenew.testing.fake_backend import FakeBackend, Script
from stablenew.workspace import Workspace
from tests.gui_v2.display import NoScreen, screen

if TYPE_CHECKING:
    from tests.gui_v2.hand import Hand

SCREENSHOTS = Path(__file__).parents[2] / "out" / "screenshots"
"""Ignored by git; CI keeps it as an artefact."""


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """The display of this test process."""
    try:
        with screen() as name:
            yield name
    except NoScreen as exc:
        pytest.skip(str(exc))


@pytest.fixture
def open_window(display: str, workspace: Workspace) -> Iterator[Callable[..., Hand]]:
    """Opens the window on the test's workspace and the fake backend, and gives a hand that uses it.

    `script` is the fake backend's; `size` the window's; other arguments are the window's own. What the window showed
    as a mistake fails the test when it ends.
    """
    hands: list[Hand] = []

    from tests.gui_v2.hand import open_fake

    def open_one(
        script: Script | None = None,
        *,
        size: tuple[int, int] = (1280, 800),
        learning: bool | None = True,
        **options: Any,
    ) -> Hand:
        hand = open_fake(workspace, FakeBackend(script=script), size=size, learning=learning, **options)
        hands.append(hand)
        return hand

    yield open_one
    mistakes: list[str] = []
    while hands:
        hands[0].put_away()
        mistakes += hands.pop(0).mistakes
    # What is left of a window must go on Tk's thread: a worker of the next one that came upon it would wait for a
    # main loop that is no more.
    gc.collect()
    assert not mistakes, "\n".join(mistakes)


@pytest.fixture
def shot(request: pytest.FixtureRequest) -> Callable[[Hand, str], Path]:
    """Keeps a picture of the window under out/screenshots."""

    def take(hand: Hand, name: str = "") -> Path:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        stem = re.sub(r"[^\w-]+", "-", f"{request.node.name}-{name}".strip("-"))
        path = SCREENSHOTS / f"{stem}.png"
        hand.picture().save(path)
        return path

    return take
