"""`card`, `prove`, `taste` and `run --card` as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.cards import NEW, OLD, advice, adviser, animals, card

from stablenew.cli import cli
from stablenew.learning.advice import Question
from stablenew.learning.card_store import current_card
from stablenew.learning.learning_reader import read_current_records
from stablenew.learning.recommendation import Recommendation
from stablenew.pipeline.presets import list_presets, read_preset
from stablenew.workspace import Workspace


@pytest.fixture
def run(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Runs a command in the workspace, with an adviser that gives `tests.cards.advice`."""
    (tmp_path / "pack.txt").write_text("a red house\n\na blue boat\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STABLENEW_WORKSPACE", str(workspace.root))
    monkeypatch.delenv("STABLENEW_USER", raising=False)
    give(monkeypatch, advice())

    def invoke(*arguments: str, given: str | None = None, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, arguments, input=given, standalone_mode=True)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return invoke


def give(monkeypatch: pytest.MonkeyPatch, given: Recommendation) -> None:
    monkeypatch.setattr("stablenew.learning.card_store.advise", adviser(given))


def test_a_card_is_made_and_shown_by_its_model(run, workspace: Workspace) -> None:  # type: ignore[no-untyped-def]
    """`card MODEL` makes and shows it, `card list` lists it, `card show --history` its versions; JSON has it too."""
    shown = run("card", "dream.safetensors", "--class", "portraits").stdout
    for said in (
        "card dream-portraits: not proved yet",
        "model dream.safetensors, prompts portraits: from 48 ratings and 6 choices, ",
        "cfg_scale  7        5         +0.3 (-0.1..+0.7), 12 images",
        "4.2 (3.8..4.6) stars are expected, 3.4 (3.0..3.8) with the old settings: +0.8 (+0.4..+1.2)",
        "expected 4.2 stars (3.8..4.6, 30 images)",
        "(made)",
    ):
        assert said in shown, said
    again = json.loads(run("card", "--class", "portraits", "dream.safetensors", "--json").stdout)
    assert (again["stored"], again["said"]) == (False, "nothing new since this version")
    assert again["card"] == current_card(workspace, "dream-portraits").to_dict()
    assert run("card", "list").stdout.startswith("dream-portraits\n")
    assert "version 1, " in run("card", "show", "dream-portraits", "--history").stdout


def test_the_old_settings_can_be_named(run, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """`--baseline` goes to the adviser typed; a value out of range is an error."""
    asked = []

    def advise(workspace: Workspace, question: Question, **_: object) -> Recommendation:
        asked.append(question.baseline)
        return advice()

    monkeypatch.setattr("stablenew.learning.card_store.advise", advise)
    run("card", "dream", "--baseline", "steps=20", "--baseline", "cfg=7")
    assert asked == [{"txt2img.steps": 20, "txt2img.cfg_scale": 7.0}]
    run("card", "dream", "--baseline", "steps=0", code=1)


def test_without_evidence_the_reason_is_said(run, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """No card is made, the advice's own words are printed, and that is no error."""
    give(monkeypatch, advice(enough=False, reason="8 ratings, at least 24 are needed", statements=("rate more",)))
    assert run("card", "dream").stdout == "not enough evidence: 8 ratings, at least 24 are needed\n  rate more\n"
    assert run("card", "list").stdout == ""


def test_applying_shows_before_and_after_and_asks(run, workspace: Workspace) -> None:  # type: ignore[no-untyped-def]
    """Without a yes nothing is stored; with one the preset holds the card's settings, and a run can use it."""
    card(workspace)
    asked = run("card", "apply", "any", given="n\n").stdout
    assert "txt2img.steps: 20 -> 28" in asked
    assert "nothing was stored" in asked
    assert list_presets(workspace) == []
    run("card", "apply", "any", "--to", "mine", "--yes")
    assert read_preset(workspace, "mine").settings["txt2img.steps"] == 28
    again = run("card", "apply", "any", "--to", "mine", "--yes").stdout
    assert "the same already: txt2img.sampler, txt2img.steps, txt2img.cfg_scale" in again


def test_exports_go_to_stdout_or_a_new_file(run, workspace: Workspace, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """The text alone on stdout, notes on stderr; a file that is there is refused."""
    card(workspace)
    printed = run("card", "export", "any", "--as", "a1111-defaults")
    assert json.loads(printed.stdout)["ui-config.json"]["txt2img/CFG Scale/value"] == 5.0
    run("card", "export", "any", "--as", "comfyui", "-o", "c.json")
    assert json.loads((tmp_path / "c.json").read_text())
    refused = CliRunner().invoke(cli, ["card", "export", "any", "--as", "comfyui", "-o", "c.json"])
    assert "merge by hand" in str(refused.exception)


def test_a_run_uses_a_card_by_name(run, workspace: Workspace) -> None:  # type: ignore[no-untyped-def]
    """`run --card` has the card's settings, loras in the prompt; an option of the run itself counts more."""
    card(workspace, advice({**NEW, "lora": "ink:0.8"}, OLD))
    run("run", "pack.txt", "--backend", "fake", "--run-id", "r", "--card", "any", "--set", "steps=9")
    for record in read_current_records(workspace.records, "r"):
        pipeline = record.pipeline
        assert (pipeline.sampler, pipeline.steps, pipeline.cfg_scale) == ("DPM++ 2M", 9, 5.0)
        assert record.prompt.prompt.endswith("<lora:ink:0.8>")


def test_a_withdrawn_card_gives_a_run_the_old_settings_and_says_so(run, workspace: Workspace) -> None:  # type: ignore[no-untyped-def]
    """After `card withdraw`, `run --card` makes pictures as before the card."""
    card(workspace)
    assert "the old settings are in use again" in run("card", "withdraw", "any", "--reason", "too smooth").stdout
    done = run("run", "pack.txt", "--backend", "fake", "--run-id", "r", "--card", "any")
    assert "too smooth" in done.stderr
    for record in read_current_records(workspace.records, "r"):
        assert (record.pipeline.sampler, record.pipeline.steps) == ("Euler a", 20)


def test_proving_asks_blindly_and_goes_on_where_it_was(run, workspace: Workspace) -> None:  # type: ignore[no-untyped-def]
    """The person sees a prompt and a sheet of two pictures, no path, setting or cell; the rest is asked later."""
    animals(workspace)
    card(workspace)
    first = run("prove", "any", "--pairs", "6", given="a\nb\nt\nq\n").stdout
    assert "1 of 6: a cat on a wall" in first
    assert "left and right: " in first
    asked = first.partition("the new settings win")[0].partition("which is better?")[2]
    for telling in ("images/", "old", "new", "DPM++", "Euler", "28"):
        assert telling not in asked.replace(str(workspace.root), ""), telling
    assert "3 of 6 planned pairs are judged" in first
    assert "go on with: stablenew prove any" in first
    rest = run("prove", "any", given="s\nu\na\na\na\n").stdout
    assert "took back the last answer" in rest
    assert "6 pairs" in rest
    found = current_card(workspace, "any")
    assert found.measured is not None
    assert (found.measured.rate.pairs, found.measured.rate.ties) == (6, 1)


def test_a_scorer_proves_without_a_person(run, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """With --scorer every pair is picked; the outcome is JSON, and a losing card is withdrawn with its preset."""
    animals(workspace)
    card(workspace)
    run("card", "apply", "any", "--to", "mine", "--yes")
    pictures = {}
    monkeypatch.setattr("stablenew.cli.prove._scorer", lambda name: lambda image, prompt: pictures[image.tobytes()])

    from PIL import Image

    from stablenew.pipeline import proof_judge

    judged = proof_judge.judge_with_scorer

    def old_is_better(workspace: Workspace, proof, name: str, score):  # type: ignore[no-untyped-def]
        from stablenew.pipeline.proof_outcome import made_pairs

        for pair in made_pairs(workspace, proof).values():
            for side, value in ((pair.old, 1.0), (pair.new, 0.0)):
                with Image.open(workspace.root / side.path) as opened:
                    pictures[opened.convert("RGB").tobytes()] = value
        return judged(workspace, proof, name, score)

    monkeypatch.setattr(proof_judge, "judge_with_scorer", old_is_better)
    done = run("prove", "any", "--pairs", "20", "--scorer", "eye", "--json").stdout.splitlines()[-1]
    said = json.loads(done)
    assert (said["state"], said["verdict"], said["wins"], said["complete"]) == ("withdrawn", "worse", 0, False)
    assert said["losses"] < 20
    assert [each["name"] for each in said["presets"]] == ["mine"]
    assert read_preset(workspace, "mine").settings["txt2img.steps"] == 20


def test_a_scorer_that_is_not_there_is_said_before_a_picture_is_made(run, workspace: Workspace) -> None:  # type: ignore[no-untyped-def]
    """An unknown scorer: an error, and no comparison was begun."""
    animals(workspace)
    card(workspace)
    CliRunner().invoke(cli, ["prove", "any", "--scorer", "nobody"])
    assert not workspace.proofs.exists()


def test_taste_travels_and_fades(run, workspace: Workspace, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Export, merge, import, list, forget; fade, show what fades, take back; checks with nothing to check."""
    animals(workspace)
    record = next(iter(read_current_records(workspace.records)))
    run("rate", record.run.record_id, "4")
    assert "1 rated pictures of 1 source" in run("taste", "export", "mine.json").stdout
    run("taste", "merge", "mine.json", "mine.json", "-o", "both.json")
    assert (tmp_path / "both.json").read_bytes() == (tmp_path / "mine.json").read_bytes()
    assert "this workspace's own" in run("taste", "import", "both.json").stdout
    other = str(tmp_path / "other")
    assert "pictures, new" in run("taste", "import", "both.json", "--dry-run", "--workspace", other).stdout
    assert "1 rated pictures, new" in run("taste", "import", "both.json", "--workspace", other).stdout
    source = run("taste", "list", "--workspace", other).stdout.partition(":")[0]
    run("taste", "forget", source, "--workspace", other)
    assert run("taste", "list", "--workspace", other).stdout == ""
    assert "count 0.5; --undo takes it back" in run("taste", "fade", "--before", "2026-06-01", "--factor", "0.5").stdout
    assert "before 2026-06-01T00:00: 0.5" in run("taste", "fade").stdout
    run("taste", "fade", "--undo")
    assert run("taste", "fade").stdout == ""
    run("taste", "fade", "--undo", code=2)
    assert "too few ratings" in run("taste", "check").stdout
