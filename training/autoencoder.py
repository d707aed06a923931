"""The autoencoder: 64 x 64 pictures to 16 x 16 x 4 latents and back.

Flat colours stall when such a small network starts from nothing, so three latents are first held to a shrunken copy of
the picture; that pull fades, and the fourth latent and the fine differences carry the edges.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.dataset import Drawn
from training.optim import Average, Optimizer
from training.progress import Clock, load, rate, save, say
from training.settings import Settings

BATCH = 16  # small: many steps matter more here than a steady gradient
LATENT_NOISE = 0.05  # of a latent's spread: a sampler's latents are never exact


def build() -> AutoencoderTiny:
    """Gives the untrained autoencoder."""
    return AutoencoderTiny(
        encoder_block_out_channels=(32, 32, 32),
        decoder_block_out_channels=(32, 32, 32),
        num_encoder_blocks=(1, 1, 1),
        num_decoder_blocks=(3, 2, 1),
    )


def as_floats(pixels: NDArray[np.uint8], device: str) -> Tensor:
    """Gives uint8 [B, 64, 64, 3] as float32 [B, 3, 64, 64] in [-1, 1], channels last."""
    floats = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    return floats.contiguous(memory_format=torch.channels_last)


def loss_of(made: Tensor, wanted: Tensor) -> Tensor:
    """L1, plus the L1 of the differences of neighbours (edges)."""
    wrong = made - wanted
    edges = (wrong[:, :, 1:] - wrong[:, :, :-1]).abs().mean() + (wrong[:, :, :, 1:] - wrong[:, :, :, :-1]).abs().mean()
    return wrong.abs().mean() + 0.5 * wrong.square().mean() + edges


def train(settings: Settings, drawn: Drawn) -> AutoencoderTiny:
    """Trains both halves together; gives the averaged autoencoder. Goes on from `out/autoencoder.pt`."""
    return _phase(settings, drawn, build(), "autoencoder", settings.autoencoder_s, decoder_only=False)


def refine(settings: Settings, drawn: Drawn, model: AutoencoderTiny) -> AutoencoderTiny:
    """Trains the decoder on, the encoder as it is. Goes on from `out/decoder.pt`."""
    return _phase(settings, drawn, model, "decoder", settings.decoder_s, decoder_only=True)


def _phase(
    settings: Settings, drawn: Drawn, model: AutoencoderTiny, name: str, seconds: float, *, decoder_only: bool
) -> AutoencoderTiny:
    path = settings.out / f"{name}.pt"
    model = model.to(settings.device, memory_format=torch.channels_last).train()
    modules: list[tuple[nn.Module, float]] = [(model.decoder, 1.0)]
    if not decoder_only:
        modules.append((model.encoder, 1.0))
    optimizer = Optimizer(modules, muon=2e-3, adamw=1e-3)
    average = Average({"model": model})
    clock = Clock(name=name, limit_s=seconds, limit_steps=settings.steps)
    _restore(path, model, optimizer, average, clock)
    rng = np.random.default_rng((settings.seed, clock.steps))
    torch.manual_seed(settings.seed + clock.steps)
    kept_s = clock.spent_s
    clock.skip()
    while clock.share() < 1:
        optimizer.set_rate(rate(clock.share(), fall_from=0.5))
        batch = as_floats(drawn.pixels[rng.integers(0, len(drawn.pixels), BATCH)], settings.device)
        clock.tick(**_step(settings, model, batch, optimizer, clock.share(), decoder_only=decoder_only))
        average.update()
        if clock.spent_s - kept_s >= settings.keep_every_s or clock.share() >= 1:
            kept_s = clock.spent_s
            _keep(path, model, optimizer, average, clock)
            clock.skip()
    model.load_state_dict(average.weights["model"])
    found = psnr(model, drawn.pixels[:256])
    say(f"{name}: {clock.steps * BATCH:,} pictures in {clock.spent_s:.0f} s, PSNR {found:.2f} dB")
    return model.eval()


def _step(
    settings: Settings, model: AutoencoderTiny, batch: Tensor, optimizer: Optimizer, share: float, *, decoder_only: bool
) -> dict[str, float]:
    with torch.autocast(settings.device, settings.dtype, enabled=settings.bf16), torch.set_grad_enabled(True):
        with torch.set_grad_enabled(not decoder_only):
            latents = model.encoder(batch)
        noisy = latents + LATENT_NOISE * torch.randn_like(latents)
        loss = loss_of(model.decoder(noisy), batch)
        pull = torch.zeros((), device=batch.device)
        if not decoder_only:
            thumbnail = functional.avg_pool2d(batch, 4) * 1.5
            strength = 1.0 if share < 0.1 else 0.1
            pull = (latents[:, :3] - thumbnail).square().mean()
            total = loss + strength * pull + 0.01 * latents[:, 3:].square().mean()
        else:
            total = loss
    total.backward()
    optimizer.step()
    return {"loss": float(loss.detach()), "pull": float(pull.detach())}


def _keep(path: Path, model: nn.Module, optimizer: Optimizer, average: Average, clock: Clock) -> None:
    value = {"model": model.state_dict(), "average": average.weights, "optimizer": optimizer.state()}
    save(path, value | {"averaged": average.steps, "steps": clock.steps, "spent_s": clock.spent_s})


def _restore(path: Path, model: nn.Module, optimizer: Optimizer, average: Average, clock: Clock) -> None:
    saved = load(path)
    if saved is None:
        return
    model.load_state_dict(saved["model"])
    optimizer.load(saved["optimizer"])
    for key, value in saved["average"]["model"].items():
        average.weights["model"][key].copy_(value)
    average.steps, clock.steps, clock.spent_s = saved["averaged"], saved["steps"], saved["spent_s"]


@torch.no_grad()
def psnr(model: AutoencoderTiny, pixels: NDArray[np.uint8]) -> float:
    """Gives the peak signal-to-noise ratio of a round trip, in dB, from the mean square error over all pictures."""
    device = next(model.parameters()).device.type
    wrong = []
    for start in range(0, len(pixels), 32):
        batch = as_floats(pixels[start : start + 32], device)
        made = model.decoder(model.encoder(batch)).clamp(-1, 1)
        wrong.append(((made - batch) / 2).square().mean())
    return float(-10 * torch.stack(wrong).mean().log10())


@torch.no_grad()
def encode(model: AutoencoderTiny, pixels: NDArray[np.uint8]) -> Tensor:
    """Gives the latents of all pictures, float16 [N, 4, 16, 16], on the CPU."""
    device = next(model.parameters()).device.type
    parts = []
    for start in range(0, len(pixels), 32):
        parts.append(model.encoder(as_floats(pixels[start : start + 32], device)).half().cpu())
    return torch.cat(parts)
