"""Talking to a ComfyUI server over HTTP: every call with a timeout, every answer decoded, every failure one of ours.

Raises BackendUnavailable when the server cannot be talked to and GenerationFailed when it refuses or answers
something that cannot be. Only calls that change nothing are repeated. Routes and their oddities: 0.10.0.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from stablenew.backends.comfyui.answers import (
    Finished,
    ImageRef,
    Queue,
    Submission,
    decode_history,
    decode_json,
    decode_queue,
    has_node_errors,
    one_line,
    refusal,
)
from stablenew.backends.comfyui.graph import Graph, graph_to_json
from stablenew.backends.comfyui.objects import NodeClasses, decode_object_info
from stablenew.backends.credentials import Credential, environment_name
from stablenew.backends.http_errors import HTTP_EXCEPTIONS, no_reply
from stablenew.errors import BackendUnavailable, GenerationFailed

START_HINT = "start ComfyUI (python main.py), or use --backend local"
UPLOAD_FOLDER = "stablenew"

_ATTEMPTS = 3
_PROMPT_ID = re.compile(r"[\w.:-]{1,200}")
_QUICK_S = 3.0
_AWAY = (502, 503, 504)
_TOO_MANY = 429
_RETRY_AFTER_LIMIT_S = 30.0
_ANSWER_LIMIT = 256 * 1024 * 1024


class ComfyClient:
    """One server at `url` (without credentials in it). Calls may come from several threads; each blocks."""

    def __init__(
        self,
        *,
        backend: str,
        url: str,
        credential: Credential | None = None,
        timeout_s: float = 30.0,
        connect_timeout_s: float = 5.0,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.backend, self.url, self.credential = backend, url, credential
        self._sleep = sleep
        self._timeout_s, self._connect_timeout_s = timeout_s, connect_timeout_s
        # Who asks to stop does not wait long for a server that hangs.
        self._quick = httpx.Timeout(min(timeout_s, _QUICK_S), connect=min(connect_timeout_s, _QUICK_S))
        loopback = urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
        self._http = httpx.Client(
            # BasicAuth sends the header with the first request, as proxies in front of ComfyUI expect.
            auth=httpx.BasicAuth(credential.user, credential.password) if credential else None,
            headers={"Accept-Encoding": "identity"},
            timeout=httpx.Timeout(timeout_s, connect=connect_timeout_s),
            limits=httpx.Limits(max_connections=8, max_keepalive_connections=4, keepalive_expiry=4.0),
            trust_env=not loopback,
        )

    def version(self) -> str:
        """The server's version, "" when it does not say."""
        answer = self._json("GET", "system_stats")
        system = answer.get("system") if isinstance(answer, Mapping) else None
        version = system.get("comfyui_version") if isinstance(system, Mapping) else None
        return version if isinstance(version, str) else ""

    def node_classes(self) -> NodeClasses:
        """Every node class the server has. With many custom nodes this takes it long, so it may."""
        timeout = httpx.Timeout(4 * self._timeout_s, connect=self._connect_timeout_s)
        return decode_object_info(self._json("GET", "object_info", timeout=timeout))

    def embeddings(self) -> tuple[str, ...]:
        """The names of the server's embeddings."""
        answer = self._json("GET", "embeddings")
        return tuple(name for name in answer if isinstance(name, str)) if isinstance(answer, list) else ()

    def submit(self, graph: Graph, *, prompt_id: str, client_id: str) -> Submission:
        """Hand a job over under our own id. Raises GenerationFailed with node and input when it is refused.

        Without a client id the server answers a cached job with no pictures at all, so there is always one. The
        server takes our prompt id since August 2025; an older one gives its own.
        """
        body = {"prompt": graph_to_json(graph), "prompt_id": prompt_id, "client_id": client_id}
        try:
            answer = self._call("POST", "prompt", content=msgspec.json.encode(body))
        except HTTP_EXCEPTIONS as exc:
            if no_reply(exc).trouble not in ("lost", "timeout"):
                raise self._unavailable(exc) from exc
            return Submission(prompt_id=prompt_id, certain=False)
        if answer.status_code != httpx.codes.OK:
            raise self._refused(answer)
        decoded = decode_json(answer.content, backend=self.backend, what="POST /prompt")
        given = decoded.get("prompt_id") if isinstance(decoded, Mapping) else None
        if not isinstance(given, str) or not _PROMPT_ID.fullmatch(given):
            raise GenerationFailed(self.backend, "the server took a job without giving it an id that can be used")
        if has_node_errors(decoded):
            self.delete([given])
            self.interrupt(given)
            raise GenerationFailed(self.backend, f"the server would skip a part of the job: {refusal(decoded)}")
        return Submission(prompt_id=given)

    def finished(self, prompt_id: str) -> Finished | None:
        """How the job ended; None when it has not, or when the server does not know it (any more)."""
        return decode_history(self._json("GET", f"history/{prompt_id}"), prompt_id)

    def queue(self) -> Queue:
        """What runs and what waits."""
        return decode_queue(self._json("GET", "queue"))

    def delete(self, prompt_ids: Iterable[str]) -> None:
        """Take waiting jobs out of the queue. The server says nothing of whether they were there."""
        self._json("POST", "queue", json={"delete": list(prompt_ids)}, timeout=self._quick)

    def interrupt(self, prompt_id: str) -> None:
        """Stop the job if it is the one that runs; it ends at its next step.

        Servers before August 2025 stop whatever runs: call it only for a job that was seen running.
        """
        self._json("POST", "interrupt", json={"prompt_id": prompt_id}, timeout=self._quick)

    def upload(self, name: str, png: bytes) -> str:
        """Store a start picture on the server; gives the name that a LoadImage node takes."""
        files = {"image": (name, png, "image/png")}
        answer = self._json("POST", "upload/image", files=files, data={"subfolder": UPLOAD_FOLDER, "type": "input"})
        stored = [answer.get(key) for key in ("name", "subfolder")] if isinstance(answer, Mapping) else []
        if len(stored) != 2 or not isinstance(stored[0], str) or not isinstance(stored[1], str):
            raise GenerationFailed(self.backend, "the server did not say under which name it stored the start picture")
        return f"{stored[1]}/{stored[0]}" if stored[1] else stored[0]

    def view(self, ref: ImageRef) -> bytes:
        """The bytes of a picture. Raises GenerationFailed when it is not there (404 with an empty body)."""
        params = {"filename": ref.filename, "subfolder": ref.subfolder, "type": ref.folder}
        answer = self._repeated("GET", "view", params=params)
        if answer.status_code != httpx.codes.OK or not answer.content:
            reason = f"the server says the picture is made but does not give it (status {answer.status_code})"
            raise GenerationFailed(self.backend, reason)
        return answer.content

    def close(self) -> None:
        """Close the connections; may be called twice."""
        self._http.close()

    def _json(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._repeated(method, path, **options) if method == "GET" else self._call(method, path, **options)
        except HTTP_EXCEPTIONS as exc:
            raise self._unavailable(exc) from exc
        if not answer.is_success:
            raise self._refused(answer)
        if not answer.content:
            return None
        return decode_json(answer.content, backend=self.backend, what=f"{method} /{path.partition('/')[0]}")

    def _repeated(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A call that changes nothing: a broken connection is tried again, silence is not waited for twice."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._call(method, path, **options)
            except httpx.TimeoutException as exc:
                raise self._unavailable(exc) from exc
            except HTTP_EXCEPTIONS as exc:
                if attempt == _ATTEMPTS:
                    raise self._unavailable(exc) from exc
                self._sleep(0.1 * attempt)
        raise AssertionError("the last attempt returns or raises")

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = self._answer(method, path, options)
        for _ in range(_ATTEMPTS):
            if answer.status_code != _TOO_MANY:
                break
            self._sleep(_retry_after(answer))
            answer = self._answer(method, path, options)
        if answer.status_code in _AWAY:
            raise BackendUnavailable(self.backend, f"the server at {self.url} is away (status {answer.status_code})")
        if answer.status_code in (401, 403):
            wrong = "does not accept the user and password" if self.credential else "asks for a user and a password"
            hint = f"give them as user:password in the environment variable {environment_name(self.backend)}"
            raise BackendUnavailable(self.backend, f"the server at {self.url} {wrong}: {hint}")
        return answer

    def _answer(self, method: str, path: str, options: Mapping[str, Any]) -> httpx.Response:
        """One answer, read whole; a trickle is cut off after the time a call may take, ten times over."""
        deadline = time.monotonic() + 10 * self._timeout_s
        with self._http.stream(method, f"{self.url}/{path}", **options) as response:
            parts: list[bytes] = []
            size = 0
            for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > _ANSWER_LIMIT:
                    raise GenerationFailed(self.backend, f"the server's answer is larger than {_ANSWER_LIMIT} bytes")
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the answer trickles", request=response.request)
            headers = {key: value for key, value in response.headers.items() if key == "retry-after"}
            return httpx.Response(
                response.status_code, content=b"".join(parts), headers=headers, request=response.request
            )

    def _refused(self, answer: httpx.Response) -> GenerationFailed:
        try:
            reason = refusal(decode_json(answer.content, backend=self.backend, what="an error"))
        except GenerationFailed:
            reason = one_line(answer.content[:400].decode("utf-8", "replace")) or "it gave no reason"
        return GenerationFailed(
            self.backend, self._redact(f"the server refused (status {answer.status_code}): {reason}")
        )

    def _unavailable(self, exc: Exception) -> BackendUnavailable:
        why = no_reply(exc)
        if why.trouble == "unreached":
            return BackendUnavailable(self.backend, f"no server answers at {self.url} ({why.text}): {START_HINT}")
        return BackendUnavailable(self.backend, f"the server at {self.url} cannot be talked to: {why.text}")

    def _redact(self, text: str) -> str:
        return self.credential.redact(text) if self.credential else text


def _retry_after(answer: httpx.Response) -> float:
    try:
        asked = float(answer.headers.get("retry-after", "1"))
    except ValueError:
        asked = 1.0
    return min(max(asked, 0.05), _RETRY_AFTER_LIMIT_S)
