"""What other settings would change, shown before it is done."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ttkbootstrap as ttk

from stablenew.config import PipelineConfig, declared_settings, parse_value, resolve_setting, setting_value
from stablenew.errors import InputError, UnknownSetting
from stablenew.gui.dialog import Dialog
from stablenew.gui.events import ProposeSettings
from stablenew.gui.form import text_of
from stablenew.gui.theme import Theme


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a proposal comes to against the settings now. `changes`: path -> typed value; `same`: already so.

    `refused`: what cannot be taken over, and why.
    """

    changes: Mapping[str, Any]
    same: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def difference(current: PipelineConfig, proposed: Mapping[str, Any]) -> Difference:
    """`proposed` (names as `resolve_setting` takes them, "size" among them) against `current`."""
    changes: dict[str, Any] = {}
    same: list[str] = []
    refused: list[str] = []
    for name, value in _with_sides(proposed).items():
        try:
            setting = resolve_setting(name)
        except UnknownSetting:
            refused.append(f"{name}: there is no such setting here")
            continue
        try:
            typed = parse_value(setting, value)
        except InputError as exc:
            refused.append(str(exc))
            continue
        if setting_value(current, setting.path) == typed:
            same.append(setting.path)
        else:
            changes[setting.path] = typed
    return Difference(changes=changes, same=tuple(same), refused=tuple(refused))


def _with_sides(proposed: Mapping[str, Any]) -> dict[str, Any]:
    """`proposed` with a "size" such as 512x768 as its two sides."""
    found = dict(proposed)
    width, cross, height = str(found.get("size", "")).partition("x")
    if cross:
        del found["size"]
        found |= {"width": width, "height": height}
    return found


def show_difference(
    master: tkinter.Misc,
    theme: Theme,
    proposal: ProposeSettings,
    current: PipelineConfig,
    found: Difference,
    take: Callable[[bool], None],
) -> Dialog:
    """Show `found` and ask. `take(with_prompt)` is called once the person agrees."""
    px = theme.px
    dialog = Dialog(master, theme, f"Settings of {proposal.origin}")
    number = len(found.changes)
    heading = f"{number} setting{'' if number == 1 else 's'} would change" if number else "No setting would change"
    ttk.Label(dialog.body, text=heading, style="Heading.TLabel").pack(anchor="w", pady=(0, px(8)))
    table = ttk.Treeview(dialog.body, columns=("now", "then"), height=min(14, max(1, number)), selectmode="browse")
    for column, text, width in (("#0", "setting", 200), ("now", "now", 180), ("then", "then", 180)):
        table.heading(column, text=text, anchor="w")
        table.column(column, width=px(width), anchor="w")
    for path in declared_settings():
        if path in found.changes:
            now, then = text_of(setting_value(current, path)) or "none", text_of(found.changes[path]) or "none"
            table.insert("", "end", text=path, values=(now, then))
    if number:
        table.pack(fill="both", expand=True)
    for text in _remarks(proposal, found):
        ttk.Label(dialog.body, text=text, style="Muted.TLabel", wraplength=px(560), justify="left").pack(
            anchor="w", pady=(px(8), 0)
        )
    with_prompt = tkinter.BooleanVar(dialog, bool(proposal.prompt))
    if proposal.prompt:
        shown = proposal.prompt if len(proposal.prompt) <= 300 else proposal.prompt[:297] + "..."
        ttk.Checkbutton(dialog.body, text="take the prompt over as a pack of one line", variable=with_prompt).pack(
            anchor="w", pady=(px(12), px(4))
        )
        ttk.Label(dialog.body, text=shown, wraplength=px(560), justify="left").pack(anchor="w")

    def agreed() -> None:
        chosen = with_prompt.get()
        dialog.destroy()
        take(chosen)

    if number or proposal.prompt:
        dialog.add_buttons([("Take over", agreed)])
    else:
        dialog.add_buttons([("Close", dialog.destroy)], cancel=False)
    dialog.show(table if number else None)
    return dialog


def _remarks(proposal: ProposeSettings, found: Difference) -> list[str]:
    said = []
    if found.same:
        said.append(f"{len(found.same)} of its settings stand so already.")
    said += [f"Left out: {text}" for text in found.refused]
    if proposal.left_out:
        said.append(f"Not told by it: {', '.join(proposal.left_out)}")
    return said
