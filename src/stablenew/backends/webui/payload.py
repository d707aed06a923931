"""A settled request as the JSON a server of the WebUI family takes.

Everything that decides the picture is sent every time: what is left out is the server's default (50 steps, another
sampler), and what an earlier request overrode may still be in force (A1111 v1.10.1, Forge f2.0.1).
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

from stablenew.backends.base import Img2ImgRequest, Picture, StageRequest, Txt2ImgRequest, UpscaleRequest
from stablenew.backends.picture import read_pixels
from stablenew.backends.webui.choice import Choice, clip_skip_of, nearest_size, sampling_of
from stablenew.backends.webui.flavour import ServerFacts
from stablenew.backends.webui.names import AUTOMATIC, bare_embeddings, without_loras
from stablenew.backends.webui.scripts import adetailer_arguments

PINNED_OPTIONS = ("sd_vae", "forge_additional_modules", "CLIP_stop_at_last_layers", "eta_noise_seed_delta")
"""Options we override in every request, where the server has them; the server's own value where nothing is asked."""

Payload = dict[str, Any]


def route(request: StageRequest) -> str:
    """The path that makes this request's picture."""
    if isinstance(request, Txt2ImgRequest):
        return "/sdapi/v1/txt2img"
    if isinstance(request, UpscaleRequest) and request.settings.method == "upscaler":
        return "/sdapi/v1/extra-single-image"
    return "/sdapi/v1/img2img"


def build(request: StageRequest, choice: Choice, facts: ServerFacts, *, task_id: str, batch: int) -> Payload:
    """The body to send for `request`, `batch` pictures of consecutive seeds. Blocks to encode a start picture.

    Raises GenerationFailed when the start picture cannot be read.
    """
    if isinstance(request, UpscaleRequest) and request.settings.method == "upscaler":
        return _extras(request, choice)
    payload = _common(request, choice, facts, task_id, batch)
    if isinstance(request, Txt2ImgRequest):
        payload |= _txt2img(request, choice, facts)
    else:
        payload |= _img2img(request, facts)
    return _for_sd_cpp(payload, choice) if facts.flavour == "sd.cpp" else payload


def override_settings(request: StageRequest, choice: Choice, facts: ServerFacts) -> dict[str, Any]:
    """The options this request needs: what it asks for, and the server's own value of the rest we depend on."""
    options = {name: facts.options[name] for name in PINNED_OPTIONS if name in facts.options}
    if "CLIP_stop_at_last_layers" in options:
        options["CLIP_stop_at_last_layers"] = clip_skip_of(request)
    if choice.vae and facts.flavour == "Forge":
        # Forge ignores sd_vae; its VAEs are modules, by path.
        options["forge_additional_modules"] = [choice.vae.path or choice.vae.name]
    elif choice.vae:
        options["sd_vae"] = choice.vae.name
    if choice.model:
        options["sd_model_checkpoint"] = choice.model.name
    return options


def sent_prompt(prompt: str) -> str:
    """The prompt as a WebUI takes it: `embedding:name` in its bare form."""
    return bare_embeddings(prompt)


def _common(request: StageRequest, choice: Choice, facts: ServerFacts, task_id: str, batch: int) -> Payload:
    settings = sampling_of(request)
    scripts: dict[str, Any] = dict(choice.scripts)
    if choice.adetailer is not None:
        scripts["ADetailer"] = adetailer_arguments(choice.adetailer)
    payload: Payload = {
        "prompt": sent_prompt(request.prompt),
        "negative_prompt": sent_prompt(request.negative_prompt),
        "seed": request.seed,
        "subseed": -1,
        "subseed_strength": 0,
        "sampler_name": choice.sampler.name,
        "scheduler": choice.scheduler,
        "steps": settings.steps,
        "cfg_scale": settings.cfg_scale,
        "batch_size": batch,
        "n_iter": 1,
        "styles": [],
        "tiling": False,
        "restore_faces": False if isinstance(request, UpscaleRequest) else request.settings.restore_faces,
        "override_settings": override_settings(request, choice, facts),
        "override_settings_restore_afterwards": True,
        "alwayson_scripts": scripts,
        "send_images": True,
        "save_images": False,
        "do_not_save_grid": True,
        "do_not_save_samples": True,
        "force_task_id": task_id,
    }
    if facts.flavour == "SD.Next":
        payload["clip_skip"] = clip_skip_of(request)
    return payload


def _txt2img(request: Txt2ImgRequest, choice: Choice, facts: ServerFacts) -> Payload:
    settings = request.settings
    payload: Payload = {"enable_hr": settings.hires_scale is not None}
    payload |= {name: side for name, side in (("width", settings.width), ("height", settings.height)) if side}
    if choice.refiner:
        payload |= {"refiner_checkpoint": choice.refiner.name, "refiner_switch_at": settings.refiner_switch_at}
    if settings.hires_scale is None:
        return payload
    payload |= {
        "hr_scale": settings.hires_scale,
        "hr_upscaler": choice.hires_upscaler,
        "hr_second_pass_steps": settings.hires_steps,
        "hr_sampler_name": choice.hires_sampler,
        "hr_scheduler": choice.hires_scheduler,
        # A1111 fails after the first pass without it.
        "denoising_strength": settings.hires_denoise,
    }
    if facts.flavour == "Forge":
        # Forge f2.0.1: its default for the second pass is guidance 1, and without the modules it answers 500.
        cfg = settings.cfg_scale if settings.hires_cfg_scale is None else settings.hires_cfg_scale
        payload |= {"hr_cfg": cfg, "hr_additional_modules": ["Use same choices"]}
    return payload


def _img2img(request: Img2ImgRequest | UpscaleRequest, facts: ServerFacts) -> Payload:
    if isinstance(request, UpscaleRequest):
        width, height = request.width, request.height
    else:
        width, height = nearest_size(facts, read_pixels(request.image, "webui").size)
    return {
        "init_images": [encode_picture(request.image)],
        "denoising_strength": request.settings.denoise,
        "width": width,
        "height": height,
        # 1: cut what does not fit instead of stretching it.
        "resize_mode": 1,
        "include_init_images": False,
    }


def _extras(request: UpscaleRequest, choice: Choice) -> Payload:
    return {
        "image": encode_picture(request.image),
        "upscaler_1": choice.upscaler,
        "upscaler_2": "None",
        "extras_upscaler_2_visibility": 0,
        "resize_mode": 1,
        "upscaling_resize_w": request.width,
        "upscaling_resize_h": request.height,
        "upscaling_crop": True,
        "gfpgan_visibility": 0,
        "codeformer_visibility": 0,
        "codeformer_weight": 0,
        "upscale_first": False,
        "show_extras_results": True,
    }


def _for_sd_cpp(payload: Payload, choice: Choice) -> Payload:
    """stable-diffusion.cpp (master-827) ignores lora tags and answers 500 to null: loras apart, no null, no extras."""
    kept = {name: value for name, value in payload.items() if value is not None and name not in _UNKNOWN_TO_SD_CPP}
    kept["prompt"] = without_loras(str(kept["prompt"]))
    kept["negative_prompt"] = without_loras(str(kept["negative_prompt"]))
    if kept["scheduler"] == AUTOMATIC:
        del kept["scheduler"]
    if choice.loras:
        kept["lora"] = [{"path": lora.path or lora.name, "multiplier": lora.weight} for lora in choice.loras]
    options: Mapping[str, Any] = kept.pop("override_settings", {})
    kept["clip_skip"] = options.get("CLIP_stop_at_last_layers", 1)
    return kept


_UNKNOWN_TO_SD_CPP = (
    "alwayson_scripts",
    "force_task_id",
    "override_settings_restore_afterwards",
    "styles",
    "enable_hr",
)


def encode_picture(picture: Picture) -> str:
    """`picture` in base64: encoded bytes as they are, pixels as a PNG.

    Raises GenerationFailed when bytes are no picture, as servers answer to those with a bare 500.
    """
    if isinstance(picture, bytes):
        read_pixels(picture, "webui")
        return base64.b64encode(picture).decode("ascii")
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "PNG", compress_level=1)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
