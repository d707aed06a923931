"""What a person asked for with `experiment new`, and the experiment that comes of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stablenew.backends.registry import DEFAULT_BACKEND, BackendOptions, open_backend
from stablenew.errors import BackendUnavailable, InvalidPlan
from stablenew.learning.experiments import Experiment, new_experiment, save_experiment
from stablenew.learning.learning_adapter import variants_of
from stablenew.learning.learning_plan import LearningPlan, PlanPrompt, plan_from_dict, read_plan_file
from stablenew.learning.plan_checks import check_choices
from stablenew.pipeline.experiment_prompts import prompts_of_packs
from stablenew.pipeline.experiment_values import values_under_test
from stablenew.pipeline.presets import preset_of
from stablenew.prompts.pack import read_pack
from stablenew.prompts.wildcards import Wildcards
from stablenew.run_request import Wish, parse_assignments, wildcard_folders, wished_config
from stablenew.variant import PromptLine

if TYPE_CHECKING:
    from stablenew.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of `experiment new`, nothing checked yet."""

    packs: tuple[Path, ...]
    plan_file: Path | None
    vary: tuple[str, ...]
    one_at_a_time: bool
    with_baseline: bool
    texts: tuple[str, ...]
    negative: str
    prompt_limit: int | None
    seeds: int | None
    images_per_cell: int | None
    budget: int | None
    stage: str | None
    stages: str | None
    settings: tuple[str, ...]
    preset: str | None
    backend: str | None
    model: str | None
    url: str | None
    seed: str | None
    experiment_id: str | None
    note: str
    tags: tuple[str, ...]
    no_check: bool


def planned(asked: Asked, workspace: Workspace) -> Experiment:
    """The experiment, checked and stored. Options go before what the plan's file says. Raises InputError."""
    said = dict(read_plan_file(asked.plan_file)) if asked.plan_file else {}
    beside = asked.plan_file.parent if asked.plan_file else Path()
    backend = asked.backend or _text(said, "backend") or DEFAULT_BACKEND
    url = asked.url or _text(said, "url")
    name = asked.experiment_id or _text(said, "id")
    packs = [*_packs(said.pop("packs", []), beside), *asked.packs]
    plan = plan_from_dict(_data(asked, said, workspace), prompts=_prompts(asked, said, packs, workspace))
    plan = _with_absolute_image(plan, beside)
    variants_of(plan, "checked")
    if not asked.no_check:
        _check_with_backend(plan, backend, url, workspace)
    experiment = new_experiment(plan, experiment_id=name, backend=backend, backend_url=url)
    save_experiment(workspace, experiment)
    return experiment


def _data(asked: Asked, said: Mapping[str, Any], workspace: Workspace) -> dict[str, Any]:
    """The plan as a dict: what the file says, then what the options say."""
    wish = Wish(
        packs=(),
        model=asked.model,
        preset=asked.preset,
        settings=parse_assignments(asked.settings, "--set"),
        seed=asked.seed,
        stages=asked.stages,
        tags=asked.tags,
    )
    config = wished_config(wish, workspace)
    data = dict(said) | {
        "baseline": {**said.get("baseline", {}), **preset_of(config).settings},
        "tags": [*said.get("tags", []), *config.learning_tags],
        "settings": _ranges(said.get("settings", {})) | _varied(asked.vary),
    }
    for name in ("seeds", "images_per_cell", "budget", "stage", "note", "with_baseline"):
        if value := getattr(asked, name):
            data[name] = value
    if asked.one_at_a_time:
        data["design"] = "one-at-a-time"
    return data


def _varied(texts: tuple[str, ...]) -> dict[str, list[Any]]:
    """The settings under test that `--vary` names, with their values."""
    return dict(map(values_under_test, texts))


def _ranges(settings: Any) -> dict[str, Any]:
    """The settings of a plan file, values written as on the command line ("10..30:10") as lists."""
    if not isinstance(settings, dict):
        raise InvalidPlan("settings", "a table of names with lists of values is needed")
    plain: dict[str, Any] = {}
    for name, values in settings.items():
        plain |= _varied((f"{name}={values}",)) if isinstance(values, str) else {name: values}
    return plain


def _prompts(asked: Asked, said: dict[str, Any], packs: list[Path], workspace: Workspace) -> list[Any] | None:
    """The prompts of packs and options; None where only the plan's file has some."""
    found: list[PlanPrompt | PromptLine] = []
    if packs:
        wildcards = Wildcards(folders=wildcard_folders(tuple(packs), workspace))
        found += prompts_of_packs([read_pack(path) for path in packs], wildcards=wildcards, limit=asked.prompt_limit)
    for number, text in enumerate(asked.texts, 1):
        line = PromptLine(pack_id="", pack_name="", line_number=number, prompt=text, negative_prompt=asked.negative)
        found.append(line)
    if not found:
        return None
    if said.get("prompts"):
        raise InvalidPlan(
            "prompts", "the plan's file has its own: leave out packs and --prompt, or take them out of it"
        )
    return found


def _packs(named: Any, beside: Path) -> list[Path]:
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
        raise InvalidPlan("packs", "a list of files is needed")
    return [beside / Path(each).expanduser() for each in named]


def _text(said: dict[str, Any], name: str) -> str | None:
    value = said.pop(name, None)
    if value is not None and not isinstance(value, str):
        raise InvalidPlan(name, "a text is needed")
    return value


def _with_absolute_image(plan: LearningPlan, beside: Path) -> LearningPlan:
    """The plan with its start picture named so that it is found from any folder."""
    own = plan.baseline.img2img
    if own.init_image is None:
        return plan
    found = str((beside / Path(own.init_image).expanduser()).absolute())
    baseline = dataclasses.replace(plan.baseline, img2img=dataclasses.replace(own, init_image=found))
    return dataclasses.replace(plan, baseline=baseline)


def _check_with_backend(plan: LearningPlan, name: str, url: str | None, workspace: Workspace) -> None:
    """Raises InvalidPlan for a name the backend says it does not have; one that cannot be reached is no obstacle."""
    try:
        backend = open_backend(
            BackendOptions(name=name, model=plan.baseline.model, url=url, workspace=workspace.root, pooled=True)
        )
        try:
            has = backend.capabilities()
        finally:
            backend.close()
    except BackendUnavailable as exc:
        click.echo(f"names are not checked yet: {exc}", err=True)
        return
    lists = {"model": has.models, "vae": has.vaes, "sampler": has.samplers, "scheduler": has.schedulers}
    check_choices(plan, lists | {"upscaler": has.upscalers})
