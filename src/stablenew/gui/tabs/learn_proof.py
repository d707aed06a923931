"""A card's blind pairs as the window needs them: planned, made, judged one at a time; all for a worker's thread."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from stablenew.controller.pipeline_controller import PipelineController, RunHandle
from stablenew.learning.blind_pairs import Proof
from stablenew.learning.rater_checks import Answer
from stablenew.learning.taste_card import TasteCard
from stablenew.pipeline.proof import PAIRS, newest_proof, plan_proof, proof_config, proof_variants
from stablenew.pipeline.proof_outcome import Conclusion, ProofSession, conclude, made_pairs
from stablenew.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedProof:
    """A comparison and how many of its pairs are not made yet."""

    proof: Proof
    missing: int

    @property
    def pairs(self) -> int:
        return len(self.proof.tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The two pictures to look at, and how far the person is. Nothing in it tells which one is the card's.

    `left`, `right` None: there is none left to look at, or the outcome is clear.
    """

    left: Path | None = None
    right: Path | None = None
    prompt: str = ""
    answered: int = 0
    pairs: int = 0
    hint: str = ""

    @property
    def over(self) -> bool:
        return self.left is None


def planned_proof(workspace: Workspace, card: TasteCard, pairs: int = PAIRS) -> PlannedProof:
    """The newest comparison of the card's very settings, else one planned now. Raises InputError."""
    proof = newest_proof(workspace, card) or plan_proof(workspace, card, pairs=pairs)
    return PlannedProof(proof=proof, missing=len(proof.tasks) - len(made_pairs(workspace, proof)))


def start_proof(controller: PipelineController, workspace: Workspace, proof: Proof) -> RunHandle:
    """Make the pairs that are missing. Raises RunBusy."""
    begun = (workspace.runs / proof.proof_id / "manifest.json").is_file()
    return controller.start(proof_config(proof), list(proof_variants(proof)), resume=begun)


class Judging:
    """One person at one comparison. Used by one thread at a time, so that answers come in their order."""

    def __init__(self, workspace: Workspace, proof: Proof, who: str | None) -> None:
        self._workspace, self._proof, self._who = workspace, proof, who
        self._open = ExitStack()
        self._session = self._open.enter_context(ProofSession(workspace, proof, who))

    def pair(self) -> Pair:
        """What to look at now."""
        state = self._session.state
        answered = len([look for look in state.looks if look.answer != "skip"])
        progress = Pair(answered=answered, pairs=len(self._session.pairs), hint=self._session.break_hint())
        if state.next is None or state.verdict == "worse":
            return progress
        made, left, right = self._session.sides()
        root = self._workspace.root
        return Pair(
            left=root / left.path,
            right=root / right.path,
            prompt=made.prompt,
            answered=progress.answered,
            pairs=progress.pairs,
            hint=progress.hint,
        )

    def answer(self, answer: Answer, decided_ms: int) -> Pair:
        """Store the answer; what to look at next. Raises RecordNotWritten."""
        self._session.answer(answer, decided_ms=decided_ms)
        return self.pair()

    def undo(self) -> Pair:
        """Take back the last answer; what to look at again."""
        self._session.undo()
        return self.pair()

    def close(self) -> None:
        """Close the session; what was found is on disk, and nothing is kept with the card."""
        self._open.close()

    def conclude(self) -> Conclusion:
        """Keep what was found with the card, and close the session."""
        self.close()
        return conclude(self._workspace, self._proof, who=self._who)
