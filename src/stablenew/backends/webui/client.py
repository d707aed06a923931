"""HTTP with a server of the WebUI family: authentication, time limits, and answers as values.

A status that is not 200 and a connection that breaks are values too (`Reply`, `NoReply`): what may be done next depends
on which it was, and that is for the caller to decide.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from stablenew.backends.credentials import Credential
from stablenew.backends.http_errors import HTTP_EXCEPTIONS, NoReply, no_reply
from stablenew.backends.http_peek import Peek
from stablenew.errors import BackendUnavailable, GenerationFailed

LIST_LIMIT_BYTES = 64 * 2**20
PICTURE_LIMIT_BYTES = 1024 * 2**20
ABSENT = (404, 405, 501)
"""Statuses of a route that this server does not have."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """Seconds allowed by kind of call: connecting, reading a list, changing options (may load a model), a picture."""

    connect_s: float = 5.0
    list_s: float = 30.0
    options_s: float = 300.0
    picture_s: float = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A complete answer of the server, whatever its status. `retry_after_s`: when it asks to come back."""

    status: int
    body: bytes
    retry_after_s: float | None = None

    @property
    def ok(self) -> bool:
        """True for a status of success."""
        return 200 <= self.status < 300


Answer = Reply | NoReply


class WebUIClient:
    """Calls one server. Calls may come from several threads; each blocks until answered or out of time."""

    def __init__(self, *, name: str, url: str, credential: Credential | None, limits: TimeLimits) -> None:
        self.name, self.url, self.limits = name, url, limits
        self._credential = credential
        self._peek = Peek(url, credential)
        parts = urlsplit(url)
        loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
        self._http = httpx.Client(
            # BasicAuth sends the header with the first request: A1111 answers 401 without asking for it.
            auth=httpx.BasicAuth(credential.user, credential.password) if credential else None,
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "Content-Type": "application/json"},
            limits=httpx.Limits(max_connections=8, max_keepalive_connections=4, keepalive_expiry=4.0),
            trust_env=not loopback,
            # Plain http to this machine needs no certificates; loading them is most of the time to open a client.
            verify=not (loopback and parts.scheme == "http"),
        )

    def get(self, path: str, timeout_s: float | None = None) -> Answer:
        """The answer to a GET; a broken connection is tried once more, as nothing can happen twice."""
        limit = timeout_s or self.limits.list_s
        answer = self.send("GET", path, None, timeout_s=limit)
        if isinstance(answer, NoReply) and answer.trouble == "lost":
            answer = self.send("GET", path, None, timeout_s=limit)
        return answer

    def peek(self, path: str, timeout_s: float) -> Answer:
        """As `get`, quicker where that can be."""
        body = self._peek.get(path)
        return self.get(path, timeout_s) if body is None else Reply(status=200, body=body)

    def post(
        self,
        path: str,
        payload: Any,
        *,
        timeout_s: float,
        abandoned: Callable[[], bool] = bool,
        sent: Callable[[], None] | None = None,
    ) -> Answer:
        """The answer to a POST of `payload` as JSON, sent once. Ends early with a `NoReply` once `abandoned()`.

        `sent` is called when the server has the whole request and the wait begins.
        """
        body = msgspec.json.encode(payload)
        return self.send(
            "POST", path, body, timeout_s=timeout_s, limit=PICTURE_LIMIT_BYTES, abandoned=abandoned, sent=sent
        )

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        *,
        timeout_s: float,
        limit: int = LIST_LIMIT_BYTES,
        abandoned: Callable[[], bool] = bool,
        sent: Callable[[], None] | None = None,
    ) -> Answer:
        """One request, one answer: complete within `timeout_s` seconds and `limit` bytes, or a `NoReply`."""
        deadline = time.monotonic() + timeout_s
        timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, self.limits.connect_s))
        extensions = None if sent is None else {"trace": _tracing(sent)}
        try:
            with self._http.stream(
                method, self.url + path, content=body, timeout=timeout, extensions=extensions
            ) as response:
                data = _read(response, deadline, limit, abandoned)
        except HTTP_EXCEPTIONS as exc:
            return no_reply(exc)
        except RuntimeError as exc:
            # httpx says so in a bare RuntimeError when another thread closed the client meanwhile.
            return NoReply(trouble="lost", text=f"the connection was closed ({exc})")
        if isinstance(data, NoReply):
            return data
        return Reply(status=response.status_code, body=data, retry_after_s=_retry_after(response))

    def listing(self, path: str, kind: type[T]) -> T | None:
        """The answer at `path` as a `kind`, None when this server has no such route.

        Raises BackendUnavailable when the server does not answer, refuses, or answers something else.
        """
        answer = self.get(path)
        if isinstance(answer, NoReply):
            raise self.unavailable(answer)
        if answer.status in ABSENT:
            return None
        if not answer.ok:
            raise self.refused(path, answer)
        decoded = decode(answer, kind)
        if isinstance(decoded, NoReply):
            raise BackendUnavailable(self.name, f"{self.url}{path} does not answer as a WebUI does: {decoded.text}")
        return decoded

    def unavailable(self, why: NoReply) -> BackendUnavailable:
        """What to tell a person whose server does not answer."""
        hint = "start the WebUI with --api, or use --backend local"
        return BackendUnavailable(self.name, f"no server answers at {self.url} ({why.text}): {hint}")

    def refused(self, path: str, reply: Reply) -> BackendUnavailable:
        """What to tell a person whose server refuses to talk to us at all."""
        said = self.reason(reply)
        if reply.status in (401, 403):
            wrong = "does not accept the user and password" if self._credential else "asks for a user and a password"
            hint = f"give them as user:password in the environment variable {self._variable}"
            return BackendUnavailable(self.name, f"the server at {self.url} {wrong}: {hint}")
        return BackendUnavailable(self.name, f"the server at {self.url} refuses {path}: {said}")

    def failed(self, what: str, reply: Reply) -> GenerationFailed:
        """What to tell a person whose picture the server would not or could not make."""
        said = self.reason(reply)
        hint = ""
        if "NansException" in said or "NaNs" in said:
            hint = ": select another model and back, or start the server with --no-half or --no-half-vae"
        elif "OutOfMemory" in said or "out of memory" in said:
            hint = ": ask for a smaller picture, or start the server with --medvram"
        return GenerationFailed(self.name, f"{what} failed on {self.url}: {said}{hint}")

    def reason(self, reply: Reply) -> str:
        """The server's own words for a status that is no success, shortened and without our secret."""
        said = error_text(reply)
        return self._credential.redact(said) if self._credential else said

    def redact(self, text: str) -> str:
        """`text` without our secret, should a server have repeated it."""
        return self._credential.redact(text) if self._credential else text

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._http.close()
        self._peek.close()

    @property
    def _variable(self) -> str:
        from stablenew.backends.credentials import environment_name

        return environment_name(self.name)


@dataclass(frozen=True, slots=True)
class _ErrorBody:
    """Every form an error body takes; see `error_text`."""

    error: Any = None
    detail: Any = None
    errors: Any = None
    message: Any = field(default=None)


def error_text(reply: Reply) -> str:
    """What the server says went wrong, on one line of at most 400 characters.

    A1111 puts exceptions in `errors` and HTTP errors in `detail` (text, or a list of validation errors), Forge
    exceptions in `message`; stable-diffusion.cpp answers 404 with no body, SD.Next 204 to nothing.
    """
    try:
        body = msgspec.json.decode(reply.body, type=_ErrorBody)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        text = reply.body[:400].decode("utf-8", "replace").strip()
        return _one_line(f"HTTP {reply.status}" + (f": {text}" if text else ""))
    said = _detail(body.detail) or _detail(body.errors) or _detail(body.message)
    label = body.error if isinstance(body.error, str) and body.error != "HTTPException" else ""
    words = ": ".join(part for part in (label, said) if part)
    return _one_line(f"HTTP {reply.status}" + (f": {words}" if words else ""))


def decode(reply: Reply, kind: type[T]) -> T | NoReply:
    """The body as a `kind`; a `NoReply` of nonsense when it is none."""
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        return NoReply(trouble="nonsense", text=f"the answer cannot be understood: {_one_line(str(exc))}")


def _read(response: httpx.Response, deadline: float, limit: int, abandoned: Callable[[], bool]) -> bytes | NoReply:
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_bytes():
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            return NoReply(trouble="nonsense", text=f"the answer is larger than {limit // 2**20} MB")
        # httpx limits the wait for each chunk; a server that drips bytes would hold us for ever.
        if time.monotonic() > deadline:
            return NoReply(trouble="timeout", text="the answer came too slowly")
        if abandoned():
            return NoReply(trouble="timeout", text="nobody waits for the answer any more")
    return b"".join(chunks)


def _tracing(sent: Callable[[], None]) -> Callable[[str, dict[str, Any]], None]:
    """httpcore's trace hook, of which we use one event."""

    def trace(event: str, _: dict[str, Any]) -> None:
        if event == "http11.send_request_body.complete":
            sent()

    return trace


def _retry_after(response: httpx.Response) -> float | None:
    try:
        return max(0.0, min(60.0, float(response.headers.get("retry-after", ""))))
    except ValueError:
        return None


def _detail(value: Any) -> str:
    """Text as it is; of a list of validation errors each field and its message."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(_validation(item) for item in value[:5] if isinstance(item, dict))
    return ""


def _validation(item: dict[Any, Any]) -> str:
    place = item.get("loc")
    where = ".".join(str(part) for part in place if part != "body") if isinstance(place, list) else ""
    return f"{where}: {item.get('msg', 'not valid')}" if where else str(item.get("msg", "not valid"))


def _one_line(text: str) -> str:
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return text if len(text) <= 400 else text[:397] + "..."
