"""Cards applied: their settings as a difference against the current ones, stored as a preset, and taken back again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stablenew.config import PipelineConfig, replace_settings, setting_value
from stablenew.errors import InputError, NotFound
from stablenew.learning.card_store import current_card, keep_version
from stablenew.learning.learning_feedback import rating_time
from stablenew.learning.taste_card import AppliedPreset, TasteCard
from stablenew.pipeline.card_settings import asked_model, config_changes, lora_of
from stablenew.pipeline.presets import Preset, read_preset, save_preset
from stablenew.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingChange:
    """One setting: what it is now, and what the card makes of it."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class CardDifference:
    """A card against current settings. `same`: paths that stay; `passed_over`: what no preset can hold."""

    card: TasteCard
    changes: tuple[SettingChange, ...]
    same: tuple[str, ...]
    passed_over: tuple[str, ...]
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """A preset made from a card that was withdrawn. `changed` False: it was edited since, or is gone, and was left."""

    name: str
    changed: bool
    said: str


def card_difference(workspace: Workspace, name: str, current: Mapping[str, Any] | None = None) -> CardDifference:
    """What the card would change: against `current` (path -> value), elsewhere against the defaults.

    A withdrawn card gives the old settings. Raises NotFound, InvalidSetting.
    """
    card = current_card(workspace, name)
    wanted, passed_over = settings_in_use(workspace, card)
    config = replace_settings(PipelineConfig(), dict(current or {}))
    now = {path: setting_value(config, path) for path in wanted}
    changes = tuple(
        SettingChange(path=path, before=now[path], after=value) for path, value in wanted.items() if now[path] != value
    )
    return CardDifference(
        card=card,
        changes=changes,
        same=tuple(path for path, value in wanted.items() if now[path] == value),
        passed_over=passed_over,
        settings=wanted,
    )


def settings_in_use(workspace: Workspace, card: TasteCard) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Path -> value of what the card says now, and the names that are no setting of a run or preset."""
    return settable(workspace, card.in_use)


def apply_card(
    workspace: Workspace, name: str, preset: str, *, replace: bool = False, now: datetime | None = None
) -> AppliedPreset:
    """Store the card's settings as the preset called `preset`, on top of what it held, and note it in the card.

    Raises NotFound; InputError when the card is withdrawn, or the preset is there and `replace` is not asked for.
    """
    card = current_card(workspace, name)
    if card.state == "withdrawn":
        raise InputError(f"card {name} is withdrawn ({card.reason}): nothing is applied")
    before = _preset_before(workspace, preset)
    if before is not None and not replace:
        raise InputError(f"there is already a preset called {preset!r}: choose another name or give --replace")
    before = _before_this_card(card, preset, before)
    held = dict(before.settings) if before else {}
    applied = AppliedPreset(
        name=preset,
        applied_at=rating_time(now or datetime.now(UTC)),
        settings={**held, **settable(workspace, card.settings)[0]},
        old_settings={**held, **settable(workspace, card.baseline)[0]},
        before=held if before else None,
        note_before=before.note if before else "",
    )
    others = tuple(each for each in card.presets if each.name != preset)
    # Noted first: after a kill in between the preset is as it was, and taking it back leaves it alone.
    keep_version(workspace, dataclasses.replace(card, presets=(*others, applied)), "applied", reason=preset, now=now)
    save_preset(workspace, preset, Preset(settings=applied.settings, note=f"card {name}"), replace=replace)
    return applied


def take_presets_back(workspace: Workspace, card: TasteCard) -> tuple[TasteCard, tuple[TakenBack, ...]]:
    """Give every preset made from `card` its old settings again; one a person changed since is left as it is.

    Returns the card that notes it, not yet stored, and what became of each preset.
    """
    done: list[TakenBack] = []
    kept: list[AppliedPreset] = []
    for applied in card.presets:
        if applied.taken_back:
            kept.append(applied)
            continue
        done.append(_take_back(workspace, applied))
        kept.append(dataclasses.replace(applied, taken_back=True))
    return dataclasses.replace(card, presets=tuple(kept)), tuple(done)


def card_lora(card: TasteCard) -> str | None:
    """The loras the card asks for, which belong into the prompt; None where there are none."""
    return lora_of(card.in_use)


def _before_this_card(card: TasteCard, name: str, present: Preset | None) -> Preset | None:
    """What the preset held before the card was first applied to it, where that is what it holds now."""
    earlier = next((each for each in card.presets if each.name == name and not each.taken_back), None)
    if present is None or earlier is None or dict(present.settings) != earlier.settings:
        return present
    return None if earlier.before is None else Preset(settings=earlier.before, note=earlier.note_before)


def _take_back(workspace: Workspace, applied: AppliedPreset) -> TakenBack:
    name, present = applied.name, _preset_before(workspace, applied.name)
    back = applied.before if applied.before is not None else applied.old_settings
    if present is None:
        return TakenBack(name=name, changed=False, said=f"preset {name} is not there any more")
    if dict(present.settings) not in (applied.settings, back):
        return TakenBack(name=name, changed=False, said=f"preset {name} was changed since: left as it is")
    note = applied.note_before if applied.before is not None else "the old settings of a card that was withdrawn"
    save_preset(workspace, name, Preset(settings=back, note=note), replace=True)
    return TakenBack(name=name, changed=True, said=f"preset {name} has the old settings again")


def settable(workspace: Workspace, settings: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Path -> value of `settings` as records name them, a model as it is asked for; and what is no setting of a run."""
    changes, passed_over = config_changes(settings)
    if changes.get("model") is not None:
        changes["model"] = asked_model(workspace, str(changes["model"]))
        if changes["model"] is None:
            del changes["model"]  # the backend's own
    lora = lora_of(settings)
    return changes, (*passed_over, *([f"lora {lora}"] if lora else []))


def _preset_before(workspace: Workspace, name: str) -> Preset | None:
    try:
        return read_preset(workspace, name)
    except NotFound:
        return None
