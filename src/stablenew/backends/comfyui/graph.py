"""A request as a graph for ComfyUI's API: nodes by id, each input a value or a link to another node's output.

Everything here is already in the server's own names (`resolve` found them), so building cannot fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Link: TypeAlias = "list[str | int]"
"""[node id, output slot], as the API writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node: `inputs` holds JSON values and links."""

    class_type: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""


Graph: TypeAlias = "dict[str, Node]"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraFile:
    """A lora by the server's file name, with its strengths."""

    file: str
    strength: float
    text_strength: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelParts:
    """Where model, text encoder and VAE come from: a checkpoint, or a diffusion model with `clips` and `vae`.

    `vae` None is the checkpoint's own. `clip_type` is the server's name of the model family.
    """

    checkpoint: str | None = None
    diffusion_model: str | None = None
    clips: tuple[str, ...] = ()
    clip_type: str = "stable_diffusion"
    vae: str | None = None
    loras: tuple[LoraFile, ...] = ()
    clip_skip: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """One pass of the sampler, in the server's names. `denoise` below 1 starts part of the way, as the WebUI does."""

    seed: int
    sampler: str
    scheduler: str
    steps: int
    cfg: float
    denoise: float = 1.0

    @property
    def first_step(self) -> int:
        """The step (from 0) to begin with: the WebUI does int(denoise * steps) steps and one more."""
        if self.denoise >= 1:
            return 0
        return max(0, self.steps - 1 - int(self.denoise * self.steps))


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What is encoded: without lora tags, embeddings marked."""

    positive: str
    negative: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enlarging:
    """How a picture is brought to `width` x `height`: by a model, in the latent space, or by plain resampling."""

    width: int
    height: int
    upscale_model: str | None = None
    latent_method: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hires:
    """A second pass at a larger size."""

    enlarging: Enlarging
    sampling: Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Refiner:
    """Another model that takes over at step `switch_at`, counted from 0."""

    model: ModelParts
    switch_at: int


class _Builder:
    """Collects nodes under rising ids."""

    def __init__(self) -> None:
        self.graph: Graph = {}

    def add(self, class_type: str, title: str = "", **inputs: Any) -> str:
        """The id of a new node."""
        node_id = str(len(self.graph) + 1)
        self.graph[node_id] = Node(class_type=class_type, inputs=inputs, title=title or class_type)
        return node_id

    def out(self, class_type: str, **inputs: Any) -> Link:
        """A link to the first output of a new node."""
        return [self.add(class_type, **inputs), 0]


def text_to_image(
    model: ModelParts,
    texts: Texts,
    sampling: Sampling,
    size: tuple[int, int],
    *,
    prefix: str,
    hires: Hires | None = None,
    refiner: Refiner | None = None,
) -> Graph:
    """A picture of `size` (width, height) from noise, saved under the file name `prefix`."""
    build = _Builder()
    loaded = _load(build, model)
    guide = _guide(build, loaded, texts)
    latent = build.out("EmptyLatentImage", width=size[0], height=size[1], batch_size=1)
    if refiner is None:
        latent = _sample(build, sampling, guide, latent)
    else:
        latent = _sample(build, sampling, guide, latent, last=refiner.switch_at)
        other = _guide(build, _load(build, refiner.model), texts)
        latent = _sample(build, sampling, other, latent, first=refiner.switch_at)
    if hires is not None:
        latent = _enlarge_latent(build, latent, loaded, hires.enlarging)
        latent = _sample(build, hires.sampling, guide, latent)
    _save(build, latent, loaded, prefix)
    return build.graph


def image_to_image(
    model: ModelParts,
    texts: Texts,
    sampling: Sampling,
    image: str,
    *,
    prefix: str,
    enlarging: Enlarging | None = None,
) -> Graph:
    """The uploaded `image` painted over, made larger first where `enlarging` says so."""
    build = _Builder()
    loaded = _load(build, model)
    pixels = build.out("LoadImage", image=image)
    if enlarging is not None and enlarging.latent_method is None:
        pixels = _enlarge(build, pixels, enlarging)
    latent = build.out("VAEEncode", pixels=pixels, vae=loaded.vae)
    if enlarging is not None and enlarging.latent_method is not None:
        latent = _enlarge_latent(build, latent, loaded, enlarging)
    latent = _sample(build, sampling, _guide(build, loaded, texts), latent)
    _save(build, latent, loaded, prefix)
    return build.graph


def upscale(image: str, enlarging: Enlarging, *, prefix: str) -> Graph:
    """The uploaded `image` made larger and saved, nothing painted."""
    build = _Builder()
    pixels = _enlarge(build, build.out("LoadImage", image=image), enlarging)
    build.add("SaveImage", images=pixels, filename_prefix=prefix)
    return build.graph


def graph_to_json(graph: Mapping[str, Node]) -> dict[str, Any]:
    """The graph as `POST /prompt` takes it."""
    return {
        node_id: {
            "class_type": node.class_type,
            "inputs": dict(node.inputs),
            "_meta": {"title": node.title or node.class_type},
        }
        for node_id, node in graph.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    model: Link
    clip: Link
    vae: Link


def _load(build: _Builder, parts: ModelParts) -> _Loaded:
    model: Link
    clip: Link
    vae: Link
    if parts.checkpoint is not None:
        loader = build.add("CheckpointLoaderSimple", ckpt_name=parts.checkpoint)
        model, clip, vae = [loader, 0], [loader, 1], [loader, 2]
    else:
        model = build.out("UNETLoader", unet_name=parts.diffusion_model, weight_dtype="default")
        clip = _load_clips(build, parts.clips, parts.clip_type)
        vae = []
    if parts.vae is not None:
        vae = build.out("VAELoader", vae_name=parts.vae)
    for lora in parts.loras:
        loader = build.add(
            "LoraLoader",
            model=model,
            clip=clip,
            lora_name=lora.file,
            strength_model=lora.strength,
            strength_clip=lora.text_strength,
        )
        model, clip = [loader, 0], [loader, 1]
    if parts.clip_skip > 1:
        clip = build.out("CLIPSetLastLayer", clip=clip, stop_at_clip_layer=-parts.clip_skip)
    return _Loaded(model=model, clip=clip, vae=vae)


def _load_clips(build: _Builder, clips: Sequence[str], clip_type: str) -> Link:
    if len(clips) == 2:
        return build.out("DualCLIPLoader", clip_name1=clips[0], clip_name2=clips[1], type=clip_type)
    return build.out("CLIPLoader", clip_name=clips[0], type=clip_type)


def _enlarge(build: _Builder, pixels: Link, enlarging: Enlarging) -> Link:
    if enlarging.upscale_model is not None:
        loader = build.out("UpscaleModelLoader", model_name=enlarging.upscale_model)
        pixels = build.out("ImageUpscaleWithModel", upscale_model=loader, image=pixels)
    return build.out(
        "ImageScale",
        image=pixels,
        upscale_method="lanczos",
        width=enlarging.width,
        height=enlarging.height,
        crop="disabled",
    )


def _enlarge_latent(build: _Builder, latent: Link, loaded: _Loaded, enlarging: Enlarging) -> Link:
    if enlarging.latent_method is None:
        pixels = _enlarge(build, build.out("VAEDecode", samples=latent, vae=loaded.vae), enlarging)
        return build.out("VAEEncode", pixels=pixels, vae=loaded.vae)
    return build.out(
        "LatentUpscale",
        samples=latent,
        upscale_method=enlarging.latent_method,
        width=enlarging.width,
        height=enlarging.height,
        crop="disabled",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guide:
    model: Link
    positive: Link
    negative: Link


def _guide(build: _Builder, loaded: _Loaded, texts: Texts) -> _Guide:
    return _Guide(
        model=loaded.model,
        positive=build.out("CLIPTextEncode", title="Prompt", text=texts.positive, clip=loaded.clip),
        negative=build.out("CLIPTextEncode", title="Negative prompt", text=texts.negative, clip=loaded.clip),
    )


def _sample(
    build: _Builder,
    sampling: Sampling,
    guide: _Guide,
    latent: Link,
    *,
    first: int | None = None,
    last: int | None = None,
) -> Link:
    """A pass from step `first` up to `last`: a `first` goes on from what an earlier pass left, with its noise."""
    common: dict[str, Any] = {
        "model": guide.model,
        "positive": guide.positive,
        "negative": guide.negative,
        "latent_image": latent,
        "steps": sampling.steps,
        "cfg": sampling.cfg,
        "sampler_name": sampling.sampler,
        "scheduler": sampling.scheduler,
    }
    if sampling.denoise >= 1 and first is None and last is None:
        return build.out("KSampler", seed=sampling.seed, denoise=1.0, **common)
    # KSampler's own denoise squeezes all the steps into the last part of the schedule; starting the full schedule
    # part of the way is what the WebUI and diffusers do, so the same settings mean the same everywhere.
    return build.out(
        "KSamplerAdvanced",
        add_noise="enable" if first is None else "disable",
        noise_seed=sampling.seed,
        start_at_step=sampling.first_step if first is None else first,
        end_at_step=sampling.steps if last is None else last,
        return_with_leftover_noise="disable" if last is None else "enable",
        **common,
    )


def _save(build: _Builder, latent: Link, loaded: _Loaded, prefix: str) -> None:
    pixels = build.out("VAEDecode", samples=latent, vae=loaded.vae)
    build.add("SaveImage", images=pixels, filename_prefix=prefix)
