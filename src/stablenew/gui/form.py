"""Forms for settings, built from their declarations in `config.py`: a new setting appears here by itself.

A field that nobody touched shows what the run would take anyway (the default, or what a pack brings along); a touched
one is marked, checked as it is typed, and can be given back (Ctrl+Delete, or its menu).
"""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ttkbootstrap as ttk

from stablenew.backends.base import Capabilities
from stablenew.config import EXTRA_STEMS, PipelineConfig, Setting, extra_of, parse_value, setting_value
from stablenew.errors import InvalidSetting
from stablenew.gui.context_menu import Entry, context_menu
from stablenew.gui.theme import Theme

NONE_TEXT = ""
"""How a field shows None; typing "none" means the same."""

LABEL_WIDTH = 88
"""Of every column of labels, so that the fields of all cards stand below each other."""

NARROW = 380
"""Below this width (logical pixels) a form has one field in a row."""

_SHORTER = {"images_per_prompt": "images each"}
_LONG = frozenset({"model", "vae", "init_image", "scripts", "adetailer_options"})
"""Values of these are long: their fields take a whole row."""


def label_of(setting: Setting) -> str:
    """A setting's name for a person: "cfg scale"; in a group of server extras without the group's name."""
    name = setting.path.rpartition(".")[2]
    extra = extra_of(name) or ""
    return _SHORTER.get(name) or name.removeprefix(f"{EXTRA_STEMS.get(extra, extra)}_").replace("_", " ")


def text_of(value: object) -> str:
    """A value as its field shows it."""
    if value is None:
        return NONE_TEXT
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return str(value)


def read_text(setting: Setting, text: str) -> Any:
    """The typed value of what stands in a field. Raises InvalidSetting."""
    if setting.optional and not text.strip():
        return None
    return parse_value(setting, text)


def known_values(setting: Setting, can: Capabilities | None) -> tuple[str, ...]:
    """What the field offers: the declared choices, else the backend's names of that kind; empty where nobody says."""
    name = setting.path.rpartition(".")[2]
    if setting.choices or can is None:
        return setting.choices
    by_end = {
        "adetailer_model": can.adetailer_models,
        "sampler": can.samplers,
        "scheduler": can.schedulers,
        "upscaler": can.upscalers,
        "model": can.models,
        "refiner": can.models,
        "vae": can.vaes,
    }
    return next((names for end, names in by_end.items() if name.endswith(end)), ())


def is_shown(setting: Setting, can: Capabilities | None) -> bool:
    """Whether the backend does the setting at all."""
    extra = extra_of(setting.path.rpartition(".")[2])
    return extra is None or (can is not None and extra in can.extras)


class SettingsForm(ttk.Frame):
    """The fields of some settings, two in a row. `changed` is called after every edit of the person's."""

    def __init__(
        self,
        master: tkinter.Misc,
        theme: Theme,
        settings: Sequence[Setting],
        changed: Callable[[], None],
        *,
        indent: int = 0,
    ) -> None:
        """`indent`: logical pixels by which the form stands further in than others it should line up with."""
        super().__init__(master)
        self.fields = {setting.path: Field(self, theme, setting, changed) for setting in settings}
        self._theme = theme
        self._can: Capabilities | None = None
        self._narrow = False
        self.columnconfigure(0, minsize=theme.px(LABEL_WIDTH - indent))
        self.bind("<Configure>", self._resized)
        self._arrange()

    @property
    def changes(self) -> dict[str, Any]:
        """By path, what the person set; what is not allowed is left out."""
        return {path: field.value for path, field in self.fields.items() if field.touched and not field.problem}

    @property
    def problems(self) -> list[str]:
        """What is wrong in the fields, in words."""
        return [field.problem for field in self.fields.values() if field.problem]

    def show(self, can: Capabilities | None) -> None:
        """Offer what the backend has, and only the fields it does (those that are set are shown anyway)."""
        self._can = can
        for field in self.fields.values():
            field.offer(known_values(field.setting, can))
        self._arrange()

    def _resized(self, event: tkinter.Event[tkinter.Misc]) -> None:
        narrow = event.width < self._theme.px(NARROW)
        if narrow != self._narrow:
            self._narrow = narrow
            self._arrange()

    def _arrange(self) -> None:
        """Two fields in a row, or one where there is no room for two."""
        px, can = self._theme.px, self._can
        self.columnconfigure(1, weight=1, uniform="fields")
        self.columnconfigure(2, minsize=0 if self._narrow else px(LABEL_WIDTH + 16))
        self.columnconfigure(3, weight=0 if self._narrow else 1, uniform="" if self._narrow else "fields")
        row = column = 0
        for setting, field in ((field.setting, field) for field in self.fields.values()):
            if not (is_shown(setting, can) or field.touched):
                field.hide()
                continue
            wide = self._narrow or setting.path.rpartition(".")[2] in _LONG
            if wide and column:
                row, column = row + 1, 0
            field.place_at(row, column, wide)
            row, column = (row, 2) if not column and not wide else (row + 1, 0)

    def take_base(self, config: PipelineConfig) -> None:
        """Show `config` in the fields that nobody touched."""
        for path, field in self.fields.items():
            field.take_base(setting_value(config, path))

    def take_changes(self, changes: Mapping[str, Any]) -> None:
        """Make exactly `changes` (typed, by path) the person's; the other fields are given back."""
        for path, field in self.fields.items():
            if path in changes:
                field.set(changes[path])
            else:
                field.give_back()


class Field:
    """The label and the field of one setting, on a form's grid."""

    def __init__(self, form: ttk.Frame, theme: Theme, setting: Setting, changed: Callable[[], None]) -> None:
        self.setting, self._theme, self._changed = setting, theme, changed
        self.base: Any = setting.default
        self.value: Any = setting.default
        self.touched = False
        self.problem = ""
        self._quiet = False
        self._text = tkinter.StringVar(form, text_of(setting.default))
        self.label = ttk.Label(form, text=label_of(setting), anchor="w")
        self.widget = self._make(form)
        self._text.trace_add("write", lambda *_: self._edited())
        tip = setting.help + (f"\n{setting.allowed}" if setting.allowed else "")
        for each in (self.label, self.widget):
            ttk.ToolTip(each, text=tip, delay=600)
        self.widget.bind("<Control-Delete>", lambda _: self._given_back())
        for each in (self.label, self.widget):
            context_menu(each, self._menu)

    def set(self, value: Any) -> None:
        """Show `value` as set by the person."""
        self._show(text_of(value))
        self.value, self.touched, self.problem = value, True, ""
        self._mark()

    def give_back(self) -> None:
        """Show what the run would take anyway."""
        self._show(text_of(self.base))
        self.value, self.touched, self.problem = self.base, False, ""
        self._mark()

    def take_base(self, value: Any) -> None:
        """From now on `value` is what the run would take anyway."""
        self.base = value
        if not self.touched:
            self.give_back()

    def offer(self, values: Sequence[str]) -> None:
        """Let `values` be chosen from the field."""
        if isinstance(self.widget, ttk.Combobox):
            none = (NONE_TEXT,) if self.setting.optional else ()
            self.widget.configure(values=(*none, *values))

    def place_at(self, row: int, column: int, wide: bool) -> None:
        px = self._theme.px
        pad = px(16) if column else 0
        self.label.grid(row=row, column=column, sticky="w", padx=(pad, px(8)), pady=px(2))
        self.widget.grid(row=row, column=column + 1, columnspan=3 if wide else 1, sticky="ew", pady=px(2))

    def hide(self) -> None:
        self.label.grid_remove()
        self.widget.grid_remove()

    def _make(self, form: ttk.Frame) -> Any:
        setting, text = self.setting, self._text
        if setting.kind == "boolean":
            return ttk.Checkbutton(form, variable=text, onvalue="true", offvalue="false")
        if setting.kind in ("integer", "number"):
            low = setting.minimum if setting.minimum is not None else -1e9
            high = setting.maximum if setting.maximum is not None else 1e9
            return ttk.Spinbox(form, textvariable=text, from_=low, to=high, increment=_step(setting), width=8)
        if setting.choices and not setting.optional:
            return ttk.Combobox(form, textvariable=text, values=setting.choices, state="readonly", width=8)
        return ttk.Combobox(form, textvariable=text, width=8)

    def _edited(self) -> None:
        if self._quiet:
            return
        self.touched = True
        try:
            self.value, self.problem = read_text(self.setting, self._text.get()), ""
        except InvalidSetting as exc:
            self.problem = str(exc)
        self._mark()
        self._changed()

    def _given_back(self) -> str:
        self.give_back()
        self._changed()
        return "break"

    def _show(self, text: str) -> None:
        self._quiet = True
        self._text.set(text)
        self._quiet = False

    def _mark(self) -> None:
        style = "Bad.TLabel" if self.problem else "Accent.TLabel" if self.touched else "TLabel"
        self.label.configure(style=style)

    def _menu(self) -> list[Entry]:
        if not self.touched:
            return []
        return [(f"Back to {text_of(self.base) or 'none'}", self._given_back)]


def _step(setting: Setting) -> float:
    if setting.multiple_of:
        return setting.multiple_of * 8 if setting.multiple_of == 8 else setting.multiple_of
    if setting.kind == "integer":
        return 1
    span = (setting.maximum or 100) - (setting.minimum or 0)
    return 0.05 if span <= 1 else 0.5 if span > 8 else 0.25
