"""What stands in the experiment designer, and the experiment it makes: values and functions without a widget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stablenew.backends.base import Capabilities
from stablenew.config import PipelineConfig, Setting, declared_settings, resolve_setting
from stablenew.errors import InputError, InvalidPlan
from stablenew.gui.events import BackendChoice
from stablenew.gui.form import is_shown, known_values
from stablenew.learning.experiments import Experiment, new_experiment, save_experiment
from stablenew.learning.learning_adapter import PlanVariants, variants_of
from stablenew.learning.learning_plan import Design, LearningPlan, PlanPrompt, make_learning_plan
from stablenew.learning.plan_checks import check_choices
from stablenew.learning.plan_setting import LORA, SIZE
from stablenew.pipeline.cost import estimate_experiment
from stablenew.pipeline.experiment_prompts import prompts_of_packs
from stablenew.pipeline.experiment_values import values_under_test
from stablenew.pipeline.next_cells import unseen_seeds
from stablenew.prompts.estimate import Estimate
from stablenew.prompts.pack import read_pack
from stablenew.prompts.wildcards import Wildcards
from stablenew.run_request import Wish, wildcard_folders, wished_config
from stablenew.workspace import Workspace

DEFAULT_PROMPTS, DEFAULT_SEEDS = 6, 2
_NO_SETTINGS = ("seed", "images_per_prompt", "stages", "img2img.init_image")
_EXAMPLES = {SIZE: "512x768,768x512", LORA: "none,ink:0.8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What the person asks for. `preset` None: the baseline is `current`, the settings of the Run tab.

    `values`: setting -> its values as typed. `cells`, where there are any, are tried as they stand instead.
    """

    current: PipelineConfig = field(default_factory=PipelineConfig)
    preset: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    cells: tuple[Mapping[str, Any], ...] = ()
    design: Design = "crossed"
    with_baseline: bool = True
    packs: tuple[Path, ...] = ()
    prompts: int | None = DEFAULT_PROMPTS
    seeds: int = DEFAULT_SEEDS
    budget: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Designed:
    """A draft that can be run: its plan, its pictures, and what they will cost."""

    plan: LearningPlan
    whole: PlanVariants
    estimate: Estimate


def design_experiment(draft: Draft, workspace: Workspace, backend: str, can: Capabilities | None) -> Designed:
    """The plan of the draft and its cost. For a worker's thread. Raises InputError saying what is missing or wrong."""
    if not draft.cells and not draft.values:
        raise InputError("Choose a setting to test, and at least two values for it.")
    if not draft.packs:
        raise InputError("Choose a pack: its prompts are what every cell is tried on.")
    plan = _plan(draft, _baseline(draft, workspace), _prompts(draft, workspace), _seeds(draft, workspace))
    if can is not None:
        check_choices(plan, offers_of(can))
    whole = variants_of(plan, "designed")
    estimate = estimate_experiment(whole, workspace, backend, can.native_size if can else None)
    return Designed(plan=plan, whole=whole, estimate=estimate)


def store_experiment(workspace: Workspace, designed: Designed, choice: BackendChoice) -> Experiment:
    """Keep the plan, for that backend. For a worker's thread. Raises InputError."""
    experiment = new_experiment(designed.plan, backend=choice.name, backend_url=choice.url)
    save_experiment(workspace, experiment)
    return experiment


def offers_of(can: Capabilities) -> dict[str, Sequence[str]]:
    """What a backend says that it has, as `check_choices` takes it."""
    return {
        "model": can.models,
        "vae": can.vaes,
        "sampler": can.samplers,
        "scheduler": can.schedulers,
        "upscaler": can.upscalers,
    }


def names_to_test(can: Capabilities | None) -> tuple[str, ...]:
    """Every setting that an experiment can test on this backend, the usual ones first."""
    usual = ("sampler", "scheduler", "steps", "cfg_scale", SIZE, "model", LORA, "clip_skip")
    others = [
        path.removeprefix("txt2img.")
        for path, setting in declared_settings().items()
        if path not in _NO_SETTINGS and is_shown(setting, can)
    ]
    return (*usual, *(name for name in others if name not in usual))


def setting_of(name: str) -> Setting | None:
    """The declaration behind a name; None for sizes, loras and what is no setting."""
    if name in ("", SIZE, LORA):
        return None
    try:
        return resolve_setting(name)
    except InputError:
        return None


def values_on_offer(name: str, can: Capabilities | None) -> tuple[str, ...]:
    """Every value the setting can have, where they can be listed."""
    setting = setting_of(name)
    if setting is None:
        return ()
    return ("true", "false") if setting.kind == "boolean" else known_values(setting, can)


def hint_of(name: str) -> str:
    """What may be typed as the values of a setting."""
    if name in _EXAMPLES:
        return f"such as {_EXAMPLES[name]}"
    setting = setting_of(name)
    if setting is None:
        return ""
    example = {"integer": "10,20,30 or 10..30:5", "number": "3,5,7 or 3..9:0.5"}.get(setting.kind, "a,b,c")
    return f"{setting.allowed}; such as {example}" if setting.allowed else f"such as {example}"


def problem_of(name: str, values: str) -> str:
    """What is wrong with a setting under test, "" where nothing is."""
    if name not in (SIZE, LORA) and setting_of(name) is None:
        return f"{name}: there is no such setting"
    if not values:
        return ""
    try:
        make_learning_plan(
            baseline=PipelineConfig(stages=("txt2img", "img2img", "upscale")),
            prompts=["checked"],
            settings=_typed({name: values}),
        )
    except InputError as exc:
        return str(exc)
    return ""


def quoted(values: Sequence[str]) -> str:
    """Chosen values as a person would type them."""
    return ",".join(f'"{value}"' if "," in value else value for value in values)


def unquoted(text: str) -> tuple[str, ...]:
    """The single values of such a text."""
    found, inside, start = [], False, 0
    for place, sign in enumerate(text):
        if sign == '"':
            inside = not inside
        elif sign == "," and not inside:
            found.append(text[start:place])
            start = place + 1
    return tuple(part.strip().strip('"') for part in [*found, text[start:]] if part.strip())


def _typed(values: Mapping[str, str]) -> dict[str, list[Any]]:
    return dict(values_under_test(f"{name}={text}") for name, text in values.items())


def _seeds(draft: Draft, workspace: Workspace) -> int | tuple[int, ...]:
    """How many seeds; of given cells, new ones: they may have been made already with those that a prompt gets first."""
    if not draft.cells:
        return draft.seeds
    return unseen_seeds(workspace, draft.seeds)


def _plan(
    draft: Draft, baseline: PipelineConfig, prompts: tuple[PlanPrompt, ...], seeds: int | tuple[int, ...]
) -> LearningPlan:
    listed = bool(draft.cells)
    return make_learning_plan(
        baseline=baseline,
        prompts=prompts,
        settings={} if listed else _typed(draft.values),
        design="listed" if listed else draft.design,
        cells=draft.cells,
        with_baseline=draft.with_baseline and draft.design != "one-at-a-time" and not listed,
        seeds=seeds,
        budget=draft.budget,
        note=draft.note,
    )


def _baseline(draft: Draft, workspace: Workspace) -> PipelineConfig:
    if draft.preset is None:
        return draft.current
    return wished_config(Wish(packs=(), preset=draft.preset), workspace)


def _prompts(draft: Draft, workspace: Workspace) -> tuple[PlanPrompt, ...]:
    wildcards = Wildcards(folders=wildcard_folders(draft.packs, workspace))
    found = prompts_of_packs([read_pack(path) for path in draft.packs], wildcards=wildcards, limit=draft.prompts)
    if not found:
        raise InvalidPlan("prompts", "the chosen packs have none")
    return found
