"""Measured gain: blind pairs planned, made, judged and acted on."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from pathlib import Path

import pytest

from stablenew.backends.base import CancelToken
from stablenew.errors import InputError
from stablenew.learning.blind_pairs import Proof, showings
from stablenew.learning.card_store import card_history, current_card
from stablenew.learning.learning_feedback import Rating, read_ratings
from stablenew.learning.learning_reader import read_current_records
from stablenew.learning.record_settings import flat_settings
from stablenew.pipeline.card_presets import apply_card
from stablenew.pipeline.pipeline_runner import PipelineRunner
from stablenew.pipeline.presets import Preset, list_presets, read_preset, save_preset
from stablenew.pipeline.proof import newest_proof, plan_proof, proof_config, proof_variants, read_proof
from stablenew.pipeline.proof_judge import judge_with_scorer, scorer_who
from stablenew.pipeline.proof_outcome import Conclusion, ProofSession, conclude, made_pairs, withdraw_card
from stablenew.testing.fake_backend import FakeBackend, Script
from stablenew.workspace import Workspace
from tests.cards import NEW, NOW, OLD, advice, animals, card, make_pairs


def begin(workspace: Workspace, pairs: int = 20, make: bool = True) -> Proof:
    """A card of the animals, and its pairs."""
    animals(workspace)
    proof = plan_proof(workspace, card(workspace), pairs=pairs, now=NOW)
    if make:
        make_pairs(workspace, proof)
    return proof


def judge(workspace: Workspace, proof: Proof, wins: int, who: str | None = "ana", ties: int = 0) -> Conclusion:
    """Answer everything: the first `wins` pairs for the new settings, then `ties`, the rest for the old."""
    with ProofSession(workspace, proof, who) as session:
        while session.state.next is not None:
            rate, new_left = session.state.rate, session.state.next.new_left
            if rate.wins < wins:
                session.answer("left" if new_left else "right", decided_ms=1500)
            elif rate.ties < ties:
                session.answer("tie", decided_ms=1500)
            else:
                session.answer("right" if new_left else "left", decided_ms=1500)
    return conclude(workspace, proof, who=who, now=NOW)


def test_both_sides_differ_in_the_settings_and_in_nothing_else(workspace: Workspace) -> None:
    """Every pair has one prompt and one seed; old has the old settings, new the new; cells say which is which."""
    proof = begin(workspace)
    by_cell: dict[str, dict[int, dict[str, object]]] = {"old": {}, "new": {}}
    for record in read_current_records(workspace.records, proof.proof_id):
        assert record.run.experiment_id == proof.proof_id
        by_cell[record.run.cell or ""][record.prompt.seed or 0] = {
            "prompt": record.prompt.prompt,
            "pack": record.prompt.pack_name,
            **flat_settings(record),
        }
    assert by_cell["old"].keys() == by_cell["new"].keys()
    assert len(by_cell["old"]) == 20
    for seed, old in by_cell["old"].items():
        new = by_cell["new"][seed]
        assert {name: value for name, value in old.items() if new[name] != value} == OLD
        assert {name: value for name, value in new.items() if old[name] != value} == NEW


def test_no_picture_the_card_was_made_from_is_judged_again(workspace: Workspace) -> None:
    """The seeds are new ones; the prompts are those of the card's own records, negative prompt and pack included."""
    proof = begin(workspace, make=False)
    assert {task.seed for task in proof.tasks}.isdisjoint(range(100, 104))
    assert len({task.seed for task in proof.tasks}) == 20
    assert {(task.prompt, task.negative_prompt, task.pack_name) for task in proof.tasks} == {
        ("a cat on a wall", "blurry", "animals")
    }


def test_the_plan_is_on_disk_before_a_picture_and_decides_everything(workspace: Workspace) -> None:
    """Read back, it gives the very same variants, sides and order."""
    proof = begin(workspace, make=False)
    assert not (workspace.runs / proof.proof_id).exists()
    again = read_proof(workspace, proof.proof_id)
    assert again == proof
    assert list(proof_variants(again)) == list(proof_variants(proof))
    assert newest_proof(workspace, current_card(workspace, "any")) == proof


@pytest.mark.parametrize("pairs", [1, 2, 7, 8, 9, 40, 61])
def test_sides_are_balanced_and_repeats_swap_them(pairs: int) -> None:
    """Each pair once, new left in half of them; a repeat comes at least five pairs later, on the other side, once."""
    shown = showings(pairs, 12345)
    first = [each for each in shown if not each.again]
    assert sorted(each.place for each in first) == list(range(pairs))
    assert abs(2 * sum(each.new_left for each in first) - pairs) <= 1
    again = [each for each in shown if each.again]
    assert len(again) == pairs // 8
    assert max(Counter(each.place for each in again).values(), default=1) == 1
    for each in again:
        place = next(at for at, before in enumerate(shown) if before.place == each.place)
        assert shown.index(each) - place > 5
        assert shown[place].new_left is not each.new_left


def test_order_and_sides_tell_nothing_about_which_is_new(workspace: Workspace) -> None:
    """Over many proofs the new one is on the left half of the time at every position."""
    left = Counter(
        at for seed in range(400) for at, each in enumerate(showings(16, seed)) if each.new_left and not each.again
    )
    shown = Counter(at for seed in range(400) for at, each in enumerate(showings(16, seed)) if not each.again)
    for at, count in shown.items():
        assert abs(left[at] / count - 0.5) < 0.12, at


def test_a_winning_card_is_proved(workspace: Workspace) -> None:
    """16 of 20: the rate with its interval is kept with the card, in a new version."""
    proof = begin(workspace)
    done = judge(workspace, proof, wins=16)
    assert (done.state.rate.wins, done.state.rate.losses, done.state.complete) == (16, 4, True)
    found = current_card(workspace, "any")
    assert (found.state, found.event, found.in_use) == ("proved", "measured", NEW)
    assert found.measured is not None
    assert found.measured.rate.text == "80 %, 58..92 %, 20 pairs"
    assert found.measured.statements[0] == ("the new settings win 80 %, 58..92 %, 20 pairs (16 won, 0 equal, 4 lost)")
    assert found.measured.agreement is not None
    assert (found.measured.agreement.count, found.measured.agreement.n) == (1, 2)
    assert len(card_history(workspace, "any")) == 2


def test_a_losing_card_is_withdrawn_and_the_old_settings_are_in_use(workspace: Workspace) -> None:
    """8 of 20 is below one half: withdrawn, said so, and what the card gives are the old settings."""
    proof = begin(workspace)
    done = judge(workspace, proof, wins=8)
    found = current_card(workspace, "any")
    assert (found.state, found.event, found.in_use) == ("withdrawn", "withdrawn", OLD)
    assert found.reason == "lost its blind pairs: 40 %, 22..61 %, 20 pairs"
    assert "card any is withdrawn, and the old settings are in use again" in done.said
    with pytest.raises(InputError, match="withdrawn"):
        apply_card(workspace, "any", "p")


def test_neither_better_nor_worse_is_said_to_be_neither(workspace: Workspace) -> None:
    """11 of 20 keeps the card and says that the two are not told apart."""
    proof = begin(workspace)
    done = judge(workspace, proof, wins=11)
    assert current_card(workspace, "any").state == "undecided"
    assert "old and new are not told apart: the interval holds one half" in done.said


def test_ties_count_half_and_skips_count_nothing(workspace: Workspace) -> None:
    """Ten ties, no win: 10 of 20 is 25 %; skipped pairs are counted apart."""
    proof = begin(workspace)
    with ProofSession(workspace, proof, "ana") as session:
        for _ in range(3):
            session.answer("skip")
        assert (session.state.rate.pairs, session.state.skipped) == (0, 3)
    done = judge(workspace, proof, wins=0, ties=10)
    assert (done.state.rate.ties, done.state.rate.losses, done.state.skipped) == (10, 7, 3)
    assert any("3 passed over" in said for said in done.said)


def test_presets_made_from_a_card_that_loses_get_the_old_settings_again(workspace: Workspace) -> None:
    """A new preset gets the old settings; one that was there, what it held; one edited since stays as it is."""
    save_preset(workspace, "mine", Preset(settings={"txt2img.steps": 40, "txt2img.clip_skip": 2}, note="by hand"))
    proof = begin(workspace)
    apply_card(workspace, "any", "fresh")
    apply_card(workspace, "any", "mine", replace=True)
    apply_card(workspace, "any", "edited")
    assert read_preset(workspace, "mine").settings["txt2img.steps"] == 28
    assert read_preset(workspace, "mine").settings["txt2img.clip_skip"] == 2
    edited = Preset(settings={**read_preset(workspace, "edited").settings, "txt2img.steps": 33})
    save_preset(workspace, "edited", edited, replace=True)
    done = judge(workspace, proof, wins=5)
    assert [(each.name, each.changed) for each in done.presets] == [("fresh", True), ("mine", True), ("edited", False)]
    assert read_preset(workspace, "fresh").settings == {f"txt2img.{name}": value for name, value in OLD.items()}
    assert read_preset(workspace, "mine") == Preset(
        settings={"txt2img.steps": 40, "txt2img.clip_skip": 2}, note="by hand"
    )
    assert read_preset(workspace, "edited").settings["txt2img.steps"] == 33
    assert "preset fresh has the old settings again" in done.said
    assert "preset edited was changed since: left as it is" in done.said


def test_a_kill_between_card_and_presets_is_made_good_by_the_next_conclusion(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card is withdrawn first; the presets follow when the outcome is asked for again, once."""
    proof = begin(workspace)
    apply_card(workspace, "any", "fresh")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("stablenew.pipeline.proof_outcome.take_presets_back", killed)
        with pytest.raises(KeyboardInterrupt):
            judge(workspace, proof, wins=5)
    assert current_card(workspace, "any").state == "withdrawn"
    assert read_preset(workspace, "fresh").settings["txt2img.steps"] == 28
    assert [each.name for each in conclude(workspace, proof, who="ana").presets] == ["fresh"]
    assert read_preset(workspace, "fresh").settings["txt2img.steps"] == 20
    again = conclude(workspace, proof, who="ana")
    assert (again.stored, again.presets) == (False, ())


def test_every_answer_is_a_rating_and_a_killed_session_goes_on(workspace: Workspace) -> None:
    """Each answer is an appended line (blind, surface, time taken, sides); another session begins at the next pair."""
    proof = begin(workspace)
    with ProofSession(workspace, proof, "ana") as session:
        first = session.state.next
        assert first is not None
        _, left, right = session.sides()
        session.answer("left", decided_ms=1234)
        second = session.state.next
    (line,) = (read for read in read_ratings(workspace.ratings) if isinstance(read, Rating))
    assert (line.record_id, line.better_than[0].record_id) == (left.record_id, right.record_id)
    assert (line.blind, line.surface, line.decided_ms, line.who) == (True, "prove", 1234, "ana")
    assert line.shown == [left.record_id, right.record_id]
    assert line.image_sha256 == left.sha256
    with ProofSession(workspace, proof, "ana") as session:
        assert session.state.next == second
    with ProofSession(workspace, proof, "bob") as session:
        assert session.state.next == first


def test_an_undo_asks_the_pair_again(workspace: Workspace) -> None:
    """Taken back, the answer does not count, and the same pair is shown."""
    proof = begin(workspace)
    with ProofSession(workspace, proof, "ana") as session:
        before = session.state
        session.answer("right")
        assert session.state.rate.pairs == 1
        assert session.undo()
        assert (session.state.next, session.state.rate) == (before.next, before.rate)
        assert not session.undo()
        session.answer("left")
        assert session.state.rate.pairs == 1


def test_hidden_repeats_do_not_count_for_the_rate(workspace: Workspace) -> None:
    """20 pairs have 22 looks and 20 outcomes; the repeats are answered and agreed with."""
    proof = begin(workspace)
    done = judge(workspace, proof, wins=20)
    assert len(done.state.looks) == 22
    assert done.state.rate.pairs == 20


def test_looking_meanwhile_settles_only_what_holds_at_every_moment(workspace: Workspace) -> None:
    """After 5 of 5 nothing is settled; 12 lost of 12 is, early, by the wider interval, and the card is withdrawn."""
    proof = begin(workspace)
    with ProofSession(workspace, proof, "ana") as session:
        while session.state.rate.pairs < 5:
            assert session.state.next is not None
            session.answer("left" if session.state.next.new_left else "right")
        assert session.state.verdict == "open"
    early = conclude(workspace, proof, who="ana")
    assert early.card.state == "unproved"
    assert early.card.measured is not None
    assert any("5 of 20 planned pairs" in said and "looking meanwhile" in said for said in early.said)
    with ProofSession(workspace, proof, "bob") as session:
        while session.state.verdict == "open":
            assert session.state.next is not None
            session.answer("right" if session.state.next.new_left else "left")
        assert 5 < session.state.rate.pairs < 12
    assert conclude(workspace, proof, who="bob").card.state == "withdrawn"


def test_what_is_not_settled_does_not_displace_what_is(workspace: Workspace) -> None:
    """A second comparison that was only begun leaves the outcome of the first with the card, and says so."""
    proof = begin(workspace)
    judge(workspace, proof, wins=18)
    second = plan_proof(workspace, current_card(workspace, "any"), pairs=4)
    make_pairs(workspace, second)
    with ProofSession(workspace, second, "ana") as session:
        session.answer("left")
    done = conclude(workspace, second, who="ana")
    assert not done.stored
    assert done.said[-1] == "until this is settled, the card keeps what was found before: 90 %, 70..97 %, 20 pairs"
    found = current_card(workspace, "any")
    assert (found.state, found.measured and found.measured.rate.pairs) == ("proved", 20)


def test_a_card_without_a_difference_has_nothing_to_prove(workspace: Workspace) -> None:
    """Old and new settings the same: an error before anything is made."""
    animals(workspace)
    with pytest.raises(InputError, match="nothing to compare"):
        plan_proof(workspace, card(workspace, advice(OLD)))


def test_without_a_record_a_pack_is_asked_for(workspace: Workspace) -> None:
    """No record of the model and no pack: the error says what to give."""
    with pytest.raises(InputError, match="name a PACK"):
        plan_proof(workspace, card(workspace))


def test_an_outcome_of_other_settings_is_not_kept_with_the_card(workspace: Workspace) -> None:
    """The card changed meanwhile: the outcome is said, and the card is not judged by it."""
    proof = begin(workspace)
    card(workspace, advice({**NEW, "steps": 30}))
    done = judge(workspace, proof, wins=2)
    assert current_card(workspace, "any").state == "unproved"
    assert "card any has other settings by now: this outcome is not kept with it" in done.said
    assert newest_proof(workspace, current_card(workspace, "any")) is None


def test_pairs_without_both_pictures_are_not_shown(workspace: Workspace) -> None:
    """A picture that is gone takes its pair out of the comparison, and it is counted as missing."""
    proof = begin(workspace)
    gone = made_pairs(workspace, proof)[3].new
    (workspace.root / gone.path).unlink()
    done = judge(workspace, proof, wins=19)
    assert (done.state.rate.pairs, done.state.missing, done.state.complete) == (19, 1, True)


def test_a_run_that_was_stopped_goes_on_where_it_ended(workspace: Workspace) -> None:
    """Resumed with the plan read back, only what is missing is made."""
    proof = begin(workspace, make=False)
    cancel, seen = CancelToken(), 0

    def before(request: object) -> None:
        nonlocal seen
        seen += 1
        if seen == 12:
            cancel.cancel()

    backend = FakeBackend(script=Script(before=before, window=1))
    variants = list(proof_variants(proof))
    PipelineRunner(backend, workspace=workspace).run(
        dataclasses.replace(proof_config(proof), learning_enabled=False), variants, cancel=cancel
    )
    rest = make_pairs(workspace, read_proof(workspace, proof.proof_id), resume=True)
    assert len(rest.calls.requests) == 40 - 11
    assert len(made_pairs(workspace, proof)) == 20


def test_a_scorer_that_prefers_the_new_settings_proves_the_card(workspace: Workspace) -> None:
    """A judge that sees a picture and a prompt answers every pair under its own name, weakly: proved."""
    proof = begin(workspace)
    new = {_pixels(workspace.root / pair.new.path) for pair in made_pairs(workspace, proof).values()}
    state = judge_with_scorer(workspace, proof, "eye", lambda image, prompt: float(image.tobytes() in new))
    assert (state.rate.wins, state.complete) == (20, True)
    done = conclude(workspace, proof, who=scorer_who("eye"))
    assert (done.card.state, done.card.measured and done.card.measured.who) == ("proved", "scorer:eye")
    lines = [read for read in read_ratings(workspace.ratings) if isinstance(read, Rating)]
    assert {(line.who, line.weak, line.blind) for line in lines} == {("scorer:eye", True, True)}
    assert len(lines) == 22


def test_a_scorer_that_tosses_coins_rarely_proves_a_card() -> None:
    """Of 300 comparisons of 60 coin tosses, about one in forty is called better: what a 95 % interval promises."""
    from stablenew.learning.win_rate import verdict, win_rate

    chance = random.Random(2)
    better = 0
    for _ in range(300):
        wins = sum(chance.random() < 0.5 for _ in range(60))
        better += verdict(win_rate(wins, 0, 60 - wins), complete=True, planned=60) == "better"
    assert better <= 15


def test_a_card_can_be_withdrawn_by_hand_once(workspace: Workspace) -> None:
    """With its presets and the reason; a second time is an error."""
    animals(workspace)
    card(workspace)
    apply_card(workspace, "any", "fresh")
    assert [each.name for each in withdraw_card(workspace, "any", "did not like it")] == ["fresh"]
    assert current_card(workspace, "any").reason == "did not like it"
    with pytest.raises(InputError, match="did not like it"):
        withdraw_card(workspace, "any", "again")
    assert list_presets(workspace) == ["fresh"]


def _pixels(path: Path) -> bytes:
    from PIL import Image

    with Image.open(path) as opened:
        return opened.convert("RGB").tobytes()
