"""Blind pairs judged by a scorer instead of a person: it sees the pictures and the prompt, and nothing of settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PIL import Image

from stablenew.errors import InputError
from stablenew.learning.blind_pairs import Proof, ProofState
from stablenew.pipeline.proof_outcome import ProofSession
from stablenew.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

WHO = "scorer:"

Score = Callable[[Image.Image, str], float]


def scorer_who(name: str) -> str:
    """Under whose name a scorer's picks are stored: never a person's."""
    return f"{WHO}{name}"


def judge_with_scorer(workspace: Workspace, proof: Proof, name: str, score: Score) -> ProofState:
    """Let `score` (larger is better) answer every pair that is left, and return where the proof stands.

    Equal scores are ties. Picks are stored as weak ratings: concluded, not said. Stops early where a card loses for
    certain. Raises InputError for a picture that cannot be read.
    """
    with ProofSession(workspace, proof, scorer_who(name), weak=True) as session:
        while session.state.next is not None and session.state.verdict != "worse":
            pair, left, right = session.sides()
            scores = [_scored(workspace.root / each.path, pair.prompt, score) for each in (left, right)]
            session.answer("tie" if scores[0] == scores[1] else "left" if scores[0] > scores[1] else "right")
        return session.state


def _scored(path: Path, prompt: str, score: Score) -> float:
    try:
        with Image.open(path) as opened:
            return score(opened.convert("RGB"), prompt)
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc}") from exc
