"""The HTTP face of `StubComfy`: its routes over the standard library's server, and the ways to break them."""

from __future__ import annotations

import contextlib
import email.parser
import email.policy
import json
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

from stablenew.testing.stub_comfy_graph import object_info
from stablenew.testing.stub_port import stub_port
from stablenew.testing.stub_websocket import ServerSocket, accept_key

if TYPE_CHECKING:
    from stablenew.testing.stub_comfy import StubComfy

FaultKind = Literal["reset", "act_and_reset", "cut", "drip", "answer", "hang"]


@dataclass(slots=True, kw_only=True)
class Fault:
    """What goes wrong with the next `times` requests whose path begins with `path`.

    reset: the connection breaks before anything is done; act_and_reset: after it was done, without an answer; cut: in
    the middle of the body; drip: the body comes in small parts, `seconds` apart; answer: `status` and `body` instead;
    hang: no answer for `seconds`.
    """

    path: str
    kind: FaultKind
    times: int = 1
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.05


class StubServer:
    """Listens on `port` of this machine, 0 for any free one."""

    def __init__(self, stub: StubComfy, port: int) -> None:
        self._connections: set[socket.socket] = set()

        class Handler(_Handler):
            server_stub = stub
            connections = self._connections

        self._http = ThreadingHTTPServer(("127.0.0.1", port or stub_port()), Handler)
        self._http.daemon_threads = True
        self.port = int(self._http.server_address[1])
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, name="stub-comfy-http", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and break every connection."""
        self._http.shutdown()
        self._http.socket.close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=5)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_stub: StubComfy
    connections: set[socket.socket]
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.connections.add(self.connection)

    def finish(self) -> None:
        self.connections.discard(self.connection)
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal."""

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/ws":
            self._websocket()
        else:
            self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _serve(self, body: bytes) -> None:
        path = urlsplit(self.path).path
        stub = self.server_stub
        fault = _take_fault(stub, path)
        decoded = _decoded(body)
        stub.requests.append((self.command, path, decoded))
        if fault is not None and fault.kind == "reset":
            self._break()
            return
        if fault is not None and fault.kind == "hang":
            time.sleep(fault.seconds)
            self._break()
            return
        if fault is not None and fault.kind == "answer":
            self._answer(fault.status, fault.body, fault.headers)
            return
        if not stub.allows(self.headers.get("Authorization")):
            self._answer(401, b"", {"WWW-Authenticate": "Basic"})
            return
        status, answer = self._route(path, decoded, body)
        raw = answer if isinstance(answer, bytes) else b"" if answer is None else json.dumps(answer).encode()
        match fault.kind if fault else None:
            case "act_and_reset":
                self._break()
            case "cut":
                self._head(status, len(raw), {})
                self.wfile.write(raw[: len(raw) // 2])
                self.wfile.flush()
                self._break()
            case "drip":
                self._head(status, len(raw), {})
                self._drip(raw, fault.seconds if fault else 0)
            case _:
                self._answer(status, raw, {})

    def _route(self, path: str, body: Any, raw: bytes) -> tuple[int, Any]:
        stub = self.server_stub
        match self.command, path:
            case "POST", "/prompt":
                return stub.post_prompt(body)
            case "GET", "/queue":
                return 200, stub.get_queue()
            case "POST", "/queue":
                stub.post_queue(body)
                return 200, None
            case "POST", "/interrupt":
                stub.post_interrupt(body)
                return 200, None
            case "POST", "/upload/image":
                return stub.upload(*_form(self.headers["Content-Type"], raw))
            case "GET", "/view":
                query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
                names = query.get("filename", ""), query.get("subfolder", ""), query.get("type", "output")
                return stub.get_view(*names)
            case "GET", "/object_info":
                return 200, object_info(stub.on_disk)
            case "GET", "/embeddings":
                return 200, list(stub.on_disk.embeddings)
            case "GET", "/system_stats":
                return 200, {"system": {"os": "linux", "comfyui_version": "0.10.0"}, "devices": []}
            case "GET", _ if path.startswith("/history/"):
                return 200, stub.get_history(path.removeprefix("/history/"))
            case _:
                return 404, b"404: Not Found"

    def _websocket(self) -> None:
        stub = self.server_stub
        client_id = parse_qs(urlsplit(self.path).query).get("clientId", [""])[0]
        if _take_fault(stub, "/ws") is not None or not stub.allows(self.headers.get("Authorization")):
            self._break()
            return
        self.close_connection = True
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept_key(self.headers.get("Sec-WebSocket-Key", "")))
        self.end_headers()
        connected = ServerSocket(self.connection)
        stub.connect(client_id, connected)
        connected.read_until_closed()
        stub.disconnect(client_id)

    def _answer(self, status: int, raw: bytes, headers: dict[str, str]) -> None:
        self._head(status, len(raw), headers)
        self.wfile.write(raw)

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _drip(self, raw: bytes, seconds: float) -> None:
        for start in range(0, len(raw), 64):
            self.wfile.write(raw[start : start + 64])
            self.wfile.flush()
            time.sleep(seconds)

    def _break(self) -> None:
        self.close_connection = True
        # A linger time of nothing sends a reset instead of a polite end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def _take_fault(stub: StubComfy, path: str) -> Fault | None:
    with stub.lock:
        for fault in stub.faults:
            if path.startswith(fault.path):
                fault.times -= 1
                if fault.times <= 0:
                    stub.faults.remove(fault)
                return fault
    return None


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None


def _form(content_type: str, raw: bytes) -> tuple[str, str, bytes]:
    """(file name, subfolder, bytes) of a multipart form."""
    head = b"Content-Type: " + content_type.encode() + b"\r\n\r\n"
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + raw)
    name, subfolder, data = "", "", b""
    for part in message.iter_parts():
        content = part.get_payload(decode=True)
        content = content if isinstance(content, bytes) else b""
        if part.get_filename():
            name, data = str(part.get_filename()), content
        elif part.get_param("name", header="content-disposition") == "subfolder":
            subfolder = content.decode()
    return name, subfolder, data
