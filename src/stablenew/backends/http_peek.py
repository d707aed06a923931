"""A quick look at a server: small GETs over one kept connection, at a quarter of the cost of a full HTTP client.

After every picture the server is asked whether it was interrupted, before the next request may go out, so this is time
in which it stands idle. The answer is None whenever anything is unusual, and the caller asks again in the ordinary way.
"""

from __future__ import annotations

import base64
import http.client
import socket
import threading
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from stablenew.backends.credentials import Credential

_LIMIT_BYTES = 4 * 2**20
_NO_WAY = (OSError, http.client.HTTPException, ValueError)


class Peek:
    """Looks at one server over plain HTTP. May be called from several threads; one looks, the others get None."""

    def __init__(self, url: str, credential: Credential | None) -> None:
        parts = urlsplit(url)
        self._path = parts.path
        self._headers = {"Accept": "application/json"}
        if credential is not None:
            pair = base64.b64encode(f"{credential.user}:{credential.password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None
        if parts.scheme == "http" and parts.hostname and not _needs_proxy(parts.hostname):
            self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=2.0)

    def get(self, path: str) -> bytes | None:
        """The body of a 200 answer; None when there is none for whatever reason. Blocks for at most a few seconds."""
        if self._connection is None or not self._lock.acquire(blocking=False):
            return None
        try:
            return _body(self._connection, self._path + path, self._headers)
        except _NO_WAY:
            self._connection.close()
            return None
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the connection; the next look opens another."""
        if self._connection is not None:
            self._connection.close()


def _body(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> bytes | None:
    if connection.sock is None:
        _open(connection)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read(_LIMIT_BYTES)
    if response.status != 200 or not response.isclosed():
        connection.close()
        return None
    return body


def _open(connection: http.client.HTTPConnection) -> None:
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _needs_proxy(host: str) -> bool:
    if host in ("localhost", "127.0.0.1", "::1"):
        return False
    proxies = getproxies()
    return bool(proxies.get("http") or proxies.get("all")) and not proxy_bypass(host)
