"""Credentials come from where they are said to come from, in that order, and never show."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest

from stablenew.backends.credentials import (
    Credential,
    environment_name,
    find_credential,
    require_owner_only,
    split_url,
)
from stablenew.backends.registry import read_configured
from stablenew.errors import InputError, InvalidSetting

POSIX = pytest.mark.skipif(os.name == "nt", reason="rights are the folder's there")


def credentials_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "credentials.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def pair(credential: Credential | None) -> tuple[str, str] | None:
    return None if credential is None else (credential.user, credential.password)


class FakeKeyring(types.ModuleType):
    """Stands for the package keyring, which need not be installed."""

    def __init__(self, answer: str | None, broken: bool = False) -> None:
        super().__init__("keyring")
        self.answer, self.broken = answer, broken
        self.errors = types.ModuleType("keyring.errors")
        self.errors.KeyringError = type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]  # made here

    def get_password(self, service: str, name: str) -> str | None:
        if self.broken:
            raise self.errors.KeyringError
        return self.answer if (service, name) == ("stablenew", "desk") else None


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> FakeKeyring:
    fake = FakeKeyring("ring:k3y")
    monkeypatch.setitem(sys.modules, "keyring", fake)
    monkeypatch.setitem(sys.modules, "keyring.errors", fake.errors)
    return fake


def test_the_environment_comes_first(tmp_path: Path, keyring: FakeKeyring) -> None:
    """Environment, address, keyring, file: the first that has a credential gives it."""
    credentials_file(tmp_path, 'desk = "file:f1le"')
    in_url = Credential(user="url", password="u")
    said = {"STABLENEW_DESK_AUTH": "env:e:n:v"}
    assert pair(find_credential("desk", in_url=in_url, workspace=tmp_path, environ=said)) == ("env", "e:n:v")
    assert pair(find_credential("desk", in_url=in_url, workspace=tmp_path, environ={})) == ("url", "u")
    assert pair(find_credential("desk", workspace=tmp_path, environ={})) == ("ring", "k3y")
    keyring.answer = None
    assert pair(find_credential("desk", workspace=tmp_path, environ={})) == ("file", "f1le")
    keyring.broken = True
    assert pair(find_credential("desk", workspace=tmp_path, environ={})) == ("file", "f1le")
    assert find_credential("attic", workspace=tmp_path, environ={}) is None


def test_the_variable_of_a_name() -> None:
    """Capitals, and _ for every other sign."""
    assert environment_name("my-desk.2") == "STABLENEW_MY_DESK_2_AUTH"


@POSIX
@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o644])
def test_a_file_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """The file must be its owner's alone; the error says how to mend it and not what is in it."""
    path = credentials_file(tmp_path, 'desk = "me:s3cret"', mode)
    with pytest.raises(InputError, match="chmod 600") as refused:
        find_credential("desk", workspace=tmp_path, environ={})
    assert "s3cret" not in str(refused.value)
    path.chmod(0o600)
    require_owner_only(path)


@POSIX
def test_a_password_in_backends_toml_needs_the_same_rights(tmp_path: Path) -> None:
    """An address with a password makes backends.toml a secret, too."""
    path = tmp_path / "backends.toml"
    path.write_text('[desk]\nkind = "webui"\nurl = "http://me:s3cret@host:7860"\n')
    path.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        read_configured(tmp_path)
    path.chmod(0o600)
    assert read_configured(tmp_path)["desk"].kind == "webui"


@pytest.mark.parametrize("text", ['desk = "me:s3cret', 'desk = "s3cret"', "desk = 5", '[desk]\npassword = "s3cret"'])
def test_what_cannot_be_understood_is_not_quoted(tmp_path: Path, text: str) -> None:
    """An error about the credentials file never repeats what is in it."""
    credentials_file(tmp_path, text)
    with pytest.raises(InputError) as refused:
        find_credential("desk", workspace=tmp_path, environ={})
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "clean", "credential"),
    [
        ("http://host:7860/", "http://host:7860", None),
        ("https://me:p%40ss@host/webui/?x=1#y", "https://host/webui", ("me", "p@ss")),
        ("http://[::1]:7860", "http://[::1]:7860", None),
        ("http://me@host", "http://host", ("me", "")),
    ],
)
def test_an_address_is_split(url: str, clean: str, credential: tuple[str, str] | None) -> None:
    """What is left of an address can be shown; user and password are set apart."""
    found = split_url(url)
    assert (found[0], pair(found[1])) == (clean, credential)


@pytest.mark.parametrize(
    "url", ["ftp://me:s3cret@host", "http://me:s3/cret@ho st:99999", "me:s3cret@host", "http://me:s3cret@:x"]
)
def test_a_wrong_address_is_refused_without_its_password(url: str) -> None:
    """An address that cannot be used is said without the secret in it."""
    with pytest.raises(InvalidSetting) as refused:
        split_url(url)
    assert "s3cret" not in str(refused.value)
    assert "cret@" not in str(refused.value)


def test_a_credential_does_not_show() -> None:
    """Printing a credential shows neither name nor password; redacting removes every form it is sent in."""
    credential = Credential(user="me", password="s3/cret")
    assert "s3" not in repr(credential)
    assert "me" not in repr(credential).replace("Credential", "")
    text = "me:s3/cret s3/cret s3%2Fcret bWU6czMvY3JldA=="
    assert credential.redact(text) == "[hidden] [hidden] [hidden] [hidden]"
