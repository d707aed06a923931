"""Judges a proof and says after each answer that it was stored; run as a program by test_proof_killed, and killed.

Arguments: the workspace, the proof's id, and "safe" or "hasty" (says so before the answer is stored).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from stablenew.pipeline.proof import read_proof
from stablenew.pipeline.proof_outcome import ProofSession
from stablenew.workspace import Workspace


def main(root: str, proof_id: str, manner: str) -> None:
    workspace = Workspace(root=Path(root))
    with ProofSession(workspace, read_proof(workspace, proof_id), "ana") as session:
        while session.state.next is not None:
            place = session.state.next.place
            if manner == "hasty":
                print(place, flush=True)
                time.sleep(0.05)
            session.answer("left")
            if manner == "safe":
                print(place, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
