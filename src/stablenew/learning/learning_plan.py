"""The plan of an experiment: which settings are tried against which, on which prompts and seeds, and how many pictures.

Every cell (one combination of values) gets the same rows (a prompt with a seed), so that what differs between two
cells differs by their settings alone. `learning_adapter` makes variants of a plan. As a TOML file:

    note = "does it need that many steps?"
    design = "crossed"              # or one-at-a-time; or listed, with a list of tables `cells`
    prompts = ["a red fox", {prompt = "a boat", negative_prompt = "blurry"}]
    seeds = 2                       # or [11, 12]
    budget = 60                     # at most so many pictures

    [baseline]
    sampler = "UniPC"

    [settings]
    steps = [10, 20, 30]
    cfg_scale = [3, 5, 7]
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec

from stablenew.config import (
    SEED_MAX,
    STAGES,
    PipelineConfig,
    StageName,
    check_config,
    config_from_dict,
    config_to_dict,
)
from stablenew.errors import InputError, InvalidPlan, InvalidSetting, nearest_name
from stablenew.learning.execution_context import field_and_reason
from stablenew.learning.plan_checks import check_parts, first_stage_touched
from stablenew.learning.plan_setting import PlanSetting, plan_setting, typed_values
from stablenew.variant import PromptLine

Design = Literal["crossed", "one-at-a-time", "listed"]
DESIGNS: tuple[Design, ...] = get_args(Design)
PLAN_VERSION = 1
SEEDS_MAX, PROMPTS_MAX, PICTURES_MAX = 10_000, 10_000, 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPrompt:
    """A prompt as it is sent: every slot of its pack line has its value, listed in `bindings`."""

    line: PromptLine
    prompt: str
    negative_prompt: str = ""
    bindings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLayout:
    """The cells (what each sets) and the number of rows that a plan came to when its experiment was stored."""

    cells: tuple[Mapping[str, Any], ...]
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningPlan:
    """What an experiment tries. Built by `make_learning_plan`, `plan_from_dict` or `read_plan`, which check it.

    `baseline` is what every cell starts from, its `stages` those that every picture goes through. `design`: "crossed"
    tries all combinations of the values, "one-at-a-time" the baseline and each value alone, "listed" the `cells` (each
    a map of setting names to values). `with_baseline` adds the baseline itself to a crossed or listed design.

    `stage` is the first whose settings differ between cells; what comes before it is made once per prompt and seed
    and shared. `seeds` are those of every prompt, or how many it gets; `images_per_cell` how many pictures a cell gets
    in all (None: a picture per prompt and seed). `budget` limits the pictures of all cells together (shared sources
    not counted): rows are left out first, last seeds before prompts; where four would not stay, cells are (a balanced
    choice stays); with `images_per_cell` given, cells alone. `layout`, of a stored plan, is what all that came to: it
    holds whatever a later version would choose.
    """

    baseline: PipelineConfig
    prompts: tuple[PlanPrompt, ...]
    settings: tuple[PlanSetting, ...] = ()
    design: Design = "crossed"
    cells: tuple[Mapping[str, Any], ...] = ()
    with_baseline: bool = False
    stage: StageName = "txt2img"
    seeds: int | tuple[int, ...] = 1
    images_per_cell: int | None = None
    budget: int | None = None
    note: str = ""
    layout: PlanLayout | None = None

    @property
    def shared_stages(self) -> tuple[StageName, ...]:
        """The stages made once per prompt and seed, before any cell."""
        return self.baseline.stages[: self.baseline.stages.index(self.stage)]

    @property
    def tested(self) -> tuple[PlanSetting, ...]:
        """The settings under test; of a listed design those that its cells name, with the values they give."""
        if self.design != "listed":
            return self.settings
        found: dict[str, dict[Any, None]] = {}
        for cell in self.cells:
            for name, value in cell.items():
                found.setdefault(name, {})[value] = None
        return tuple(PlanSetting(name=name, values=tuple(values)) for name, values in found.items())

    def to_dict(self) -> dict[str, Any]:
        """JSON types, which `plan_from_dict` reads: the same plan, without any file."""
        baseline = config_to_dict(self.baseline)
        return {
            "version": PLAN_VERSION,
            "note": self.note,
            "design": self.design,
            "settings": {setting.name: list(setting.values) for setting in self.settings},
            "cells": [dict(cell) for cell in self.cells],
            "with_baseline": self.with_baseline,
            "stage": self.stage,
            "seeds": list(self.seeds) if isinstance(self.seeds, tuple) else self.seeds,
            "images_per_cell": self.images_per_cell,
            "budget": self.budget,
            "tags": baseline.pop("learning_tags"),
            "baseline": {name: value for name, value in baseline.items() if name not in _OF_A_RUN},
            "prompts": msgspec.to_builtins(self.prompts),
            "layout": self.layout and {"cells": [dict(cell) for cell in self.layout.cells], "rows": self.layout.rows},
        }


_OF_A_RUN = ("run_id", "learning_enabled", "images_per_prompt")


class _Layout(msgspec.Struct, forbid_unknown_fields=True):
    cells: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1)]
    rows: Annotated[int, msgspec.Meta(ge=1)]


class _PlanFile(msgspec.Struct, forbid_unknown_fields=True):
    """A plan as a person or `to_dict` writes it."""

    baseline: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    prompts: list[str | dict[str, Any]] = []
    design: Design = "crossed"
    cells: list[dict[str, Any]] = []
    with_baseline: bool = False
    stage: StageName | None = None
    seeds: int | list[int] = 1
    images_per_cell: int | None = None
    budget: int | None = None
    tags: list[str] = []
    note: str = ""
    layout: _Layout | None = None
    version: int = PLAN_VERSION


def make_learning_plan(
    *,
    baseline: PipelineConfig,
    prompts: Sequence[PlanPrompt | PromptLine | str],
    settings: Mapping[str, object] | None = None,
    design: Design = "crossed",
    cells: Sequence[Mapping[str, object]] = (),
    with_baseline: bool = False,
    stage: StageName | None = None,
    seeds: int | Sequence[int] = 1,
    images_per_cell: int | None = None,
    budget: int | None = None,
    note: str = "",
) -> LearningPlan:
    """A checked plan. `stage` None: the first that a setting under test belongs to.

    A stage that the baseline lacks is added to it. Raises InvalidPlan naming the field.
    """
    under_test = tuple(plan_setting(name, values) for name, values in (settings or {}).items())
    listed = tuple(typed_values(cell, f"cells[{place}]") for place, cell in enumerate(cells))
    plan = LearningPlan(
        baseline=_with_stage(baseline, stage),
        prompts=_once(_as_prompt(prompt, number) for number, prompt in enumerate(prompts, 1)),
        settings=under_test,
        design=design,
        cells=listed,
        with_baseline=with_baseline,
        seeds=seeds if isinstance(seeds, int) else tuple(seeds),
        images_per_cell=images_per_cell,
        budget=budget,
        note=note,
    )
    _check_numbers(plan)
    _check_design(plan)
    touched = first_stage_touched(plan.tested, plan.baseline)
    check_parts(plan.tested, plan.baseline, stage or touched)
    return dataclasses.replace(plan, stage=stage or touched)


def plan_from_dict(
    data: Mapping[str, Any], *, prompts: Sequence[PlanPrompt | PromptLine | str] | None = None
) -> LearningPlan:
    """The plan in `data`: what `to_dict` gave, or what a person wrote. `prompts` take the place of those in it.

    Raises InvalidPlan naming the field.
    """
    try:
        read = msgspec.convert(data, _PlanFile)
    except msgspec.ValidationError as exc:
        raise _wrong_field(exc) from exc
    if read.version != PLAN_VERSION:
        raise InvalidPlan("version", f"{read.version} was made by another StableNew; this one reads {PLAN_VERSION}")
    plan = make_learning_plan(
        baseline=dataclasses.replace(_read_baseline(read.baseline), learning_tags=read.tags),
        prompts=[_read_prompt(each, place) for place, each in enumerate(read.prompts)] if prompts is None else prompts,
        settings=read.settings,
        design=read.design,
        cells=read.cells,
        with_baseline=read.with_baseline,
        stage=read.stage,
        seeds=read.seeds,
        images_per_cell=read.images_per_cell,
        budget=read.budget,
        note=read.note,
    )
    return plan if read.layout is None else dataclasses.replace(plan, layout=_read_layout(read.layout))


def read_plan_file(path: Path) -> dict[str, Any]:
    """What the TOML file at `path` says, for `plan_from_dict`. Raises InputError naming file and line."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise InputError(f"{path} is not TOML: {exc}") from exc


def _wrong_field(error: msgspec.ValidationError) -> InvalidPlan:
    name, reason = field_and_reason(error)
    unknown = re.search("unknown field `(.+)`", reason)
    if unknown is None:
        return InvalidPlan(name or "plan", reason)
    known = [declared.name for declared in msgspec.structs.fields(_PlanFile)]
    nearest = nearest_name(unknown[1], known)
    hint = f"did you mean {nearest}?" if nearest else f"there are: {', '.join(known)}"
    return InvalidPlan(unknown[1], f"no field is called so: {hint}")


def _read_layout(said: _Layout) -> PlanLayout:
    cells = (typed_values(cell, f"layout.cells[{place}]") for place, cell in enumerate(said.cells))
    return PlanLayout(cells=tuple(cells), rows=said.rows)


def _read_baseline(data: Mapping[str, Any]) -> PipelineConfig:
    try:
        return config_from_dict(data)
    except InvalidSetting as exc:
        raise InvalidPlan("baseline", str(exc)) from exc


def _read_prompt(data: str | Mapping[str, Any], place: int) -> PlanPrompt | str:
    if isinstance(data, str):
        return data
    text = {"prompt": data.get("prompt"), "negative_prompt": data.get("negative_prompt", "")}
    line = {"pack_id": "", "pack_name": "", "line_number": place + 1, **text}
    if not isinstance(text["prompt"], str):
        raise InvalidPlan(f"prompts[{place}].prompt", "a text is needed")
    try:
        return msgspec.convert({"line": line, **data}, PlanPrompt)
    except msgspec.ValidationError as exc:
        name, reason = field_and_reason(exc)
        raise InvalidPlan(".".join(filter(None, (f"prompts[{place}]", name))), reason) from exc


def _as_prompt(prompt: PlanPrompt | PromptLine | str, number: int) -> PlanPrompt:
    if isinstance(prompt, str):
        prompt = PromptLine(pack_id="", pack_name="", line_number=number, prompt=prompt)
    if isinstance(prompt, PromptLine):
        return PlanPrompt(line=prompt, prompt=prompt.prompt, negative_prompt=prompt.negative_prompt)
    return prompt


def _once(prompts: Any) -> tuple[PlanPrompt, ...]:
    """Each text once: a second one would make the same pictures again."""
    found: dict[object, PlanPrompt] = {}
    for each in prompts:
        found.setdefault((each.prompt, each.negative_prompt, each.line.settings), each)
    return tuple(found.values())


def _with_stage(baseline: PipelineConfig, stage: StageName | None) -> PipelineConfig:
    """The baseline with `stage` among its stages. Raises InvalidPlan where its settings do not agree."""
    if stage is not None and stage not in baseline.stages:
        wanted = {*baseline.stages, stage}
        baseline = dataclasses.replace(baseline, stages=tuple(name for name in STAGES if name in wanted))
    try:
        check_config(baseline)
    except InvalidSetting as exc:
        raise InvalidPlan("baseline", str(exc)) from exc
    return dataclasses.replace(baseline, learning_enabled=True, images_per_prompt=1, run_id=None)


def _check_numbers(plan: LearningPlan) -> None:
    count = len(plan.seeds) if isinstance(plan.seeds, tuple) else plan.seeds
    if not plan.prompts or len(plan.prompts) > PROMPTS_MAX or not all(each.prompt.strip() for each in plan.prompts):
        raise InvalidPlan("prompts", f"from 1 to {PROMPTS_MAX:,} prompts are needed, none of them empty")
    if not 1 <= count <= SEEDS_MAX:
        raise InvalidPlan("seeds", f"from 1 to {SEEDS_MAX:,} seeds are needed, not {count:,}")
    if isinstance(plan.seeds, tuple):
        if len(set(plan.seeds)) != count or any(not 0 <= seed <= SEED_MAX for seed in plan.seeds):
            raise InvalidPlan("seeds", f"whole numbers from 0 to {SEED_MAX} are needed, each once")
        if plan.images_per_cell is not None and plan.images_per_cell > len(plan.prompts) * count:
            most = f"{len(plan.prompts)} prompts with {count} seeds make {len(plan.prompts) * count} pictures"
            raise InvalidPlan("images_per_cell", f"{plan.images_per_cell} is too many: {most}")
    for name in ("images_per_cell", "budget"):
        number = getattr(plan, name)
        if number is not None and not 1 <= number <= PICTURES_MAX:
            raise InvalidPlan(name, f"a number from 1 to {PICTURES_MAX:,} is needed, not {number:,}")


def _check_design(plan: LearningPlan) -> None:
    if plan.design not in DESIGNS:
        raise InvalidPlan("design", f"{plan.design!r} is none of {', '.join(DESIGNS)}")
    names = [setting.name for setting in plan.settings]
    if len(set(names)) != len(names):
        raise InvalidPlan("settings", "each setting once; size stands for width and height")
    if plan.design == "listed" and (names or not any(plan.cells)):
        raise InvalidPlan("cells", "a listed design needs its cells, and no settings beside them")
    if plan.design != "listed" and (plan.cells or not names):
        raise InvalidPlan("settings", f"a {plan.design} design needs settings with values, and no cells beside them")
