"""Lines and axes become a plan; a plan gives its variants, each computable alone, in the order of execution."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import msgspec

from stablenew.config import (
    SEED_MAX,
    PipelineConfig,
    check_config,
    config_from_dict,
    config_to_dict,
    replace_settings,
)
from stablenew.errors import InvalidSetting, PlanTooLarge
from stablenew.prompts.axes import Axis, SkipRule, axis_from_dict, axis_to_dict, slot_key
from stablenew.prompts.choices import Draw
from stablenew.prompts.expansion import LineExpansion, ReplaceRule, SlotValues, Vocabulary, expand_line
from stablenew.prompts.extra_networks import common_form
from stablenew.prompts.layout import Layout
from stablenew.prompts.pack import Pack
from stablenew.prompts.sidecar import Matrix
from stablenew.prompts.space import Cell
from stablenew.prompts.template import Mode
from stablenew.prompts.wildcards import Wildcards, WildcardValues
from stablenew.variant import PromptLine, Variant, derived_seed, lora_tags

RECIPE_VERSION = 1
MAX_COUNT = 10**18
MAX_IMAGES = 100_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Every variant of a run, described and not yet expanded. Built by `make_plan` or `plan_from_recipe`.

    `slots` are those of the pack by key; `seeds` are the seeds of every cell, or how many it has. With a `limit` below
    the number of cells the plan is a balanced part of them, otherwise all of them in nested order.
    """

    config: PipelineConfig
    lines: tuple[PromptLine, ...]
    axes: tuple[Axis, ...] = ()
    skip: tuple[SkipRule, ...] = ()
    seeds: tuple[int, ...] | int = 1
    limit: int | None = None
    slots: Mapping[str, SlotValues] = field(default_factory=dict)
    wildcards: Wildcards = field(default_factory=Wildcards)
    rules: tuple[ReplaceRule, ...] = ()
    mode: Mode = "grid"

    @cached_property
    def count(self) -> int:
        """How many variants there are, exactly."""
        return self._layout.count

    @cached_property
    def total(self) -> int:
        """How many there would be without the limit."""
        return self._layout.total

    def variant(self, k: int) -> Variant:
        """Variant `k` in the order of execution, computed without the others. Raises IndexError outside 0..count-1."""
        if not 0 <= k < self.count:
            raise IndexError(k)
        return self._maker()(k, self._layout.cell(k))

    def variants(self) -> Iterator[Variant]:
        """The variants in the order of execution, made one at a time."""
        return map(self._maker(), range(self.count), self._layout.cells())

    def __iter__(self) -> Iterator[Variant]:
        return self.variants()

    def recipe(self) -> dict[str, Any]:
        """JSON types from which `plan_from_recipe` gives the same variants without reading any file."""
        return {
            "version": RECIPE_VERSION,
            "config": config_to_dict(self.config),
            "lines": msgspec.to_builtins(self._lines),
            "axes": [axis_to_dict(axis) for axis in self.axes],
            "skip": msgspec.to_builtins(self.skip),
            "seeds": list(self.seeds) if isinstance(self.seeds, tuple) else self.seeds,
            "limit": self.limit,
            "slots": {key: msgspec.to_builtins(spec) for key, spec in self.slots.items()},
            "wildcards": msgspec.to_builtins(self._asked),
            "rules": msgspec.to_builtins(self.rules),
            "mode": self.mode,
        }

    def _maker(self) -> Callable[[int, Cell], Variant]:
        """What makes variant k from its cell. It keeps what the variant before it had: in a grid, most of it."""
        lines, expansions, settings_of = self._lines, self._expansions, self._settings
        count, mode, slot_axes = self.count, self._matrix_mode, self._slot_axes
        last: tuple[str, str, dict[str, str]] = ("", "", {})
        last_line = seed_line = seed_image = seed = -1
        last_ranks: tuple[int, ...] | None = None

        def make(k: int, cell: Cell) -> Variant:
            nonlocal last, last_line, last_ranks, seed_line, seed_image, seed
            line_index, ranks, axes, image = cell
            line, expansion = lines[line_index], expansions[line_index]
            config, values, bound = settings_of(line_index if line.settings else -1, axes)
            if line_index != seed_line or image != seed_image:
                # Axes never change a seed: it depends on the line and the image alone.
                seed_line, seed_image, seed = line_index, image, self._seed(line, config, image)
            if expansion.plain is None:
                draw = Draw(seed=seed, image=image, line_index=line_index, names=dict(bound))
                draw.bindings.update((name, value) for name, value in bound.items() if name in expansion.slot_names)
                prompt, negative = expansion.render(ranks, draw)
                bindings = draw.bindings
            else:
                if ranks is not last_ranks or line_index != last_line:
                    last = expansion.plain.render(ranks)
                    last_line, last_ranks = line_index, ranks
                prompt, negative, bindings = last
            if "lora" in values:
                prompt = f"{prompt} {lora_tags(values['lora'])}".strip()
            if "<" in prompt or "<" in negative:
                prompt, negative = common_form(prompt), common_form(negative)
            if slot_axes:
                values = {**values, **{f"[[{name}]]": bindings[name] for name in slot_axes if name in bindings}}
            return Variant(
                index=k,
                count=count,
                line=line,
                prompt=prompt,
                negative_prompt=negative,
                seed=seed,
                config=config,
                bindings=bindings,
                axes=values,
                matrix_mode=mode,
                fanout=expansion.count,
            )

        return make

    @cached_property
    def _lines(self) -> tuple[PromptLine, ...]:
        """The lines that the plan runs: those an axis over lines names, else all."""
        wanted = [row[0] for axis in self.axes if axis.kinds == ("line",) for row in axis.values]
        if not wanted:
            return self.lines
        by_number = {line.line_number: line for line in self.lines}
        missing = [number for number in wanted if number not in by_number]
        if missing:
            there = ", ".join(map(str, list(by_number)[:20]))
            raise InvalidSetting("line", missing[0], f"the number of a row where a prompt starts: {there}")
        return tuple(by_number[number] for number in wanted)

    @cached_property
    def _shared(self) -> tuple[Axis, ...]:
        """The axes that cross with every line: all but lines, seeds, and slots on their own."""
        return tuple(axis for axis in self.axes if axis.kinds not in (("line",), ("seed",), ("slot",)))

    @cached_property
    def _slot_axes(self) -> tuple[str, ...]:
        keys = [axis.names[0] for axis in self.axes if axis.kinds == ("slot",)]
        return tuple(self.slots[key].name if key in self.slots else key for key in keys)

    @cached_property
    def _seeds(self) -> tuple[int, ...] | int:
        chosen = [tuple(row[0] for row in axis.values) for axis in self.axes if axis.kinds == ("seed",)]
        return chosen[0] if chosen else self.seeds

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        slots = dict(self.slots)
        for axis in self.axes:
            if axis.kinds == ("slot",):
                key = axis.names[0]
                name = slots[key].name if key in slots else key
                slots[key] = SlotValues(name=name, values=tuple(row[0] for row in axis.values), mode="grid")
        linked = [
            name for axis in self._shared for name, kind in zip(axis.names, axis.kinds, strict=True) if kind == "slot"
        ]
        return Vocabulary(
            slots=slots, wildcards=self.wildcards, rules=self.rules, mode=self.mode, bound=frozenset(linked)
        )

    @cached_property
    def _expansions(self) -> tuple[LineExpansion, ...]:
        return tuple(
            expand_line(
                line.prompt, line.negative_prompt, self._vocabulary, where=line.pack_name, line=line.line_number
            )
            for line in self._lines
        )

    @cached_property
    def _asked(self) -> dict[str, WildcardValues]:
        """The wildcards in use: the expansions were made by then."""
        assert self._expansions
        return self.wildcards.asked()

    @cached_property
    def _layout(self) -> Layout:
        images = self._image_count
        seeds: Sequence[int] | None = self._seeds if isinstance(self._seeds, tuple) else None
        if seeds is None and self.config.seed is not None:
            seeds = [(self.config.seed + image) % (SEED_MAX + 1) for image in range(images)]
        return Layout(self._lines, self._expansions, self._shared, images, seeds, self.skip, self.limit)

    @cached_property
    def _image_count(self) -> int:
        return len(self._seeds) if isinstance(self._seeds, tuple) else self._seeds

    @cached_property
    def _matrix_mode(self) -> str:
        if self.mode != "grid":
            return self.mode
        return "balanced" if self._layout.balanced else "grid" if self.total > 1 else "none"

    @cached_property
    def _settings(
        self,
    ) -> Callable[[int, tuple[int, ...]], tuple[PipelineConfig, Mapping[str, Any], Mapping[str, str]]]:
        """(line with settings of its own or -1, ranks) -> config, values by path, slots that linked axes set."""

        @lru_cache(4096)
        def settings(line: int, ranks: tuple[int, ...]) -> tuple[PipelineConfig, Mapping[str, Any], Mapping[str, str]]:
            typed: dict[str, Any] = dict(self._lines[line].settings) if line >= 0 else {}
            values: dict[str, Any] = {}
            bound: dict[str, str] = {}
            for axis, rank in zip(self._shared, ranks, strict=True):
                for name, kind, value in zip(axis.names, axis.kinds, axis.values[rank], strict=True):
                    if kind == "slot":
                        bound[name] = value
                        values[f"[[{name}]]"] = value
                        continue
                    values[name] = value
                    if kind == "setting":
                        typed[name] = value
            return check_config(replace_settings(self.config, typed)), values, bound

        return settings

    def _seed(self, line: PromptLine, config: PipelineConfig, image: int) -> int:
        """The same for every setting and text of a line, so that only what is compared differs."""
        if isinstance(self._seeds, tuple):
            return self._seeds[image]
        if config.seed is not None:
            return (config.seed + image) % (SEED_MAX + 1)
        return self._derived(line.prompt, line.negative_prompt, image)

    @cached_property
    def _derived(self) -> Callable[[str, str, int], int]:
        return lru_cache(4096)(lambda prompt, negative, image: derived_seed(prompt, negative, image))


def make_plan(
    config: PipelineConfig,
    lines: Sequence[PromptLine],
    *,
    axes: Sequence[Axis] = (),
    skip: Sequence[SkipRule] = (),
    seeds: int | Sequence[int] | None = None,
    limit: int | None = None,
    slots: Sequence[SlotValues] = (),
    wildcards: Wildcards | None = None,
    rules: Sequence[ReplaceRule] = (),
    mode: Mode = "grid",
) -> Plan:
    """The plan of every line crossed with its texts, every axis and every seed, or `limit` variants of it, balanced.

    `seeds` are the seeds of every cell, or how many; None is `config.images_per_prompt`. Raises InvalidSetting,
    PackError for a slot or wildcard that is missing, and PlanTooLarge.
    """
    wanted = config.images_per_prompt if seeds is None else seeds
    plan = Plan(
        config=check_config(config),
        lines=tuple(lines),
        axes=tuple(axes),
        skip=tuple(skip),
        seeds=wanted if isinstance(wanted, int) else tuple(wanted),
        limit=limit,
        slots={slot_key(spec.name): spec for spec in slots},
        wildcards=wildcards or Wildcards(),
        rules=tuple(rules),
        mode=mode,
    )
    _check(plan)
    return plan


def plan_pack(
    config: PipelineConfig,
    pack: Pack,
    *,
    axes: Sequence[Axis] = (),
    skip: Sequence[SkipRule] = (),
    seeds: int | Sequence[int] | None = None,
    limit: int | None = None,
    wildcards: Wildcards | None = None,
    mode: Mode | None = None,
) -> Plan:
    """`make_plan` for a pack: its matrix gives slots, rules, mode and limit where nothing else is asked for."""
    matrix = pack.matrix if pack.matrix.enabled else Matrix()
    return make_plan(
        config,
        pack.prompt_lines(),
        axes=axes,
        skip=skip,
        seeds=seeds,
        limit=matrix.limit if limit is None else limit,
        slots=matrix.slots,
        wildcards=wildcards,
        rules=matrix.rules,
        mode=mode or matrix.mode,
    )


def plan_from_recipe(recipe: Mapping[str, Any]) -> Plan:
    """The plan whose `recipe()` this is. Raises InvalidSetting where the recipe is of another version or not usable."""
    if recipe.get("version") != RECIPE_VERSION:
        raise InvalidSetting("recipe.version", recipe.get("version"), f"{RECIPE_VERSION}: made by another StableNew")
    try:
        given = msgspec.convert(recipe["wildcards"], dict[str, WildcardValues])
        return make_plan(
            config_from_dict(recipe["config"]),
            msgspec.convert(recipe["lines"], tuple[PromptLine, ...]),
            axes=[axis_from_dict(axis) for axis in recipe["axes"]],
            skip=msgspec.convert(recipe["skip"], tuple[SkipRule, ...]),
            seeds=recipe["seeds"],
            limit=recipe["limit"],
            slots=msgspec.convert(list(recipe["slots"].values()), list[SlotValues]),
            wildcards=Wildcards(given=given),
            rules=msgspec.convert(recipe["rules"], tuple[ReplaceRule, ...]),
            mode=msgspec.convert(recipe["mode"], Mode),
        )
    except (KeyError, msgspec.ValidationError) as exc:
        raise InvalidSetting("recipe", str(exc), "the recipe of a plan as the run's manifest holds it") from exc


def _check(plan: Plan) -> None:
    if not plan.lines:
        raise InvalidSetting("lines", 0, "at least one line")
    if plan.limit is not None and plan.limit < 1:
        raise InvalidSetting("limit", plan.limit, "a whole number from 1")
    _check_axes(plan)
    seeds = plan._seeds if isinstance(plan._seeds, tuple) else ()
    if not 1 <= plan._image_count <= MAX_IMAGES or len(set(seeds)) != len(seeds):
        raise InvalidSetting("seeds", plan.seeds, f"from 1 to {MAX_IMAGES:,} seeds, each once")
    if any(not 0 <= seed <= SEED_MAX for seed in seeds):
        raise InvalidSetting("seeds", plan.seeds, f"whole numbers from 0 to {SEED_MAX}")
    if plan.count == 0:
        raise InvalidSetting("--skip", "; ".join(rule.text for rule in plan.skip), "rules that leave something to run")
    if plan.count > MAX_COUNT:
        raise PlanTooLarge(plan.count, MAX_COUNT)
    plan.variant(0)


def _check_axes(plan: Plan) -> None:
    names = [name for axis in plan.axes for name in axis.names]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InvalidSetting(twice, twice, "one axis")
    for axis in plan.axes:
        alone = next((kind for kind in axis.kinds if kind in ("line", "seed")), None)
        if alone and len(axis.names) > 1:
            raise InvalidSetting("--vary-together", alone, "settings, slots and loras: lines and seeds cross with all")
    used = {name for expansion in plan._expansions for name in expansion.slot_names}
    for axis in plan.axes:
        for name, kind in zip(axis.names, axis.kinds, strict=True):
            if kind == "slot" and name not in used:
                raise InvalidSetting(f"[[{name}]]", "", "a slot that a line uses; no line has this one")
