"""A judge whose process is killed: what was acknowledged counts, and nothing is asked twice."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from stablenew.learning.blind_pairs import showings
from stablenew.learning.learning_feedback import Rating, read_ratings
from stablenew.pipeline.proof import plan_proof, read_proof
from stablenew.pipeline.proof_outcome import ProofSession
from stablenew.workspace import Workspace
from tests.cards import animals, card, make_pairs

PROGRAM = Path(__file__).with_name("killed_proof.py")


def judge_until_killed(workspace: Workspace, proof_id: str, answers: int, manner: str = "safe") -> list[int]:
    """The places acknowledged by a judge that is killed once it has said `answers` of them."""
    program = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(workspace.root), proof_id, manner], stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    said = [int(program.stdout.readline()) for _ in range(answers)]
    program.kill()
    said += [int(line) for line in program.stdout.read().split("\n") if line]
    program.wait()
    return said


def looks(workspace: Workspace) -> Counter[frozenset[str]]:
    lines = [read for read in read_ratings(workspace.ratings) if isinstance(read, Rating)]
    return Counter(frozenset(line.shown) for line in lines)


@pytest.fixture
def proof_id(workspace: Workspace) -> str:
    """A proof of 16 pairs with all its pictures."""
    animals(workspace)
    proof = plan_proof(workspace, card(workspace), pairs=16)
    make_pairs(workspace, proof)
    return proof.proof_id


def test_a_killed_judge_goes_on_at_the_next_pair(workspace: Workspace, proof_id: str) -> None:
    """Killed four times, the comparison ends complete: every pair once, every hidden repeat once, none lost."""
    acknowledged: Counter[int] = Counter()
    for answers in (1, 3, 2, 4):
        acknowledged.update(judge_until_killed(workspace, proof_id, answers))
    proof = read_proof(workspace, proof_id)
    with ProofSession(workspace, proof, "ana") as session:
        stored = Counter(look.pair for look in session.state.looks)
        for place, times in acknowledged.items():
            pair = session.pairs[place]
            assert stored[frozenset((pair.old.record_id, pair.new.record_id))] >= times
        while session.state.next is not None:
            session.answer("right")
        state = session.state
    assert (state.rate.pairs, state.complete) == (16, True)
    planned = Counter(showing.place for showing in showings(16, proof.order_seed))
    assert sorted(looks(workspace).values()) == sorted(planned.values())


def test_an_answer_acknowledged_before_it_is_stored_would_be_missed(workspace: Workspace, proof_id: str) -> None:
    """The same kill with a judge that says so too early: the test above can fail."""
    said = judge_until_killed(workspace, proof_id, 3, "hasty")
    assert sum(looks(workspace).values()) < len(said)
