"""The command line as a person meets it: a real process, its output, its exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PACK = "a red house\nneg: blurry\n\n# the second one\na blue boat\n"


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    path = tmp_path / "pack.txt"
    path.write_text(PACK)
    return path


def command(tmp_path: Path, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "stablenew", *map(str, arguments)]


def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"STABLENEW_WORKSPACE": str(tmp_path / "workspace"), "NO_COLOR": "1", "COLUMNS": "120"}


def stablenew(tmp_path: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(tmp_path, *arguments), capture_output=True, text=True, env=environment(tmp_path), timeout=120
    )


def images(tmp_path: Path, run_id: str) -> list[Path]:
    return sorted((tmp_path / "workspace" / "runs" / run_id / "images").glob("*.png"))


def test_a_run_makes_pictures_and_records_and_says_where_they_are(tmp_path: Path, pack: Path) -> None:
    """Two lines, two settings, two pictures each: eight pictures, eight records, exit code 0."""
    done = stablenew(
        tmp_path, "run", pack, "--backend", "fake", "--vary", "cfg_scale=3,7", "--images-per-prompt", 2,
        "--set", "steps=5", "--run-id", "r", "--sheet",
    )  # fmt: skip
    assert (done.returncode, len(images(tmp_path, "r"))) == (0, 8)
    lines = (tmp_path / "workspace/learning/records/r.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert len(records) == 8
    assert {record["pipeline"]["steps"] for record in records} == {5}
    assert {record["run"]["source"] for record in records} == {"StableNewCLI"}
    assert "8 made" in done.stdout
    assert str(tmp_path / "workspace" / "runs" / "r" / "images") in done.stdout
    assert (tmp_path / "workspace/runs/r/sheet.png").is_file()


def test_told_to_be_verbose_it_shows_the_log_and_otherwise_only_the_progress(tmp_path: Path, pack: Path) -> None:
    """A failing picture: its log line is on stderr with -v; the run's log file has it either way."""
    config = tmp_path / "workspace" / "backends.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[shaky]\nkind = "fake"\nfail_every = 2\n')
    loud = stablenew(tmp_path, "run", pack, "--backend", "shaky", "--run-id", "loud", "-v")
    quiet = stablenew(tmp_path, "run", pack, "--backend", "shaky", "--run-id", "quiet")
    assert "a stage failed" in loud.stderr
    assert "a stage failed" not in quiet.stderr
    for run_id in ("loud", "quiet"):
        assert "a stage failed" in (tmp_path / "workspace" / "runs" / run_id / "log.jsonl").read_text()


def test_with_no_learning_there_are_pictures_and_no_records(tmp_path: Path, pack: Path) -> None:
    """--no-learning leaves no record file behind, and says that learning is off."""
    done = stablenew(tmp_path, "run", pack, "--backend", "fake", "--run-id", "r", "--no-learning")
    assert (done.returncode, len(images(tmp_path, "r"))) == (0, 2)
    assert not list((tmp_path / "workspace").rglob("r*.jsonl"))
    assert "learning is off" in done.stdout


def test_the_same_command_twice_makes_the_same_pictures(tmp_path: Path, pack: Path) -> None:
    """Two runs under two names: the same file names, which hold the variants' hashes, and the same pixels."""
    from PIL import Image

    for run_id in ("one", "two"):
        stablenew(tmp_path, "run", pack, "--backend", "fake", "--run-id", run_id, "--stages", "txt2img,img2img")
    one, two = images(tmp_path, "one"), images(tmp_path, "two")
    assert [path.name for path in one] == [path.name for path in two]
    assert len(one) == 4
    for first, second in zip(one, two, strict=True):
        assert Image.open(first).tobytes() == Image.open(second).tobytes()


def test_json_lines_tell_the_same_story_to_a_program(tmp_path: Path, pack: Path) -> None:
    """--json prints only JSON: start, each variant, end."""
    done = stablenew(tmp_path, "run", pack, "--backend", "fake", "--run-id", "r", "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["run_started", "variant", "variant", "run_finished"]
    assert events[1]["images"][0].startswith("runs/r/images/")
    assert events[3]["ok"] == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["run", "PACK", "--set", "steps=0"],
            "txt2img.steps = '0' is not allowed: it takes a whole number from 1 to 150",
        ),
        (["run", "PACK", "--set", "stepz=3"], "did you mean"),
        (["run", "PACK", "--set", "steps"], "NAME=VALUE"),
        (["run", "PACK", "--set", "sampler=Eular a"], "did you mean 'Euler a'"),
        (["run", "PACK", "--vary", "cfg_scale=3,x"], "cfg_scale"),
        (["run", "missing.txt"], "missing.txt"),
        (["run"], "give at least one PACK"),
        (["run", "PACK", "--run-id", "../evil"], "cannot be used as a name"),
        (["run", "--resume", "nope"], "there is no run 'nope'"),
        (["records", "show", "feed"], "there is no record 'feed'"),
        (["rum"], "did you mean run"),
        (["run", "PACK", "--backend", "fakee"], "did you mean 'fake'"),
    ],
)
def test_wrong_input_is_one_clear_line_and_exit_code_2(
    tmp_path: Path, pack: Path, arguments: list[str], says: str
) -> None:
    """What is wrong, where, what to do; no traceback and no picture."""
    given = [str(pack) if argument == "PACK" else argument for argument in arguments]
    if given[0] == "run" and "--backend" not in given and "--resume" not in given:
        given += ["--backend", "fake"]
    done = stablenew(tmp_path, *given)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.png"))


def test_an_unresolved_slot_is_an_error_with_file_and_line(tmp_path: Path) -> None:
    """`[[place]]` without values: the pack's file, the line, and the slot are named."""
    pack = tmp_path / "slots.txt"
    pack.write_text("a house\n\na castle in [[place]]\n")
    done = stablenew(tmp_path, "run", pack, "--backend", "fake")
    assert done.returncode == 2
    assert "slots" in done.stderr
    assert "place" in done.stderr


def test_failed_variants_give_exit_code_1_and_can_be_tried_again(tmp_path: Path, pack: Path) -> None:
    """A backend that fails every third picture: exit code 1, the way on is printed, and it works."""
    config = tmp_path / "workspace" / "backends.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[shaky]\nkind = "fake"\nfail_every = 3\n')
    done = stablenew(
        tmp_path, "run", pack, "--backend", "shaky", "--run-id", "r", "--images-per-prompt", 3, "--seed", 5
    )
    assert done.returncode == 1, done.stderr
    assert "4 made, 2 failed" in done.stdout
    assert "stablenew run --resume r" in done.stdout
    again = stablenew(tmp_path, "runs", "retry-failed", "r", "--backend", "fake")
    assert again.returncode == 0, again.stderr
    assert len(images(tmp_path, "r")) == 6


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_keeps_everything_finished_and_exits_130(tmp_path: Path, pack: Path) -> None:
    """Interrupted in the middle: what was made is on disk with its records, and a resume makes the rest."""
    config = tmp_path / "workspace" / "backends.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[slow]\nkind = "fake"\ndelay_s = 0.2\nwindow = 1\n')
    arguments = ("run", pack, "--backend", "slow", "--run-id", "r", "--images-per-prompt", 20, "--json")
    process = subprocess.Popen(
        command(tmp_path, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path),
    )
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "variant":
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    made = len(images(tmp_path, "r"))
    assert 1 <= made < 40
    resumed = stablenew(tmp_path, "run", "--resume", "r", "--backend", "fake")
    assert resumed.returncode == 0, resumed.stderr
    assert len(images(tmp_path, "r")) == 40
    records = (tmp_path / "workspace/learning/records/r.jsonl").read_text().splitlines()
    made_ok = [json.loads(line) for line in records if json.loads(line)["outcome"]["status"] == "ok"]
    assert len({record["run"]["record_id"] for record in made_ok}) == len(made_ok) == 40


def test_records_can_be_listed_and_shown(tmp_path: Path, pack: Path) -> None:
    """`records list` shows them, `records show` prints one in full, `records path` says where they are."""
    stablenew(tmp_path, "run", pack, "--backend", "fake", "--run-id", "r")
    listed = stablenew(tmp_path, "records", "list", "--json")
    ids = [json.loads(line)["run"]["record_id"] for line in listed.stdout.splitlines()]
    assert len(ids) == 2
    shown = stablenew(tmp_path, "records", "show", ids[0][:8])
    assert json.loads(shown.stdout)["run"]["record_id"] == ids[0]
    assert "a blue boat" in stablenew(tmp_path, "records", "list").stdout
    assert stablenew(tmp_path, "records", "path").stdout.strip() == str(tmp_path / "workspace/learning/records")


def test_runs_can_be_listed_shown_and_deleted(tmp_path: Path, pack: Path) -> None:
    """A deleted run's pictures are gone, its records stay."""
    stablenew(tmp_path, "run", pack, "--backend", "fake", "--run-id", "r")
    assert "r " in stablenew(tmp_path, "runs", "list").stdout
    assert json.loads(stablenew(tmp_path, "runs", "show", "r", "--json").stdout)["ok"] == 2
    assert stablenew(tmp_path, "runs", "delete", "r", "--yes").returncode == 0
    assert not (tmp_path / "workspace/runs/r").exists()
    assert (tmp_path / "workspace/learning/records/r.jsonl").exists()


def test_nothing_is_written_outside_the_workspace(tmp_path: Path, pack: Path) -> None:
    """With a home folder of its own a run leaves that folder empty."""
    home = tmp_path / "home"
    home.mkdir()
    subprocess.run(
        command(tmp_path, "run", pack, "--backend", "fake", "--sheet"),
        env=environment(tmp_path) | {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")},
        check=True,
        capture_output=True,
    )
    assert list(home.rglob("*")) == []
