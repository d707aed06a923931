"""Pictures of ComfyUI: the graph that was executed, read backwards from what was saved.

The last sampler before the saved picture is the one that made it; one before that (hires, refiner) made what it began
from. Custom samplers are recognised by their inputs, not by a list of names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stablenew.config import StageName
from stablenew.learning.importing.comfy_graph import ComfyGraph
from stablenew.learning.importing.found import (
    Found,
    FoundStage,
    as_number,
    as_seed,
    as_text,
    as_whole,
    file_stem,
    our_sampler,
    our_scheduler,
    plain_extra,
    read_object,
)
from stablenew.variant import EffectiveSettings

_MODELS = ("ckpt_name", "unet_name", "gguf_name", "model_name", "base_ckpt_name", "checkpoint")
_LATENTS = ("latent_image", "latent", "latent_samples", "samples", "optional_latent")
_ENDS_MAX = 100
_NOT_SETTINGS = (*_LATENTS, "image", "images", "pixels", "positive", "negative", "conditioning", "vae", "clip")


def read_comfyui(texts: Mapping[str, str]) -> Found | None:
    """What the `prompt` chunk (WebP: Exif) says, None where there is none or no sampler is in it."""
    nodes = read_object(_graph_text(texts))
    graph = ComfyGraph(nodes or {})
    samplers = _samplers(graph)
    if not samplers:
        return None
    first, last = samplers[0], samplers[-1]
    positive, negative = _sides(graph, last)
    if not positive:
        positive, _ = _sides(graph, first)
    stages = [_stage(graph, first, repaints=_begins_from_picture(graph, first))]
    if last != first:
        stages.append(_stage(graph, last, repaints=True))
    seed = graph.find(first, ("seed", "noise_seed"), _NOT_SETTINGS)
    return Found(
        tool="comfyui",
        prompt="\n".join(positive),
        negative_prompt="\n".join(negative),
        seed=as_seed(seed),
        stages=tuple(stages),
    )


def _graph_text(texts: Mapping[str, str]) -> str | None:
    """The executed graph; in WebP it stands in an Exif field behind its name."""
    if "prompt" in texts:
        return texts["prompt"]
    for name in ("Model", "Make", "ImageDescription", "UserComment"):
        text = texts.get(name, "")
        if text[:7].casefold() == "prompt:":
            return text[7:]
    return None


def _samplers(graph: ComfyGraph) -> list[str]:
    """The samplers behind the saved picture, the earliest first; without a saving node the last sampler's chain."""
    savers = [name for name in graph if "save" in graph.kind(name).casefold()]
    savers += [name for name in graph if "preview" in graph.kind(name).casefold()]
    ends = savers or [name for name in graph if _is_sampler(graph, name)]
    for end in ends[:_ENDS_MAX]:
        chain = [
            name for name in graph.upstream(end, ("positive", "negative", "clip", "model")) if _is_sampler(graph, name)
        ]
        if chain:
            return chain[::-1]
    return []


def _is_sampler(graph: ComfyGraph, name: str) -> bool:
    inputs = graph.inputs(name)
    if not any(key in inputs for key in _LATENTS):
        return False
    return (
        "guider" in inputs
        or "sampler" in inputs
        or ("steps" in inputs and ("cfg" in inputs or "sampler_name" in inputs))
    )


def _begins_from_picture(graph: ComfyGraph, sampler: str) -> bool:
    """Whether the sampler's latent comes from a picture (img2img) rather than from nothing."""
    inputs = graph.inputs(sampler)
    start = next((name for key in _LATENTS if (name := graph.link(inputs.get(key)))), None)
    if start is None:
        return False
    return any("loadimage" in graph.kind(name).casefold() for name in graph.upstream(start, ("vae", "model")))


def _sides(graph: ComfyGraph, sampler: str) -> tuple[list[str], list[str]]:
    """The positive and negative texts that reach a sampler, through a guider where it has one."""
    inputs = graph.inputs(sampler)
    guider = graph.link(inputs.get("guider"))
    inputs = graph.inputs(guider) if guider else inputs
    positive = inputs.get("positive", inputs.get("conditioning"))
    sides = graph.texts(positive, "positive"), graph.texts(inputs.get("negative"), "negative")
    if not sides[0] and isinstance(positive, str):
        return [positive], [text for text in (inputs.get("negative"),) if isinstance(text, str)]
    return sides


def _stage(graph: ComfyGraph, sampler: str, *, repaints: bool) -> FoundStage:
    def find(*keys: str) -> Any:
        return graph.find(sampler, keys, _NOT_SETTINGS)

    inputs = graph.inputs(sampler)
    latent = next((link for key in _LATENTS if (link := graph.link(inputs.get(key)))), None)
    stage: StageName = "img2img" if repaints else "txt2img"
    return FoundStage(
        stage=stage,
        settings=EffectiveSettings(
            model=file_stem(find(*_MODELS)),
            vae=file_stem(_vae(graph)),
            sampler=our_sampler(find("sampler_name")),
            scheduler=our_scheduler(find("scheduler")),
            cfg_scale=as_number(find("cfg")),
            steps=as_whole(find("steps")),
            width=None if repaints else as_whole(graph.find(latent, ("width",))),
            height=None if repaints else as_whole(graph.find(latent, ("height",))),
            clip_skip=_clip_skip(graph),
            denoise=as_number(find("denoise")) if repaints else None,
            extra=plain_extra({"loras": _loras(graph, sampler), "guidance": as_number(_guidance(graph))}),
        ),
    )


def _vae(graph: ComfyGraph) -> object:
    return next(
        (graph.literal(graph.inputs(name)["vae_name"]) for name in graph if "vae_name" in graph.inputs(name)), None
    )


def _clip_skip(graph: ComfyGraph) -> int | None:
    for name in graph:
        layer = as_whole(graph.inputs(name).get("stop_at_clip_layer"))
        if layer is not None:
            return abs(layer)
    return None


def _guidance(graph: ComfyGraph) -> object:
    return next((graph.inputs(name).get("guidance") for name in graph if graph.kind(name) == "FluxGuidance"), None)


def _loras(graph: ComfyGraph, sampler: str) -> str:
    """The LoRAs on the way to the sampler's model, as "name:strength, ...", in the order they are applied."""
    found: list[str] = []
    for name in graph.upstream(sampler, _NOT_SETTINGS):
        inputs = graph.inputs(name)
        lora = file_stem(graph.literal(inputs.get("lora_name")))
        if lora is not None and lora != "None":
            strength = as_text(graph.literal(inputs.get("strength_model", 1)))
            found.append(f"{lora}:{strength}")
    return ", ".join(reversed(found))
