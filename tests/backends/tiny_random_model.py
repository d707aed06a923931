"""Builds Stable Diffusion folders with random weights: small enough to draw in milliseconds."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

WIDTH = 32
POSITIONS = 40
LAYERS = 3
EMBEDDED_UNET = {"addition_embed_type": "text", "addition_embed_type_num_heads": 4}


def build(folder: Path, *, unet: dict[str, Any] | None = None, vae: AutoencoderKL | None = None, seed: int = 0) -> Path:
    """A folder of the layout of the embedded model: 64x64 pixels, AutoencoderTiny of factor 4, v-prediction."""
    torch.manual_seed(seed)
    made = StableDiffusionPipeline(
        vae=vae or _tiny_vae(),
        text_encoder=CLIPTextModel(_text_config()).eval(),
        tokenizer=_tokenizer(),
        unet=_unet(**(EMBEDDED_UNET if unet is None else unet)),
        scheduler=_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    made.save_pretrained(folder)
    return folder


def build_xl(folder: Path, *, seed: int = 0) -> Path:
    """A folder of Stable Diffusion XL: two text encoders and an AutoencoderKL of factor 2."""
    torch.manual_seed(seed)
    made = StableDiffusionXLPipeline(
        vae=kl_vae(),
        text_encoder=CLIPTextModel(_text_config()).eval(),
        text_encoder_2=CLIPTextModelWithProjection(_text_config()).eval(),
        tokenizer=_tokenizer(),
        tokenizer_2=_tokenizer(),
        unet=_unet(
            cross_attention_dim=2 * WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + WIDTH,
        ),
        scheduler=_scheduler(prediction_type="epsilon"),
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )
    made.save_pretrained(folder)
    return folder


def kl_vae() -> AutoencoderKL:
    """An AutoencoderKL of factor 2, whose encoder draws random numbers."""
    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=32,
    )


def _tiny_vae() -> AutoencoderTiny:
    return AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8),
        decoder_block_out_channels=(8, 8, 8),
        num_encoder_blocks=(1, 1, 1),
        num_decoder_blocks=(1, 1, 1),
        latent_channels=4,
    )


def _unet(**options: Any) -> UNet2DConditionModel:
    told: dict[str, Any] = {
        "sample_size": 16,
        "layers_per_block": 1,
        "block_out_channels": (16, 16),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 4,
        "norm_num_groups": 4,
    }
    return UNet2DConditionModel(**(told | options))


def _scheduler(**options: Any) -> EulerDiscreteScheduler:
    told: dict[str, Any] = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": "v_prediction",
        "timestep_spacing": "trailing",
        "steps_offset": 1,
    }
    return EulerDiscreteScheduler(**(told | options))


def _text_config() -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(_words()),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        max_position_embeddings=POSITIONS,
        bos_token_id=len(_words()) - 2,
        eos_token_id=len(_words()) - 1,
        pad_token_id=len(_words()) - 1,
    )


def _words() -> list[str]:
    letters = list(string.ascii_lowercase + string.digits + ",.")
    return [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]


def _tokenizer() -> CLIPTokenizer:
    """Every letter is a word of its own."""
    vocabulary = {word: number for number, word in enumerate(_words())}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=POSITIONS)
