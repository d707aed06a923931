"""What a run varies: one row an axis, in the words of the command line, with values to pick where they are known."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import get_args

import ttkbootstrap as ttk

from stablenew.backends.base import Capabilities
from stablenew.config import declared_settings, resolve_setting
from stablenew.errors import InputError
from stablenew.gui.form import LABEL_WIDTH, is_shown, known_values
from stablenew.gui.theme import Theme
from stablenew.prompts.axes import parse_axis, parse_linked, parse_skip
from stablenew.prompts.template import Mode

TOGETHER = "together"
"""The name of a row whose values move together: `width=512,768 height=768,512`."""

NOT_SETTINGS = ("seed", "line", "lora", TOGETHER)
EXAMPLES = {
    "seed": "1..4",
    "line": "1,4",
    "lora": "none,ink:0.8",
    TOGETHER: "width=512,768 height=768,512",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """What stands in the editor, as texts. `limit`, `seeds`: None where nothing is asked."""

    vary: tuple[str, ...] = ()
    vary_together: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    seeds: int | None = None
    limit: int | None = None
    mode: Mode | None = None


def check_axis(name: str, values: str) -> str:
    """What is wrong with the row, "" when nothing is."""
    try:
        parse_linked(values) if name == TOGETHER else parse_axis(f"{name}={values}")
    except InputError as exc:
        return str(exc)
    return ""


class AxesEditor(ttk.Frame):
    """The rows, rules and limits. `changed` is called after every edit of the person's."""

    def __init__(self, master: tkinter.Misc, theme: Theme, changed: Callable[[], None]) -> None:
        super().__init__(master)
        self._theme, self._changed = theme, changed
        self._can: Capabilities | None = None
        self._slots: tuple[str, ...] = ()
        self.rows: list[AxisRow] = []
        self._rows = ttk.Frame(self)
        self._rows.pack(fill="x")
        px = theme.px
        self.add_button = ttk.Button(self, text="Vary a setting", command=self._add_by_hand, padding=(px(8), px(2)))
        self.add_button.pack(anchor="w", pady=(px(4), px(8)))
        self._rules(px)

    @property
    def axes(self) -> Axes:
        """What is asked for; rows with a mistake are left out (`problems` has them)."""
        sound = [row for row in self.rows if row.filled and not row.problem]
        return Axes(
            vary=tuple(f"{row.name}={row.values}" for row in sound if row.name != TOGETHER),
            vary_together=tuple(row.values for row in sound if row.name == TOGETHER),
            skip=tuple(part.strip() for part in self._skip.get().split(";") if part.strip()),
            seeds=_number(self._seeds.get()),
            limit=_number(self._limit.get()),
            mode=self._mode.get() or None,  # type: ignore[arg-type]  # the list offers modes alone
        )

    @property
    def problems(self) -> list[str]:
        """What is wrong, in words."""
        found = [row.problem for row in self.rows if row.filled and row.problem]
        for what, text in (("seeds each", self._seeds.get()), ("at most", self._limit.get())):
            if text.strip() and _number(text) is None:
                found.append(f"{what} takes a whole number from 1, not {text!r}")
        if not found:
            try:
                known = [parse_axis(text) for text in self.axes.vary] + [
                    parse_linked(text) for text in self.axes.vary_together
                ]
                for rule in self.axes.skip:
                    parse_skip(rule, known)
            except InputError as exc:
                found.append(str(exc))
        return found

    def take(self, axes: Axes) -> None:
        """Show exactly `axes`."""
        for row in list(self.rows):
            self._remove(row)
        for text in axes.vary:
            name, _, values = text.partition("=")
            self.add(name, values)
        for text in axes.vary_together:
            self.add(TOGETHER, text)
        self._skip.set("; ".join(axes.skip))
        self._seeds.set("" if axes.seeds is None else str(axes.seeds))
        self._limit.set("" if axes.limit is None else str(axes.limit))
        self._mode.set(axes.mode or "")

    def add(self, name: str = "", values: str = "") -> AxisRow:
        """Another row."""
        row = AxisRow(self._rows, self._theme, self._edited, self._remove_by_hand)
        row.pack(fill="x", pady=self._theme.px(2))
        self.rows.append(row)
        row.offer(self._names(), self._can)
        row.set(name, values)
        return row

    def show(self, can: Capabilities | None, slots: Sequence[str] = ()) -> None:
        """Offer the settings the backend does, and the slots of the chosen packs."""
        self._can, self._slots = can, tuple(slots)
        for row in self.rows:
            row.offer(self._names(), can)

    def _rules(self, px: Callable[[float], int]) -> None:
        grid = ttk.Frame(self)
        grid.pack(fill="x")
        self._limit, self._seeds = tkinter.StringVar(self), tkinter.StringVar(self)
        self._skip, self._mode = tkinter.StringVar(self), tkinter.StringVar(self)
        modes = ("", *get_args(Mode))
        fields: tuple[tuple[str, tkinter.Widget, str], ...] = (
            ("at most", self._spin(grid, self._limit), "Run a balanced part of so many variants; empty: all of them"),
            ("seeds each", self._spin(grid, self._seeds), "The same so many seeds in every cell"),
            (
                "skip",
                ttk.Entry(grid, textvariable=self._skip, width=8),
                "Leave out: steps<15; rules are parted by ;",
            ),
            (
                "slots go",
                ttk.Combobox(grid, textvariable=self._mode, values=modes, state="readonly", width=8),
                "How slots and wildcards are gone through; empty: as the pack says",
            ),
        )
        for number, (name, widget, tip) in enumerate(fields):
            row, column = divmod(number, 2)
            label = ttk.Label(grid, text=name)
            label.grid(row=row, column=2 * column, sticky="w", padx=(px(16) if column else 0, px(8)), pady=px(2))
            widget.grid(row=row, column=2 * column + 1, sticky="ew", pady=px(2))
            for each in (label, widget):
                ttk.ToolTip(each, text=tip, delay=600)
        grid.columnconfigure(0, minsize=px(LABEL_WIDTH))
        grid.columnconfigure(2, minsize=px(LABEL_WIDTH + 16))
        for column in (1, 3):
            grid.columnconfigure(column, weight=1, uniform="fields")
        for variable in (self._limit, self._seeds, self._skip, self._mode):
            variable.trace_add("write", lambda *_: self._edited())

    def _spin(self, master: tkinter.Misc, variable: tkinter.StringVar) -> ttk.Spinbox:
        return ttk.Spinbox(master, textvariable=variable, from_=1, to=1_000_000, increment=1, width=8)

    def _names(self) -> tuple[str, ...]:
        settings = [path for path, each in declared_settings().items() if is_shown(each, self._can)]
        settings = [path for path in settings if path not in ("seed", "images_per_prompt", "stages")]
        return (*(f"[[{slot}]]" for slot in self._slots), *NOT_SETTINGS, *settings)

    def _add_by_hand(self) -> None:
        self.add().name_field.focus_set()

    def _remove_by_hand(self, row: AxisRow) -> None:
        self._remove(row)
        self.add_button.focus_set()
        self._edited()

    def _remove(self, row: AxisRow) -> None:
        self.rows.remove(row)
        row.destroy()
        if not self.rows:
            self._rows.configure(height=1)

    def _edited(self) -> None:
        self._changed()


class AxisRow(ttk.Frame):
    """One axis: its name, its values, and what is wrong with them."""

    def __init__(
        self,
        master: tkinter.Misc,
        theme: Theme,
        changed: Callable[[], None],
        remove: Callable[[AxisRow], None],
    ) -> None:
        super().__init__(master)
        px = theme.px
        self._changed = changed
        self._name_text, self._values_text = tkinter.StringVar(self), tkinter.StringVar(self)
        self.problem = ""
        self._can: Capabilities | None = None
        self.columnconfigure(1, weight=1)
        self.name_field = ttk.Combobox(self, textvariable=self._name_text, width=16)
        self.name_field.grid(row=0, column=0)
        self.values_field = ttk.Entry(self, textvariable=self._values_text, width=8)
        self.values_field.grid(row=0, column=1, sticky="ew", padx=px(4))
        self._pick = ttk.Menubutton(self, text="Values", padding=(px(8), px(2)))
        self._menu = ttk.Menu(self._pick, tearoff=False, postcommand=self._fill_menu)
        self._pick.configure(menu=self._menu)
        self._pick.grid(row=0, column=2)
        ttk.Button(self, text="✕", bootstyle="ghost", width=2, command=lambda: remove(self)).grid(row=0, column=3)
        self._said = ttk.Label(self, style="SmallMuted.TLabel", justify="left")
        self._said.grid(row=1, column=0, columnspan=4, sticky="w")
        self._said.grid_remove()
        self.bind("<Configure>", lambda event: self._said.configure(wraplength=max(100, event.width)))
        for variable in (self._name_text, self._values_text):
            variable.trace_add("write", lambda *_: self._edited())

    @property
    def name(self) -> str:
        return self._name_text.get().strip()

    @property
    def values(self) -> str:
        return self._values_text.get().strip()

    @property
    def filled(self) -> bool:
        """Whether anything stands in the row."""
        return bool(self.name or self.values)

    def set(self, name: str, values: str) -> None:
        """Show this axis."""
        self._name_text.set(name)
        self._values_text.set(values)

    def offer(self, names: Sequence[str], can: Capabilities | None) -> None:
        """Let these names be chosen, and the backend's values."""
        self._can = can
        self.name_field.configure(values=tuple(names))

    def _edited(self) -> None:
        self.problem = check_axis(self.name, self.values) if self.values else ""
        if self.name and not self.values:
            self.problem = f"{self.name}: give values" + _example(self.name)
        text = self.problem or ""
        self._said.configure(text=text, style="SmallBad.TLabel" if self.values else "SmallMuted.TLabel")
        self._said.grid() if text else self._said.grid_remove()
        self._changed()

    def _known(self) -> tuple[str, ...]:
        try:
            setting = resolve_setting(self.name)
        except InputError:
            return ()
        return ("true", "false") if setting.kind == "boolean" else known_values(setting, self._can)

    def _fill_menu(self) -> None:
        self._menu.delete(0, "end")
        known = self._known()
        for value in known:
            self._menu.add_command(label=value, command=partial(self._append, value))
        if not known:
            self._menu.add_command(label="no list of values: type them" + _example(self.name), state="disabled")

    def _append(self, value: str) -> None:
        quoted = f'"{value}"' if "," in value else value
        self._values_text.set(f"{self.values},{quoted}" if self.values else quoted)


def _example(name: str) -> str:
    if name in EXAMPLES:
        return f", such as {EXAMPLES[name]}"
    try:
        setting = resolve_setting(name)
    except InputError:
        return ", such as a,b,c"
    numbers: Mapping[str, str] = {"integer": ", such as 10..30:5 or 10,20", "number": ", such as 3,5,7 or 3..9:0.5"}
    return numbers.get(setting.kind, ", parted by commas")


def _number(text: str) -> int | None:
    """A whole number from 1; None for anything else."""
    return int(text) if text.strip().isdigit() and int(text) >= 1 else None
