"""Pictures as other tools write them, small."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

A1111 = (
    "a cat, (masterpiece:1.2)\nNegative prompt: blurry\n"
    "Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 1234567890, Size: 512x768, "
    "Model hash: 67ab2fd8ec, Model: ponyXL, VAE: sdxl.vae.safetensors, Denoising strength: 0.4, Clip skip: 2, "
    "Hires upscale: 1.5, Hires upscaler: 4x-UltraSharp, VAE hash: 0123456789, "
    'Lora hashes: "detail: 7c6bad76eb54", Version: v1.10.1'
)


def write_png(path: Path, texts: dict[str, str], size: tuple[int, int] = (16, 24), shade: int = 0) -> Path:
    """A PNG with text chunks."""
    info = PngInfo()
    for keyword, text in texts.items():
        info.add_text(keyword, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade % 256, shade // 256 % 256, 7)).save(path, pnginfo=info)
    return path


def exif_bytes(*, comment: str | None = None, tags: dict[int, Any] | None = None) -> bytes:
    """Exif data with a comment as piexif writes it, and other tags of the first directory."""
    exif = Image.Exif()
    for tag, value in (tags or {}).items():
        exif[tag] = value
    if comment is not None:
        exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + comment.encode("utf-16-be")
    return exif.tobytes()


def write_other(path: Path, exif: bytes) -> Path:
    """A JPEG, WebP or AVIF with Exif data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 24), (1, 2, 3)).save(path, exif=exif)
    return path


def raw_png(*chunks: tuple[bytes, bytes], end: bool = True) -> bytes:
    """A PNG file put together by hand behind its header."""
    parts = [b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))]
    parts += [_chunk(kind, body) for kind, body in chunks]
    if end:
        parts.append(_chunk(b"IEND", b""))
    return b"".join(parts)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def small_jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    return buffer.getvalue()


def comfy_simple() -> dict[str, Any]:
    """ComfyUI's default graph with a LoRA."""
    return {
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "seed": 42,
                "steps": 25,
                "cfg": 7.5,
                "sampler_name": "dpmpp_2m",
                "scheduler": "karras",
                "denoise": 1,
                "model": ["10", 0],
                "positive": ["6", 0],
                "negative": ["7", 0],
                "latent_image": ["5", 0],
            },
            "is_changed": [float("nan")],
        },
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15\\dream.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["20", 0], "clip": ["10", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
        "10": {
            "class_type": "LoraLoader",
            "inputs": {"lora_name": "detail.safetensors", "strength_model": 0.6, "model": ["4", 0], "clip": ["4", 1]},
        },
        "20": {
            "class_type": "StringConcatenate",
            "inputs": {"string_a": "a cat", "string_b": "a hat", "delimiter": ", "},
        },
    }


def comfy_flux() -> dict[str, Any]:
    """The custom-sampling graph of ComfyUI's Flux example."""
    return {
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a fox", "clip": ["11", 0]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["13", 0], "vae": ["10", 0]}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}},
        "10": {"class_type": "VAELoader", "inputs": {"vae_name": "ae.safetensors"}},
        "11": {"class_type": "DualCLIPLoader", "inputs": {"clip_name1": "t5xxl.safetensors"}},
        "12": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux1-dev.safetensors"}},
        "13": {
            "class_type": "SamplerCustomAdvanced",
            "inputs": {
                "noise": ["25", 0],
                "guider": ["22", 0],
                "sampler": ["16", 0],
                "sigmas": ["17", 0],
                "latent_image": ["27", 0],
            },
        },
        "16": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
        "17": {
            "class_type": "BasicScheduler",
            "inputs": {"scheduler": "simple", "steps": 20, "denoise": 1, "model": ["12", 0]},
        },
        "22": {"class_type": "BasicGuider", "inputs": {"model": ["12", 0], "conditioning": ["26", 0]}},
        "25": {"class_type": "RandomNoise", "inputs": {"noise_seed": 219670278747233}},
        "26": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["6", 0]}},
        "27": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 1024, "height": 1024, "batch_size": 1}},
    }


def comfy_hires() -> dict[str, Any]:
    """Two samplers one after another, ControlNet between the prompts and the second."""
    graph = comfy_simple()
    graph["30"] = {"class_type": "LatentUpscale", "inputs": {"samples": ["3", 0], "width": 1024, "height": 1536}}
    graph["31"] = {
        "class_type": "ControlNetApplyAdvanced",
        "inputs": {"positive": ["6", 0], "negative": ["7", 0], "strength": 0.7, "image": ["40", 0]},
    }
    graph["32"] = {
        "class_type": "KSampler",
        "inputs": {
            "seed": 7,
            "steps": 12,
            "cfg": 5.0,
            "sampler_name": "euler_ancestral",
            "scheduler": "normal",
            "denoise": 0.5,
            "model": ["10", 0],
            "positive": ["31", 0],
            "negative": ["31", 1],
            "latent_image": ["30", 0],
        },
    }
    graph["40"] = {"class_type": "LoadImage", "inputs": {"image": "pose.png"}}
    graph["8"]["inputs"]["samples"] = ["32", 0]
    return graph


SWARM = {
    "sui_image_params": {
        "prompt": "a swan",
        "negativeprompt": "ugly",
        "model": "OfficialStableDiffusion/sd_xl_base_1.0",
        "seed": 99,
        "steps": 22,
        "cfgscale": 6.0,
        "sampler": "dpmpp_2m_sde",
        "scheduler": "karras",
        "width": 1024,
        "height": 768,
        "aspectratio": "4:3",
        "refinerupscale": 1.5,
        "swarm_version": "0.9.6.2",
    },
    "sui_extra_data": {"date": "2025-03-01"},
}
INVOKE = {
    "app_version": "5.6.0",
    "generation_mode": "sdxl_txt2img",
    "positive_prompt": "a swing",
    "negative_prompt": "dark",
    "seed": 77,
    "cfg_scale": 5.5,
    "steps": 31,
    "scheduler": "dpmpp_2m_k",
    "width": 832,
    "height": 1216,
    "clip_skip": 0,
    "model": {"key": "1", "hash": "blake3:ab", "name": "Juggernaut XL", "base": "sdxl", "type": "main"},
    "loras": [{"model": {"name": "x"}, "weight": 0.75}],
}
INVOKE_2 = {
    "model": "stable diffusion",
    "model_weights": "stable-diffusion-1.5",
    "model_hash": "cc61",
    "app_version": "v2.2.5",
    "image": {
        "prompt": [{"prompt": "a barn [fog, rain]", "weight": 1.0}],
        "steps": 50,
        "cfg_scale": 7.5,
        "seed": 4,
        "sampler": "k_euler_a",
        "width": 512,
        "height": 512,
    },
}
FOOOCUS = {
    "prompt": "a lamp",
    "negative_prompt": "",
    "styles": "['Fooocus V2']",
    "performance": "Speed",
    "steps": 30,
    "resolution": "(1152, 896)",
    "guidance_scale": 4.0,
    "sharpness": 2.0,
    "base_model": "juggernautXL_v8Rundiffusion",
    "base_model_hash": "aeb7e9e689",
    "sampler": "dpmpp_2m_sde_gpu",
    "scheduler": "karras",
    "seed": "1234",
    "version": "Fooocus v2.5.5",
    "metadata_scheme": "fooocus",
}
NOVEL = {
    "prompt": "old words",
    "steps": 28,
    "height": 1216,
    "width": 832,
    "scale": 5.0,
    "seed": 555,
    "sampler": "k_euler_ancestral",
    "noise_schedule": "karras",
    "uc": "lowres",
    "v4_prompt": {"caption": {"base_caption": "a girl", "char_captions": [{"char_caption": "red hair"}]}},
    "request_type": "PromptGenerateRequest",
}


def tool_texts() -> dict[str, dict[str, str]]:
    """The PNG text chunks of one picture of each tool."""
    return {
        "a1111": {"parameters": A1111},
        "forge": {"parameters": A1111.replace("v1.10.1", "f2.0.1v1.10.1-previous-664-gd557aef9")},
        "sdnext": {"parameters": A1111.replace("Version: v1.10.1", "App: SD.Next, Version: ab12cd3")},
        "comfyui": {"prompt": json.dumps(comfy_simple()), "workflow": "{}"},
        "swarmui": {"parameters": json.dumps(SWARM, indent=2)},
        "invokeai": {"invokeai_metadata": json.dumps(INVOKE), "invokeai_graph": "{}"},
        "fooocus": {"parameters": json.dumps(FOOOCUS), "fooocus_scheme": "fooocus"},
        "novelai": {
            "Title": "AI generated image",
            "Description": "a girl",
            "Software": "NovelAI",
            "Source": "NovelAI Diffusion V4 4F49EC75",
            "Comment": json.dumps(NOVEL),
        },
    }
