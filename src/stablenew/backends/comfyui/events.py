"""A ComfyUI server's websocket as a hint: how far a job is, and that it may have ended.

Nothing here decides anything. The server unhooks a second connection of the same client id when the first one dies at
last, and stays silent from then on (0.10.0), so each connection has a new id; jobs handed over under an old one are
found by polling. Unknown messages, and those about other people's jobs, are left out.
"""

from __future__ import annotations

import base64
import queue
import struct
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

import msgspec
import websocket

from stablenew.backends.credentials import Credential
from stablenew.log import get_logger

EventKind = Literal["started", "progress", "preview", "ended", "lost"]
_ENDINGS = ("execution_success", "execution_error", "execution_interrupted")
_HELLO = b'{"type":"feature_flags","data":{"supports_preview_metadata":true}}'
_WAITING_LIMIT = 1000
_PREVIEW, _PREVIEW_WITH_METADATA = 1, 4

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What the server said about the job `prompt_id`; "lost" says that the connection broke, of no job."""

    kind: EventKind
    prompt_id: str = ""
    step: int = 0
    steps: int = 0
    preview: bytes | None = None


class ComfyEvents:
    """Listens on a thread of its own, so that a slow reader never holds up the server, and connects again when cut."""

    def __init__(
        self, *, url: str, credential: Credential | None = None, connect_timeout_s: float = 5.0, retry_s: float = 2.0
    ) -> None:
        self._address = _websocket_address(url)
        self._credential = credential
        self._connect_timeout_s, self._retry_s = connect_timeout_s, retry_s
        self._waiting: queue.Queue[Event] = queue.Queue(_WAITING_LIMIT)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._socket: websocket.WebSocket | None = None
        self.client_id = uuid.uuid4().hex

    @property
    def connected(self) -> bool:
        """Whether a connection is up, as far as is known."""
        return self._socket is not None

    def open(self) -> None:
        """Connect and begin to listen, once; without a connection it is tried again in the background."""
        if self._thread is None:
            self._connect()
            self._thread = threading.Thread(target=self._listen, name="comfyui-events", daemon=True)
            self._thread.start()

    def wait(self, timeout_s: float) -> list[Event]:
        """Every event there is, in order; waits up to `timeout_s` seconds for the first."""
        events: list[Event] = []
        try:
            events.append(self._waiting.get(timeout=timeout_s) if timeout_s > 0 else self._waiting.get_nowait())
            while True:
                events.append(self._waiting.get_nowait())
        except queue.Empty:
            return events

    def close(self) -> None:
        """End the thread and the connection; may be called twice."""
        self._closing.set()
        socket = self._socket
        if socket is not None:
            # Only this wakes a thread that waits in recv; closing the descriptor under it would not.
            socket.abort()  # type: ignore[no-untyped-call]  # the library leaves it without types
        if self._thread is not None:
            self._thread.join(timeout=self._connect_timeout_s + 1)
        self._disconnect()

    def _listen(self) -> None:
        while not self._closing.is_set():
            socket = self._socket
            if socket is None:
                if not self._closing.wait(self._retry_s):
                    self._connect()
                continue
            try:
                self._read(socket)
            except (websocket.WebSocketException, OSError, ValueError) as exc:
                # A ValueError is what the library raises for a close frame that is no UTF-8.
                log.debug("the events of a ComfyUI server broke off", why=type(exc).__name__)
                self._disconnect()
                self._put(Event(kind="lost"))

    def _connect(self) -> None:
        self.client_id = uuid.uuid4().hex
        try:
            socket = websocket.create_connection(
                f"{self._address}?clientId={self.client_id}",
                timeout=self._connect_timeout_s,
                header=self._headers(),
                suppress_origin=True,
                enable_multithread=True,
            )
            socket.send(_HELLO)
        except (websocket.WebSocketException, OSError, ValueError) as exc:
            log.debug("no events from a ComfyUI server", why=type(exc).__name__)
            return
        self._socket = socket

    def _disconnect(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.shutdown()  # type: ignore[no-untyped-call]  # the library leaves it without types

    def _headers(self) -> list[str]:
        if self._credential is None:
            return []
        pair = f"{self._credential.user}:{self._credential.password}"
        return ["Authorization: Basic " + base64.b64encode(pair.encode()).decode()]

    def _read(self, socket: websocket.WebSocket) -> None:
        running = ""
        while not self._closing.is_set():
            try:
                opcode, data = socket.recv_data()
            except websocket.WebSocketTimeoutException:
                continue
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                raise websocket.WebSocketConnectionClosedException("the server closed it")
            raw = data if isinstance(data, bytes) else bytes(data)
            if opcode == websocket.ABNF.OPCODE_BINARY:
                events = decode_preview(raw, running)
            else:
                message = _message(raw)
                running = _running(message, running)
                events = decode_message(message)
            for event in events:
                self._put(event)

    def _put(self, event: Event) -> None:
        try:
            self._waiting.put_nowait(event)
        except queue.Full:
            # Nobody reads: what is lost here is found by polling.
            return


def decode_message(message: Mapping[str, Any]) -> Iterator[Event]:
    """The events in one JSON message."""
    kind, data = message.get("type"), message.get("data")
    prompt_id = data.get("prompt_id") if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping) or not isinstance(prompt_id, str):
        return
    if kind == "execution_start":
        yield Event(kind="started", prompt_id=prompt_id)
    elif kind in _ENDINGS:
        yield Event(kind="ended", prompt_id=prompt_id)
    elif kind == "progress":
        step, steps = data.get("value"), data.get("max")
        if isinstance(step, int | float) and isinstance(steps, int | float) and 0 <= step <= steps < 1e6:
            yield Event(kind="progress", prompt_id=prompt_id, step=int(step), steps=int(steps))


def decode_preview(data: bytes, running: str) -> Iterator[Event]:
    """The preview in a binary message: of the job it names, else of the one that was `running` last."""
    if len(data) < 8:
        return
    kind, second = struct.unpack(">II", data[:8])
    if kind == _PREVIEW and running and second in (1, 2):
        yield Event(kind="preview", prompt_id=running, preview=data[8:])
    elif kind == _PREVIEW_WITH_METADATA and second <= len(data) - 8:
        metadata = _message(data[8 : 8 + second])
        prompt_id = metadata.get("prompt_id")
        if isinstance(prompt_id, str):
            yield Event(kind="preview", prompt_id=prompt_id, preview=data[8 + second :])


def _message(data: bytes) -> Mapping[str, Any]:
    try:
        decoded = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _running(message: Mapping[str, Any], before: str) -> str:
    """The job a plain preview that follows belongs to: that of the last `executing`."""
    data = message.get("data")
    if message.get("type") != "executing" or not isinstance(data, Mapping):
        return before
    prompt_id = data.get("prompt_id")
    return prompt_id if isinstance(prompt_id, str) and data.get("node") else ""


def _websocket_address(url: str) -> str:
    parts = urlsplit(url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + "/ws", "", ""))
