"""`stablenew backends` shows what is there, and `backends check` whether it works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from stablenew.cli import main
from stablenew.testing.stub_webui import StubWebUI


@pytest.fixture
def stub() -> Iterator[StubWebUI]:
    with StubWebUI() as started:
        yield started


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    """The exit code and everything printed."""
    with pytest.raises(SystemExit) as ended:
        main(list(args))
    shown = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, shown.out + shown.err


def test_the_list_names_what_is_configured(tmp_path: Path, stub: StubWebUI, capsys: pytest.CaptureFixture[str]) -> None:
    """Kinds, configured servers with version, models and latency, and why one cannot be used."""
    tables = [f'[desk]\nkind = "webui"\nurl = "{stub.url}"', '[gone]\nkind = "webui"\nurl = "http://127.0.0.1:9"']
    (tmp_path / "backends.toml").write_text("\n".join(tables))
    code, shown = run(capsys, "backends", "--workspace", str(tmp_path))
    assert code == 0
    for part in ("local  (default)", "desk  (webui)", "A1111", "tiny-a.safetensors", "ms", "no server answers"):
        assert part in shown
    code, shown = run(capsys, "backends", "--json", "--workspace", str(tmp_path))
    first = json.loads(shown.splitlines()[0])
    assert (first["name"], first["kind"], first["configured"]) == ("desk", "webui", True)


def test_a_check_prints_what_differs(tmp_path: Path, stub: StubWebUI, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 when the picture is as asked; 1 with the differences, or with why there is none."""
    check = ("backends", "check", "webui", "--workspace", str(tmp_path), "--url", stub.url)
    code, shown = run(capsys, *check)
    assert (code, "done as asked" in shown) == (0, True)
    stub.mind.twist = {"sampler_name": "Nope"}
    code, shown = run(capsys, *check)
    assert (code, "sampler: asked Euler a, done DPM++ 2M" in shown) == (1, True)
    stub.kill()
    code, shown = run(capsys, *check)
    assert (code, "no server answers" in shown) == (1, True)
    assert json.loads(run(capsys, *check, "--json")[1])["problem"]
