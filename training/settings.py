"""The size of a training run, and the same made small for a test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a run depends on. Seconds are of the phase's own time; steps, where given, end it earlier."""

    out: Path
    seed: int = 1
    device: str = "cpu"
    bf16: bool = False
    pictures: int = 100_000
    batch: int = 24
    autoencoder_s: float = 600.0
    decoder_s: float = 420.0
    text_s: float = 75.0
    denoiser_s: float = 5400.0
    judge_steps: int = 2000
    steps: int | None = None  # ends each phase after so many steps: for tests
    keep_every_s: float = 240.0
    channels: tuple[int, int, int] = (40, 96, 96)

    @property
    def dtype(self) -> torch.dtype | None:
        """Gives the type to compute in, or None for plain float32."""
        return torch.bfloat16 if self.bf16 else None


def small(settings: Settings, steps: int = 3) -> Settings:
    """Gives a run of a few steps a phase, for a smoke test."""
    return replace(settings, pictures=96, batch=8, steps=steps, channels=(16, 16, 16), keep_every_s=0.0)
