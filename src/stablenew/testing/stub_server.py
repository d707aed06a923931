"""A small HTTP server over real sockets for stubs of real servers, with faults to order.

`StubServer` handles each connection on a thread of its own and keeps connections open between requests, as the servers
it stands for do. A subclass answers in `answer`; a `Fault` waiting for the path comes first.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, cast

from stablenew.testing.stub_port import stub_port

FaultKind = Literal["status", "reset", "drip", "truncate", "garbage", "hang", "die", "drop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as it arrived. `path` without, `query` with what follows the question mark."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON, None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to send back."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Fault:
    """What goes wrong at `path`, `times` times, after `after` calls of it that go well.

    status: `answer` instead of the real one, nothing being done. reset: done, and the connection torn in the middle of
    the body. drop: torn before any answer. drip: one byte every `seconds`. truncate: half the JSON with an honest
    length. garbage: `answer` after the work was done. hang: `seconds` of silence first. die: the server is killed.
    """

    path: str
    kind: FaultKind
    times: int = 1
    after: int = 0
    seconds: float = 0.0
    answer: Answer = field(default_factory=Answer)


class StubServer:
    """Listens on 127.0.0.1 once started. `calls` are all requests so far, `faults` what is to go wrong."""

    def __init__(self, *, port: int = 0) -> None:
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self._port = port
        self._http: _Server | None = None
        self._killing = threading.Lock()

    def start(self) -> StubServer:
        """Listen, again on the same port after `kill`."""
        self._http = _Server(("127.0.0.1", self._port or stub_port()), _Handler)
        self._http.stub = self
        self._port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    @property
    def listening(self) -> bool:
        """True between `start` and the end of `kill`."""
        return self._http is not None

    @property
    def url(self) -> str:
        """The address it listens on."""
        return f"http://127.0.0.1:{self._port}"

    def kill(self) -> None:
        """Stop listening and tear every connection, as a killed process does."""
        with self._killing:
            http = self._http
            if http is None:
                return
            http.tear_connections()
            http.shutdown()
            http.server_close()
            http.tear_connections()
            # Last: whoever waits for this may listen on the port again.
            self._http = None

    stop = kill

    def __enter__(self) -> StubServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def count(self, path: str) -> int:
        """How many requests came for `path`."""
        return sum(call.path == path for call in list(self.calls))

    def answer(self, call: Call) -> Answer:
        """What the server says to `call`. May take its time; several threads come here at once."""
        raise NotImplementedError

    def _fault_for(self, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.path == path and fault.times > 0:
                if fault.after > 0:
                    fault.after -= 1
                    return None
                fault.times -= 1
                return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    stub: StubServer

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that went away, or a connection torn on order."""

    def tear_connections(self) -> None:
        for connection in list(self._open):
            tear(connection)


def tear(connection: socket.socket) -> None:
    """Close with a reset, so that the other side sees a broken connection and not an end."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing on the terminal."""

    def _handle(self) -> None:
        stub = cast(_Server, self.server).stub
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = Call(method=self.command, path=path, query=query, headers=dict(self.headers.items()), body=body)
        stub.calls.append(call)
        fault = stub._fault_for(path)
        if fault is None:
            self._send(stub.answer(call))
        else:
            self._misbehave(stub, call, fault)

    def _misbehave(self, stub: StubServer, call: Call, fault: Fault) -> None:
        if fault.kind == "status":
            self._send(fault.answer)
        elif fault.kind == "garbage":
            stub.answer(call)
            self._send(fault.answer)
        elif fault.kind == "truncate":
            whole = stub.answer(call)
            self._send(Answer(status=whole.status, body=whole.body[: len(whole.body) // 2]))
        elif fault.kind == "hang":
            time.sleep(fault.seconds)
            self._send(stub.answer(call))
        elif fault.kind == "drip":
            self._drip(stub.answer(call), fault.seconds)
        elif fault.kind == "reset":
            self._half(stub.answer(call))
        elif fault.kind == "drop":
            self._tear()
        else:
            stub.kill()

    def _send(self, answer: Answer) -> None:
        self._head(answer)
        self.wfile.write(answer.body)
        self.wfile.flush()

    def _head(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in {"Content-Type": answer.content_type, **answer.headers}.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()

    def _drip(self, answer: Answer, seconds: float) -> None:
        self._head(answer)
        for index in range(len(answer.body)):
            self.wfile.write(answer.body[index : index + 1])
            self.wfile.flush()
            time.sleep(seconds)

    def _half(self, answer: Answer) -> None:
        self._head(answer)
        self.wfile.write(answer.body[: len(answer.body) // 2])
        self.wfile.flush()
        self._tear()

    def _tear(self) -> None:
        self.close_connection = True
        tear(self.connection)
