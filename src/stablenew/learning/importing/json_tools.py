"""Pictures of tools that write one JSON object: SwarmUI, InvokeAI, Fooocus, NovelAI."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from stablenew.config import StageName
from stablenew.learning.importing.a1111 import sampler_and_schedule
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


def read_swarmui(texts: Mapping[str, str]) -> Found | None:
    """SwarmUI: `sui_image_params` in the `parameters` chunk (JPEG: the Exif comment)."""
    data = read_object(texts.get("parameters") or texts.get("UserComment"))
    said = data.get("sui_image_params") if data else None
    if not isinstance(said, dict):
        return None
    creativity = as_number(said.get("initimagecreativity"))
    stop_at = as_whole(said.get("clipstopatlayer"))
    settings = EffectiveSettings(
        model=file_stem(said.get("model")),
        vae=file_stem(said.get("vae")),
        sampler=our_sampler(said.get("sampler")),
        scheduler=our_scheduler(said.get("scheduler")),
        cfg_scale=as_number(said.get("cfgscale")),
        steps=as_whole(said.get("steps")),
        width=as_whole(said.get("width")),
        height=as_whole(said.get("height")),
        clip_skip=abs(stop_at) if stop_at else None,
        denoise=creativity,
        extra=plain_extra(said, _SWARM_TAKEN),
    )
    stage: StageName = "txt2img" if creativity is None else "img2img"
    return Found(
        tool="swarmui",
        version=as_text(said.get("swarm_version")) or "",
        prompt=as_text(said.get("prompt")) or "",
        negative_prompt=as_text(said.get("negativeprompt")) or "",
        seed=as_seed(said.get("seed")),
        stages=(FoundStage(stage=stage, settings=settings),),
    )


_SWARM_TAKEN = frozenset(
    ("model", "vae", "sampler", "scheduler", "cfgscale", "steps", "width", "height", "clipstopatlayer", "seed",
     "initimagecreativity", "swarm_version", "prompt", "negativeprompt", "initimage", "aspectratio")
)  # fmt: skip


def read_invokeai(texts: Mapping[str, str]) -> Found | None:
    """InvokeAI: `invokeai_metadata` (since 3), `sd-metadata` (2), or the `Dream` command line (1)."""
    if (said := read_object(texts.get("invokeai_metadata"))) is not None:
        return _invoke_new(said)
    if (said := read_object(texts.get("sd-metadata"))) is not None and isinstance(said.get("image"), dict):
        return _invoke_old(said, said["image"])
    return _invoke_dream(texts["Dream"]) if len(texts.get("Dream", "x" * 99_999)) < 20_000 else None


def _invoke_new(said: dict[str, Any]) -> Found | None:
    if not any(key in said for key in ("positive_prompt", "seed", "model")):
        return None
    model, vae = _object(said.get("model")), _object(said.get("vae"))
    strength = as_number(said.get("strength"))
    repaints = strength is not None and "img2img" in str(said.get("generation_mode", ""))
    sampler, scheduler = _invoke_scheduler(said.get("scheduler"))
    settings = EffectiveSettings(
        model=as_text(model.get("name") or model.get("model_name")),
        model_hash=as_text(model.get("hash")),
        vae=as_text(vae.get("name") or vae.get("model_name")),
        sampler=sampler,
        scheduler=scheduler,
        cfg_scale=as_number(said.get("cfg_scale")),
        steps=as_whole(said.get("steps")),
        width=as_whole(said.get("width")),
        height=as_whole(said.get("height")),
        clip_skip=as_whole(said.get("clip_skip")) or None,
        denoise=strength if repaints else None,
        extra=plain_extra({"loras": said.get("loras"), "cfg_rescale": said.get("cfg_rescale_multiplier")}),
    )
    return Found(
        tool="invokeai",
        version=as_text(said.get("app_version")) or "",
        prompt=as_text(said.get("positive_prompt")) or "",
        negative_prompt=as_text(said.get("negative_prompt")) or "",
        seed=as_seed(said.get("seed")),
        stages=(FoundStage(stage="img2img" if repaints else "txt2img", settings=settings),),
    )


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _invoke_scheduler(name: object) -> tuple[str | None, str | None]:
    """InvokeAI joins both: dpmpp_2m_k is DPM++ 2M with Karras, euler_a is Euler a."""
    text = as_text(name)
    if text is None:
        return None, None
    plain = text.removeprefix("k_").removesuffix("_k")
    names = {"euler_a": "euler_ancestral", "kdpm_2": "dpm_2", "kdpm_2_a": "dpm_2_ancestral", "unipc": "uni_pc"}
    names |= {"dpmpp_2s": "dpmpp_2s_ancestral"}
    return our_sampler(names.get(plain, plain)), "Karras" if text.endswith("_k") else None


def _invoke_old(said: dict[str, Any], image: dict[str, Any]) -> Found:
    words = image.get("prompt")
    if isinstance(words, list):
        words = " ".join(str(each.get("prompt", "")) for each in words if isinstance(each, dict))
    prompt, negative = _bracketed(as_text(words) or "")
    settings = EffectiveSettings(
        model=as_text(said.get("model_weights") or said.get("model")),
        model_hash=as_text(said.get("model_hash")),
        sampler=_invoke_scheduler(image.get("sampler"))[0],
        cfg_scale=as_number(image.get("cfg_scale")),
        steps=as_whole(image.get("steps")),
        width=as_whole(image.get("width")),
        height=as_whole(image.get("height")),
    )
    return Found(
        tool="invokeai",
        version=as_text(said.get("app_version")) or "",
        prompt=prompt,
        negative_prompt=negative,
        seed=as_seed(image.get("seed")),
        stages=(FoundStage(stage="txt2img", settings=settings),),
    )


def _invoke_dream(line: str) -> Found | None:
    try:
        words = shlex.split(line)
    except ValueError:
        return None
    options = {each[:2]: each[2:] or following for each, following in zip(words, [*words[1:], ""], strict=True)}
    if "-s" not in options:
        return None
    prompt, negative = _bracketed(words[0])
    settings = EffectiveSettings(
        sampler=_invoke_scheduler(options.get("-A"))[0],
        cfg_scale=as_number(options.get("-C")),
        steps=as_whole(options.get("-s")),
        width=as_whole(options.get("-W")),
        height=as_whole(options.get("-H")),
    )
    stages = (FoundStage(stage="txt2img", settings=settings),)
    return Found(
        tool="invokeai", prompt=prompt, negative_prompt=negative, seed=as_seed(options.get("-S")), stages=stages
    )


def _bracketed(text: str) -> tuple[str, str]:
    """InvokeAI before 3 wrote what is not wanted into [brackets]."""
    unwanted = re.findall(r"\[([^\[\]]*)\]", text)
    return " ".join(re.sub(r"\[[^\[\]]*\]", "", text).split()), ", ".join(unwanted)


def read_fooocus(texts: Mapping[str, str]) -> Found | None:
    """Fooocus: its own JSON scheme in `parameters` (JPEG, WebP: the Exif comment)."""
    data = read_object(texts.get("parameters") or texts.get("UserComment"))
    if data is None:
        return None
    said = {str(key).casefold().replace(" ", "_"): value for key, value in data.items()}
    if not ("base_model" in said or "performance" in said):
        return None
    sides = re.findall(r"\d{2,5}", str(said.get("resolution", "")))[:2]
    settings = EffectiveSettings(
        model=file_stem(said.get("base_model")),
        model_hash=as_text(said.get("base_model_hash")),
        vae=file_stem(said.get("vae")),
        sampler=our_sampler(said.get("sampler")),
        scheduler=our_scheduler(said.get("scheduler")),
        cfg_scale=as_number(said.get("guidance_scale")),
        steps=as_whole(said.get("steps")),
        width=int(sides[0]) if len(sides) == 2 else None,
        height=int(sides[1]) if len(sides) == 2 else None,
        clip_skip=as_whole(said.get("clip_skip")),
        extra=plain_extra(said, _FOOOCUS_TAKEN),
    )
    return Found(
        tool="fooocus",
        version=(as_text(said.get("version")) or "").removeprefix("Fooocus").strip(),
        prompt=as_text(said.get("prompt")) or "",
        negative_prompt=as_text(said.get("negative_prompt")) or "",
        seed=as_seed(said.get("seed")),
        stages=(FoundStage(stage="txt2img", settings=settings),),
    )


_FOOOCUS_TAKEN = frozenset(
    ("base_model", "base_model_hash", "vae", "sampler", "scheduler", "guidance_scale", "steps", "resolution", "seed",
     "clip_skip", "version", "prompt", "negative_prompt", "metadata_scheme", "created_by", "full_prompt",
     "full_negative_prompt")
)  # fmt: skip


def read_novelai(texts: Mapping[str, str]) -> Found | None:
    """NovelAI: settings as JSON in the `Comment` chunk, the model in `Source`."""
    said = read_object(texts.get("Comment"))
    if said is None or "NovelAI" not in texts.get("Software", ""):
        return None
    strength = as_number(said.get("strength")) if said.get("request_type") == "Img2ImgRequest" else None
    sampler, scheduler = sampler_and_schedule(as_text(said.get("sampler")), as_text(said.get("noise_schedule")))
    settings = EffectiveSettings(
        model=as_text(texts.get("Source")),
        sampler=our_sampler(sampler),
        scheduler=our_scheduler(scheduler),
        cfg_scale=as_number(said.get("scale")),
        steps=as_whole(said.get("steps")),
        width=as_whole(said.get("width")),
        height=as_whole(said.get("height")),
        denoise=strength,
        extra=plain_extra({name: said.get(name) for name in ("cfg_rescale", "sm", "sm_dyn", "uncond_scale")}),
    )
    return Found(
        tool="novelai",
        version=as_text(texts.get("Source")) or "",
        prompt=_novel_words(said, "v4_prompt") or as_text(said.get("prompt")) or texts.get("Description", ""),
        negative_prompt=_novel_words(said, "v4_negative_prompt") or as_text(said.get("uc")) or "",
        seed=as_seed(said.get("seed")),
        stages=(FoundStage(stage="txt2img" if strength is None else "img2img", settings=settings),),
    )


def _novel_words(said: dict[str, Any], key: str) -> str:
    """The base caption and those of the characters, one a line (since V4)."""
    block = said.get(key)
    caption = block.get("caption") if isinstance(block, dict) else None
    if not isinstance(caption, dict):
        return ""
    characters = caption.get("char_captions")
    others = (
        [each.get("char_caption") for each in characters if isinstance(each, dict)]
        if isinstance(characters, list)
        else []
    )
    return "\n".join(text for each in (caption.get("base_caption"), *others) if (text := as_text(each)))
