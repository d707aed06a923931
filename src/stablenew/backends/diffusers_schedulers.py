"""Diffusers schedulers made from a sampling and the model's own scheduler configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import diffusers
import torch
from diffusers import EulerAncestralDiscreteScheduler, EulerDiscreteScheduler

from stablenew.backends.diffusers_samplers import Sampling

_SIGMA_FLAGS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")


class EulerAncestralSigmas(EulerAncestralDiscreteScheduler):  # type: ignore[misc]  # diffusers is untyped
    """Euler a on Karras and exponential sigmas, which diffusers has for Euler but not for Euler a."""

    sigmas_from: dict[str, bool]

    def set_timesteps(self, num_inference_steps: int, device: Any = None) -> None:
        super().set_timesteps(num_inference_steps, device=device)
        plain = EulerDiscreteScheduler.from_config(self.config, **self.sigmas_from)
        plain.set_timesteps(num_inference_steps, device=device)
        self.sigmas, self.timesteps = plain.sigmas, plain.timesteps


def make_scheduler(sampling: Sampling, model_scheduler: Mapping[str, Any]) -> Any:
    """The diffusers scheduler for `sampling`; prediction type, betas and the like stay as the model has them."""
    told = sampling.told()
    if sampling.sampler == "Euler a":
        return _euler_ancestral(told, model_scheduler)
    if sampling.sampler == "DPM++ SDE":
        from stablenew.backends.diffusers_sde import SeededSDEScheduler

        return SeededSDEScheduler.from_config(dict(model_scheduler), **told)
    return getattr(diffusers, sampling.scheduler_class).from_config(dict(model_scheduler), **told)


def seed_noise(scheduler: Any, seeds: Sequence[int]) -> None:
    """Give a scheduler that makes its noise itself the seed of each picture of the batch; others need nothing."""
    if hasattr(scheduler, "noise_sampler_seed"):
        scheduler.noise_sampler_seed = list(seeds)


def generator(seed: int) -> torch.Generator:
    """The random numbers of one picture: made on the CPU, so that they are the same on every device."""
    return torch.Generator("cpu").manual_seed(seed)


def _euler_ancestral(told: dict[str, Any], model_scheduler: Mapping[str, Any]) -> Any:
    asked = {flag: bool(told.pop(flag, model_scheduler.get(flag, False))) for flag in _SIGMA_FLAGS}
    if not any(asked.values()):
        return EulerAncestralDiscreteScheduler.from_config(dict(model_scheduler), **told)
    made = EulerAncestralSigmas.from_config(dict(model_scheduler), **told)
    made.sigmas_from = asked
    made.register_to_config(**asked)
    return made
