"""Writes the trained parts as a folder that `StableDiffusionPipeline.from_pretrained` loads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import (
    AutoencoderTiny,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel, CLIPTokenizer

from training.denoiser import BETAS, TIMES


def scheduler() -> EulerDiscreteScheduler:
    """Gives the recommended sampler, made for this model's noise."""
    return EulerDiscreteScheduler(
        num_train_timesteps=TIMES,
        beta_start=BETAS[0],
        beta_end=BETAS[1],
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        steps_offset=1,
    )


def pipeline(
    autoencoder: AutoencoderTiny, text: CLIPTextModel, words: CLIPTokenizer, unet: UNet2DConditionModel
) -> StableDiffusionPipeline:
    """Gives the parts as one pipeline, on the CPU in float32."""
    parts = [part.to("cpu", torch.float32).to(memory_format=torch.contiguous_format) for part in (autoencoder, unet)]
    made = StableDiffusionPipeline(
        vae=parts[0],
        text_encoder=text.to("cpu", torch.float32),
        tokenizer=words,
        unet=parts[1],
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    made.set_progress_bar_config(disable=True)
    return made


def write(made: StableDiffusionPipeline, folder: Path) -> int:
    """Writes the pipeline in float16; gives its size in bytes. The pipeline itself stays float32."""
    beside = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    made.to(torch.float16).save_pretrained(beside, safe_serialization=True)
    made.to(torch.float32)
    # transformers keeps the type on disk, and float16 arithmetic on a CPU is ten times slower.
    config = beside / "text_encoder" / "config.json"
    settings = json.loads(config.read_text("utf-8")) | {"dtype": "float32"}
    config.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", "utf-8")
    _forget_paths(beside)
    folder.mkdir(parents=True, exist_ok=True)
    for entry in beside.iterdir():  # a card beside the weights stays
        target = folder / entry.name
        if target.is_dir():
            shutil.rmtree(target)
        entry.replace(target)
    beside.rmdir()
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _forget_paths(folder: Path) -> None:
    """Takes out where the parts were loaded from, and a value that AutoencoderTiny writes and then warns of."""
    for file in folder.rglob("config.json"):
        value = json.loads(file.read_text("utf-8"))
        value.pop("_name_or_path", None)
        if value.get("_class_name") == "AutoencoderTiny":
            value.pop("block_out_channels", None)
        file.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
