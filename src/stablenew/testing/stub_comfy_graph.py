"""What a ComfyUI server does with a graph, for the core nodes: it refuses as 0.10.0 does, and evaluates.

A sampler node is painted by a function from a `StageRequest`, so that a stub's pictures can be drawn by the fake
backend or made by a real model.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, TypeAlias

import msgspec
from PIL import Image, UnidentifiedImageError

from stablenew.backends.base import Backend, GeneratedImage, Img2ImgRequest, Txt2ImgRequest, Watch
from stablenew.backends.comfyui.names import our_sampler, our_scheduler
from stablenew.backends.comfyui.objects import COMBO, InputSpec, NodeClasses, decode_object_info
from stablenew.backends.comfyui.workflow import is_link
from stablenew.backends.picture import read_pixels
from stablenew.config import Img2ImgSettings, Txt2ImgSettings
from stablenew.errors import StableNewError
from stablenew.testing.fake_backend import paint as paint_softly

RawGraph: TypeAlias = "dict[str, Any]"
Sampled: TypeAlias = "Txt2ImgRequest | Img2ImgRequest"
Paint: TypeAlias = Callable[[Sampled, "tuple[int, int]"], Image.Image]
MODEL_SCALE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What lies in the server's folders."""

    checkpoints: tuple[str, ...] = ("stub-model.safetensors",)
    diffusion_models: tuple[str, ...] = ()
    text_encoders: tuple[str, ...] = ()
    vaes: tuple[str, ...] = ("stub-vae.safetensors", "pixel_space")
    loras: tuple[str, ...] = ("stub-lora.safetensors",)
    upscale_models: tuple[str, ...] = ("Stub-2x.pth",)
    embeddings: tuple[str, ...] = ("stub-embed",)
    inputs: tuple[str, ...] = ("example.png",)


class NodeFailed(Exception):
    """A node raised while it was executed: class name and text of the exception, as the history has them."""

    def __init__(self, node_id: str, node_type: str, kind: str, text: str) -> None:
        self.node_id, self.node_type, self.kind, self.text = node_id, node_type, kind, text
        super().__init__(text)


def object_info(on_disk: Files) -> dict[str, Any]:
    """The answer to `GET /object_info`: recorded from 0.10.0, core nodes only, with `on_disk` in its lists."""
    recorded = files("stablenew.testing").joinpath("comfy_object_info.json").read_bytes()
    info: dict[str, Any] = msgspec.json.decode(recorded)
    info["CLIPLoader"] = {
        "input": {"required": {"clip_name": [[]], "type": [["stable_diffusion", "sd3", "flux"]]}},
        "output": ["CLIP"],
        "output_node": False,
    }
    for class_name, input_name, names in (
        ("CheckpointLoaderSimple", "ckpt_name", on_disk.checkpoints),
        ("UNETLoader", "unet_name", on_disk.diffusion_models),
        ("CLIPLoader", "clip_name", on_disk.text_encoders),
        ("DualCLIPLoader", "clip_name1", on_disk.text_encoders),
        ("DualCLIPLoader", "clip_name2", on_disk.text_encoders),
        ("VAELoader", "vae_name", on_disk.vaes),
        ("LoraLoader", "lora_name", on_disk.loras),
        ("UpscaleModelLoader", "model_name", on_disk.upscale_models),
        ("LoadImage", "image", on_disk.inputs),
    ):
        spec = info[class_name]["input"]["required"][input_name]
        if spec[0] == COMBO:
            spec[1]["options"] = list(names)
        else:
            spec[0] = list(names)
    return info


def refuse(graph: RawGraph, on_disk: Files) -> tuple[dict[str, Any] | None, dict[str, Any], list[str]]:
    """(error, node_errors, outputs that will run): an error refuses the whole graph, node errors alone do not."""
    classes = decode_object_info(object_info(on_disk))
    for node_id, node in graph.items():
        if node.get("class_type") not in classes:
            message = f"Cannot execute because node {node.get('class_type')} does not exist."
            return _error("invalid_prompt", message, f"Node ID '#{node_id}'"), {}, []
    ends = [node_id for node_id, node in graph.items() if _class(classes, node).is_output]
    if not ends:
        return _error("prompt_no_outputs", "Prompt has no outputs", ""), {}, []
    node_errors: dict[str, Any] = {}
    good: list[str] = []
    for end in ends:
        found = _branch_errors(graph, end, classes, on_disk)
        node_errors |= {node_id: raw | {"dependent_outputs": [end]} for node_id, raw in found.items()}
        if not found:
            good.append(end)
    if not good:
        return _error("prompt_outputs_failed_validation", "Prompt outputs failed validation", ""), node_errors, []
    return None, node_errors, good


def signature(graph: RawGraph, node_id: str) -> str:
    """What decides a node's output: its class, its values and those of all nodes before it."""
    node = graph[node_id]
    inputs = {
        name: [signature(graph, value[0]), value[1]] if is_link(value) else value
        for name, value in node["inputs"].items()
    }
    return hashlib.sha256(msgspec.json.encode([node["class_type"], inputs], order="sorted")).hexdigest()


def nodes_of(graph: RawGraph, end: str) -> list[str]:
    """The node and all before it, sources first."""
    order: list[str] = []
    for value in graph[end]["inputs"].values():
        if is_link(value):
            order += [each for each in nodes_of(graph, value[0]) if each not in order]
    return [*order, end]


@dataclass(slots=True, kw_only=True)
class Evaluation:
    """One graph being worked off. `inputs` are the uploaded files; `on_step` is called at every sampling step."""

    graph: RawGraph
    inputs: Mapping[str, bytes]
    paint: Paint = paint_softly
    on_step: Callable[[str, int, int], None] = lambda node_id, step, steps: None
    values: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def run(self, node_id: str) -> None:
        """Evaluate a node whose sources are done. Raises NodeFailed."""
        node = self.graph[node_id]
        inputs = {
            name: self.values[value[0]][value[1]] if is_link(value) else value for name, value in node["inputs"].items()
        }
        self.values[node_id] = self._evaluate(node_id, node["class_type"], inputs)

    def _evaluate(self, node_id: str, class_type: str, given: dict[str, Any]) -> tuple[Any, ...]:
        match class_type:
            case "CheckpointLoaderSimple":
                return given["ckpt_name"], 1, None
            case "UNETLoader":
                return (given["unet_name"],)
            case "CLIPLoader" | "DualCLIPLoader":
                return (1,)
            case "VAELoader":
                return (given["vae_name"],)
            case "LoraLoader":
                return f"{given['model']}+{given['lora_name']}:{given['strength_model']}", given["clip"]
            case "CLIPSetLastLayer":
                return (-given["stop_at_clip_layer"],)
            case "CLIPTextEncode":
                return ((given["text"], given["clip"]),)
            case "EmptyLatentImage" | "EmptySD3LatentImage":
                return ((given["width"], given["height"]),)
            case "LoadImage":
                return self._load(node_id, given["image"]), None
            case "VAEEncode":
                image: Image.Image = given["pixels"]
                return (image.crop((0, 0, image.width // 8 * 8, image.height // 8 * 8)),)
            case "KSampler" | "KSamplerAdvanced":
                return (self._sample(node_id, given),)
            case "LatentUpscale":
                return (given["samples"].resize((given["width"], given["height"])),)
            case "UpscaleModelLoader":
                return (given["model_name"],)
            case "ImageUpscaleWithModel":
                image = given["image"]
                return (image.resize((image.width * MODEL_SCALE, image.height * MODEL_SCALE)),)
            case "ImageScale":
                return (given["image"].resize((given["width"], given["height"]), Image.Resampling.LANCZOS),)
            case "VAEDecode":
                return (given["samples"],)
            case "SaveImage" | "PreviewImage" | "SaveImageWebsocket":
                return (given["images"],)
            case _:
                raise NodeFailed(node_id, class_type, "NotImplementedError", "the stub cannot do this node")

    def _load(self, node_id: str, name: str) -> Image.Image:
        try:
            with Image.open(io.BytesIO(self.inputs[name])) as opened:
                return opened.convert("RGB")
        except (UnidentifiedImageError, OSError) as exc:
            text = f"cannot identify image file '/srv/comfyui/input/{name}'\n"
            raise NodeFailed(node_id, "LoadImage", "PIL.UnidentifiedImageError", text) from exc

    def _sample(self, node_id: str, given: dict[str, Any]) -> Image.Image:
        steps, first = given["steps"], given.get("start_at_step", 0)
        for step in range(first, steps):
            self.on_step(node_id, step + 1 - first, steps - first)
        latent = given["latent_image"]
        request = _request(given, latent)
        size = latent.size if isinstance(latent, Image.Image) else latent
        try:
            return self.paint(request, size)
        except StableNewError as exc:
            raise NodeFailed(node_id, "KSampler", type(exc).__name__, str(exc)) from exc


def paint_with(backend: Backend) -> Paint:
    """A painter that has `backend` make the pictures, with its own model."""

    def painted(request: Sampled, _: tuple[int, int]) -> Image.Image:
        # ComfyUI's normal is the model's own schedule, which every backend knows as Automatic.
        named = request.settings.scheduler or "Automatic"
        plain = "Automatic" if named == "Normal" else named
        settings: Any = dataclasses.replace(request.settings, scheduler=plain)
        asked = dataclasses.replace(request, model=None, vae=None, settings=settings)
        for _index, outcome in backend.generate([asked], Watch()):
            if isinstance(outcome, GeneratedImage):
                return read_pixels(outcome.picture, backend.name)
            raise outcome
        raise AssertionError("a backend gives one outcome per request")

    return painted


def _request(given: dict[str, Any], latent: Any) -> Sampled:
    steps = given["steps"]
    sampler, scheduler = our_sampler(given["sampler_name"]), our_scheduler(given["scheduler"])
    seed = given.get("seed", given.get("noise_seed", 0))
    (prompt, clip_skip), (negative, _) = given["positive"], given["negative"]
    if not isinstance(latent, Image.Image):
        settings = Txt2ImgSettings(
            sampler=sampler,
            scheduler=scheduler,
            steps=steps,
            cfg_scale=given["cfg"],
            width=latent[0],
            height=latent[1],
            clip_skip=clip_skip,
        )
        return Txt2ImgRequest(
            prompt=prompt, negative_prompt=negative, seed=seed, settings=settings, model=given["model"]
        )
    # At the last step of the schedule hardly anything changes: that is what starting there means.
    begun = given.get("start_at_step", 0)
    strength = given.get("denoise", 1 - begun / max(1, steps - 1))
    repaint = Img2ImgSettings(
        denoise=strength, sampler=sampler, scheduler=scheduler, steps=steps, cfg_scale=given["cfg"]
    )
    return Img2ImgRequest(
        prompt=prompt,
        negative_prompt=negative,
        seed=seed,
        settings=repaint,
        image=latent,
        clip_skip=clip_skip,
        model=given["model"],
    )


def _class(classes: NodeClasses, node: Mapping[str, Any]) -> Any:
    return classes.get(node["class_type"])


def _error(kind: str, message: str, details: str) -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": {}}


def _branch_errors(graph: RawGraph, end: str, classes: NodeClasses, on_disk: Files) -> dict[str, Any]:
    found: dict[str, Any] = {}
    waiting, seen = [end], set()
    while waiting:
        node_id = waiting.pop()
        if node_id in seen:
            continue
        seen.add(node_id)
        node = graph.get(node_id)
        if node is None:
            message = "Exception when validating inner node"
            return {end: _node_error(graph[end], "exception_during_inner_validation", message, repr(node_id))}
        for name, spec in _class(classes, node).inputs.items():
            error = _input_error(node, name, spec, graph, classes, on_disk)
            if error is not None:
                found.setdefault(node_id, {"errors": [], "class_type": node["class_type"]})["errors"].append(error)
            if is_link(node["inputs"].get(name)):
                waiting.append(node["inputs"][name][0])
    return found


def _node_error(node: Mapping[str, Any], kind: str, message: str, details: str) -> dict[str, Any]:
    return {"errors": [_error(kind, message, details)], "class_type": node["class_type"]}


def _input_error(
    node: Mapping[str, Any], name: str, spec: InputSpec, graph: RawGraph, classes: NodeClasses, on_disk: Files
) -> dict[str, Any] | None:
    value = node["inputs"].get(name)
    if value is None:
        return _error("required_input_missing", "Required input is missing", name) if spec.required else None
    if is_link(value):
        source = graph.get(value[0])
        given = _class(classes, source).outputs[value[1]] if source else spec.kind
        details = f"{name}, received_type({given}) mismatch input_type({spec.kind})"
        wrong = given != spec.kind
        return _error("return_type_mismatch", "Return type mismatch between linked nodes", details) if wrong else None
    if spec.upload:
        missing = value not in on_disk.inputs
        details = f"{name} - Invalid image file: {value}"
        return _error("custom_validation_failed", "Custom validation failed for node", details) if missing else None
    if spec.kind == COMBO and value not in spec.choices:
        shown = list(spec.choices) if len(spec.choices) < 20 else f"(list of length {len(spec.choices)})"
        return _error("value_not_in_list", "Value not in list", f"{name}: {value!r} not in {shown}")
    if spec.kind in ("INT", "FLOAT"):
        return _number_error(name, value, spec)
    return None


def _number_error(name: str, value: Any, spec: InputSpec) -> dict[str, Any] | None:
    try:
        number = float(value)
    except (TypeError, ValueError) as exc:
        message = f"Failed to convert an input value to a {spec.kind} value"
        return _error("invalid_input_type", message, f"{name}, {value}, {exc}")
    if spec.minimum is not None and number < spec.minimum:
        return _error("value_smaller_than_min", f"Value {value} smaller than min of {spec.minimum}", name)
    if spec.maximum is not None and number > spec.maximum:
        return _error("value_bigger_than_max", f"Value {value} bigger than max of {spec.maximum}", name)
    return None
