"""Whatever goes wrong reaches a person as a line and an exit code, and output goes wherever it is sent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stablenew.cli import COMMANDS, main

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells and permissions")


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    (tmp_path / "pack.txt").write_text("a red house 🎨\n\na [blue] boat\n", encoding="utf-8")
    return tmp_path / "pack.txt"


def stablenew(tmp_path: Path, *arguments: Any, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Runs the command in a process of its own; arguments may be bytes."""
    environment = os.environ | {"STABLENEW_WORKSPACE": str(tmp_path / "workspace"), "NO_COLOR": "1"} | variables
    line = [sys.executable, "-m", "stablenew", *(each if isinstance(each, bytes) else str(each) for each in arguments)]
    return subprocess.run(line, capture_output=True, env=environment, timeout=20)


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Adds a command `break` that raises what it is given."""
    import click

    from stablenew.cli.options import workspace_option

    def add(error: BaseException) -> None:
        @click.command()
        @workspace_option
        def command(workspace: Any) -> None:
            raise error

        module = type(sys)("stablenew_broken")
        module.command = command  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "stablenew_broken", module)
        monkeypatch.setitem(COMMANDS, "break", "stablenew_broken:command")
        monkeypatch.setenv("STABLENEW_WORKSPACE", str(tmp_path / "workspace"))
        monkeypatch.delenv("STABLENEW_DEBUG", raising=False)

    return add


def test_what_the_system_refuses_is_one_line_with_path_and_hint(broken, capsys) -> None:  # type: ignore[no-untyped-def]
    """A full disk and a read-only one: path, reason and what to do; exit code 1; no traceback, and no log."""
    broken(OSError(28, "No space left on device", "/full/sheet.png"))
    assert exit_code("break") == 1
    said = capsys.readouterr().err
    assert said.startswith("stablenew: /full/sheet.png: No space left on device; make room")
    assert said.count("\n") == 1


def test_a_mistake_of_ours_says_so_and_keeps_the_traceback(broken, capsys, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Exit code 1, no traceback on the screen, and a log in the workspace that has it."""
    broken(ZeroDivisionError("half of nothing"))
    assert exit_code("break") == 1
    said = capsys.readouterr().err
    log = tmp_path / "workspace/errors.log"
    assert "a mistake in StableNew, not yours: ZeroDivisionError: half of nothing" in said
    assert str(log) in said
    assert "Traceback" not in said
    assert "Traceback" in log.read_text()
    assert "raise error" in log.read_text()


def test_the_traceback_is_shown_when_asked_for_or_when_it_cannot_be_kept(  # type: ignore[no-untyped-def]
    broken, capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With STABLENEW_DEBUG=1, and where errors.log cannot be written, it is on stderr."""
    broken(ZeroDivisionError("half of nothing"))
    (tmp_path / "workspace/errors.log").mkdir(parents=True)
    assert exit_code("break") == 1
    assert "Traceback" in capsys.readouterr().err
    (tmp_path / "workspace/errors.log").rmdir()
    monkeypatch.setenv("STABLENEW_DEBUG", "1")
    assert exit_code("break") == 1
    assert "Traceback" in capsys.readouterr().err
    assert not (tmp_path / "workspace/errors.log").exists()


def test_a_busy_run_is_wrong_usage(broken, capsys) -> None:  # type: ignore[no-untyped-def]
    """Nothing was made by this process: exit code 2."""
    from stablenew.errors import RunBusy

    broken(RunBusy("r"))
    assert exit_code("break") == 2
    assert "still under way" in capsys.readouterr().err


def test_a_workspace_that_cannot_be_written_to_is_one_line(tmp_path: Path, pack: Path) -> None:
    """`run` and `preset save` where files lie in the way of their folders: also root cannot write there."""
    (tmp_path / "workspace").mkdir()
    for name in ("runs", "presets"):
        (tmp_path / "workspace" / name).write_text("")
    for arguments in (["run", pack, "--backend", "fake"], ["preset", "save", "x", "--set", "steps=3"]):
        done = stablenew(tmp_path, *arguments)
        assert done.returncode == 1
        assert b"Traceback" not in done.stderr
        assert str(tmp_path / "workspace").encode() in done.stderr.splitlines()[-1]


@posix
@pytest.mark.parametrize(
    "arguments", [["--tag", b"caf\xe9"], ["--set", b"sampler=x\xe9"], ["--run-id", b"\xe9"], [b"pa\xe9ck.txt"]]
)
def test_arguments_that_are_no_text_are_wrong_input(tmp_path: Path, pack: Path, arguments: list[Any]) -> None:
    """Bytes that are not UTF-8, where a setting, tag, name or file is asked for: exit code 2 and nothing made."""
    done = stablenew(tmp_path, "run", pack, "--backend", "fake", *arguments, PYTHONUTF8="1")
    assert done.returncode == 2
    assert b"is not UTF-8 text" in done.stderr
    assert not (tmp_path / "workspace").exists()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_an_emoji_goes_through_a_pipe_that_cannot_say_it(tmp_path: Path, pack: Path, encoding: str) -> None:
    """`records list` and the run itself, into a pipe of a Windows code page: escaped, not a traceback."""
    made = stablenew(tmp_path, "run", pack, "--backend", "fake", "--run-id", "r", PYTHONIOENCODING=encoding)
    assert made.returncode == 0, made.stderr
    for command in (["records", "list"], ["records", "list", "--csv"], ["records", "show", "r"], ["report", "r"]):
        done = stablenew(tmp_path, *command, PYTHONIOENCODING=encoding)
        assert b"Traceback" not in done.stderr
        assert b"mistake" not in done.stderr
    listed = stablenew(tmp_path, "records", "list", PYTHONIOENCODING="cp1252")
    assert b"a red house \\U0001f3a8" in listed.stdout
    assert listed.returncode == 0


def test_tables_in_a_pipe_are_whole_and_literal(tmp_path: Path, pack: Path) -> None:
    """A long prompt and a long run id are not cut off a terminal, and brackets are no markup."""
    run_id = "a-run-with-a-name-that-is-rather-long-" + "x" * 40
    pack.write_text(f"{'very ' * 60}long [red]boat[/blue] :smile:\n")
    stablenew(tmp_path, "run", pack, "--backend", "fake", "--run-id", run_id)
    listed = stablenew(tmp_path, "records", "list").stdout.decode()
    assert f"{'very ' * 60}long [red]boat[/blue] :smile:" in listed
    runs = stablenew(tmp_path, "runs", "list").stdout.decode().splitlines()
    assert len(runs) == 2
    assert runs[1].startswith(run_id)
    assert runs[1].split()[-4:] == ["1", "1", "0", "0"]


@posix
def test_a_reader_that_has_gone_is_no_error(tmp_path: Path, pack: Path) -> None:
    """`records list --json | head -1`: exit code 0 and nothing on stderr."""
    made = stablenew(tmp_path, "run", pack, "--backend", "fake", "--images-per-prompt", 40, "--run-id", "r")
    assert made.returncode == 0, made.stderr
    environment = os.environ | {"STABLENEW_WORKSPACE": str(tmp_path / "workspace")}
    line = [sys.executable, "-m", "stablenew", "records", "list", "--json"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), said) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_to_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """What could not be printed is said, with exit code 1: the output is not complete."""
    environment = os.environ | {"STABLENEW_WORKSPACE": str(tmp_path / "workspace")}
    with Path("/dev/full").open("wb") as full:
        line = [sys.executable, "-m", "stablenew", "records", "path"]
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, env=environment, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith(b"stablenew: No space left on device")
    assert done.stderr.count(b"\n") == 1
