"""Diffusers schedulers made from a sampling and the model's own scheduler configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import diffusers
import torch
from diffusers import DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler, EulerDiscreteScheduler
from torch import Tensor

from stablenew.backends.diffusers_local.samplers import Sampling

_SIGMA_FLAGS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")


class EulerAncestralSigmas(EulerAncestralDiscreteScheduler):  # type: ignore[misc]  # diffusers is untyped
    """Euler a on Karras and exponential sigmas, which diffusers has for Euler but not for Euler a."""

    sigmas_from: dict[str, bool]

    def set_timesteps(self, num_inference_steps: int, device: Any = None) -> None:
        super().set_timesteps(num_inference_steps, device=device)
        plain = EulerDiscreteScheduler.from_config(self.config, **self.sigmas_from)
        plain.set_timesteps(num_inference_steps, device=device)
        self.sigmas, self.timesteps = plain.sigmas, plain.timesteps


class ThirdOrderSDE(DPMSolverMultistepScheduler):  # type: ignore[misc]  # diffusers is untyped
    """DPM++ 3M SDE with the third-order term of k-diffusion's `sample_dpmpp_3m_sde`.

    Diffusers 0.42 has -0.5 in it where +0.5 belongs, so that the term does not vanish with the step.
    """

    def multistep_dpm_solver_third_order_update(
        self, model_output_list: list[Tensor], *, sample: Tensor, noise: Tensor, **_: Any
    ) -> Tensor:
        now, last, before, earlier = (self.sigmas[self.step_index + back] for back in (1, 0, -1, -2))
        step = (last / now).log()
        ratio_0, ratio_1 = (before / last).log() / step, (earlier / before).log() / step
        newest, older, oldest = (model_output_list[-back] for back in (1, 2, 3))
        slope_0, slope_1 = (newest - older) / ratio_0, (older - oldest) / ratio_1
        slope = slope_0 + (slope_0 - slope_1) * ratio_0 / (ratio_0 + ratio_1)
        bend = (slope_0 - slope_1) / (ratio_0 + ratio_1)
        phi_2 = (-2 * step).expm1() / (2 * step) + 1
        phi_3 = phi_2 / (2 * step) - 0.5
        alpha, sigma = self._sigma_to_alpha_sigma_t(now)
        alpha_last, _sigma_last = self._sigma_to_alpha_sigma_t(last)
        kept = alpha / alpha_last * (-2 * step).exp() * sample
        drawn = newest * -(-2 * step).expm1() + phi_2 * slope - phi_3 * bend
        made: Tensor = kept + alpha * drawn + sigma * (-(-2 * step).expm1()).sqrt() * noise
        return made


def make_scheduler(sampling: Sampling, model_scheduler: Mapping[str, Any]) -> Any:
    """The diffusers scheduler for `sampling`; prediction type, betas and the like stay as the model has them."""
    told = sampling.told()
    if sampling.sampler == "Euler a":
        return _euler_ancestral(told, model_scheduler)
    if sampling.sampler == "DPM++ 3M SDE":
        return ThirdOrderSDE.from_config(dict(model_scheduler), **told)
    if sampling.sampler == "DPM++ SDE":
        from stablenew.backends.diffusers_local.sde import SeededSDEScheduler

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
