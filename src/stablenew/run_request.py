"""What a person asked for, on the command line or in the window, and the config, plan and parts that come of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stablenew.app import AppOptions
from stablenew.backends.registry import DEFAULT_BACKEND
from stablenew.config import STAGES, PipelineConfig, StageName, apply_settings, config_from_dict, resolve_setting
from stablenew.errors import InputError, PackError
from stablenew.pipeline.presets import OneClickAction, read_preset, settings_of_ancestor
from stablenew.pipeline.run_folder import read_manifest
from stablenew.prompts.axes import Axis, parse_axis, parse_linked, parse_skip
from stablenew.prompts.joined import plan_packs
from stablenew.prompts.pack import Pack, read_pack
from stablenew.prompts.randomizer import Plan
from stablenew.prompts.selection import variants_from_recipe
from stablenew.prompts.template import Mode
from stablenew.prompts.wildcards import Wildcards

if TYPE_CHECKING:
    from stablenew.learning.learning_record import Durability
    from stablenew.variant import Variant
    from stablenew.workspace import Workspace


def _say_nothing(_: str) -> None:
    """Nobody listens."""


Say = Callable[[str], None]
INIT_IMAGE = "img2img.init_image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A run as asked for, nothing checked yet. The fields are the options of `stablenew run`.

    `settings`: names as `resolve_setting` takes them, values typed or as text.
    """

    packs: tuple[Path, ...]
    backend: str | None = None
    model: str | None = None
    url: str | None = None
    preset: str | None = None
    card: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    vary: tuple[str, ...] = ()
    vary_together: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    seeds: int | None = None
    mode: Mode | None = None
    seed: str | None = None
    images_per_prompt: str | None = None
    stages: str | None = None
    pause_before: StageName | None = None
    limit: int | None = None
    run_id: str | None = None
    tags: tuple[str, ...] = ()
    no_learning: bool = False
    durability: Durability = "background"
    strict: bool = False
    label: str | None = None


def wish_of_action(action: OneClickAction, backend: str | None = None) -> Wish:
    """The run that a one-click action stands for, on `backend` where one is named."""
    return Wish(
        packs=tuple(Path(pack) for pack in action.packs),
        preset=action.preset,
        settings=parse_assignments(action.set, "--set"),
        vary=action.vary,
        backend=backend or action.backend,
        limit=action.limit,
        label=action.label,
    )


def parse_assignments(texts: Sequence[str], option: str) -> dict[str, str]:
    """`("steps=20", ...)` as a dict. Raises InputError naming the option where there is no `=`."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InputError(f"{option} {text!r} is not of the form NAME=VALUE")
        found[name.strip()] = value.strip()
    return found


def wished_plan(wish: Wish, workspace: Workspace, say: Say = _say_nothing) -> tuple[Plan, tuple[StageName, ...]]:
    """The plan of the run, and the stages that are left for later; `say` is told what in the packs is passed over.

    Raises InputError.
    """
    packs = [_filled_pack(path) for path in wish.packs]
    config, paused = split_stages(wished_config(wish, workspace, packs, say), wish.pause_before)
    axes = [*map(parse_axis, wish.vary), *map(parse_linked, wish.vary_together)]
    axes = [_with_absolute_files(axis) for axis in axes] + _card_loras(wish, workspace, axes)
    return plan_packs(
        config,
        packs,
        axes=axes,
        skip=[parse_skip(text, axes) for text in wish.skip],
        seeds=wish.seeds,
        limit=wish.limit,
        wildcards=Wildcards(folders=wildcard_folders(wish.packs, workspace)),
        mode=wish.mode,
    ), paused


def _filled_pack(path: Path) -> Pack:
    """The pack at `path`. Raises PackError, also where no prompt is in it."""
    pack = read_pack(path)
    if not pack.lines:
        raise PackError("there is no prompt in it", path=path)
    return pack


def wildcard_folders(packs: tuple[Path, ...], workspace: Workspace) -> tuple[Path, ...]:
    """Where `__wildcards__` are looked for: `wildcards/` beside each pack, then in the workspace."""
    beside = dict.fromkeys(path.parent / "wildcards" for path in packs)
    return tuple(folder for folder in [*beside, workspace.wildcards] if folder.is_dir())


def wished_config(
    wish: Wish, workspace: Workspace, packs: Sequence[Pack] = (), say: Say = _say_nothing
) -> PipelineConfig:
    """The packs' own settings, the preset's, the card's, `--set`, then the options of their own. Raises InputError."""
    changes: dict[str, object] = {}
    for pack in packs:
        settings, passed_over = settings_of_ancestor(pack.sidecar.preset)
        changes |= settings
        for note in [*pack.notes, *(f"no setting is called {key}: passed over" for key in passed_over)]:
            say(f"pack {pack.name}: {note}")
    if wish.preset is not None:
        changes |= read_preset(workspace, wish.preset).settings
    if wish.card is not None:
        changes |= _card_settings(wish.card, workspace, say)
    changes |= with_absolute_files(wish.settings)
    for name in ("model", "seed", "images_per_prompt", "stages"):
        if (value := getattr(wish, name)) is not None:
            changes[name] = value
    base = PipelineConfig(
        run_id=wish.run_id,
        one_click_action=wish.label,
        learning_enabled=not wish.no_learning,
        learning_tags=[*wish.tags, *([f"preset:{wish.preset}"] if wish.preset is not None else [])],
    )
    return apply_settings(base, changes)


def _card_settings(name: str, workspace: Workspace, say: Say) -> dict[str, object]:
    """What the card says now; `say` is told where it was withdrawn. Raises NotFound."""
    from stablenew.learning.card_store import current_card
    from stablenew.learning.card_text import state_line
    from stablenew.pipeline.card_presets import card_lora, settings_in_use

    card = current_card(workspace, name)
    if card.state == "withdrawn":
        say(f"card {name} is {state_line(card)}")
    settings, passed_over = settings_in_use(workspace, card)
    left_out = [each for each in passed_over if each != f"lora {card_lora(card)}"]
    if left_out:
        say(f"card {name}: not a setting of a run, passed over: {', '.join(left_out)}")
    return dict(settings)


def _card_loras(wish: Wish, workspace: Workspace, axes: Sequence[Axis]) -> list[Axis]:
    """The card's loras as an axis of one value, unless the run varies loras itself."""
    if wish.card is None or any("lora" in axis.kinds for axis in axes):
        return []
    from stablenew.learning.card_store import current_card
    from stablenew.pipeline.card_presets import card_lora

    lora = card_lora(current_card(workspace, wish.card))
    return [parse_axis(f"lora={lora}")] if lora else []


def with_absolute_files(changes: Mapping[str, object]) -> dict[str, object]:
    """`changes` with the files they name made absolute: a resume or a one-click action starts in another folder."""
    return {
        name: str(Path(value).expanduser().absolute()) if isinstance(value, str) and _is_file(name, value) else value
        for name, value in changes.items()
    }


def _with_absolute_files(axis: Axis) -> Axis:
    if INIT_IMAGE not in axis.names:
        return axis
    at = axis.names.index(INIT_IMAGE)
    rows = [
        tuple(str(Path(value).expanduser().absolute()) if i == at and value else value for i, value in enumerate(row))
        for row in axis.values
    ]
    return dataclasses.replace(axis, values=tuple(rows))


def _is_file(name: str, value: str) -> bool:
    return resolve_setting(name).path == INIT_IMAGE and value.casefold() not in ("", "none", "null")


def split_stages(config: PipelineConfig, gate: StageName | None) -> tuple[PipelineConfig, tuple[StageName, ...]]:
    """The config with the stages before the gate alone, and the stages behind it. Raises InputError."""
    if gate is None:
        return config, ()
    now = tuple(stage for stage in config.stages if STAGES.index(stage) < STAGES.index(gate))
    if not now or now == config.stages:
        raise InputError(f"--pause-before {gate} leaves nothing to do or nothing for later: see --stages")
    return dataclasses.replace(config, stages=now), config.stages[len(now) :]


def wished_options(wish: Wish, workspace: Workspace, source: str) -> AppOptions:
    """Which concrete parts the run is made with; `source` names the face in records."""
    return AppOptions(
        workspace=workspace,
        source=source,
        backend=wish.backend or DEFAULT_BACKEND,
        model=wish.model,
        url=wish.url,
        durability=wish.durability,
        strict=wish.strict,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """What going on with a run takes: hand all of it to the controller with `resume=True`."""

    config: PipelineConfig
    variants: Iterable[Variant]
    options: AppOptions


def continued_run(
    workspace: Workspace,
    run_id: str,
    source: str,
    *,
    backend: str | None = None,
    url: str | None = None,
    durability: Durability = "background",
    strict: bool = False,
    only: frozenset[int] | None = None,
) -> Continuation:
    """What it takes to go on with a run, on its own backend unless another is named; `only` these variant indices.

    Raises NotFound, or InputError when the run was not started from a plan.
    """
    manifest = read_manifest(workspace, run_id)
    if manifest.recipe is None:
        raise InputError(f"run {run_id} was not started from packs: the program that started it must resume it")
    config = config_from_dict(manifest.config)
    planned = variants_from_recipe(manifest.recipe)
    options = AppOptions(
        workspace=workspace,
        source=source,
        backend=backend or manifest.backend,
        model=config.model,
        url=url or (None if backend else manifest.backend_url),
        durability=durability,
        strict=strict,
    )
    chosen = planned if only is None else [variant for variant in planned if variant.index in only]
    return Continuation(config=config, variants=chosen, options=options)
