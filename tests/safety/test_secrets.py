"""A server's password reaches nothing that is written: records, logs, manifests, pictures, output, errors."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.backends.webui_desk import asked, outcomes
from tests.makers import make_config, make_variants

from stablenew.app import AppOptions, open_app
from stablenew.backends.registry import BackendOptions, open_backend
from stablenew.backends.webui.backend import open_backend as open_webui
from stablenew.errors import StableNewError
from stablenew.testing.stub_server import Answer, Call, Fault
from stablenew.testing.stub_webui import StubWebUI
from stablenew.workspace import open_workspace

SECRET = "hunter2-xyzzy"
FORMS = (SECRET, base64.b64encode(f"somebody:{SECRET}".encode()).decode())


class Echoing(StubWebUI):
    """A server that repeats the Authorization header in every error, as a careless proxy does."""

    def answer(self, call: Call) -> Answer:
        answer = super().answer(call)
        if answer.status < 400:
            return answer
        said = {"detail": f"refused: {call.headers.get('Authorization')}", "error": "", "errors": ""}
        return Answer(status=answer.status, body=json.dumps(said).encode())


@pytest.fixture
def stub() -> Iterator[StubWebUI]:
    with Echoing(user="somebody", password=SECRET) as started:
        yield started


def assert_clean(text: str) -> None:
    for form in FORMS:
        assert form not in text


def test_a_run_writes_no_secret(tmp_path: Path, stub: StubWebUI, capfd: pytest.CaptureFixture[str]) -> None:
    """After a run with a failure in it, no file of the workspace and no line of output holds the password."""
    stub.faults.append(Fault(path="/sdapi/v1/txt2img", kind="drop", times=2))
    root = tmp_path / "workspace"
    url = stub.url.replace("//", f"//somebody:{SECRET}@")
    config = make_config(steps=1, width=64, height=64)
    options = AppOptions(workspace=open_workspace(root), source="test", backend="webui", url=url)
    with open_app(options) as app:
        result = app.controller.start(config, make_variants(config, 3)).wait(60)
    assert (result.ok, result.failed) == (2, 1)
    files = [path for path in root.rglob("*") if path.is_file()]
    assert [path for path in files if path.suffix == ".png"]
    assert [path for path in files if path.suffix == ".jsonl"]
    for path in files:
        data = path.read_bytes()
        for form in FORMS:
            assert form.encode() not in data, path
    shown = capfd.readouterr()
    assert_clean(shown.out + shown.err)


@pytest.mark.parametrize("path", ["/sdapi/v1/options", "/sdapi/v1/samplers", "/sdapi/v1/txt2img"])
@pytest.mark.parametrize("status", [401, 403, 500])
def test_no_error_repeats_the_secret(stub: StubWebUI, path: str, status: int) -> None:
    """A server that echoes our header in its errors does not get the password into our messages or tracebacks."""
    echoed = json.dumps({"detail": f"no: {FORMS[1]} {SECRET}"}).encode()
    stub.faults.append(Fault(path=path, kind="status", times=9, answer=Answer(status=status, body=echoed)))
    backend = open_webui(BackendOptions(name="desk", url=stub.url.replace("//", f"//somebody:{SECRET}@")))
    try:
        found = outcomes(backend, [asked()])
    except StableNewError as exc:
        assert_clean("".join(traceback.format_exception(exc)))
    else:
        assert isinstance(found[0], StableNewError)
        assert_clean("".join(traceback.format_exception(found[0])))


def test_the_echo_does_hold_the_secret(stub: StubWebUI) -> None:
    """Without redaction the check above would fail: the echo does hold the password."""
    answer = Echoing(user="somebody", password=SECRET).answer(
        Call(method="GET", path="/nowhere", query="", headers={"Authorization": f"Basic {FORMS[1]}"}, body=b"")
    )
    assert FORMS[1].encode() in answer.body


def test_an_unreachable_address_is_said_without_its_password(tmp_path: Path) -> None:
    """Opening and asking a server that is not there names the address without user and password."""
    options = BackendOptions(name="webui", url=f"http://somebody:{SECRET}@127.0.0.1:9", workspace=tmp_path)
    with pytest.raises(StableNewError) as refused:
        open_backend(options).capabilities()
    assert_clean("".join(traceback.format_exception(refused.value)))
    assert "127.0.0.1:9" in str(refused.value)
