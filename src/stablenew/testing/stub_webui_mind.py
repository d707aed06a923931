"""What a stub of a WebUI knows and does: its lists, its options that leak, its one lock, and its pictures.

Written from what real servers were measured to do (A1111 v1.10.1, Forge f2.0.1, stable-diffusion.cpp master-827).
"""

from __future__ import annotations

import hashlib
import io
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from stablenew.backends.webui.flavour import Flavour

MODELS: Mapping[str, str] = {"tiny-a": "f585621396", "tiny-b": "395cb46a75"}
"""Models by name, with the first ten digits of their hash."""
SAMPLERS: Mapping[str, tuple[tuple[str, ...], str | None]] = {
    "DPM++ 2M": (("k_dpmpp_2m",), "karras"),
    "DPM++ SDE": (("k_dpmpp_sde",), "karras"),
    "DPM++ 2M SDE": (("k_dpmpp_2m_sde",), "exponential"),
    "Euler a": (("k_euler_a", "k_euler_ancestral"), None),
    "Euler": (("k_euler",), None),
    "DDIM": (("ddim",), None),
}
SCHEDULERS: Mapping[str, str] = {
    "automatic": "Automatic",
    "karras": "Karras",
    "exponential": "Exponential",
    "sgm_uniform": "SGM Uniform",
    "beta": "Beta",
}
UPSCALERS = ("None", "Lanczos", "Nearest", "ESRGAN_4x")
LATENT_MODES = ("Latent", "Latent (nearest-exact)")
LORAS = ("shiny",)
EMBEDDINGS = ("blurry-embed",)
VAES = ("soft-vae.safetensors",)
ADETAILER_MODELS = ("face_yolov8n.pt", "mediapipe_face_full")
SCRIPTS = ("prompt matrix", "adetailer", "refiner", "sampler", "seed")
SD_CPP_SAMPLERS = ("euler", "euler_a", "heun", "dpm++2m", "lcm")
SD_CPP_SCHEDULERS = ("discrete", "karras", "exponential")

ADETAILER_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "ad_model": {"default": "None", "type": "string"},
        "ad_prompt": {"default": "", "type": "string"},
        "ad_confidence": {"default": 0.3, "minimum": 0.0, "maximum": 1.0, "type": "number"},
        "ad_mask_k": {"default": 0, "minimum": 0, "type": "integer"},
        "ad_mask_merge_invert": {"enum": ["None", "Merge", "Merge and Invert"], "type": "string"},
        "ad_inpaint_width": {"default": 512, "exclusiveMinimum": 0, "type": "integer"},
        "ad_use_steps": {"default": False, "type": "boolean"},
    },
    "additionalProperties": False,
}

_DEFAULTS: Mapping[str, Any] = {
    "samples_format": "png",
    "enable_pnginfo": True,
    "sd_vae": "Automatic",
    "CLIP_stop_at_last_layers": 1,
    "eta_noise_seed_delta": 0,
    "face_restoration_model": "CodeFormer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One picture to paint: everything that decides it, and the picture to start from."""

    asked: Mapping[str, Any]
    seed: int
    size: tuple[int, int]
    start: Image.Image | None = None
    denoise: float = 1.0


Paint = Callable[[Order], Image.Image]


def soft_colours(order: Order) -> Image.Image:
    """Soft colours decided by the whole order; with `denoise` below 1 the start picture shows through."""
    raw = hashlib.shake_256(f"{sorted(order.asked.items())}{order.seed}".encode()).digest(4 * 4 * 3)
    new = Image.frombytes("RGB", (4, 4), raw).resize(order.size, Image.Resampling.BICUBIC)
    return new if order.start is None else Image.blend(order.start, new, order.denoise)


@dataclass(slots=True, kw_only=True)
class Job:
    """What the server works on. `timestamp` names it; `done` counts 0..1."""

    task_id: str
    timestamp: str
    steps: int
    count: int = 1
    done: float = 0.0
    halved: bool = False


@dataclass(slots=True)
class Mind:
    """The state of one server: options, the lock, the job under way, and what was counted.

    `twist` replaces fields of every request, for a server that no longer knows what its lists named. `picture` is
    "painted", or "black" or "flat" for a model that fails. `halve`: somebody at the server interrupts every job.
    `unpinnable`: options that do not go into config.json when they are posted with the value they have.
    """

    flavour: Flavour = "A1111"
    step_s: float = 0.0
    paint: Paint = soft_colours
    picture: str = "painted"
    twist: dict[str, Any] = field(default_factory=dict)
    halve: bool = False
    unpinnable: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    job: Job | None = None
    last: Job | None = None
    interrupted: bool = False
    queued: list[str] = field(default_factory=list)
    made: int = 0
    interrupts: int = 0
    loads: list[str] = field(default_factory=list)
    loaded: str = "tiny-b"

    def __post_init__(self) -> None:
        modules: dict[str, Any] = {"forge_additional_modules": []} if self.flavour == "Forge" else {}
        own = {"sd_model_checkpoint": title("tiny-b")}
        self.values = {**_DEFAULTS, **modules, **own, **self.values}
        self.config = {**own, **self.config}

    def overridden(self, override: Mapping[str, Any]) -> dict[str, Any]:
        """Put `override` into force; gives what to restore: only what config.json holds, so that the rest leaks."""
        kept = {name: self.config[name] for name in override if name in self.config}
        self.values.update(override)
        return kept

    def set_options(self, options: Mapping[str, Any]) -> None:
        """POST /options: into force and into config.json, together with whatever leaked before."""
        options = {
            name: value for name, value in options.items() if name not in self.unpinnable or value != self.values[name]
        }
        self.values.update(options)
        leaked = {name: value for name, value in self.values.items() if value != _DEFAULTS.get(name)}
        self.config.update({**leaked, **options})

    def begin(self, task_id: str, steps: int, count: int) -> Job:
        """Start a job under the lock: forgets any interrupt that came before."""
        self.interrupted = False
        self.made += 1
        self.job = Job(task_id=task_id, timestamp=f"{time.time_ns()}", steps=steps, count=count)
        self.interrupted = self.halve
        return self.job

    def work(self, job: Job) -> None:
        """Spend the job's time, step by step, until it is done or interrupted."""
        total = job.steps * job.count
        for step in range(total):
            if self.step_s:
                time.sleep(self.step_s)
            if self.interrupted:
                job.halved = True
                return
            job.done = (step + 1) / total

    def end(self) -> None:
        """The job is over; what it was called is remembered."""
        self.last, self.job = self.job, None

    def interrupt(self) -> None:
        """Stop whatever runs; nothing when nothing does."""
        self.interrupts += 1
        if self.job is not None:
            self.interrupted = True

    def load(self, name: str) -> None:
        """Have the model in memory."""
        if name != self.loaded:
            self.loaded = name
            self.loads.append(name)

    def encode(self, image: Image.Image, infotext: str) -> bytes:
        """The picture as the options say: PNG with its text, PNG without, or another format."""
        buffer = io.BytesIO()
        kind = str(self.values["samples_format"]).upper().replace("JPG", "JPEG")
        if kind == "PNG":
            chunks = PngInfo()
            if self.values["enable_pnginfo"]:
                chunks.add_text("parameters", infotext)
            image.save(buffer, "PNG", pnginfo=chunks, compress_level=1)
        else:
            image.save(buffer, kind, quality=95)
        return buffer.getvalue()

    def painted(self, order: Order, *, halved: bool) -> Image.Image:
        """One picture: painted, half baked, or black when that is what `picture` says."""
        if self.picture == "black":
            return Image.new("RGB", order.size)
        if self.picture == "flat":
            return Image.new("RGB", order.size, "teal")
        image = self.paint(order)
        return Image.blend(image, Image.new("RGB", order.size, "grey"), 0.5) if halved else image


def title(name: str) -> str:
    """A model's title, as lists and options carry it."""
    return f"{name}.safetensors [{MODELS[name]}]"


def model_named(value: object) -> str | None:
    """The model a title, file name, model name or hash means; None for anything else, which is then ignored."""
    for name, digest in MODELS.items():
        if value in (title(name), f"{name}.safetensors", name, digest):
            return name
    return None
