"""A ComfyUI server that is none: it speaks 0.10.0's protocol over real sockets, with its oddities, and can be broken.

    with StubComfy() as stub:
        backend = open_backend(BackendOptions(name="comfyui", url=stub.url))

What it does was measured on a running server: a graph with one bad branch is accepted, an identical graph is answered
from a cache, an interrupt of another job is silently nothing, a deleted job leaves no trace, and a restart forgets
everything. Pictures come from `paint` (the fake backend's by default, or any backend with `paint_with`).
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import heapq
import io
import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from stablenew.testing.fake_backend import paint as paint_softly
from stablenew.testing.stub_comfy_graph import Evaluation, Files, NodeFailed, Paint, nodes_of, refuse, signature
from stablenew.testing.stub_comfy_http import Fault, StubServer
from stablenew.testing.stub_websocket import ServerSocket

VERSION = "0.10.0"
_SAVES = ("SaveImage", "PreviewImage")


@dataclass(slots=True, kw_only=True)
class StubJob:
    """A job as the server keeps it; `cached` are the nodes that did not run."""

    number: float
    prompt_id: str
    graph: dict[str, Any]
    extra: dict[str, Any]
    outputs: list[str]
    client_id: str | None
    cached: list[str] = field(default_factory=list)
    messages: list[list[Any]] = field(default_factory=list)
    images: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def queue_item(self) -> list[Any]:
        """As `GET /queue` and the history list it."""
        return [self.number, self.prompt_id, self.graph, self.extra, self.outputs]


class _Interrupted(Exception):
    """The running job was interrupted."""


class StubComfy:
    """The server. `step_s` is slept at each sampling step and `job_s` at the start of each job.

    `silent` sends no websocket events at all; `old` is a server from before August 2025: it gives its own prompt ids,
    interrupts whatever runs, and has no `/api/jobs`. `credential` is (user, password) for a proxy that asks for it.
    """

    def __init__(
        self,
        *,
        on_disk: Files | None = None,
        paint: Paint = paint_softly,
        step_s: float = 0.0,
        job_s: float = 0.0,
        silent: bool = False,
        old: bool = False,
        previews: bool = False,
        credential: tuple[str, str] | None = None,
    ) -> None:
        self.on_disk = on_disk or Files()
        self.paint, self.step_s, self.job_s = paint, step_s, job_s
        self.silent, self.old, self.previews, self.credential = silent, old, previews, credential
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, Any]] = []
        self.executed: list[str] = []
        self.uploads: dict[str, bytes] = {}
        self.saved: dict[tuple[str, str, str], bytes] = {}
        self.before_node: Callable[[StubJob, str], None] | None = None
        self.lock = threading.RLock()
        self._wake = threading.Condition(self.lock)
        self._server: StubServer | None = None
        self._port = 0
        self._epoch = 0
        self._number = 0
        self._pending: list[tuple[float, str, StubJob]] = []
        self._running: StubJob | None = None
        self._interrupt = False
        self._history: dict[str, Any] = {}
        self._cache: dict[str, Any] = {}
        self._sockets: dict[str, ServerSocket] = {}

    def __enter__(self) -> StubComfy:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen, on the same port as before, with nothing remembered."""
        with self.lock:
            self._forget()
            self._server = StubServer(self, self._port)
            self._port = self._server.port
            epoch = self._epoch
        self._server.start()
        self._worker = threading.Thread(target=self._work, args=(epoch,), name="stub-comfy-worker", daemon=True)
        self._worker.start()

    def stop(self) -> None:
        """Die: every connection breaks, the running job is lost."""
        with self.lock:
            self._epoch += 1
            server, self._server = self._server, None
            for connected in self._sockets.values():
                connected.cut()
            self._sockets.clear()
            self._wake.notify_all()
        if server is not None:
            server.stop()
            self._worker.join(timeout=5)

    def restart(self, *, away_s: float = 0.0) -> None:
        """Die and come back with an empty queue and history; files stay."""
        self.stop()
        time.sleep(away_s)
        self.start()

    def wait_until(self, seen: Callable[[], bool], timeout_s: float = 10.0) -> bool:
        """Block until `seen()`; False when it takes too long."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            with self.lock:
                if seen():
                    return True
            time.sleep(0.005)
        return False

    # What HTTP asks for. Each gives (status, JSON value, bytes, or None for an empty body).

    def post_prompt(self, body: Any) -> tuple[int, Any]:
        """`POST /prompt`."""
        if not isinstance(body, dict) or "prompt" not in body:
            return 400, {"error": {"type": "no_prompt", "message": "No prompt provided", "details": ""}}
        with self.lock:
            inputs = (*self.on_disk.inputs, *self.uploads)
            error, node_errors, outputs = refuse(body["prompt"], replace(self.on_disk, inputs=inputs))
            if error is not None:
                return 400, {"error": error, "node_errors": node_errors}
            self._number += 1
            own_id = str(uuid.uuid4())
            job = StubJob(
                number=self._number,
                prompt_id=own_id if self.old else body.get("prompt_id", own_id),
                graph=body["prompt"],
                extra=body.get("extra_data", {}),
                outputs=outputs,
                client_id=body.get("client_id"),
            )
            heapq.heappush(self._pending, (job.number, job.prompt_id, job))
            self._wake.notify_all()
            self._tell_status()
            return 200, {"prompt_id": job.prompt_id, "number": job.number, "node_errors": node_errors}

    def get_queue(self) -> Any:
        """`GET /queue`."""
        with self.lock:
            running = [self._running.queue_item()] if self._running else []
            return {"queue_running": running, "queue_pending": [job.queue_item() for *_, job in self._pending]}

    def post_queue(self, body: Any) -> None:
        """`POST /queue`: deletes without a word."""
        with self.lock:
            gone = set(body.get("delete", []))
            kept = [] if body.get("clear") else [each for each in self._pending if each[1] not in gone]
            self._pending = kept
            heapq.heapify(self._pending)

    def post_interrupt(self, body: Any) -> None:
        """`POST /interrupt`: of that job alone, or of whatever runs."""
        wanted = body.get("prompt_id") if isinstance(body, dict) and not self.old else None
        with self.lock:
            if self._running is not None and wanted in (None, self._running.prompt_id):
                self._interrupt = True

    def get_history(self, prompt_id: str) -> Any:
        """`GET /history/{id}`: empty for whatever has not ended."""
        with self.lock:
            return {prompt_id: self._history[prompt_id]} if prompt_id in self._history else {}

    def upload(self, name: str, subfolder: str, data: bytes) -> tuple[int, Any]:
        """`POST /upload/image`: another picture of the same name gets another name."""
        if ".." in subfolder or subfolder.startswith("/"):
            return 400, None
        stem, dot, ending = name.rpartition(".")
        stored, count = name, 0
        with self.lock:
            while self.uploads.get(f"{subfolder}/{stored}", data) != data:
                count += 1
                stored = f"{stem} ({count}){dot}{ending}"
            self.uploads[f"{subfolder}/{stored}"] = data
        return 200, {"name": stored, "subfolder": subfolder, "type": "input"}

    def get_view(self, filename: str, subfolder: str, folder: str) -> tuple[int, bytes]:
        """`GET /view`."""
        if ".." in filename or ".." in subfolder:
            return 403, b""
        data = self.saved.get((folder, subfolder, filename))
        return (404, b"") if data is None else (200, data)

    def allows(self, authorization: str | None) -> bool:
        """Whether the proxy in front lets a request through."""
        if self.credential is None:
            return True
        return authorization == "Basic " + base64.b64encode(":".join(self.credential).encode()).decode()

    def connect(self, client_id: str, connected: ServerSocket) -> None:
        """A websocket has come up; a second one of the same id takes over."""
        with self.lock:
            self._sockets[client_id] = connected
        status = {"status": {"exec_info": {"queue_remaining": len(self._pending)}}, "sid": client_id}
        self._send(client_id, "status", status)

    def disconnect(self, client_id: str) -> None:
        """A websocket has died: whoever has its id now is unhooked, the server's own mistake."""
        with self.lock:
            self._sockets.pop(client_id, None)

    def _forget(self) -> None:
        self._pending.clear()
        self._running = None
        self._interrupt = False
        self._history.clear()
        self._cache.clear()
        self._sockets.clear()
        self._number = 0

    def _work(self, epoch: int) -> None:
        while True:
            with self.lock:
                while not self._pending and self._epoch == epoch:
                    self._wake.wait()
                if self._epoch != epoch:
                    return
                job = heapq.heappop(self._pending)[2]
                # The running job and the forgotten interrupt: one that came before the start is lost.
                self._running, self._interrupt = job, False
            status = self._execute(job, epoch)
            # The history follows its announcement by a moment.
            time.sleep(0.002)
            with self.lock:
                if self._epoch != epoch:
                    return
                self._history[job.prompt_id] = {
                    "prompt": job.queue_item(),
                    "outputs": {node_id: {"images": refs} for node_id, refs in job.images.items()},
                    "status": {
                        "status_str": status,
                        "completed": status == "success",
                        "messages": job.messages,
                    },
                }
                self._running = None
            self._tell_status()
            self._send(job.client_id, "executing", {"node": None, "prompt_id": job.prompt_id})

    def _execute(self, job: StubJob, epoch: int) -> str:
        self._tell(job, "execution_start")
        try:
            self._pause(self.job_s, epoch)
            self._run_nodes(job, epoch)
        except _Interrupted:
            self._tell(job, "execution_interrupted", node_id="?", node_type="?", executed=[])
            job.images = {}
            return "error"
        except NodeFailed as exc:
            self._tell(
                job,
                "execution_error",
                node_id=exc.node_id,
                node_type=exc.node_type,
                exception_type=exc.kind,
                exception_message=exc.text,
                traceback=[],
                executed=[],
            )
            return "error"
        self._tell(job, "execution_success")
        return "success"

    def _run_nodes(self, job: StubJob, epoch: int) -> None:
        order = list(dict.fromkeys(node_id for end in job.outputs for node_id in nodes_of(job.graph, end)))
        signatures = {node_id: signature(job.graph, node_id) for node_id in order}
        cached = {node_id: self._cache[signed] for node_id, signed in signatures.items() if signed in self._cache}
        job.cached = list(cached)
        self._tell(job, "execution_cached", nodes=job.cached)

        def on_step(node_id: str, step: int, steps: int) -> None:
            self._pause(self.step_s, epoch)
            self._send(job.client_id, "progress", _about(job, node=node_id, value=step, max=steps))
            if self.previews:
                self._send_preview(job, node_id)
            self._pause(0, epoch)

        work = Evaluation(graph=job.graph, inputs=self.uploads, paint=self.paint, on_step=on_step)
        for node_id in order:
            if node_id in cached:
                work.values[node_id], images = cached[node_id]
            else:
                if self.before_node is not None:
                    self.before_node(job, node_id)
                self._pause(0, epoch)
                self._send(job.client_id, "executing", _about(job, node=node_id, display_node=node_id))
                work.run(node_id)
                images = self._save(job, node_id, work.values[node_id])
            # Without a client id nobody is told of cached outputs, and the history does not have them either.
            if images and (node_id not in cached or job.client_id):
                job.images[node_id] = images
                self._send(job.client_id, "executed", _about(job, node=node_id, output={"images": images}))
            cached[node_id] = (work.values[node_id], images)
        self._cache = {signatures[node_id]: cached[node_id] for node_id in order}
        self.executed.append(job.prompt_id)

    def _pause(self, seconds: float, epoch: int) -> None:
        until = time.monotonic() + seconds
        while True:
            with self.lock:
                if self._interrupt or self._epoch != epoch:
                    raise _Interrupted
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.005))

    def _save(self, job: StubJob, node_id: str, values: tuple[Any, ...]) -> list[dict[str, str]]:
        node = job.graph[node_id]
        if node["class_type"] not in _SAVES:
            return []
        prefix = node["inputs"].get("filename_prefix", f"temp_{uuid.uuid4().hex}")
        folder = "output" if node["class_type"] == "SaveImage" else "temp"
        subfolder, _, stem = prefix.rpartition("/")
        taken = sum(1 for key in self.saved if key[0] == folder and key[1] == subfolder and key[2].startswith(stem))
        filename = f"{stem}_{taken + 1:05}_.png"
        self.saved[folder, subfolder, filename] = _png(values[0], job)
        return [{"filename": filename, "subfolder": subfolder, "type": folder}]

    def _tell(self, job: StubJob, kind: str, **data: Any) -> None:
        message = _about(job, **data, timestamp=int(time.time() * 1000))
        job.messages.append([kind, message])
        self._send(job.client_id, kind, message)

    def _tell_status(self) -> None:
        with self.lock:
            left = len(self._pending) + (self._running is not None)
            everybody = list(self._sockets)
        for client_id in everybody:
            self._send(client_id, "status", {"status": {"exec_info": {"queue_remaining": left}}})

    def _send(self, client_id: str | None, kind: str, data: Any) -> None:
        connected = self._sockets.get(client_id or "")
        if connected is not None and not self.silent:
            connected.send_text(json.dumps({"type": kind, "data": data}).encode())

    def _send_preview(self, job: StubJob, node_id: str) -> None:
        connected = self._sockets.get(job.client_id or "")
        if connected is None or self.silent:
            return
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), "gray").save(buffer, "JPEG")
        if any(b"supports_preview_metadata" in message for message in connected.received):
            about = json.dumps({"node_id": node_id, "prompt_id": job.prompt_id, "image_type": "image/jpeg"}).encode()
            head = (4).to_bytes(4, "big") + len(about).to_bytes(4, "big") + about
        else:
            head = (1).to_bytes(4, "big") + (1).to_bytes(4, "big")
        connected.send_binary(head + buffer.getvalue())


def main() -> None:
    """Serve until interrupted; prints the address. For trying things out, and for benchmarks."""
    parser = argparse.ArgumentParser(description="A ComfyUI server that is none: see stablenew.testing.stub_comfy.")
    parser.add_argument("--step-s", type=float, default=0.0, help="seconds for each sampling step")
    given = parser.parse_args()
    with StubComfy(step_s=given.step_s) as stub:
        print(stub.url, flush=True)
        threading.Event().wait()


def _about(job: StubJob, **data: Any) -> dict[str, Any]:
    return data | {"prompt_id": job.prompt_id}


def _png(image: Image.Image, job: StubJob) -> bytes:
    chunks = PngInfo()
    chunks.add_text("prompt", json.dumps(job.graph))
    for key, value in job.extra.get("extra_pnginfo", {}).items():
        chunks.add_text(key, json.dumps(value))
    buffer = io.BytesIO()
    with contextlib.closing(image.copy()) as copy:
        copy.save(buffer, "PNG", pnginfo=chunks, compress_level=1)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
