"""A card for other tools: a preset, A1111's styles and defaults, ComfyUI's nodes. Texts to merge by hand.

Each gives the text of a new file; nobody's own file is touched. What a form cannot hold is said beside it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from stablenew.atomic_file import write_atomically
from stablenew.errors import InputError, UnknownChoice
from stablenew.learning.card_store import current_card
from stablenew.learning.prompt_class import ANY
from stablenew.learning.taste_card import TasteCard
from stablenew.pipeline.card_presets import settings_in_use
from stablenew.pipeline.card_settings import config_changes, lora_of
from stablenew.pipeline.presets import Preset
from stablenew.variant import lora_tags
from stablenew.workspace import Workspace

CardForm = Literal["preset", "a1111-styles", "a1111-defaults", "comfyui"]
CARD_FORMS: tuple[CardForm, ...] = get_args(CardForm)

# Keys of ui-config.json since A1111 1.7, where the sampler is a script of its own; Forge and reForge have the same.
_UI_KEYS = {
    "txt2img.sampler": "customscript/sampler.py/txt2img/Sampling method/value",
    "txt2img.scheduler": "customscript/sampler.py/txt2img/Schedule type/value",
    "txt2img.steps": "customscript/sampler.py/txt2img/Sampling steps/value",
    "txt2img.cfg_scale": "txt2img/CFG Scale/value",
    "txt2img.width": "txt2img/Width/value",
    "txt2img.height": "txt2img/Height/value",
    "txt2img.hires_scale": "txt2img/Upscale by/value",
    "txt2img.hires_steps": "txt2img/Hires steps/value",
    "txt2img.hires_denoise": "txt2img/Denoising strength/value",
    "txt2img.hires_upscaler": "txt2img/Upscaler/value",
    "img2img.sampler": "customscript/sampler.py/img2img/Sampling method/value",
    "img2img.scheduler": "customscript/sampler.py/img2img/Schedule type/value",
    "img2img.steps": "customscript/sampler.py/img2img/Sampling steps/value",
    "img2img.cfg_scale": "img2img/CFG Scale/value",
    "img2img.denoise": "img2img/Denoising strength/value",
}
_OPTIONS = {"model": "sd_model_checkpoint", "vae": "sd_vae", "txt2img.clip_skip": "CLIP_stop_at_last_layers"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedCard:
    """The text of a file, what it should be called, and what of the card it cannot hold."""

    form: CardForm
    text: str
    file_name: str
    left_out: tuple[str, ...] = ()
    hint: str = ""


def export_card(workspace: Workspace, name: str, form: CardForm) -> ExportedCard:
    """The card in a form; a withdrawn one gives the old settings. Raises NotFound, InputError."""
    card = current_card(workspace, name)
    made: Mapping[CardForm, Callable[[Workspace, TasteCard], ExportedCard]] = {
        "preset": _preset,
        "a1111-styles": _styles,
        "a1111-defaults": _defaults,
        "comfyui": _comfyui,
    }
    return made[form](workspace, card)


def write_export(exported: ExportedCard, path: Path) -> None:
    """Store the text as a new file. Raises InputError when something is there: it is somebody's own."""
    if path.exists():
        raise InputError(f"{path} is there already and is not overwritten: name a new file, and merge by hand")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, exported.text.encode())
    except OSError as exc:
        raise InputError(f"{path} cannot be written: {exc.strerror or exc}") from exc


def _preset(workspace: Workspace, card: TasteCard) -> ExportedCard:
    settings, passed_over = settings_in_use(workspace, card)
    return ExportedCard(
        form="preset",
        text=_json(Preset(settings=settings, note=f"card {card.name}")),
        file_name=f"{card.name}.preset.json",
        left_out=passed_over,
        hint=f"stablenew preset import {card.name}.preset.json takes it into another workspace",
    )


def _styles(workspace: Workspace, card: TasteCard) -> ExportedCard:
    """A row of styles.csv (A1111 1.10: name, prompt, negative_prompt); styles hold words of a prompt, no settings."""
    lora = lora_of(card.in_use)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("name", "prompt", "negative_prompt"))
    writer.writerow((f"StableNew {card.name}", f"{{prompt}} {lora_tags(lora)}" if lora else "{prompt}", ""))
    return ExportedCard(
        form="a1111-styles",
        text=buffer.getvalue(),
        file_name=f"{card.name}.styles.csv",
        left_out=tuple(name for name in card.in_use if name != "lora"),
        hint="A1111's styles hold prompt text only: the settings go with --as a1111-defaults",
    )


def _defaults(workspace: Workspace, card: TasteCard) -> ExportedCard:
    """Keys for ui-config.json (what the page starts with) and config.json (options)."""
    changes, passed_over = config_changes(card.in_use)
    ui = {_UI_KEYS[path]: value for path, value in changes.items() if path in _UI_KEYS and value is not None}
    if changes.get("txt2img.hires_scale") is not None:
        ui["txt2img/Hires. fix/value"] = True
    options = {_OPTIONS[path]: value for path, value in changes.items() if path in _OPTIONS and value is not None}
    if "sd_model_checkpoint" not in options and card.model != ANY:
        options["sd_model_checkpoint"] = card.model
    left_out = [path for path in changes if path not in _UI_KEYS and path not in _OPTIONS]
    return ExportedCard(
        form="a1111-defaults",
        text=_json({"ui-config.json": ui, "config.json": options}),
        file_name=f"{card.name}.a1111.json",
        left_out=(*left_out, *passed_over, *(["lora"] if lora_of(card.in_use) else [])),
        hint="with the WebUI closed, copy the keys into the files of these names in its folder",
    )


def _comfyui(workspace: Workspace, card: TasteCard) -> ExportedCard:
    """Nodes in API format, with the inputs that the card decides; the links are the workflow's own."""
    changes, passed_over = config_changes(card.in_use)
    sampling, unknown = _comfy_sampling(changes)
    model = changes.get("model") or (card.model if card.model != ANY else None)
    clip_skip = changes.get("txt2img.clip_skip")
    nodes: dict[str, dict[str, Any]] = {
        "CheckpointLoaderSimple": {"ckpt_name": model} if model else {},
        "CLIPSetLastLayer": {"stop_at_clip_layer": -clip_skip} if clip_skip else {},
        "EmptyLatentImage": _named(changes, {"txt2img.width": "width", "txt2img.height": "height"}),
        "KSampler": sampling | _named(changes, {"txt2img.steps": "steps", "txt2img.cfg_scale": "cfg"}),
    }
    graph = {
        str(number): {"class_type": kind, "inputs": inputs, "_meta": {"title": f"card {card.name}"}}
        for number, (kind, inputs) in enumerate(nodes.items(), 1)
        if inputs
    }
    used = {"model", *(f"txt2img.{name}" for name in _COMFY_NAMES)}
    left_out = [path for path in changes if path not in used]
    return ExportedCard(
        form="comfyui",
        text=_json(graph),
        file_name=f"{card.name}.comfyui.json",
        left_out=(*unknown, *left_out, *passed_over, *(["lora"] if lora_of(card.in_use) else [])),
        hint="put these inputs into the nodes of your own workflow (API format); checkpoint names are file names there",
    )


def _comfy_sampling(changes: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Sampler and scheduler by ComfyUI's names, and the paths of those it has no name for that we know."""
    from stablenew.backends.comfyui.names import split_joined, their_sampler, their_scheduler

    found: dict[str, Any] = {}
    asked = changes.get("txt2img.scheduler")
    sampler, scheduler = split_joined(str(changes.get("txt2img.sampler", "Euler a")), str(asked or "Automatic"))
    try:
        theirs = their_sampler(sampler, (), "comfyui")
    except UnknownChoice:
        return {}, [path for path in ("txt2img.sampler", "txt2img.scheduler") if path in changes]
    if "txt2img.sampler" in changes:
        found["sampler_name"] = theirs
    if "txt2img.sampler" in changes or asked:
        try:
            found["scheduler"] = their_scheduler(scheduler, theirs, (), "comfyui")
        except UnknownChoice:
            return found, ["txt2img.scheduler"]
    return found, []


_COMFY_NAMES = ("sampler", "scheduler", "steps", "cfg_scale", "width", "height", "clip_skip")


def _named(changes: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {theirs: changes[path] for path, theirs in names.items() if changes.get(path) is not None}


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
