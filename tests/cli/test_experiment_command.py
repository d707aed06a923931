"""`stablenew experiment` and `stablenew scorers` as a person types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stablenew.cli import cli
from stablenew.learning.learning_feedback import Rating, RatingWriter, new_rating, read_ratings
from stablenew.learning.learning_reader import read_current_records
from stablenew.pipeline.presets import Preset, save_preset
from stablenew.workspace import Workspace


@pytest.fixture(autouse=True)
def home(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("STABLENEW_WORKSPACE", str(workspace.root))
    monkeypatch.delenv("STABLENEW_USER", raising=False)
    return workspace


def stablenew(*arguments: str, given: str | None = None, code: int = 0) -> Result:
    runner = CliRunner()
    result = runner.invoke(cli, list(arguments), input=given, standalone_mode=False)
    found = result.return_value if result.exception is None else 2
    assert (found or 0) == code, (result.output, result.exception)
    return result


def new(*arguments: str, name: str = "e", code: int = 0) -> Result:
    asked = ["experiment", "new", "--backend", "fake", "--id", name, *arguments]
    return stablenew(*asked, code=code)


def test_an_experiment_from_plan_to_report(workspace: Workspace, tmp_path: Path) -> None:
    """new, run, show, list, report: the cells with their numbers, and nothing made twice."""
    pack = tmp_path / "animals.txt"
    pack.write_text("a red fox\n\na {blue|green} boat\n")
    said = new(str(pack), "--vary", "steps=10,20", "--vary", "cfg_scale=3..7:2", "--note", "what is best?").output
    assert "6 cells x 3 rows (a prompt with a seed) = 18" in said
    assert "steps=10, cfg_scale=5" in said
    said = stablenew("experiment", "run", "e").output
    assert "experiment e: 18 pictures in 6 cells" in said
    shown = stablenew("experiment", "show", "e").output
    assert "6 cells x 3 rows: 18 made, 0 rated" in shown
    assert "what is best?" in shown
    records = list(read_current_records(workspace.records, "e"))
    assert {record.run.experiment_id for record in records} == {"e"}
    assert {record.prompt.pack_name for record in records} == {"animals"}
    assert {record.prompt.prompt for record in records} == {"a red fox", "a blue boat", "a green boat"}
    assert stablenew("experiment", "run", "e").exception is None
    assert len(list((workspace.runs / "e" / "images").glob("*.png"))) == 18
    assert stablenew("experiment", "list").output.split("\n")[1].split()[-4:] == ["6", "18", "0", "0"]
    report = stablenew("experiment", "report", "e").output
    assert "18 records" in report
    assert "<title>Experiment e" in (workspace.experiments / "e" / "report.html").read_text()
    listed = stablenew("records", "list", "-w", "experiment_id=e", "-w", "cell=steps=10, cfg_scale=5", "--json").output
    assert len(listed.splitlines()) == 3


def test_plan_files_and_options_go_together(workspace: Workspace, tmp_path: Path) -> None:
    """The file's packs are beside it, its ranges are as on the command line, and options go before it."""
    (tmp_path / "p.txt").write_text("a red fox\n")
    plan = tmp_path / "plan.toml"
    plan.write_text(
        'packs = ["p.txt"]\nbackend = "fake"\nid = "from-file"\nseeds = 2\ntags = ["class:animal"]\n'
        '[baseline]\nsampler = "DDIM"\nsteps = 12\n[settings]\ncfg_scale = "3..5:1"\nsize = ["64x64", "64x128"]\n'
    )
    save_preset(workspace, "mine", Preset(settings={"txt2img.clip_skip": 2}))
    asked = ["--from", str(plan), "--set", "steps=15", "--seeds", "3", "--tag", "extra", "--preset", "mine", "--json"]
    said = json.loads(stablenew("experiment", "new", *asked).output)
    assert (said["experiment_id"], said["cells"], said["rows"], said["pictures"]) == ("from-file", 6, 3, 18)
    stored = json.loads(Path(said["path"]).read_text())
    assert stored["backend"] == "fake"
    assert stored["plan"]["tags"] == ["class:animal", "extra", "preset:mine"]
    baseline = stored["plan"]["baseline"]["txt2img"]
    assert (baseline["sampler"], baseline["steps"], baseline["clip_skip"]) == ("DDIM", 15, 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--prompt", "a", "--vary", "stepz=1,2"], "did you mean"),
        (["--prompt", "a", "--vary", "steps=10,20", "--budget", "1"], "budget: 1 pictures are too few"),
        (["--prompt", "a", "--vary", "sampler=Euler,Eulr"], "settings.sampler: the backend has no sampler"),
        (["--prompt", "a", "--vary", "[[mood]]=calm,wild"], "an experiment tests settings"),
        (["--prompt", "a"], "settings: a crossed design needs settings"),
        (["--vary", "steps=10,20"], "prompts: from 1"),
        (["--prompt", "a", "--vary", "steps=10,20", "--stage", "upscale"], "settings.steps: it changes the picture"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(workspace: Workspace, arguments: list[str], words: str) -> None:
    """Before anything is stored, by the field that is wrong."""
    result = new(*arguments, code=2)
    assert words in str(result.exception)
    assert not workspace.experiments.exists()


def test_names_are_taken_once_and_looked_up(workspace: Workspace) -> None:
    """A second plan of that name is refused; what is not there is not found; resume needs a start."""
    new("--prompt", "a", "--vary", "steps=10,20")
    assert "choose another name" in str(new("--prompt", "b", "--vary", "steps=10,20", code=2).exception)
    assert "experiment list" in str(stablenew("experiment", "run", "x", code=2).exception)
    assert "not started yet" in str(stablenew("experiment", "resume", "e", code=2).exception)
    stablenew("experiment", "run", "e")
    stablenew("experiment", "resume", "e")
    assert "stablenew experiment run e goes on" in str(stablenew("run", "--resume", "e", code=2).exception)


def test_progress_of_an_experiment_as_json(workspace: Workspace) -> None:
    """The lines of a run, and one with every cell at the end."""
    new("--prompt", "a", "--vary", "steps=10,20")
    lines = [json.loads(line) for line in stablenew("experiment", "run", "e", "--json").stdout.splitlines()]
    finished = next(line for line in lines if line["event"] == "experiment_finished")
    assert [len(cell["records"]) for cell in finished["cells"]] == [1, 1]
    shown = [json.loads(line) for line in stablenew("experiment", "show", "e", "--json").stdout.splitlines()]
    assert [(cell["cell"], cell["made"], cell["settings"]) for cell in shown] == [
        ("steps=10", 1, {"steps": 10}),
        ("steps=20", 1, {"steps": 20}),
    ]


def test_rows_are_rated_blind(workspace: Workspace) -> None:
    """Stars and the best of each row; undo takes back a row; nothing of the settings is shown; then nothing is left."""
    new("--prompt", "a red fox", "--prompt", "a boat", "--vary", "steps=10,20,30")
    stablenew("experiment", "run", "e")
    answers = "3 4\n345\nb\nu\n333\nu\n111\n\n2 3 4\nz\nc\n"
    said = stablenew("experiment", "rate", "e", "--who", "ann", given=answers).output
    assert "steps=" not in said
    assert "type 3 numbers" in said
    assert "took back the last row" in said
    assert "type one letter" in said
    assert "2 rows rated, 6 pictures" in said
    ratings = [each for each in read_ratings(workspace.ratings) if isinstance(each, Rating)]
    assert {(rating.blind, rating.surface) for rating in ratings if rating.undoes is None} == {(True, "experiment")}
    shown = [json.loads(line) for line in stablenew("experiment", "show", "e", "--json").stdout.splitlines()]
    assert [cell["rated"] for cell in shown] == [2, 2, 2]
    assert sum(cell["mean"] for cell in shown) == pytest.approx((1 + 1 + 1 + 2 + 3 + 4) / 2)
    package = json.loads(stablenew("experiment", "show", "e", "--package").output)
    assert len(package["choices"]) == 1
    assert len(package["choices"][0]["over"]) == 2
    assert "no row left" in stablenew("experiment", "rate", "e", "--who", "ann").output
    assert "row 1 of 2" in stablenew("experiment", "rate", "e", "--who", "bob", given="q\n").output


def test_a_long_sitting_is_told_to_take_a_break_once(workspace: Workspace) -> None:
    """After 150 ratings without a pause, those of before included."""
    new("--prompt", "a red fox", "--vary", "steps=10,20", "--seeds", "3")
    stablenew("experiment", "run", "e")
    writer = RatingWriter(workspace.ratings)
    writer.append(*(new_rating(f"other-{number}", score=1 + number % 5, who="ann") for number in range(150)))
    writer.close()
    said = stablenew("experiment", "rate", "e", "--who", "ann", given="33\n\n" * 3).output
    asking, _, end = said.partition("3 rows rated, 6 pictures")
    assert asking.count("take a break") == 1
    assert end


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_a_terminal_that_can_shows_the_row_and_not_the_paths(workspace: Workspace) -> None:
    """One picture with all of the row, side by side; the file names, which tell which was made first, are not shown."""
    import pty

    new("--prompt", "a red fox", "--vary", "steps=10,20")
    stablenew("experiment", "run", "e")
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "stablenew", "experiment", "rate", "e"]
    environment = os.environ | {"TERM": "xterm-kitty", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=environment, close_fds=True)
    os.close(child)
    os.write(parent, b"2 5\nb\n")
    seen = b""
    while True:
        try:
            read = os.read(parent, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not read:
            break
        seen += read
    os.close(parent)
    assert process.wait(30) == 0
    assert b"\x1b_Ga=T" in seen
    assert b"from left to right" in seen
    assert b".png" not in seen
    assert b"1 rows rated, 2 pictures" in seen


def test_rows_shown_twice_say_how_well_a_person_agrees_with_themselves(workspace: Workspace) -> None:
    """Unannounced; the sum comes at the end; a sitting may end with the input."""
    new("--prompt", "a", "--prompt", "b", "--vary", "steps=10,20")
    stablenew("experiment", "run", "e")
    said = stablenew("experiment", "rate", "e", "--repeats", "1", given="22\n\n33\n\n24\n\n").output
    assert "row 1 of 3" in said
    assert "2 pictures came twice" in said
    assert "0 rows rated" in stablenew("experiment", "rate", "e", "--who", "other", given="").output


@pytest.fixture
def loud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's package with a scorer that likes red."""
    (tmp_path / "loud_scorer.py").write_text(
        "class Loud:\n"
        "    def score(self, image, prompt):\n"
        "        return image.convert('RGB').resize((1, 1)).getpixel((0, 0))[0]\n"
    )
    installed = tmp_path / "loud_scorer-2.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: loud-scorer\nVersion: 2.1\n")
    (installed / "entry_points.txt").write_text("[stablenew.scorers]\nloud = loud_scorer:Loud\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("loud")
def test_a_scorer_stands_in_only_where_nobody_rated(workspace: Workspace) -> None:
    """First weak stars for every picture; once a person has rated one, scores alone, and what they are worth."""
    new("--prompt", "a red fox", "--vary", "steps=10,20,30", "--seeds", "3")
    stablenew("experiment", "run", "e")
    said = stablenew("experiment", "rate", "e", "--scorer", "loud").output
    assert "9 weak ratings by scorer:loud" in said
    assert "0 weak ratings" in stablenew("experiment", "rate", "e", "--scorer", "loud").output
    shown = [json.loads(line) for line in stablenew("experiment", "show", "e", "--json").stdout.splitlines()]
    assert [cell["rated"] for cell in shown] == [3, 3, 3]
    record = next(iter(read_current_records(workspace.records, "e"))).run.record_id
    stablenew("rate", record, "5")
    said = stablenew("experiment", "rate", "e", "--scorer", "loud").output
    assert "no stars are made of scores" in said
    assert "weight not known yet: 1 pictures" in said
    lines = (workspace.scores / "loud.jsonl").read_bytes().splitlines()
    assert len(lines) == 9
    assert json.loads(lines[0])["version"] == "2.1"
    listed = stablenew("scorers", "list").output
    assert "loud" in listed
    assert "tiny-world" in listed
    assert "0 pictures scored by loud" in stablenew("scorers", "run", "loud", "--run", "e").output
    assert "did you mean loud" in str(stablenew("scorers", "run", "lout", code=2).exception)


def test_records_come_as_streams_by_pack_and_preset(workspace: Workspace, tmp_path: Path) -> None:
    """`records tail` gives those of one pack, one preset, or any condition."""
    save_preset(workspace, "soft", Preset(settings={"txt2img.cfg_scale": 4.0}))
    for name in ("foxes", "boats"):
        (tmp_path / f"{name}.txt").write_text(f"one of the {name}\n")
        preset = ["--preset", "soft"] if name == "boats" else []
        stablenew("run", str(tmp_path / f"{name}.txt"), "--backend", "fake", "--yes", *preset)

    def prompts(*arguments: str) -> list[str]:
        lines = stablenew("records", "tail", *arguments).stdout.splitlines()
        return [json.loads(line)["prompt"]["prompt"] for line in lines]

    assert prompts() == ["one of the foxes", "one of the boats"]
    assert prompts("--pack", "foxes") == ["one of the foxes"]
    assert prompts("--preset", "soft") == ["one of the boats"]
    assert prompts("-w", "cfg_scale>5") == ["one of the foxes"]
