"""What is found is what is there, and a smoke test says what a server does otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stablenew.backends.probe import found_backends, smoke_test
from stablenew.testing.fake_backend import FakeBackend, Script
from stablenew.testing.stub_webui import StubWebUI

from .webui_desk import desk


@pytest.fixture
def stub() -> Iterator[StubWebUI]:
    with StubWebUI() as started:
        yield started


def test_servers_at_the_usual_addresses_are_found(tmp_path: Path, stub: StubWebUI) -> None:
    """A server that listens is asked what it has; an address where nobody listens is passed over."""
    found = found_backends(tmp_path, usual=[("webui", stub.url), ("webui", "http://127.0.0.1:9")])
    assert [(status.name, status.kind, status.version) for status in found] == [(stub.url, "webui", "A1111")]
    assert found[0].usable
    assert found[0].models == ("tiny-a.safetensors", "tiny-b.safetensors")
    assert found[0].latency_s is not None


def test_configured_backends_come_first_and_once(tmp_path: Path, stub: StubWebUI) -> None:
    """What backends.toml names is shown under its name, unreachable ones with the reason, and not found twice."""
    tables = [f'[desk]\nkind = "webui"\nurl = "{stub.url}/"', '[gone]\nkind = "webui"\nurl = "http://127.0.0.1:9"']
    tables += ['[odd]\nkind = "nothing"']
    (tmp_path / "backends.toml").write_text("\n".join(tables))
    found = {status.name: status for status in found_backends(tmp_path, usual=[("webui", stub.url)])}
    assert list(found) == ["desk", "gone", "odd"]
    assert found["desk"].usable
    assert "no server answers" in found["gone"].problem
    assert "nothing" in found["odd"].problem


def test_a_password_in_the_address_is_not_shown(tmp_path: Path) -> None:
    """The status carries the address without its user and password."""
    path = tmp_path / "backends.toml"
    path.write_text('[desk]\nkind = "webui"\nurl = "http://me:s3cret@127.0.0.1:9"')
    path.chmod(0o600)
    status = found_backends(tmp_path, usual=[])[0]
    assert status.url == "http://127.0.0.1:9"
    assert "s3cret" not in repr(status)


def test_a_smoke_test_says_what_differs(stub: StubWebUI) -> None:
    """One picture of one step: fine, otherwise than asked, or failed, each told apart."""
    fine = smoke_test(desk(stub))
    assert fine.ok
    assert (fine.width, fine.height, fine.version) == (512, 512, "A1111 v1.10.1")
    stub.mind.twist = {"steps": 5}
    other = smoke_test(desk(stub))
    assert not other.ok
    assert [(deviation.setting, deviation.done) for deviation in other.deviations] == [("steps", 5)]
    stub.kill()
    gone = smoke_test(desk(stub))
    assert "no server answers" in gone.problem


def test_any_backend_can_be_smoke_tested() -> None:
    """The smoke test uses only the protocol, a size and a sampler that the backend names."""
    assert smoke_test(FakeBackend(script=Script())).width == 64
