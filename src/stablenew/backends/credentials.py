"""Secrets of servers: where they are found, and how they are kept out of everything that is written.

A backend NAME's credential is looked for in this order:

1. the environment variable STABLENEW_NAME_AUTH (NAME in capitals, other signs as _), as `user:password`,
2. the address itself, `http://user:password@host`,
3. the system's keyring, service `stablenew`, user NAME, where the package `keyring` is installed,
4. `credentials.toml` in the workspace, readable by its owner alone: NAME = "user:password".
"""

from __future__ import annotations

import base64
import importlib
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from stablenew.errors import InputError, InvalidSetting

CREDENTIALS_FILE = "credentials.toml"
KEYRING_SERVICE = "stablenew"
HIDDEN = "[hidden]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A user name and a password for HTTP Basic authentication; neither shows when printed."""

    user: str = field(repr=False)
    password: str = field(repr=False)

    def redact(self, text: str) -> str:
        """`text` with the password, and what stands for it in a header or an address, replaced by `[hidden]`."""
        pair = f"{self.user}:{self.password}"
        header = base64.b64encode(pair.encode()).decode()
        for secret in (header, pair, self.password, quote(self.password, safe="")):
            if secret:
                text = text.replace(secret, HIDDEN)
        return text


def split_url(url: str) -> tuple[str, Credential | None]:
    """`url` (http or https) without user, password, query, fragment and closing slash, and the credential it held.

    Raises InvalidSetting, which does not repeat the address when it holds a secret.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise InvalidSetting("url", _without_userinfo(url), "an address such as http://127.0.0.1:7860") from exc
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidSetting("url", _without_userinfo(url), "an address such as http://127.0.0.1:7860")
    place = f"[{host}]" if ":" in host else host
    clean = urlunsplit((parts.scheme, f"{place}:{port}" if port else place, parts.path.rstrip("/"), "", ""))
    if parts.username is None:
        return clean, None
    return clean, Credential(user=unquote(parts.username), password=unquote(parts.password or ""))


def find_credential(
    name: str,
    *,
    in_url: Credential | None = None,
    workspace: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Credential | None:
    """The credential of the backend `name`, None when there is none anywhere.

    Raises InputError when the credentials file may be read by others or cannot be understood.
    """
    variable = environment_name(name)
    said = (os.environ if environ is None else environ).get(variable)
    if said:
        return _parsed(said, variable)
    if in_url is not None:
        return in_url
    from_keyring = _from_keyring(name)
    if from_keyring:
        return _parsed(from_keyring, f"the keyring's entry {KEYRING_SERVICE}/{name}")
    return _from_file(name, workspace / CREDENTIALS_FILE) if workspace else None


def environment_name(name: str) -> str:
    """The environment variable that may hold the credential of the backend `name`."""
    return f"STABLENEW_{re.sub(r'[^A-Z0-9]', '_', name.upper())}_AUTH"


def require_owner_only(path: Path) -> None:
    """Return when only the owner can read `path`; on Windows the folder's rights decide and nothing is checked.

    Raises InputError saying how to mend it.
    """
    if os.name == "nt":
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise InputError(f"{path} holds a secret and others may read it (mode {mode:04o}): chmod 600 {path}")


def _parsed(text: str, where: str) -> Credential:
    user, colon, password = text.partition(":")
    if not colon:
        raise InputError(f"{where} does not have the form user:password")
    return Credential(user=user, password=password)


def _from_keyring(name: str) -> str | None:
    try:
        keyring = importlib.import_module("keyring")
        errors = importlib.import_module("keyring.errors")
    except ImportError:
        return None
    try:
        found = keyring.get_password(KEYRING_SERVICE, name)
    except errors.KeyringError:
        # A locked or absent keyring is no reason to stop: the file may hold the credential.
        return None
    return found if isinstance(found, str) else None


def _from_file(name: str, path: Path) -> Credential | None:
    if not path.exists():
        return None
    require_owner_only(path)
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        # Without the parser's own words, which may quote the line and with it the secret.
        raise InputError(f'{path} cannot be read as TOML: write lines such as {name} = "user:password"') from None
    entry = entries.get(name)
    if entry is None:
        return None
    if not isinstance(entry, str):
        raise InputError(f"{path}: {name} must be a text of the form user:password")
    return _parsed(entry, f"{path}: {name}")


def _without_userinfo(url: str) -> str:
    return f"{HIDDEN}@{url.rpartition('@')[2]}" if "@" in url else url
