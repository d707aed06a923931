"""The denoiser: latents, noise and words in, velocity out. Trained on latents that were made once."""

from __future__ import annotations

import math

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch.nn import functional
from transformers import CLIPTextModel

from training.dataset import CAPTIONS, EASY, GROUP, PAIR, SINGLE, VIEW, Drawn
from training.optim import Average, Optimizer
from training.progress import Clock, Threads, load, rate, save, say
from training.settings import Settings
from training.text import WIDTH

TIMES = 1000
BETAS = (0.00085, 0.012)  # "scaled_linear", as Stable Diffusion: every sampler knows it
UNSAID = 0.1  # share of captions left empty, for guidance

# Lessons: until which share of the phase, and how often each kind of picture comes.
LESSONS: tuple[tuple[float, dict[int, float]], ...] = (
    (0.05, {EASY: 0.85, SINGLE: 0.15}),
    (0.16, {EASY: 0.45, SINGLE: 0.22, PAIR: 0.22, VIEW: 0.11}),
    (0.78, {EASY: 0.29, SINGLE: 0.18, PAIR: 0.34, GROUP: 0.06, VIEW: 0.13}),
    (1.00, {EASY: 0.20, SINGLE: 0.12, PAIR: 0.32, GROUP: 0.06, VIEW: 0.30}),
)


def build(settings: Settings) -> UNet2DConditionModel:
    """Gives the untrained denoiser."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=settings.channels,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        mid_block_type="UNetMidBlock2DCrossAttn",
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=8,
        resnet_time_scale_shift="scale_shift",
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )


def signal_and_noise() -> tuple[Tensor, Tensor]:
    """Gives how much of picture and of noise every time has, float32 [1000] each."""
    betas = torch.linspace(BETAS[0] ** 0.5, BETAS[1] ** 0.5, TIMES) ** 2
    kept = torch.cumprod(1 - betas, dim=0)
    return kept.sqrt(), (1 - kept).sqrt()


class Lots:
    """Draws a batch's pictures and captions according to the lesson."""

    def __init__(self, kinds: np.ndarray, seed: tuple[int, ...]) -> None:
        self.rng = np.random.default_rng(seed)
        self.pools = {kind: np.flatnonzero(kinds == kind) for kind in (EASY, SINGLE, PAIR, GROUP, VIEW)}
        self.everything = np.arange(len(kinds))

    def draw(self, share: float, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Gives positions of pictures and of one caption of each."""
        weights = next(weights for until, weights in LESSONS if share <= until)
        names = list(weights)
        shares = np.array(list(weights.values()))
        chosen = self.rng.choice(len(names), size=count, p=shares / shares.sum())
        pools = [self.pools[names[i]] if len(self.pools[names[i]]) else self.everything for i in chosen]
        at = np.array([pool[self.rng.integers(len(pool))] for pool in pools])
        return at, at * CAPTIONS + self.rng.integers(0, CAPTIONS, count)


def train(
    settings: Settings, drawn: Drawn, latents: Tensor, tokens: Tensor, silence: Tensor, text: CLIPTextModel
) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """Trains denoiser and, slowly, the text encoder; gives both, averaged. Goes on from `out/denoiser.pt`.

    `latents` are float [N, 4, 16, 16] with a spread of one; `silence` is the empty caption's tokens.
    """
    torch.manual_seed(settings.seed)
    unet = build(settings).to(settings.device, memory_format=torch.channels_last).train()
    text = text.to(settings.device).train()
    optimizer = Optimizer([(unet, 1.0), (text, 0.2)])
    average = Average({"unet": unet, "text": text}, decay=0.9995)
    clock = Clock(name="denoiser", limit_s=settings.denoiser_s, limit_steps=settings.steps)
    restore(settings, unet, text, optimizer, average, clock)
    torch.manual_seed(settings.seed + clock.steps)
    lots = Lots(drawn.kinds, (settings.seed, clock.steps))
    mixing = [part.to(settings.device) for part in signal_and_noise()]
    say(f"denoiser: {sum(p.numel() for p in unet.parameters()):,} weights")
    kept_s = clock.spent_s
    threads = Threads()
    clock.skip()
    while clock.share() < 1:
        optimizer.set_rate(rate(clock.share()))
        pictures, captions = lots.draw(clock.share(), settings.batch)
        words = tokens[captions].long()
        words[torch.rand(len(words)) < UNSAID] = silence.long()
        loss = _loss(settings, unet, text, latents[pictures].float(), words, mixing)
        loss.backward()
        optimizer.step()
        average.update()
        clock.tick(loss=float(loss.detach()), threads=torch.get_num_threads())
        threads.step()
        if clock.spent_s - kept_s >= settings.keep_every_s or clock.share() >= 1:
            kept_s = clock.spent_s
            keep(settings, unet, text, optimizer, average, clock)
            clock.skip()
    unet.load_state_dict(average.weights["unet"])
    text.load_state_dict(average.weights["text"])
    say(f"denoiser: {clock.steps * settings.batch:,} pictures in {clock.spent_s:.0f} s")
    return unet.eval(), text.eval()


def _loss(
    settings: Settings,
    unet: UNet2DConditionModel,
    text: CLIPTextModel,
    clean: Tensor,
    words: Tensor,
    mixing: list[Tensor],
) -> Tensor:
    """Mean square error of the velocity (Salimans & Ho 2022), at times spread evenly over the batch."""
    count = len(clean)
    clean = clean.to(settings.device).contiguous(memory_format=torch.channels_last)
    spread = (torch.arange(count) + torch.rand(count)) / count
    times = (spread * TIMES).long().clamp(max=TIMES - 1).to(settings.device)
    noise = torch.randn_like(clean)
    kept, added = (part[times][:, None, None, None] for part in mixing)
    with torch.autocast(settings.device, settings.dtype, enabled=settings.bf16):
        states = text(words.to(settings.device)).last_hidden_state
        made = unet(kept * clean + added * noise, times, states).sample
    return functional.mse_loss(made.float(), kept * noise - added * clean)


def keep(settings: Settings, unet: UNet2DConditionModel, text: CLIPTextModel, optimizer: Optimizer,
         average: Average, clock: Clock) -> None:  # fmt: skip
    """Writes everything a resumed run needs."""
    value = {"unet": unet.state_dict(), "text": text.state_dict(), "optimizer": optimizer.state()}
    value |= {"average": average.weights, "averaged": average.steps, "batch": settings.batch}
    save(settings.out / "denoiser.pt", value | {"steps": clock.steps, "spent_s": clock.spent_s})


def restore(settings: Settings, unet: UNet2DConditionModel, text: CLIPTextModel, optimizer: Optimizer,
            average: Average, clock: Clock) -> None:  # fmt: skip
    """Goes on where `keep` left off, if it ever did."""
    saved = load(settings.out / "denoiser.pt")
    if saved is None:
        return
    unet.load_state_dict(saved["unet"])
    text.load_state_dict(saved["text"])
    optimizer.load(saved["optimizer"])
    for name, weights in saved["average"].items():
        for key, value in weights.items():
            average.weights[name][key].copy_(value)
    average.steps, clock.steps, clock.spent_s = saved["averaged"], saved["steps"], saved["spent_s"]


def spread_of(latents: Tensor) -> float:
    """Gives the standard deviation over everything, which the autoencoder's scaling factor undoes."""
    return math.sqrt(float(latents[:20_000].float().var()))
