"""Making pictures in a stub of a WebUI: what is asked, what is silently done instead, and what is said about it."""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
from collections.abc import Mapping
from typing import Any

from PIL import Image, UnidentifiedImageError

from stablenew.testing import stub_webui_mind as lists
from stablenew.testing.stub_server import Answer
from stablenew.testing.stub_webui_mind import Job, Mind, Order, model_named

_LORA = re.compile(r"<lora:([^:>]+)(?::([^>]*))?>")


class Refused(Exception):
    """An answer of an error status; `detail` for an HTTPException, `error` and `message` for anything else."""

    def __init__(self, status: int, *, detail: Any = "", error: str = "HTTPException", message: str = "") -> None:
        super().__init__(message or str(detail))
        self.status, self.detail, self.error, self.message = status, detail, error, message

    def answer(self, flavour: str) -> Answer:
        """In the words of the flavour: A1111 puts a message in `errors`, Forge in `message`."""
        body: dict[str, Any]
        if isinstance(self.detail, list) or (flavour == "Forge" and self.error == "HTTPException"):
            body = {"detail": self.detail}
        else:
            key = "message" if flavour == "Forge" else "errors"
            body = {"error": self.error, "detail": self.detail, "body": "", key: self.message}
        return Answer(status=self.status, body=json.dumps(body).encode())


def generate(mind: Mind, stage: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """txt2img or img2img, under the server's lock. Raises Refused."""
    payload = {**payload, **mind.twist}
    asked = _understood(mind, stage, payload)
    start = _start(stage, payload, asked)
    kept = mind.overridden(payload.get("override_settings") or {}) if mind.flavour != "sd.cpp" else {}
    try:
        mind.load(model_named(mind.values["sd_model_checkpoint"]) or mind.loaded)
        job = mind.begin(str(payload.get("force_task_id") or ""), asked["steps"], asked["count"])
        try:
            mind.work(job)
            return _answer(mind, asked, job, start)
        finally:
            mind.end()
    finally:
        if payload.get("override_settings_restore_afterwards", True):
            mind.values.update(kept)


def extras(mind: Mind, payload: Mapping[str, Any]) -> dict[str, Any]:
    """extra-single-image: without a known upscaler the picture comes back as it was. Raises Refused."""
    image = _decoded(payload.get("image"))
    upscaler = payload.get("upscaler_1") or "None"
    if upscaler not in lists.UPSCALERS:
        raise Refused(500, error="AssertionError", message=f"could not find upscaler named {upscaler}")
    if upscaler != "None":
        size = (payload.get("upscaling_resize_w", 512), payload.get("upscaling_resize_h", 512))
        image = image.resize(size, Image.Resampling.LANCZOS)
    with mind.lock:
        mind.made += 1
    return {"html_info": "", "image": _text(mind.encode(image, f"Postprocess upscaler: {upscaler}"))}


def _understood(mind: Mind, stage: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """What the server makes of a request: unknown names replaced without a word. Raises Refused."""
    steps = payload.get("steps", 50)
    if not isinstance(steps, int):
        error = {"loc": ["body", "steps"], "msg": "value is not a valid integer", "type": "type_error.integer"}
        raise Refused(422, detail=[error])
    if steps == 0:
        raise Refused(500, error="ZeroDivisionError", message="float division by zero")
    if payload.get("enable_hr") and payload.get("denoising_strength") is None:
        raise Refused(500, error="TypeError", message="unsupported operand type(s)")
    if payload.get("enable_hr") and mind.flavour == "Forge" and payload.get("hr_additional_modules") is None:
        raise Refused(500, error="TypeError", message="argument of type 'NoneType' is not iterable")
    sampler, scheduler = _sampling(mind, payload)
    return {
        "prompt": payload.get("prompt") or "",
        "negative_prompt": payload.get("negative_prompt") or "",
        "seed": payload.get("seed", -1),
        "steps": steps,
        "cfg_scale": payload.get("cfg_scale", 7.0),
        "width": payload.get("width", 512),
        "height": payload.get("height", 512),
        "sampler": sampler,
        "scheduler": scheduler,
        "denoise": payload.get("denoising_strength", 0.75 if stage == "img2img" else None),
        "count": 1 if mind.flavour == "sd.cpp" else payload.get("batch_size", 1) * payload.get("n_iter", 1),
        "restore_faces": bool(payload.get("restore_faces")),
        "extra": _extra(mind, payload),
        "scale": payload.get("hr_scale", 2.0) if payload.get("enable_hr") else 1.0,
    }


def _sampling(mind: Mind, payload: Mapping[str, Any]) -> tuple[str, str]:
    sampler, scheduler = payload.get("sampler_name"), payload.get("scheduler")
    if mind.flavour == "sd.cpp":
        return (str(sampler) if sampler in lists.SD_CPP_SAMPLERS else "NONE"), str(scheduler or "discrete")
    labels = {**lists.SCHEDULERS, **{label: label for label in lists.SCHEDULERS.values()}}
    if sampler not in lists.SAMPLERS:
        for name in lists.SAMPLERS:
            rest = str(sampler).removeprefix(name + " ")
            if rest != sampler and rest in labels:
                return name, labels[rest]
        if mind.flavour == "SD.Next":
            raise Refused(404, detail="Sampler not found", error="404")
        return "DPM++ 2M", "Karras"
    known = labels.get(str(scheduler), "Automatic")
    own = lists.SAMPLERS[str(sampler)][1]
    return str(sampler), labels.get(own or "", known) if known == "Automatic" else known


def _extra(mind: Mind, payload: Mapping[str, Any]) -> dict[str, str]:
    """extra_generation_params, but for the schedule."""
    extra: dict[str, str] = {}
    text = f"{payload.get('prompt')} {payload.get('negative_prompt')}"
    used = [name for name, _ in _LORA.findall(text) if name in lists.LORAS] if mind.flavour != "sd.cpp" else []
    if used:
        extra["Lora hashes"] = ", ".join(f"{name}: 0a1b2c3d4e5f" for name in used)
    words = re.split(r"[\s,]+", text)
    if found := [name for name in lists.EMBEDDINGS if name in words]:
        extra["TI hashes"] = ", ".join(f"{name}: ffeeddccbbaa" for name in found)
    if payload.get("enable_hr"):
        extra |= {"Hires upscale": str(payload.get("hr_scale", 2.0)), "Hires upscaler": str(payload.get("hr_upscaler"))}
    if model := model_named(payload.get("refiner_checkpoint")):
        extra["Refiner"] = lists.title(model)
    detailed = _adetailer(payload.get("alwayson_scripts") or {})
    return extra | ({"ADetailer model": detailed, "ADetailer version": "25.3.0"} if detailed else {})


def _adetailer(scripts: Mapping[str, Any]) -> str | None:
    """The model ADetailer claims to have used: any name it was given; None when it skips over what it cannot read."""
    given = next((value for name, value in scripts.items() if name.casefold() == "adetailer"), None)
    arguments = given.get("args") if isinstance(given, dict) else None
    if not arguments or arguments[0] is not True:
        return None
    tab = next((item for item in arguments if isinstance(item, dict)), {})
    known: Mapping[str, Any] = lists.ADETAILER_SCHEMA["properties"]
    if not set(tab) <= set(known) or not 0 <= tab.get("ad_confidence", 0.3) <= 1:
        return None
    return str(tab.get("ad_model"))


def _start(stage: str, payload: Mapping[str, Any], asked: dict[str, Any]) -> Image.Image | None:
    if stage != "img2img":
        return None
    images = payload.get("init_images") or []
    if not images:
        raise Refused(404, detail="Init image not found")
    return _decoded(images[0]).resize((asked["width"], asked["height"]), Image.Resampling.LANCZOS)


def _decoded(text: Any) -> Image.Image:
    try:
        with Image.open(io.BytesIO(base64.b64decode(str(text), validate=True))) as opened:
            return opened.convert("RGB")
    except (binascii.Error, ValueError, OSError, UnidentifiedImageError) as exc:
        raise Refused(500, detail="Invalid encoded image") from exc


def _answer(mind: Mind, asked: dict[str, Any], job: Job, start: Image.Image | None) -> dict[str, Any]:
    step = 64 if mind.flavour == "sd.cpp" else 8
    size = tuple(max(step, int(asked[side] * asked["scale"]) // step * step) for side in ("width", "height"))
    decides = ("prompt", "negative_prompt", "steps", "cfg_scale", "sampler", "scheduler")
    common = {name: asked[name] for name in decides} | {"model": mind.loaded}
    seeds = [asked["seed"] + index for index in range(asked["count"])]
    texts = [_infotext(mind, asked, seed) for seed in seeds]
    images = []
    for seed, text in zip(seeds, texts, strict=True):
        order = Order(asked=common, seed=seed, size=(size[0], size[1]), start=start, denoise=asked["denoise"] or 0.0)
        images.append(_text(mind.encode(mind.painted(order, halved=job.halved), text)))
    return {"images": images, "parameters": {}, "info": json.dumps(_info(mind, asked, job, seeds, texts))}


def _info(mind: Mind, asked: dict[str, Any], job: Job, seeds: list[int], texts: list[str]) -> dict[str, Any]:
    vae = mind.values.get("sd_vae")
    return {
        "prompt": asked["prompt"],
        "all_prompts": [asked["prompt"]] * len(seeds),
        "seed": seeds[0],
        "all_seeds": seeds,
        "width": asked["width"],
        "height": asked["height"],
        "sampler_name": asked["sampler"],
        "cfg_scale": asked["cfg_scale"],
        "steps": asked["steps"],
        "restore_faces": asked["restore_faces"],
        "sd_model_name": mind.loaded,
        "sd_model_hash": "8888888888" if mind.flavour == "sd.cpp" else lists.MODELS[mind.loaded],
        "sd_vae_name": vae if vae in lists.VAES and mind.flavour != "Forge" else None,
        "sd_vae_hash": None,
        "denoising_strength": asked["denoise"],
        "extra_generation_params": {"Schedule type": asked["scheduler"], **asked["extra"]},
        "index_of_first_image": 0,
        "infotexts": texts,
        "job_timestamp": job.timestamp,
        "clip_skip": mind.values["CLIP_stop_at_last_layers"],
        "version": {"Forge": "f2.0.1v1.10.1", "A1111": "v1.10.1"}.get(mind.flavour, ""),
    }


def _infotext(mind: Mind, asked: dict[str, Any], seed: int) -> str:
    fields: dict[str, Any] = {
        "Steps": asked["steps"],
        "Sampler": asked["sampler"],
        "Schedule type": asked["scheduler"],
        "CFG scale": asked["cfg_scale"],
        "Seed": seed,
        "Size": f"{asked['width']}x{asked['height']}",
        "Model hash": lists.MODELS[mind.loaded],
        "Model": mind.loaded,
    }
    modules = mind.values.get("forge_additional_modules") or []
    known = {f"/srv/models/vae/{name}": name.rpartition(".")[0] for name in lists.VAES}
    fields |= {f"Module {place}": known[name] for place, name in enumerate(modules, 1) if name in known}
    fields |= {key: f'"{value}"' if "," in value or ":" in value else value for key, value in asked["extra"].items()}
    line = ", ".join(f"{key}: {value}" for key, value in fields.items())
    return f"{asked['prompt']}\nNegative prompt: {asked['negative_prompt']}\n{line}, Version: v1.10.1"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
