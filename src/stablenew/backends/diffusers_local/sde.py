"""DPM++ SDE whose noise is decided by each picture's seed alone, on any device. Needs torchsde."""

from __future__ import annotations

from typing import Any

from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler, DPMSolverSDEScheduler
from torch import Tensor


class SeededSDEScheduler(DPMSolverSDEScheduler):  # type: ignore[misc]  # diffusers is untyped
    """Draws the Brownian paths on the CPU, one per picture from `noise_sampler_seed`, a list of seeds."""

    noise_sampler: Any

    def step(self, model_output: Tensor, timestep: Any, sample: Tensor, *args: Any, **kwargs: Any) -> Any:
        if self.noise_sampler is None:
            self.noise_sampler = self._paths(sample)
        return super().step(model_output, timestep, sample, *args, **kwargs)

    def _paths(self, sample: Tensor) -> Any:
        low, high = self.sigmas[self.sigmas > 0].min().item(), self.sigmas.max().item()
        paths = BrownianTreeNoiseSampler(sample.cpu().float(), low, high, self.noise_sampler_seed)

        def noise(start: Tensor, end: Tensor) -> Tensor:
            drawn: Tensor = paths(start.cpu().float(), end.cpu().float())
            return drawn.to(sample.device, sample.dtype)

        return noise
