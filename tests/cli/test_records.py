"""`stablenew records`, `rate` and `ratings` as a person types them."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.learning.archive import make_record, write_lines

from stablenew.cli import cli
from stablenew.cli.terminal_picture import encode_picture, side_by_side, terminal_protocol
from stablenew.workspace import Workspace


@pytest.fixture
def archive(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Six records in two runs."""
    monkeypatch.setenv("STABLENEW_WORKSPACE", str(workspace.root))
    monkeypatch.delenv("STABLENEW_USER", raising=False)
    for number in range(6):
        record = make_record(
            f"{number}abcdef",
            run_id=f"run-{number % 2}",
            prompt=("a red fox", "a blue boat, golden hour")[number % 2],
            sampler=("Euler", "DDIM")[number % 2],
            steps=20 + number // 2,
            seed=number // 2,
            timestamp=f"2026-11-22T10:00:0{number}.000Z",
            duration_s=1.5,
        )
        write_lines(workspace.records / f"run-{number % 2}.jsonl", record)
    return workspace


def stablenew(*arguments: str, given: str | None = None, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, list(arguments), input=given, standalone_mode=True)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def ids(result: Result) -> list[str]:
    return [json.loads(line)["run"]["record_id"][0] for line in result.stdout.splitlines()]


def test_records_are_listed_filtered_and_sorted(archive: Workspace) -> None:
    """Newest first; by run, by any condition, in either direction; as a table, JSON lines or CSV."""
    assert ids(stablenew("records", "list", "--json")) == list("543210")
    assert ids(stablenew("records", "list", "--json", "--limit", "2", "--reverse")) == list("01")
    assert ids(stablenew("records", "list", "--json", "--run", "run-1")) == list("531")
    assert ids(stablenew("records", "list", "--json", "-w", "steps>20", "-w", "sampler=Euler")) == list("42")
    rows = list(csv.DictReader(io.StringIO(stablenew("records", "list", "--csv").stdout)))
    assert (rows[0]["record_id"], rows[0]["time"], rows[0]["steps"]) == ("5abcdef", "2026-11-22T10:00:05.000Z", "22")
    assert "a blue boat" in stablenew("records", "list").stdout
    assert "0.5" not in stablenew("records", "list", "--columns", "seed,seconds").stdout


def test_words_find_records(archive: Workspace) -> None:
    """Every word, a phrase, and words to leave out."""
    assert ids(stablenew("records", "search", "--json", "boat")) == list("531")
    assert ids(stablenew("records", "search", "--json", "golden hour")) == list("531")
    assert ids(stablenew("records", "search", "--json", "a*", "--", "-boat")) == list("420")
    assert "no such records" in stablenew("records", "search", "zebra").stdout


def test_wrong_questions_are_answered_with_what_to_do(archive: Workspace) -> None:
    """An unknown field names the nearest; no condition, no score, no record are said."""
    for arguments in (["records", "list", "-w", "stepz>3"], ["records", "stats", "--by", "stepz"]):
        assert "did you mean steps" in str(CliRunner().invoke(cli, arguments).exception)
    assert "no condition" in str(CliRunner().invoke(cli, ["records", "list", "-w", "steps"]).exception)
    assert "say something" in stablenew("rate", "0abcdef", code=2).output
    assert "name a record" in stablenew("rate", code=2).output
    assert "nothing to undo" in stablenew("rate", "0abcdef", "--undo", code=2).output
    stablenew("rate", "0abcdef", "6", code=2)


def test_rating_tagging_undoing_and_the_best(archive: Workspace) -> None:
    """What is said shows at once in show, top and stats; undo takes back one thing; people are told apart."""
    said = stablenew("rate", "0abcdef", "4", "--tag", "good hands", "--note", "soft").stdout
    assert said == "0abcdef: rating 4; tags good hands; notes 'soft'\n"
    stablenew("rate", "1abc", "5", "--favourite")
    stablenew("rate", "0abcdef", "2")
    assert "rating 4" in stablenew("rate", "0abcdef", "--undo").stdout
    assert "rating 3" in stablenew("rate", "0abcdef", "2", "--who", "ann").stdout
    assert json.loads(stablenew("records", "show", "0abc").stdout)["feedback"] == {
        "rating": 3.0,
        "tags": ["good hands"],
        "notes": "soft",
    }
    assert ids(stablenew("records", "top", "--json")) == list("10")
    groups = [
        json.loads(line) for line in stablenew("records", "stats", "--by", "sampler", "--json").stdout.splitlines()
    ]
    assert [(group["sampler"], group["n"], group["rated"], group["mean_rating"]) for group in groups] == [
        ("DDIM", 3, 1, 5),
        ("Euler", 3, 1, 3),
    ]
    assert "6 records in 2 files, 2 of them rated" in stablenew("records", "stats").stdout
    lines = [json.loads(line) for line in stablenew("ratings", "export").stdout.splitlines()]
    assert [line["surface"] for line in lines] == ["cli"] * 5


def test_preferences_are_stored(archive: Workspace) -> None:
    """One picture better than two others: one line that names them all."""
    stablenew("rate", "0abcdef", "--better-than", "1abcdef", "--better-than", "2abcdef", "--blind")
    (line,) = stablenew("ratings", "export").stdout.splitlines()
    said = json.loads(line)
    assert [each["record_id"] for each in said["better_than"]] == ["1abcdef", "2abcdef"]
    assert said["blind"] is True
    assert said["score"] is None


def test_pairs_are_asked_until_there_are_none(archive: Workspace) -> None:
    """Without pictures on the terminal, paths; a, b, tie, skip, undo and quit; what was compared is not asked again."""
    from PIL import Image

    for number in range(6):
        path = archive.root / f"{number}.png"
        Image.new("RGB", (8, 8), (number * 40, 0, 0)).save(path)
        images = [{"path": path.name, "sha256": str(number) * 64}]
        record = make_record(
            f"p{number}", run_id="run-p", prompt="one prompt", seed=1, sampler=f"S{number // 3}", images=images,
            stages=["txt2img"],
        )  # fmt: skip
        if number in (0, 3, 4):
            write_lines(archive.records / "run-p.jsonl", record)
    out = stablenew("rate", "--pairs", "--run", "run-p", given="a\nu\nb\nq\n").stdout
    assert "0.png" in out
    assert "1 comparisons stored" in out
    lines = [json.loads(line) for line in stablenew("ratings", "export").stdout.splitlines()]
    assert [bool(line["better_than"]) for line in lines] == [True, False, True]
    assert lines[1]["undoes"] == lines[0]["rating_id"]
    assert all(line["blind"] and line["surface"] == "pairs" for line in lines if line["better_than"])
    assert "0 comparisons stored" in stablenew("rate", "--pairs", "--run", "run-p", given="s\n").stdout
    stablenew("rate", "--pairs", "--run", "run-p", given="t\n")
    skipped, even = [json.loads(line) for line in stablenew("ratings", "export").stdout.splitlines()][3:]
    assert (skipped["better_than"], skipped["equal_to"], len(skipped["shown"])) == ([], [], 2)
    assert len(even["equal_to"]) == 1
    assert "no pair" in stablenew("rate", "--pairs", "--run", "run-p", given="q\n").stdout


def test_terminals_show_pictures_their_own_way() -> None:
    """kitty and iTerm get PNG bytes, sixel its own form, anything else paths."""
    from PIL import Image

    sheet = side_by_side(Image.new("RGB", (30, 20), "red"), Image.new("RGB", (10, 20), "blue"), height=12)
    assert sheet.size == (18 + 16 + 6, 12)
    assert encode_picture(sheet, "kitty").startswith(b"\x1b_Ga=T,f=100,m=0;iVBOR")
    assert encode_picture(sheet, "iterm").startswith(b"\x1b]1337;File=inline=1;size=")
    sixel = encode_picture(sheet, "sixel")
    assert sixel.startswith(b'\x1bPq"1;1;40;12#0;2;')
    assert sixel.count(b"-") == 2
    assert encode_picture(sheet, "none") == b""
    for environment, protocol in (
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"LC_TERMINAL": "iTerm2", "TERM": "xterm"}, "iterm"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "xterm-256color"}, "none"),
        ({"TERM": "xterm-kitty", "TMUX": "1"}, "none"),
    ):
        assert terminal_protocol(environment, is_terminal=True) == protocol
    assert terminal_protocol({"TERM": "xterm-kitty"}, is_terminal=False) == "none"


def test_tail_follows_what_is_appended(archive: Workspace) -> None:
    """The last records, then each new one as it is appended, whole lines of JSON, damage left out."""
    command = [sys.executable, "-m", "stablenew", "records", "tail", "-n", "2", "--follow"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    assert process.stdout is not None
    try:
        first = [json.loads(process.stdout.readline())["run"]["record_id"] for _ in range(2)]
        assert first == ["4abcdef", "5abcdef"]
        path = archive.records / "run-new.jsonl"
        line = make_record("new", run_id="run-new").to_line()
        with path.open("ab") as file:
            file.write(b"{torn\n" + line[:50])
        with path.open("ab") as file:
            file.write(line[50:] + b"\n")
        assert json.loads(process.stdout.readline())["run"]["record_id"] == "new"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_doctor_says_what_is_wrong_with_its_exit_code(archive: Workspace) -> None:
    """0 when all is well, 1 when not, and 0 again after the repair."""
    assert "nothing is wrong" in stablenew("records", "doctor").stdout
    path = archive.records / "run-0.jsonl"
    path.write_bytes(path.read_bytes() + b"{torn\n")
    assert "1 damaged lines" in stablenew("records", "doctor", code=1).stdout
    assert json.loads(stablenew("records", "doctor", "--json", code=1).stdout)["damaged"][0]["line_number"] == 4
    assert "repaired" in stablenew("records", "doctor", "--repair").stdout
    assert ids(stablenew("records", "list", "--json")) == list("543210")


def test_runs_are_packed_unpacked_and_asked_with_sql(archive: Workspace) -> None:
    """By name or by age; every question is answered as before."""
    pytest.importorskip("duckdb", reason="the extra analytics is not installed")
    assert "1 packed" in stablenew("records", "pack", "run-0").stdout
    assert "1 packed" in stablenew("records", "pack", "--older-than", "0").stdout
    assert ids(stablenew("records", "list", "--json")) == list("543210")
    sql = "select sampler, count(*) as n from records group by all order by 1"
    assert [json.loads(line) for line in stablenew("records", "sql", sql, "--json").stdout.splitlines()] == [
        {"sampler": "DDIM", "n": 3},
        {"sampler": "Euler", "n": 3},
    ]
    assert "2 unpacked" in stablenew("records", "unpack", "--all").stdout
    assert sorted(path.name for path in archive.records.iterdir()) == ["run-0.jsonl", "run-1.jsonl"]
    stablenew("records", "pack", code=2)
    assert "no unpacked run" in str(CliRunner().invoke(cli, ["records", "pack", "nowhere"]).exception)


def test_ratings_travel_as_xmp(archive: Workspace, tmp_path: Path) -> None:
    """Export says how many were written, import how many were rated and what could not be used."""
    path = archive.runs / "run-x" / "images" / "x.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n picture")
    import hashlib

    image = {"path": archive.relative(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    write_lines(archive.records / "run-x.jsonl", make_record("x1", run_id="run-x", images=[image]))
    stablenew("rate", str(path), "4")
    assert stablenew("ratings", "export", "--xmp").stdout == "1 written\n"
    sidecar = path.with_name("x.png.xmp")
    sidecar.write_text(sidecar.read_text().replace('Rating="4"', 'Rating="5"'))
    assert stablenew("ratings", "import", str(archive.runs)).stdout == "1 rated\n"
    assert '"rating": 5.0' in stablenew("records", "show", "x1").stdout
