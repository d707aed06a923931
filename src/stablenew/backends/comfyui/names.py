"""The names of samplers and schedulers: ours, as people know them from the WebUI, and ComfyUI's.

ComfyUI's own samplers that the WebUI does not have keep their own name in both directions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stablenew.errors import UnknownChoice

AUTOMATIC = "Automatic"

_SAMPLERS = {
    "Euler a": "euler_ancestral",
    "Euler": "euler",
    "LMS": "lms",
    "Heun": "heun",
    "HeunPP2": "heunpp2",
    "DPM2": "dpm_2",
    "DPM2 a": "dpm_2_ancestral",
    "DPM++ 2S a": "dpmpp_2s_ancestral",
    "DPM++ SDE": "dpmpp_sde",
    "DPM++ 2M": "dpmpp_2m",
    "DPM++ 2M SDE": "dpmpp_2m_sde",
    "DPM++ 2M SDE Heun": "dpmpp_2m_sde_heun",
    "DPM++ 3M SDE": "dpmpp_3m_sde",
    "DPM fast": "dpm_fast",
    "DPM adaptive": "dpm_adaptive",
    "DDPM": "ddpm",
    "DDIM": "ddim",
    "UniPC": "uni_pc",
    "LCM": "lcm",
    "IPNDM": "ipndm",
    "IPNDM_V": "ipndm_v",
    "DEIS": "deis",
}

# The WebUI's "Automatic" and "Uniform" space the steps evenly in the model's own time, which ComfyUI calls normal.
_SCHEDULERS = {
    "Normal": "normal",
    "Karras": "karras",
    "Exponential": "exponential",
    "SGM Uniform": "sgm_uniform",
    "Simple": "simple",
    "DDIM": "ddim_uniform",
    "Beta": "beta",
    "KL Optimal": "kl_optimal",
    "Linear Quadratic": "linear_quadratic",
}
_ALSO_SCHEDULERS = {AUTOMATIC: "normal", "Uniform": "normal"}

# What the WebUI itself puts behind "Automatic" for some samplers.
_AUTOMATIC_FOR = {
    "dpmpp_2m": "karras",
    "dpmpp_sde": "karras",
    "dpmpp_2s_ancestral": "karras",
    "dpm_2": "karras",
    "dpm_2_ancestral": "karras",
    "dpmpp_2m_sde": "exponential",
    "dpmpp_2m_sde_heun": "exponential",
    "dpmpp_3m_sde": "exponential",
}


def our_samplers(theirs: Iterable[str]) -> tuple[str, ...]:
    """The samplers a server lists, by our names."""
    return tuple(our_sampler(name) for name in theirs)


def our_schedulers(theirs: Iterable[str]) -> tuple[str, ...]:
    """The schedulers a server lists, by our names; Automatic is one of them."""
    return (AUTOMATIC, *(our_scheduler(name) for name in theirs))


def our_sampler(name: str) -> str:
    """Our name of the server's sampler."""
    return _BACK_SAMPLERS.get(name, name)


def our_scheduler(name: str) -> str:
    """Our name of the server's scheduler."""
    return _BACK_SCHEDULERS.get(name, name)


def their_sampler(name: str, known: Iterable[str], backend: str) -> str:
    """The server's name of our sampler; `known` is what it lists. Raises UnknownChoice in our names."""
    known = tuple(known)
    return _theirs(name, _SAMPLERS, known, our_samplers(known), backend, "sampler")


def their_scheduler(name: str, sampler: str, known: Iterable[str], backend: str) -> str:
    """The server's name of our scheduler, for its sampler `sampler`: Automatic is what the WebUI would take for it.

    Raises UnknownChoice in our names.
    """
    known = tuple(known)
    if name.casefold() == AUTOMATIC.casefold():
        chosen = _AUTOMATIC_FOR.get(sampler, "normal")
        return chosen if chosen in known or not known else known[0]
    return _theirs(name, _SCHEDULERS | _ALSO_SCHEDULERS, known, our_schedulers(known), backend, "scheduler")


def split_joined(sampler: str, scheduler: str) -> tuple[str, str]:
    """Sampler and schedule of an old joined name such as "DPM++ 2M Karras"; a schedule that is named stays."""
    if scheduler.casefold() == AUTOMATIC.casefold():
        for label in _SCHEDULERS:
            first = sampler[: -len(label) - 1]
            if sampler.casefold() == f"{first} {label}".casefold() and first.casefold() in _FOLDED_SAMPLERS:
                return first, label
    return sampler, scheduler


def _theirs(
    name: str, table: Mapping[str, str], known: tuple[str, ...], ours: tuple[str, ...], backend: str, kind: str
) -> str:
    folded = {key.casefold(): value for key, value in table.items()} | {value.casefold(): value for value in known}
    found = folded.get(name.casefold())
    if found is None or (known and found not in known):
        raise UnknownChoice(backend=backend, kind=kind, value=name, known=ours)
    return found


_FOLDED_SAMPLERS = frozenset(name.casefold() for pair in _SAMPLERS.items() for name in pair)
_BACK_SAMPLERS = {theirs: ours for ours, theirs in _SAMPLERS.items()}
_BACK_SCHEDULERS = {theirs: ours for ours, theirs in _SCHEDULERS.items()}
