"""Samplers and noise schedules by the names people use, and what diffusers calls them; imports no torch.

A name stands here only when diffusers has that very algorithm. "DPM++ 2S a", "DPM fast", "DPM adaptive" and "Restart"
are missing because it has none of them; the schedule "Beta" because it spreads noise levels where everybody else
spreads times. The mapping follows the table in the diffusers documentation ("Schedulers") and the algorithms of
k-diffusion. Random samplers draw each picture's noise from that picture's own generator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stablenew.errors import InvalidSetting, UnknownChoice

AUTOMATIC = "Automatic"
_SPACINGS = {
    "Uniform": "linspace",
    "Normal": "linspace",
    "SGM Uniform": "trailing",
    "Simple": "trailing",
    "DDIM": "leading",
}
_SIGMAS = {"Karras": "use_karras_sigmas", "Exponential": "use_exponential_sigmas"}
SCHEDULERS = (AUTOMATIC, *_SPACINGS, *_SIGMAS)
_LCM_STEPS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A diffusers scheduler class and what it is told.

    `sigmas`: it can take Karras and Exponential; `spacings`: Uniform and its like; `zero_snr`: it can start from pure
    noise, as models trained with zero terminal SNR need.
    """

    scheduler_class: str
    told: Mapping[str, Any]
    sigmas: bool = True
    spacings: bool = True
    zero_snr: bool = False


def _dpm(algorithm: str, *, order: int = 2, solver: str = "midpoint", ease_out: bool = True) -> _Known:
    told = {
        "algorithm_type": algorithm,
        "solver_order": order,
        "solver_type": solver,
        "lower_order_final": ease_out,
        "euler_at_final": False,
        "final_sigmas_type": "zero",
        "use_lu_lambdas": False,
        "thresholding": False,
    }
    return _Known(scheduler_class="DPMSolverMultistepScheduler", told=told, zero_snr=True)


_UNCLIPPED = {"clip_sample": False, "thresholding": False}
_ZERO_AT_LAST = {"final_sigmas_type": "zero"}
_SAMPLERS: Mapping[str, _Known] = {
    "Euler a": _Known(scheduler_class="EulerAncestralDiscreteScheduler", told={}, zero_snr=True),
    "Euler": _Known(scheduler_class="EulerDiscreteScheduler", told=_ZERO_AT_LAST, zero_snr=True),
    "DPM++ 2M": _dpm("dpmsolver++"),
    "DPM++ 2M SDE": _dpm("sde-dpmsolver++"),
    "DPM++ 2M SDE Heun": _dpm("sde-dpmsolver++", solver="heun"),
    "DPM++ 3M SDE": _dpm("sde-dpmsolver++", order=3, solver="heun", ease_out=False),
    "DPM++ SDE": _Known(scheduler_class="DPMSolverSDEScheduler", told={}),
    "UniPC": _Known(
        scheduler_class="UniPCMultistepScheduler",
        told={
            "solver_order": 2,
            "solver_type": "bh2",
            "lower_order_final": True,
            "thresholding": False,
            **_ZERO_AT_LAST,
        },
        zero_snr=True,
    ),
    "DDIM": _Known(scheduler_class="DDIMScheduler", told=_UNCLIPPED, sigmas=False, zero_snr=True),
    "DDPM": _Known(scheduler_class="DDPMScheduler", told=_UNCLIPPED, sigmas=False, zero_snr=True),
    "LMS": _Known(scheduler_class="LMSDiscreteScheduler", told={}),
    "Heun": _Known(scheduler_class="HeunDiscreteScheduler", told={"clip_sample": False}),
    "DPM2": _Known(scheduler_class="KDPM2DiscreteScheduler", told={}),
    "DPM2 a": _Known(scheduler_class="KDPM2AncestralDiscreteScheduler", told={}),
    "PLMS": _Known(scheduler_class="PNDMScheduler", told={"skip_prk_steps": True}, sigmas=False),
    "LCM": _Known(scheduler_class="LCMScheduler", told=_UNCLIPPED, sigmas=False, spacings=False, zero_snr=True),
    "DEIS": _Known(
        scheduler_class="DEISMultistepScheduler",
        told={"algorithm_type": "deis", "solver_order": 2, "solver_type": "logrho", "thresholding": False},
    ),
}
SAMPLERS = tuple(_SAMPLERS)

_ALIASES = {
    "euler ancestral": "Euler a",
    "euler_ancestral": "Euler a",
    "euler_a": "Euler a",
    "k_euler_a": "Euler a",
    "k_euler": "Euler",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_3m_sde": "DPM++ 3M SDE",
    "dpmpp_sde": "DPM++ SDE",
    "uni_pc": "UniPC",
    "dpm_2": "DPM2",
    "dpm_2_ancestral": "DPM2 a",
    "pndm": "PLMS",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """A sampler with a noise schedule that it can take, both by their canonical names."""

    sampler: str
    scheduler: str

    @property
    def scheduler_class(self) -> str:
        """The name of the diffusers class."""
        return _SAMPLERS[self.sampler].scheduler_class

    def told(self) -> dict[str, Any]:
        """What the class is told beyond the model's own scheduler configuration.

        Automatic leaves the schedule as the model has it; Karras and its like span the whole range of noise.
        """
        told = dict(_SAMPLERS[self.sampler].told)
        if self.scheduler == AUTOMATIC:
            return told
        told["timestep_spacing"] = _SPACINGS.get(self.scheduler, "linspace")
        if _SAMPLERS[self.sampler].sigmas:
            told["use_beta_sigmas"] = False
            told |= {flag: name == self.scheduler for name, flag in _SIGMAS.items()}
        return told


def resolve_sampling(sampler: str, scheduler: str, *, backend: str) -> Sampling:
    """The sampling people mean by the two names: case does not matter, and "DPM++ 2M Karras" is taken apart.

    Raises UnknownChoice naming the nearest, InvalidSetting when the sampler cannot take the schedule.
    """
    found = _find(sampler, SAMPLERS) or _ALIASES.get(sampler.strip().casefold())
    joined = None
    if found is None:
        found, joined = _split(sampler)
    if found is None:
        raise UnknownChoice(backend=backend, kind="sampler", value=sampler, known=SAMPLERS)
    schedule = _find(scheduler, SCHEDULERS)
    if schedule is None:
        raise UnknownChoice(backend=backend, kind="scheduler", value=scheduler, known=SCHEDULERS)
    if joined is not None:
        if schedule not in (AUTOMATIC, joined):
            raise InvalidSetting("scheduler", scheduler, f"Automatic or {joined} when the sampler is {sampler!r}")
        schedule = joined
    if schedule not in schedulers_of(found):
        allowed = f"with sampler {found} only {', '.join(schedulers_of(found))}"
        raise InvalidSetting("scheduler", scheduler, allowed)
    return Sampling(sampler=found, scheduler=schedule)


def schedulers_of(sampler: str) -> tuple[str, ...]:
    """The noise schedules that `sampler` (canonical name) can take."""
    known = _SAMPLERS[sampler]
    return (AUTOMATIC, *(_SPACINGS if known.spacings else ()), *(_SIGMAS if known.sigmas else ()))


def check_for_model(sampling: Sampling, steps: int, model_scheduler: Mapping[str, Any]) -> None:
    """Raises InvalidSetting when a model with this scheduler configuration cannot be sampled so."""
    if model_scheduler.get("rescale_betas_zero_snr") and not _SAMPLERS[sampling.sampler].zero_snr:
        able = ", ".join(name for name, known in _SAMPLERS.items() if known.zero_snr)
        raise InvalidSetting("sampler", sampling.sampler, f"with this model (zero terminal SNR) only {able}")
    if sampling.sampler == "LCM" and steps > _LCM_STEPS:
        raise InvalidSetting("steps", steps, f"a whole number from 1 to {_LCM_STEPS} with sampler LCM")


def schedule_name(sampling: Sampling, config: Mapping[str, Any]) -> str:
    """The noise schedule followed by a diffusers scheduler with this configuration: what Automatic came to."""
    if sampling.scheduler != AUTOMATIC or not _SAMPLERS[sampling.sampler].spacings:
        return sampling.scheduler
    for name, flag in _SIGMAS.items():
        if config.get(flag):
            return name
    names = {"linspace": "Uniform", "trailing": "SGM Uniform", "leading": "DDIM"}
    return names.get(config.get("timestep_spacing", ""), AUTOMATIC)


def _find(name: str, known: tuple[str, ...]) -> str | None:
    wanted = name.strip().casefold()
    return next((candidate for candidate in known if candidate.casefold() == wanted), None)


def _split(joined: str) -> tuple[str | None, str | None]:
    """The sampler and schedule in an old joined name such as "DPM++ 2M SDE Karras"."""
    for schedule in _SIGMAS:
        head = joined.strip().casefold().removesuffix(schedule.casefold())
        if head != joined.strip().casefold():
            return _find(head, SAMPLERS), schedule
    return None, None
