"""`stablenew prove`: blind pairs, a card's old settings against its new ones."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stablenew.cli.options import json_option, workspace_option
from stablenew.cli.rate import who_option

if TYPE_CHECKING:
    from stablenew.learning.blind_pairs import Proof
    from stablenew.learning.taste_card import TasteCard
    from stablenew.pipeline.proof_outcome import Conclusion, ProofSession
    from stablenew.workspace import Workspace

_ANSWERS = {"a": "left", "b": "right", "t": "tie", "s": "skip"}
_KEYS = "a left, b right, t equal, s pass over, u undo, q stop for now > "


@click.command()
@click.argument("name", metavar="CARD")
@click.argument("packs", nargs=-1, type=click.Path(path_type=Path), metavar="[PACK]...")
@click.option(
    "--pairs", type=click.IntRange(1, 5000), default=60, show_default=True, help="How many, settled beforehand."
)
@click.option("--scorer", metavar="NAME", help="Let an installed scorer pick instead of you.")
@click.option("--new", "anew", is_flag=True, help="Begin another comparison instead of going on with the last.")
@click.option("--backend", metavar="NAME", help="Who makes the pictures [default: who made those of the card].")
@click.option("--url", metavar="URL", help="Address of the server, for backends that are one.")
@click.option("--yes", is_flag=True, help="Make the pictures without asking.")
@who_option
@workspace_option
@json_option
def prove(
    name: str,
    packs: tuple[Path, ...],
    pairs: int,
    scorer: str | None,
    anew: bool,
    backend: str | None,
    url: str | None,
    yes: bool,
    who: str | None,
    workspace: Workspace,
    as_json: bool,
) -> int:
    """Make pairs of pictures, the old settings against the card's, and pick without seeing which is which.

    Prompts are those of PACK, or of the pictures the card was made from; seeds are new. The win rate is kept with the
    card; a card that loses is withdrawn. Stopped at any time, the same command goes on.
    """
    from stablenew.learning.card_store import current_card
    from stablenew.pipeline.proof import newest_proof

    card = current_card(workspace, name)
    score = _scorer(scorer) if scorer else None  # before any picture is made
    proof = None if anew or packs else newest_proof(workspace, card)
    if proof is None:
        proof = _plan(workspace, card, packs, pairs, backend, url)
    if not _make(workspace, proof, backend, url, yes=yes, as_json=as_json):
        return 1
    if scorer and score:
        from stablenew.pipeline.proof_judge import judge_with_scorer, scorer_who

        who = scorer_who(scorer)
        judge_with_scorer(workspace, proof, scorer, score)
    else:
        _ask(workspace, proof, who)
    _conclude(workspace, proof, who, as_json=as_json)
    return 0


def _scorer(name: str) -> Any:
    from stablenew.learning.scorers import open_scorer

    return open_scorer(name).score


def _plan(
    workspace: Workspace, card: TasteCard, packs: tuple[Path, ...], pairs: int, backend: str | None, url: str | None
) -> Proof:
    from stablenew.pipeline.proof import plan_proof
    from stablenew.run_request import Wish, wished_plan

    variants = []
    if packs:
        plan, _ = wished_plan(Wish(packs=packs, limit=pairs), workspace, lambda text: click.echo(text, err=True))
        variants = list(plan)
    return plan_proof(workspace, card, pairs=pairs, variants=variants, backend=backend, backend_url=url)


def _make(
    workspace: Workspace, proof: Proof, backend: str | None, url: str | None, *, yes: bool, as_json: bool
) -> bool:
    """Make the pictures that are missing; False when none of the pairs could be made."""
    from stablenew.app import AppOptions, open_app
    from stablenew.cli.progress import follow
    from stablenew.cli.session import QUIET, say_result
    from stablenew.log import set_console_level
    from stablenew.pipeline.proof import proof_config, proof_variants
    from stablenew.pipeline.proof_outcome import made_pairs

    pictures = 2 * len(proof.tasks)
    missing = pictures - 2 * len(made_pairs(workspace, proof))
    begun = (workspace.runs / proof.proof_id / "manifest.json").is_file()
    if not missing:
        return True
    if not (yes or as_json or not sys.stdin.isatty()):
        click.confirm(f"make {missing} pictures for {len(proof.tasks)} pairs with {proof.backend}?", abort=True)
    config = proof_config(proof)
    options = AppOptions(
        workspace=workspace,
        source="StableNewCLI",
        backend=backend or proof.backend,
        model=config.model,
        url=url or (None if backend else proof.backend_url),
    )
    set_console_level(QUIET)
    with open_app(options) as app:
        result = follow(app.controller.start(config, list(proof_variants(proof)), resume=begun), as_json=as_json)
    if result.status != "done" and not as_json:
        say_result(result, workspace, learning=True)
    return result.status == "done" and bool(made_pairs(workspace, proof))


def _ask(workspace: Workspace, proof: Proof, who: str | None) -> None:
    from stablenew.pipeline.proof_outcome import ProofSession

    click.echo("Two pictures of one prompt, one with the old settings and one with the new: which is better?")
    with ProofSession(workspace, proof, who) as session:
        hinted = ""
        while session.state.next is not None and session.state.verdict != "worse":
            if not _ask_once(workspace, session):
                break
            hint = session.break_hint()
            if hint and not hinted:
                click.echo(hint)
            hinted = hint
        for line in session.checks().statements:
            click.echo(line)


def _ask_once(workspace: Workspace, session: ProofSession) -> bool:
    """Show the next pair and store what is said about it; False when the person stops."""
    from stablenew.cli.rate_pairs import read_key

    pair, left, right = session.sides()
    done = session.state.rate.pairs + session.state.skipped
    click.echo(f"\n{done + 1} of {len(session.proof.tasks)}: {pair.prompt}")
    _show(workspace.root / left.path, workspace.root / right.path, workspace.proofs / f"{session.proof.proof_id}.png")
    started = time.monotonic()
    key = read_key(_KEYS, "abtsuq")
    if key == "u":
        click.echo("took back the last answer" if session.undo() else "nothing to undo")
    elif key != "q":
        answer: Any = _ANSWERS[key]
        session.answer(answer, decided_ms=round((time.monotonic() - started) * 1000))
    return key != "q"


def _show(left: Path, right: Path, sheet: Path) -> None:
    """Both pictures beside each other; in `sheet` where the terminal shows none, as the files' names would tell."""
    import io

    from PIL import Image

    from stablenew.atomic_file import write_atomically
    from stablenew.cli.terminal_picture import encode_picture, show, side_by_side, terminal_protocol

    with Image.open(left) as first, Image.open(right) as second:
        both = side_by_side(first, second)
    protocol = terminal_protocol(os.environ, is_terminal=sys.stdout.isatty())
    if protocol != "none":
        show(encode_picture(both, protocol))
        return
    buffer = io.BytesIO()
    both.save(buffer, "PNG")
    write_atomically(sheet, buffer.getvalue())
    click.echo(f"  left and right: {sheet}")


def _conclude(workspace: Workspace, proof: Proof, who: str | None, *, as_json: bool) -> None:
    from stablenew.pipeline.proof_outcome import conclude

    done = conclude(workspace, proof, who=who)
    if as_json:
        _print_json(done)
        return
    for line in done.said:
        click.echo(line)
    if not done.state.complete and done.state.verdict != "worse":
        click.echo(f"go on with: stablenew prove {proof.card}")


def _print_json(done: Conclusion) -> None:
    import msgspec

    rate = done.state.rate
    said = {
        "card": done.card.name,
        "state": done.card.state,
        "verdict": done.state.verdict,
        "complete": done.state.complete,
        "rate": rate.rate,
        **msgspec.to_builtins(rate),
        "said": done.said,
        "presets": done.presets,
    }
    click.echo(msgspec.json.encode(said).decode())
