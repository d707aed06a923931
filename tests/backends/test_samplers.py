"""The names people use for samplers, and what they come to in diffusers."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import diffusers
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stablenew.backends.base import Txt2ImgRequest
from stablenew.backends.diffusers_local.backend import LocalBackend, open_backend
from stablenew.backends.diffusers_local.samplers import (
    SAMPLERS,
    SCHEDULERS,
    Sampling,
    check_for_model,
    resolve_sampling,
    schedule_name,
    schedulers_of,
)
from stablenew.backends.diffusers_local.schedulers import generator, make_scheduler, seed_noise
from stablenew.backends.picture import read_pixels
from stablenew.backends.registry import BackendOptions
from stablenew.config import Txt2ImgSettings
from stablenew.errors import InvalidSetting, UnknownChoice
from stablenew.testing.backend_contract import BackendContract, largest, mean
from tests.backends.tiny_random_model import build

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of numpy, from inside diffusers

PAIRS = [(sampler, scheduler) for sampler in SAMPLERS for scheduler in schedulers_of(sampler)]
TOLERANCE = 2
MODEL = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
    "steps_offset": 1,
}
ASK = BackendContract()


def resolve(sampler: str, scheduler: str = "Automatic") -> Sampling:
    return resolve_sampling(sampler, scheduler, backend="local")


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBackend]:
    """The local backend with a random model."""
    folder = build(tmp_path_factory.mktemp("models") / "random")
    made = open_backend(BackendOptions(name="local", model=str(folder), settings={"device": "cpu"}))
    yield made
    made.close()


def request(
    sampler: str, seed: int, *, steps: int = 5, cfg_scale: float = 6.0, prompt: str = "a cat"
) -> Txt2ImgRequest:
    settings = Txt2ImgSettings(sampler=sampler, steps=steps, cfg_scale=cfg_scale, width=32, height=32)
    return Txt2ImgRequest(prompt=prompt, negative_prompt="", seed=seed, settings=settings)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_picture_depends_on_its_own_seed_alone(backend: LocalBackend, sampler: str) -> None:
    """For every sampler: the same picture alone and anywhere in a batch of other prompts, seeds and guidance."""
    wanted = request(sampler, 7)
    others = [request(sampler, seed, cfg_scale=seed + 0.5, prompt="a dog") for seed in (1, 2)]
    alone = ASK.pixels(backend, wanted)
    for place in (0, 2):
        company = [*others[:place], wanted, *others[place:]]
        assert len({backend.batch_key(one) for one in company}) == 1
        among = ASK.made(backend, company)[place]
        assert largest(alone, read_pixels(among.picture, "local")) <= TOLERANCE


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_another_seed_is_another_picture(backend: LocalBackend, sampler: str) -> None:
    """For every sampler: in one batch, two seeds give two pictures, and the same seed the same one."""
    first, second, again = ASK.made(backend, [request(sampler, 1), request(sampler, 2), request(sampler, 1)])
    assert largest(first.picture, again.picture) <= TOLERANCE
    assert mean(first.picture, second.picture) > TOLERANCE


@pytest.mark.parametrize(("sampler", "scheduler"), PAIRS)
def test_every_pair_takes_its_steps(sampler: str, scheduler: str) -> None:
    """Every sampler and schedule on offer goes from pure noise to a finite picture, for one step as for many."""
    sampling = resolve(sampler, scheduler)
    for steps in (1, 4):
        made = make_scheduler(sampling, MODEL)
        sample = walk(made, steps)
        assert torch.isfinite(sample).all()
        assert made.config.prediction_type == "v_prediction"
        assert schedule_name(sampling, made.config) == (scheduler if scheduler != "Automatic" else automatic(sampler))


def automatic(sampler: str) -> str:
    """What Automatic comes to for a model whose own schedule is trailing; LCM has one schedule only."""
    return "Automatic" if sampler == "LCM" else "SGM Uniform"


def walk(scheduler: Any, steps: int, seeds: tuple[int, int] = (1, 2)) -> torch.Tensor:
    """Sample with a model that always answers a tenth of what it is shown."""
    seed_noise(scheduler, seeds)
    scheduler.set_timesteps(steps)
    noise = torch.randn(2, 4, 4, 4, generator=generator(5))
    sample = noise * scheduler.init_noise_sigma
    options = {}
    if "generator" in inspect.signature(scheduler.step).parameters:
        options["generator"] = [generator(seed) for seed in seeds]
    for time in scheduler.timesteps:
        seen = scheduler.scale_model_input(sample, time)
        sample = scheduler.step(-0.1 * seen, time, sample, return_dict=False, **options)[0]
    return sample


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_schedules_make_a_difference(sampler: str) -> None:
    """Each schedule a sampler offers beside Automatic visits its own noise levels; two names of one spacing agree."""
    twins = {"Normal": "Uniform", "Simple": "SGM Uniform"}
    seen: dict[str, list[float]] = {}
    for scheduler in schedulers_of(sampler):
        made = make_scheduler(resolve(sampler, scheduler), MODEL)
        made.set_timesteps(4)
        seen[scheduler] = made.timesteps.tolist()
    for name, twin in twins.items():
        assert seen.get(name) == seen.get(twin)
    distinct = [tuple(times) for name, times in seen.items() if name not in twins and name != "Automatic"]
    assert len(set(distinct)) == len(distinct)


@pytest.mark.parametrize("steps", [5, 20])
@pytest.mark.parametrize("sampler", ["DPM++ 2M", "DPM++ 2M SDE", "DPM++ 2M SDE Heun", "DPM++ 3M SDE"])
def test_dpm_samplers_are_those_of_k_diffusion(sampler: str, steps: int) -> None:
    """The multistep samplers go where the algorithms of k-diffusion go, step for step with the same noise."""
    made = make_scheduler(resolve(sampler, "Karras"), {**MODEL, "prediction_type": "epsilon"})
    made.set_timesteps(steps)
    start = torch.randn(1, 4, 4, 4, generator=generator(5))
    sample, drawn = start, generator(1)
    for time, sigma in zip(made.timesteps, made.sigmas, strict=False):
        full = sample * (1 + sigma**2).sqrt()
        answer = (full - denoised(full, sigma)) / sigma
        sample = made.step(answer, time, sample, generator=drawn, return_dict=False)[0]
    expected = k_diffusion(sampler, start * (1 + made.sigmas[0] ** 2).sqrt(), made.sigmas, generator(1))
    assert torch.allclose(sample, expected, atol=2e-3)


def denoised(sample: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """A made-up model, curved enough that the order of a sampler shows."""
    return torch.tanh(sample / (1 + sigma**2).sqrt()) * (0.5 + torch.exp(-sigma))


def k_diffusion(sampler: str, x: torch.Tensor, sigmas: torch.Tensor, drawn: torch.Generator) -> torch.Tensor:
    """The update formulas of `sample_dpmpp_2m`, `sample_dpmpp_2m_sde` and `sample_dpmpp_3m_sde` (eta 1, s_noise 1)."""
    eta = 0.0 if sampler == "DPM++ 2M" else 1.0
    seen: list[torch.Tensor] = []
    steps: list[torch.Tensor] = []
    for sigma, following in pairwise(sigmas):
        seen.insert(0, denoised(x, sigma))
        noise = torch.randn(x.shape, generator=drawn)
        if following == 0:
            return seen[0]
        h = (sigma / following).log()
        h_eta = h * (eta + 1)
        x = torch.exp(-h_eta) * x - (-h_eta).expm1() * seen[0]
        phi_2 = (-h_eta).expm1() / h_eta + 1
        if sampler == "DPM++ 3M SDE" and len(steps) > 1:
            r0, r1 = steps[0] / h, steps[1] / h
            d1_0, d1_1 = (seen[0] - seen[1]) / r0, (seen[1] - seen[2]) / r1
            d1 = d1_0 + (d1_0 - d1_1) * r0 / (r0 + r1)
            x = x + phi_2 * d1 - (phi_2 / h_eta - 0.5) * (d1_0 - d1_1) / (r0 + r1)
        elif steps:
            weight = phi_2 if sampler in ("DPM++ 3M SDE", "DPM++ 2M SDE Heun") else -0.5 * (-h_eta).expm1()
            x = x + weight * (seen[0] - seen[1]) / (steps[0] / h)
        x = x + noise * following * (-(-2 * h * eta).expm1()).sqrt()
        steps.insert(0, h)
    raise AssertionError("the noise levels do not end at 0")


@pytest.mark.parametrize("scheduler", ["Karras", "Exponential"])
def test_euler_a_follows_the_noise_levels_of_euler(scheduler: str) -> None:
    """Euler a on Karras or exponential levels visits exactly those of Euler, which diffusers has."""
    ancestral, plain = (make_scheduler(resolve(name, scheduler), MODEL) for name in ("Euler a", "Euler"))
    ancestral.set_timesteps(9)
    plain.set_timesteps(9)
    assert torch.equal(ancestral.sigmas, plain.sigmas)
    assert torch.equal(ancestral.timesteps, plain.timesteps)
    assert ancestral.init_noise_sigma == plain.init_noise_sigma


def test_samplers_do_not_inherit_each_others_ways() -> None:
    """A model whose own sampler is a random Karras one of third order still gets a plain DPM++ 2M on request."""
    own = diffusers.DPMSolverMultistepScheduler(
        **MODEL, algorithm_type="sde-dpmsolver++", solver_order=3, use_karras_sigmas=True
    )
    made = make_scheduler(resolve("DPM++ 2M", "Uniform"), own.config)
    assert (made.config.algorithm_type, made.config.solver_order) == ("dpmsolver++", 2)
    assert not made.config.use_karras_sigmas
    assert make_scheduler(resolve("DPM++ 2M"), own.config).config.use_karras_sigmas
    assert not make_scheduler(resolve("DDIM"), own.config).config.clip_sample


@pytest.mark.parametrize(
    ("said", "scheduler", "meant"),
    [
        ("euler A", "karras", ("Euler a", "Karras")),
        ("DPM++ 2M Karras", "Automatic", ("DPM++ 2M", "Karras")),
        ("DPM++ 2M Karras", "Karras", ("DPM++ 2M", "Karras")),
        ("dpm++ 2m sde exponential", "automatic", ("DPM++ 2M SDE", "Exponential")),
        ("dpmpp_2m", "simple", ("DPM++ 2M", "Simple")),
        ("euler_ancestral", "Automatic", ("Euler a", "Automatic")),
    ],
)
def test_names_as_people_write_them(said: str, scheduler: str, meant: tuple[str, str]) -> None:
    """Case, old joined names and the names of other programs are understood."""
    found = resolve(said, scheduler)
    assert (found.sampler, found.scheduler) == meant


def test_unknown_names_are_refused_with_the_nearest() -> None:
    """A name nobody has is refused, and the nearest is told; so are samplers diffusers does not have."""
    with pytest.raises(UnknownChoice, match="did you mean 'DPM\\+\\+ 2M'"):
        resolve("DPM+ 2M")
    with pytest.raises(UnknownChoice, match="did you mean 'Karras'"):
        resolve("Euler", "Karas")
    for missing in ("DPM++ 2S a", "DPM fast", "DPM adaptive", "Restart"):
        with pytest.raises(UnknownChoice):
            resolve(missing)
    with pytest.raises(UnknownChoice):
        resolve("Euler", "Beta")


def test_pairs_that_do_not_exist_are_refused() -> None:
    """DDIM takes no Karras levels, LCM no schedule but its own, and a joined name contradicts another schedule."""
    with pytest.raises(InvalidSetting, match="with sampler DDIM only Automatic, Uniform"):
        resolve("DDIM", "Karras")
    with pytest.raises(InvalidSetting, match=r"with sampler LCM only Automatic$"):
        resolve("LCM", "Uniform")
    with pytest.raises(InvalidSetting, match="Automatic or Karras"):
        resolve("DPM++ 2M Karras", "Exponential")


def test_zero_snr_models_refuse_samplers_that_cannot_start_from_pure_noise() -> None:
    """A model of zero terminal SNR is sampled only by those that know it: exactly those whose class takes the flag."""
    for sampler in SAMPLERS:
        sampling = resolve(sampler)
        takes = "rescale_betas_zero_snr" in inspect.signature(getattr(diffusers, sampling.scheduler_class)).parameters
        if takes:
            check_for_model(sampling, 4, {"rescale_betas_zero_snr": True})
        else:
            with pytest.raises(InvalidSetting, match="zero terminal SNR"):
                check_for_model(sampling, 4, {"rescale_betas_zero_snr": True})


def test_every_setting_told_is_one_the_class_has() -> None:
    """Nothing is told to a diffusers class that it would ignore; Euler a's noise levels are our own addition."""
    for sampler, scheduler in PAIRS:
        sampling = resolve(sampler, scheduler)
        known = set(inspect.signature(getattr(diffusers, sampling.scheduler_class).__init__).parameters)
        ours = {"use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"} if sampler == "Euler a" else set()
        assert set(sampling.told()) <= known | ours


def test_lcm_takes_at_most_fifty_steps() -> None:
    """LCM was distilled from 50 steps: more are refused before a model is loaded."""
    with pytest.raises(InvalidSetting, match="from 1 to 50"):
        check_for_model(resolve("LCM"), 51, {})


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_understood_or_refused(sampler: str, scheduler: str) -> None:
    """Whatever a person types gives a sampling that exists, or an error of ours."""
    try:
        found = resolve(sampler, scheduler)
    except (UnknownChoice, InvalidSetting):
        return
    assert found.scheduler in schedulers_of(found.sampler)


def test_the_lists_are_what_people_pick_from() -> None:
    """Every schedule offered is taken by some sampler, and the defaults of the settings are among them."""
    assert {scheduler for _, scheduler in PAIRS} == set(SCHEDULERS)
    assert (Txt2ImgSettings().sampler, Txt2ImgSettings().scheduler) in PAIRS


def test_dpm_sde_draws_each_path_from_its_own_seed() -> None:
    """DPM++ SDE draws one Brownian path per picture: a seed keeps its path whoever is beside it."""
    first, beside = walk(make_scheduler(resolve("DPM++ SDE"), MODEL), 4, (1, 2))
    again, other = walk(make_scheduler(resolve("DPM++ SDE"), MODEL), 4, (1, 3))
    assert torch.allclose(first, again, atol=1e-5)
    assert not torch.allclose(beside, other, atol=1e-2)
