"""Writes a diffusers folder as one checkpoint file with the tensor names of the original Stable Diffusion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_UNET = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}
_VAE = {
    "conv_shortcut": "nin_shortcut",
    "conv_norm_out": "norm_out",
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0": "mid.attn_1",
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}


def write_checkpoint(folder: Path, file: Path) -> Path:
    """The model of two blocks with one layer each in `folder`, as one file."""
    pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in pipe.unet.state_dict().items():
        tensors["model.diffusion_model." + _unet_name(name)] = tensor
    for name, tensor in pipe.vae.state_dict().items():
        said = _vae_name(name)
        pointwise = ".attn_1." in said and ".norm." not in said and name.endswith("weight")
        tensors["first_stage_model." + said] = tensor[:, :, None, None] if pointwise else tensor
    for name, tensor in pipe.text_encoder.state_dict().items():
        tensors["cond_stage_model.transformer.text_model." + name.removeprefix("text_model.")] = tensor
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    return file


def _unet_name(name: str) -> str:
    blocks: dict[str, Any] = {
        "down_blocks.0.resnets.0": "input_blocks.1.0",
        "down_blocks.0.downsamplers.0.conv": "input_blocks.2.0.op",
        "down_blocks.1.resnets.0": "input_blocks.3.0",
        "down_blocks.1.attentions.0": "input_blocks.3.1",
        "up_blocks.0.resnets.0": "output_blocks.0.0",
        "up_blocks.0.attentions.0": "output_blocks.0.1",
        "up_blocks.0.resnets.1": "output_blocks.1.0",
        "up_blocks.0.attentions.1": "output_blocks.1.1",
        "up_blocks.0.upsamplers.0.conv": "output_blocks.1.2.conv",
        "up_blocks.1.resnets.0": "output_blocks.2.0",
        "up_blocks.1.resnets.1": "output_blocks.3.0",
    }
    in_resnet = ".resnets." in name
    for ours, theirs in (_UNET | blocks).items():
        if name.startswith(ours + "."):
            name = theirs + name.removeprefix(ours)
            break
    if in_resnet:
        for ours, theirs in _RESNET.items():
            name = name.replace(f".{ours}.", f".{theirs}.")
    return name


def _vae_name(name: str) -> str:
    for ours, theirs in _VAE.items():
        name = f".{name}".replace(f".{ours}.", f".{theirs}.").removeprefix(".")
    for block in (0, 1):
        name = name.replace(f"encoder.down_blocks.{block}.resnets.", f"encoder.down.{block}.block.")
        name = name.replace(f"encoder.down_blocks.{block}.downsamplers.0.", f"encoder.down.{block}.downsample.")
        name = name.replace(f"decoder.up_blocks.{block}.resnets.", f"decoder.up.{1 - block}.block.")
        name = name.replace(f"decoder.up_blocks.{block}.upsamplers.0.", f"decoder.up.{1 - block}.upsample.")
    return name
