"""Import, export and report as a person meets them."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.learning.importing import pictures

from stablenew.cli import main


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """The exit code and what was printed on stdout and stderr."""
    with pytest.raises(SystemExit) as ended:
        main(list(args))
    shown = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, shown.out, shown.err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "out"
    for number, (tool, texts) in enumerate(pictures.tool_texts().items()):
        pictures.write_png(root / f"{tool}.png", texts, shade=number)
    (root / "broken.png").write_bytes(b"no picture")
    return root


def test_import_report_and_export_work_together(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder is imported, listed, reported and exported; stripped copies hold no word of a prompt."""
    workspace = ("--workspace", str(tmp_path / "ws"))
    code, out, err = run(capsys, "import", str(folder), *workspace)
    assert (code, "8 recorded, 1 unreadable" in out, "broken.png: passed over" in err) == (0, True, True)
    run_id = out.rsplit(" ", 1)[1].strip()
    assert run(capsys, "import", str(folder), *workspace)[1].startswith("nothing new")
    code, out, _ = run(capsys, "report", run_id, *workspace)
    assert (code, Path(out.split(" (")[0]).is_file()) == (0, True)
    table, page, copies = tmp_path / "t.csv", tmp_path / "p.html", tmp_path / "copies"
    written = ("--csv", str(table), "--html", str(page), "--images", str(copies))
    assert run(capsys, "export", *written, "--share", "settings", *workspace)[0] == 0
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert {row["prompt"] for row in rows} == {""}
    assert "masterpiece" not in page.read_text("utf-8") + table.read_text("utf-8")
    assert len(list(copies.iterdir())) == 8
    assert not any(b"masterpiece" in copy.read_bytes() for copy in copies.iterdir())


def test_import_says_each_file_as_json(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a file, with what became of it."""
    _, out, _ = run(capsys, "import", str(folder), "--json", "--workspace", str(tmp_path / "ws"))
    said = [json.loads(line) for line in out.splitlines()]
    assert sorted(each["became"] for each in said) == ["record"] * 8 + ["unreadable"]


def test_wrong_use_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and what to do: nothing to write, nothing left to write, no such folder, no such run."""
    workspace = ("--workspace", str(tmp_path / "ws"))
    for args, said in (
        (("export",), "say what to write"),
        (("export", "--csv", str(tmp_path / "x.csv"), "--share", "none"), "--images alone"),
        (("import", str(tmp_path / "nowhere")), "nowhere"),
        (("report", "nothing"), "there is no run or experiment"),
    ):
        code, _, err = run(capsys, *args, *workspace)
        assert (code, said in err) == (2, True), err


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_watching_records_what_appears_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    """A real process: a picture written while it watches is recorded, Ctrl-C ends it with exit code 0."""
    folder = tmp_path / "out"
    folder.mkdir()
    command = ["import", str(folder), "--watch", "--interval", "0.1", "--json", "--workspace", str(tmp_path / "ws")]
    process = subprocess.Popen(
        [sys.executable, "-m", "stablenew", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert "watching" in process.stderr.readline()
        pictures.write_png(folder / "new.png", {"parameters": pictures.A1111})
        assert json.loads(process.stdout.readline())["became"] == "record"
        process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
