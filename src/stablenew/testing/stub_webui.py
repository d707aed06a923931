"""A stub of the WebUI family: the real routes over real sockets, and the real ways of doing something else.

    with StubWebUI(flavour="Forge", step_s=0.01) as stub:
        backend = open_backend(BackendOptions(name="desk", url=stub.url))

Or as a process of its own: `python -m stablenew.testing.stub_webui --port 7860 --step-s 0.05`.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import time
from collections.abc import Callable
from typing import Any

from PIL import Image

from stablenew.backends.webui.flavour import Flavour
from stablenew.testing import stub_webui_mind as lists
from stablenew.testing.stub_server import Answer, Call, StubServer
from stablenew.testing.stub_webui_mind import Mind, Paint, soft_colours
from stablenew.testing.stub_webui_pictures import Refused, extras, generate

Route = Callable[[Call], Answer]


class StubWebUI(StubServer):
    """One server. `mind` is its state; `user` asks for Basic authentication; without `ui` there are no task ids."""

    def __init__(
        self,
        *,
        flavour: Flavour = "A1111",
        ui: bool = True,
        user: str | None = None,
        password: str = "",
        adetailer: bool = True,
        step_s: float = 0.0,
        paint: Paint = soft_colours,
        port: int = 0,
    ) -> None:
        super().__init__(port=port)
        self.mind = Mind(flavour=flavour, step_s=step_s, paint=paint)
        self.flavour, self.ui, self.adetailer = flavour, ui, adetailer
        self._basic = base64.b64encode(f"{user}:{password}".encode()).decode() if user else None
        self._routes = self._all_routes()

    def answer(self, call: Call) -> Answer:
        """Authentication first, then the route; each flavour words its errors its own way."""
        route = self._routes.get((call.method, call.path))
        open_paths = ("/internal", "/adetailer", "/openapi.json") if self.flavour == "Forge" else ("/openapi.json",)
        if self._basic and not call.path.startswith(open_paths):
            given = call.headers.get("Authorization")
            if given != f"Basic {self._basic}":
                return self._unauthorised(given)
        if route is None:
            return Answer(status=404) if self.flavour == "sd.cpp" else _json({"detail": "Not Found"}, 404)
        try:
            return route(call)
        except Refused as refused:
            return refused.answer(self.flavour)

    def _unauthorised(self, given: str | None) -> Answer:
        detail = "Not authenticated" if given is None else "Incorrect username or password"
        if self.flavour == "Forge":
            body = json.dumps({"detail": detail}).encode()
            return Answer(status=401, body=body, headers={"WWW-Authenticate": "Basic"})
        return _json({"error": "HTTPException", "detail": detail, "body": "", "errors": ""}, 401)

    def _all_routes(self) -> dict[tuple[str, str], Route]:
        routes = self._lists() | {
            ("POST", "/sdapi/v1/txt2img"): lambda call: self._generate(call, "txt2img"),
            ("POST", "/sdapi/v1/img2img"): lambda call: self._generate(call, "img2img"),
        }
        if self.flavour == "sd.cpp":
            return routes
        routes |= {
            ("POST", "/sdapi/v1/extra-single-image"): lambda call: _json(extras(self.mind, _body(call))),
            ("GET", "/sdapi/v1/progress"): self._progress,
            ("POST", "/sdapi/v1/interrupt"): self._interrupt,
            ("POST", "/sdapi/v1/options"): self._set_options,
            ("GET", "/sdapi/v1/cmd-flags"): lambda _: _json({}),
        }
        if self.ui and self.flavour != "SD.Next":
            routes |= {
                ("POST", "/internal/progress"): self._task,
                ("GET", "/internal/pending-tasks"): lambda _: _json({"size": 0, "tasks": self.mind.queued}),
            }
        if self.adetailer and self.flavour != "SD.Next":
            routes |= {
                ("GET", "/adetailer/v1/ad_model"): lambda _: _json({"ad_model": list(lists.ADETAILER_MODELS)}),
                ("GET", "/adetailer/v1/schema"): lambda _: _json(lists.ADETAILER_SCHEMA),
            }
        if self.flavour != "SD.Next":
            described = {"paths": {path: {method.lower(): None} for method, path in routes}}
            routes[("GET", "/openapi.json")] = lambda _: _json(described)
        return routes

    def _lists(self) -> dict[tuple[str, str], Route]:
        answers: dict[str, Any] = {"sd-models": _models(), "loras": _loras(), "upscalers": _named(lists.UPSCALERS)}
        if self.flavour == "sd.cpp":
            answers |= {"samplers": _named(lists.SD_CPP_SAMPLERS), "schedulers": _named(lists.SD_CPP_SCHEDULERS)}
        else:
            modules = "sd-modules" if self.flavour == "Forge" else "sd-vae"
            integrated = ("freeu integrated (sd 1.x, sd 2.x, sdxl)", "latentmodifier integrated")
            scripts = [*lists.SCRIPTS, *(integrated if self.flavour in ("Forge", "reForge") else ())]
            answers |= {
                "samplers": _samplers(),
                "schedulers": _schedulers(),
                modules: [{"model_name": name, "filename": f"/srv/models/vae/{name}"} for name in lists.VAES],
                "latent-upscale-modes": _named(lists.LATENT_MODES),
                "embeddings": {"loaded": {name: {"vectors": 2} for name in lists.EMBEDDINGS}, "skipped": {}},
                "scripts": {"txt2img": scripts, "img2img": scripts},
            }
        if self.flavour == "SD.Next":
            answers["version"] = {"updated": "2026-10-01", "hash": "abc1234"}
        routes: dict[tuple[str, str], Route] = {
            ("GET", f"/sdapi/v1/{name}"): _constant(value) for name, value in answers.items()
        }
        routes[("GET", "/sdapi/v1/options")] = lambda _: _json(self.mind.values)
        return routes

    def _generate(self, call: Call, stage: str) -> Answer:
        payload = _body(call)
        task_id = str(payload.get("force_task_id") or "")
        self.mind.queued.append(task_id)
        with self.mind.lock:
            self.mind.queued.remove(task_id)
            return _json(generate(self.mind, stage, payload))

    def _progress(self, _: Call) -> Answer:
        job, last = self.mind.job, self.mind.last
        shown = job or last
        state = {
            "interrupted": self.mind.interrupted,
            "skipped": False,
            "job_count": job.count if job else 0,
            "job_timestamp": shown.timestamp if shown else "0",
            "job_no": 0,
            "sampling_step": int(job.done * job.steps) if job else 0,
            "sampling_steps": shown.steps if shown else 0,
        }
        fraction = max(0.01, job.done) if job else 0.0
        return _json({"progress": min(fraction, 0.99), "eta_relative": 100.0, "state": state, "current_image": None})

    def _task(self, call: Call) -> Answer:
        asked, job = str(_body(call).get("id_task")), self.mind.job
        active = job is not None and job.task_id == asked
        done = job.done if job and active else None
        preview = "data:image/png;base64," + _preview() if active else None
        return _json(
            {
                "active": active,
                "queued": asked in self.mind.queued,
                "completed": not active and asked not in self.mind.queued,
                "progress": done,
                "live_preview": preview,
                "id_live_preview": 1,
                "textinfo": None,
            }
        )

    def _interrupt(self, _: Call) -> Answer:
        self.mind.interrupt()
        return Answer(status=204) if self.flavour == "SD.Next" else _json({})

    def _set_options(self, call: Call) -> Answer:
        self.mind.set_options(_body(call))
        return _json({"updated": [{}]} if self.flavour == "SD.Next" else None)


def _json(value: Any, status: int = 200) -> Answer:
    return Answer(status=status, body=json.dumps(value).encode())


def _constant(value: Any) -> Route:
    return lambda _: _json(value)


def _body(call: Call) -> dict[str, Any]:
    value = call.json()
    if not isinstance(value, dict):
        raise Refused(422, detail=[{"loc": ["body"], "msg": "value is not a valid dict", "type": "type_error.dict"}])
    return value


def _named(names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{"name": name} for name in names]


def _models() -> list[dict[str, Any]]:
    return [
        {
            "title": lists.title(name),
            "model_name": name,
            "hash": digest,
            "sha256": digest.ljust(64, "0"),
            "filename": f"/srv/models/checkpoints/{name}.safetensors",
        }
        for name, digest in lists.MODELS.items()
    ]


def _loras() -> list[dict[str, Any]]:
    return [{"name": name, "alias": name, "path": f"/srv/models/loras/{name}.safetensors"} for name in lists.LORAS]


def _samplers() -> list[dict[str, Any]]:
    return [
        {"name": name, "aliases": list(aliases), "options": {"scheduler": own} if own else {}}
        for name, (aliases, own) in lists.SAMPLERS.items()
    ]


def _schedulers() -> list[dict[str, Any]]:
    return [{"name": name, "label": label, "aliases": None} for name, label in lists.SCHEDULERS.items()]


def _preview() -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "grey").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def main() -> None:
    """Serve until killed; prints the address on the first line."""
    parser = argparse.ArgumentParser(description="A stub of a WebUI server")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--flavour", default="A1111", choices=["A1111", "Forge", "reForge", "SD.Next", "sd.cpp"])
    parser.add_argument("--step-s", type=float, default=0.0, help="seconds of work per step")
    parser.add_argument("--nowebui", action="store_true", help="without the routes that need the UI")
    given = parser.parse_args()
    with StubWebUI(flavour=given.flavour, step_s=given.step_s, ui=not given.nowebui, port=given.port) as stub:
        print(stub.url, flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
