"""A request as a job on the person's own workflow: our values written into the inputs they are mapped to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from stablenew.backends.base import Img2ImgRequest, StageRequest, Txt2ImgRequest, UpscaleRequest
from stablenew.backends.comfyui import resolve
from stablenew.backends.comfyui.graph import Graph, Node, graph_to_json
from stablenew.backends.comfyui.job import PREFIX, Job, Store
from stablenew.backends.comfyui.mapping import WorkflowMapping, map_workflow
from stablenew.backends.comfyui.names import (
    AUTOMATIC,
    our_sampler,
    our_scheduler,
    split_joined,
    their_sampler,
    their_scheduler,
)
from stablenew.backends.comfyui.objects import InputSpec, NodeClasses
from stablenew.backends.comfyui.prompt import mark_embeddings, match_file, take_loras
from stablenew.backends.comfyui.resolve import Shelf
from stablenew.backends.comfyui.settings import WorkflowSettings
from stablenew.backends.comfyui.workflow import Workflow, check_value, read_workflow, validate_workflow, with_values
from stablenew.config import Img2ImgSettings, StageName, Txt2ImgSettings, UpscaleSettings
from stablenew.errors import InvalidSetting
from stablenew.variant import Deviation, EffectiveSettings

_NEEDS: Mapping[StageName, tuple[str, ...]] = {
    "txt2img": ("prompt", "seed"),
    "img2img": ("prompt", "seed", "image"),
    "upscale": ("image",),
}
_ABSENT = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWorkflow:
    """A person's workflow that fits the server, with where our settings go."""

    workflow: Workflow
    mapping: WorkflowMapping
    sha256: str


def read_own_workflows(
    settings: Mapping[StageName, WorkflowSettings], classes: NodeClasses, workspace: Path | None
) -> dict[StageName, OwnWorkflow]:
    """The workflows a configuration names, checked against the server. Raises InvalidSetting or NotFound."""
    found: dict[StageName, OwnWorkflow] = {}
    for stage, named in settings.items():
        path = Path(named.file).expanduser()
        workflow = read_workflow(path if path.is_absolute() or workspace is None else workspace / path)
        validate_workflow(workflow, classes, values=False)
        mapping = map_workflow(workflow, named.mapping, classes, needs=_NEEDS[stage])
        content = msgspec.json.encode(graph_to_json(workflow.graph), order="sorted")
        found[stage] = OwnWorkflow(workflow=workflow, mapping=mapping, sha256=hashlib.sha256(content).hexdigest())
    return found


def own_job(shelf: Shelf, own: OwnWorkflow, request: StageRequest, marker: str, store: Store) -> Job:
    """The job for a request. Raises UnknownChoice or InvalidSetting naming the setting, node and input."""
    resolve.refuse_extras(shelf, resolve.sampling_settings(request))
    asked = _asked(shelf, request)
    if isinstance(request, UpscaleRequest):
        asked = _of_upscale(request, asked, own.mapping)
    values: dict[tuple[str, str], Any] = {}
    done: dict[str, Any] = {}
    deviations: list[Deviation] = []
    for name, value in asked.items():
        if name in own.mapping.targets:
            sent = _Sent(shelf=shelf, own=own, name=name, asked=asked)
            values |= {target: sent.value(target, value) for target in own.mapping.targets[name]}
            done[name] = sent.said(value, values)
        elif name in own.mapping.ignored:
            done[name] = own.mapping.ignored[name]
            if value != _DEFAULTS.get(name, _ABSENT) and value != done[name]:
                deviations.append(Deviation(setting=name, asked=value, done=done[name], detail="the workflow's own"))
        elif value != _DEFAULTS.get(name, _ABSENT):
            allowed = (
                f"nothing: {own.workflow.where} has no input mapped for it (mapping.{name} = NODE.INPUT or ignore)"
            )
            raise InvalidSetting(name, value, allowed)
    done |= {name: own.mapping.own_value(own.workflow, name) for name in _FILES if name not in done}
    size = _asked_size(request, done)
    if "image" in own.mapping.targets and not isinstance(request, Txt2ImgRequest):
        stored = store(request.image)
        values |= dict.fromkeys(own.mapping.targets["image"], stored.name)
        size = stored.size if isinstance(request, Img2ImgRequest) else size
    graph = _saving(with_values(own.workflow.graph, values), own.mapping.output, marker)
    validate_workflow(Workflow(where=own.workflow.where, graph=graph), shelf.classes)
    return Job(
        graph=graph,
        seed=request.seed,
        steps=done.get("steps") or 1,
        effective=_own_effective(own, done),
        size=size,
        output=own.mapping.output,
        marker=marker if graph[own.mapping.output].class_type == "SaveImage" else "",
        deviations=tuple(deviations),
    )


_FILES = ("model", "vae", "upscaler")
_PLAIN = Txt2ImgSettings()
_DEFAULTS: Mapping[str, Any] = {
    "negative_prompt": "",
    "sampler": _PLAIN.sampler,
    "scheduler": _PLAIN.scheduler,
    "steps": _PLAIN.steps,
    "cfg_scale": _PLAIN.cfg_scale,
    "clip_skip": _PLAIN.clip_skip,
    "denoise": Img2ImgSettings().denoise,
}


def _asked(shelf: Shelf, request: StageRequest) -> dict[str, Any]:
    """What a request asks for, by our names of settings; what it leaves open is not there."""
    sampling = resolve.sampling_settings(request)
    sampler, scheduler = split_joined(sampling.sampler or _PLAIN.sampler, sampling.scheduler or AUTOMATIC)
    asked: dict[str, Any] = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "seed": request.seed,
        "model": request.model or shelf.model,
        "vae": request.vae,
        "sampler": sampler,
        "scheduler": scheduler,
        "steps": sampling.steps,
        "cfg_scale": sampling.cfg_scale,
        "clip_skip": resolve.clip_skip(request),
    }
    if isinstance(request, Txt2ImgRequest):
        asked |= {"width": request.settings.width, "height": request.settings.height}
        for side in ("width", "height"):
            if asked[side] is not None:
                resolve.check_side(f"txt2img.{side}", asked[side])
    elif isinstance(request, UpscaleRequest) and request.settings.method == "upscaler":
        asked = {"prompt": request.prompt, "seed": request.seed, "upscaler": request.settings.upscaler}
    else:
        asked["denoise"] = resolve.denoise(request)
    return {name: value for name, value in asked.items() if value is not None}


def _of_upscale(request: UpscaleRequest, asked: Mapping[str, Any], mapping: WorkflowMapping) -> dict[str, Any]:
    """What of `asked` a workflow that makes a picture larger must take: many such need no prompt and no sampler."""
    own = {"width": request.width, "height": request.height}
    wanted = {"upscaler"} if request.settings.method == "upscaler" else {"denoise"}
    if request.settings.method == "img2img" and request.settings.denoise == UpscaleSettings().denoise:
        wanted = set()
    return {name: value for name, value in {**asked, **own}.items() if name in wanted or name in mapping.targets}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """One of our settings on its way into the inputs it is mapped to."""

    shelf: Shelf
    own: OwnWorkflow
    name: str
    asked: Mapping[str, Any]

    def value(self, target: tuple[str, str], value: Any) -> Any:
        """What is written into the input. Raises UnknownChoice or InvalidSetting."""
        node = self.own.workflow.graph[target[0]]
        node_class = self.shelf.classes.get(node.class_type)
        spec = node_class.inputs.get(target[1]) if node_class else None
        sent = self._translated(value, node, spec or InputSpec(kind="*"))
        if spec is not None:
            check_value(f"{self.name} at {self.own.workflow.node_name(target[0])} input {target[1]}", sent, spec)
        return sent

    def said(self, value: Any, values: Mapping[tuple[str, str], Any]) -> Any:
        """The setting as the record carries it: in our names, as it was really sent."""
        sent = values[self.own.mapping.targets[self.name][0]]
        match self.name:
            case "sampler":
                return our_sampler(sent)
            case "scheduler":
                return our_scheduler(sent)
            case "model" | "vae" | "upscaler":
                return sent
            case _:
                return value

    def _translated(self, value: Any, node: Node, spec: InputSpec) -> Any:
        backend = self.shelf.backend
        match self.name:
            case "prompt" | "negative_prompt":
                return self._text(value, node)
            case "sampler":
                return their_sampler(value, spec.choices, backend)
            case "scheduler":
                known = self.shelf.classes.choices("KSampler", "sampler_name")
                sampler = their_sampler(self.asked.get("sampler", _PLAIN.sampler), known, backend)
                return their_scheduler(value, sampler, spec.choices, backend)
            case "model" | "vae" | "upscaler":
                return match_file(value, spec.choices, backend=backend, kind=self.name)
            case "clip_skip":
                return -value
            case _:
                return value

    def _text(self, value: str, node: Node) -> str:
        # Other classes may well read lora tags and bare embedding names themselves; the core one does not.
        if node.class_type != "CLIPTextEncode":
            return value
        if self.name == "prompt" and take_loras(value)[1]:
            allowed = f"no lora tags with a workflow of your own: add a LoraLoader node to {self.own.workflow.where}"
            raise InvalidSetting("prompt", value, allowed)
        return mark_embeddings(value, self.shelf.embeddings)


def _asked_size(request: StageRequest, done: Mapping[str, Any]) -> tuple[int, int] | None:
    if isinstance(request, UpscaleRequest):
        return request.width, request.height
    width, height = done.get("width"), done.get("height")
    return (width, height) if width is not None and height is not None else None


def _saving(graph: Graph, output: str, marker: str) -> Graph:
    """The graph with the picture that counts saved under a name of its own, so that no cache answers for it."""
    node = graph[output]
    if node.class_type == "PreviewImage":
        node = Node(class_type="SaveImage", inputs=node.inputs, title=node.title)
    inputs = dict(node.inputs)
    if node.class_type == "SaveImage" or isinstance(inputs.get("filename_prefix"), str):
        inputs["filename_prefix"] = f"{PREFIX}/{marker}"
    return {**graph, output: Node(class_type=node.class_type, inputs=inputs, title=node.title)}


def _own_effective(own: OwnWorkflow, done: Mapping[str, Any]) -> EffectiveSettings:
    named = ("model", "vae", "sampler", "scheduler", "cfg_scale", "steps", "clip_skip", "denoise", "upscaler")
    return EffectiveSettings(
        **{name: done[name] for name in named if name in done},
        extra={"workflow": Path(own.workflow.where).name, "workflow_sha256": own.sha256[:16]},
        unused=tuple(name for name in named if done.get(name) is None),
    )
