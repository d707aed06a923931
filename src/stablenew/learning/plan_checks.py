"""Whether the settings of a plan can do what they are asked: have a part in its stages, and be known to the backend."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stablenew.config import STAGES, PipelineConfig, StageName, setting_value
from stablenew.errors import InvalidPlan, nearest_name
from stablenew.learning.plan_setting import LORA, SIZE, PlanSetting

if TYPE_CHECKING:
    from stablenew.learning.learning_plan import LearningPlan

_LENT = ("sampler", "scheduler", "steps", "cfg_scale", "clip_skip")
"""Settings of txt2img that a later stage takes over."""

_PLACES = {"model": "model", "vae": "vae", "sampler": "sampler", "scheduler": "scheduler", "upscaler": "upscaler"}
"""The last part of a setting's name, and the list of the backend that it is looked up in."""


def first_stage_touched(tested: Iterable[PlanSetting], baseline: PipelineConfig) -> StageName:
    """The first stage whose picture depends on a setting under test. Raises InvalidPlan for one without any part."""
    methods = _methods(tested, baseline)
    touched = [_stage_of(setting, baseline.stages, methods) for setting in tested]
    return min(touched, key=STAGES.index)


def check_parts(tested: Iterable[PlanSetting], baseline: PipelineConfig, stage: StageName) -> None:
    """Raises InvalidPlan where a setting under test would change a picture before `stage`, which all cells share."""
    methods = _methods(tested, baseline)
    for setting in tested:
        touched = _stage_of(setting, baseline.stages, methods)
        if STAGES.index(touched) < STAGES.index(stage):
            raise InvalidPlan(
                f"settings.{setting.name}",
                f"it changes the picture of {touched}, from which every cell of an experiment on {stage} starts: "
                f"test settings called {stage}.*, or leave stage out",
            )


def check_choices(plan: LearningPlan, offers: Mapping[str, Sequence[str]]) -> None:
    """Raises InvalidPlan for a name that the backend does not offer.

    `offers`: what it says it has, by "model", "vae", "sampler", "scheduler", "upscaler"; an empty or missing list says
    nothing. Case, blanks, `_` and `-` are ignored, and a model given as a path is left to the backend.
    """
    for setting in plan.tested:
        for value in setting.values:
            _check_choice(setting.name, value, offers, f"settings.{setting.name}")
    for name in ("model", "vae", "txt2img.sampler", "txt2img.scheduler"):
        _check_choice(name, setting_value(plan.baseline, name), offers, f"baseline.{name.removeprefix('txt2img.')}")


def _check_choice(name: str, value: Any, offers: Mapping[str, Sequence[str]], field: str) -> None:
    kind = _PLACES.get(name.rpartition(".")[2])
    known = offers.get(kind or "", ())
    if value is None or not known or (kind in ("model", "vae") and any(sign in value for sign in "/\\")):
        return
    if not _offered(value, known, () if kind != "sampler" else offers.get("scheduler", ())):
        nearest = nearest_name(value, known)
        hint = f"did you mean {nearest!r}?" if nearest else "it has " + ", ".join(known[:12])
        raise InvalidPlan(field, f"the backend has no {kind} called {value!r}: {hint}")


def _offered(value: str, known: Sequence[str], endings: Sequence[str]) -> bool:
    """Whether one of `known` is meant by `value`: a model without its ending or hash, a sampler with its schedule."""
    wanted, names = _plain(value), [_plain(each) for each in (*known, "Automatic")]
    joined = (name + _plain(ending) for name in names for ending in endings)
    return any(name.startswith(wanted) for name in names) or wanted in joined


def _stage_of(setting: PlanSetting, stages: tuple[StageName, ...], methods: set[Any]) -> StageName:
    """The first of `stages` that the setting has a part in."""
    if setting.name in (SIZE, LORA):
        if setting.name == SIZE and stages[0] != "txt2img":
            raise _no_part(setting, stages)
        return stages[0]
    stage, _, name = setting.paths[0].rpartition(".")
    if stage in ("", "txt2img"):
        if stages[0] != "txt2img" and stage and name not in _LENT:
            raise _no_part(setting, stages)
        return stages[0]
    if stage in stages:
        return "img2img" if stage == "img2img" else "upscale"
    if stage == "img2img" and "upscale" in stages and "img2img" in methods and name != "denoise":
        return "upscale"
    raise _no_part(setting, stages)


def _methods(tested: Iterable[PlanSetting], baseline: PipelineConfig) -> set[Any]:
    """Every upscale method that a cell may use."""
    tried = (value for setting in tested if setting.name == "upscale.method" for value in setting.values)
    return {baseline.upscale.method, *tried}


def _no_part(setting: PlanSetting, stages: tuple[StageName, ...]) -> InvalidPlan:
    said = f"it has no part in the stages {','.join(stages)}: set the stages of the baseline, or give stage"
    return InvalidPlan(f"settings.{setting.name}", said)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name.casefold())
