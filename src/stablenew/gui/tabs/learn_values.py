"""The settings under test, a row each: values are picked where they can be listed, else typed and checked."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import ttkbootstrap as ttk

from stablenew.backends.base import Capabilities
from stablenew.gui.tabs.learn_draft import hint_of, names_to_test, problem_of, quoted, unquoted, values_on_offer
from stablenew.gui.theme import Theme

CHIPS_MAX = 36
"""More values than these are not laid out as buttons: they are typed, or picked from a menu."""


class ValuesEditor(ttk.Frame):
    """The rows. `changed` is called after every edit of the person's."""

    def __init__(self, master: tkinter.Misc, theme: Theme, changed: Callable[[], None]) -> None:
        super().__init__(master)
        self._theme, self._changed = theme, changed
        self._can: Capabilities | None = None
        self.rows: list[ValuesRow] = []
        self._holder = ttk.Frame(self)
        self._holder.pack(fill="x")
        px = theme.px
        self.add_button = ttk.Button(self, text="Test a setting", command=self._add_by_hand, padding=(px(8), px(2)))
        self.add_button.pack(anchor="w", pady=(px(4), 0))

    @property
    def values(self) -> dict[str, str]:
        """Setting -> its values as typed; rows that are empty or wrong are left out."""
        return {row.name: row.values for row in self.rows if row.name and row.values and not row.problem}

    @property
    def problems(self) -> list[str]:
        """What is wrong, in words."""
        found = [row.problem for row in self.rows if row.problem]
        names = [row.name for row in self.rows if row.name]
        found += [f"{name} stands there twice" for name in dict.fromkeys(names) if names.count(name) > 1]
        return found

    def take(self, values: Mapping[str, str]) -> None:
        """Show exactly these."""
        for row in list(self.rows):
            self._remove(row)
        for name, text in values.items():
            self.add(name, text)

    def show(self, can: Capabilities | None) -> None:
        """Offer what the backend has."""
        self._can = can
        for row in self.rows:
            row.offer(can)

    def add(self, name: str = "", values: str = "") -> ValuesRow:
        """Another row."""
        row = ValuesRow(self._holder, self._theme, self._changed, self._remove_by_hand)
        row.pack(fill="x", pady=(0, self._theme.px(8)))
        self.rows.append(row)
        row.offer(self._can)
        row.set(name, values)
        return row

    def _add_by_hand(self) -> None:
        self.add().name_field.focus_set()

    def _remove_by_hand(self, row: ValuesRow) -> None:
        self._remove(row)
        self.add_button.focus_set()
        self._changed()

    def _remove(self, row: ValuesRow) -> None:
        self.rows.remove(row)
        row.destroy()
        if not self.rows:
            self._holder.configure(height=1)


class ValuesRow(ttk.Frame):
    """One setting: its name, its values, and what is wrong with them or may be typed."""

    def __init__(
        self,
        master: tkinter.Misc,
        theme: Theme,
        changed: Callable[[], None],
        remove: Callable[[ValuesRow], None],
    ) -> None:
        super().__init__(master)
        px = theme.px
        self._theme, self._changed = theme, changed
        self._can: Capabilities | None = None
        self._quiet = False
        self.problem = ""
        self._name_text, self._text = tkinter.StringVar(self), tkinter.StringVar(self)
        self.columnconfigure(1, weight=1)
        self.name_field = ttk.Combobox(self, textvariable=self._name_text, width=16)
        self.name_field.grid(row=0, column=0, sticky="w")
        self.values_field = ttk.Entry(self, textvariable=self._text)
        self._pick = ttk.Menubutton(self, text="Values", padding=(px(8), px(2)))
        self._menu = ttk.Menu(self._pick, tearoff=False, postcommand=self._fill_menu)
        self._pick.configure(menu=self._menu)
        close = ttk.Button(self, text="✕", bootstyle="ghost", width=2, command=lambda: remove(self))
        close.grid(row=0, column=3, sticky="e")
        ttk.ToolTip(close, text="Do not test this setting", delay=600)
        self.chips = Chips(self, theme, self._chips_pressed)
        self._said = ttk.Label(self, style="SmallMuted.TLabel", justify="left")
        self._said.grid(row=2, column=0, columnspan=4, sticky="w", pady=(px(2), 0))
        self.bind("<Configure>", lambda event: self._said.configure(wraplength=max(100, event.width)))
        self._name_text.trace_add("write", lambda *_: self._named())
        self._text.trace_add("write", lambda *_: self._edited())

    @property
    def name(self) -> str:
        return self._name_text.get().strip().removeprefix("txt2img.")

    @property
    def values(self) -> str:
        return self._text.get().strip().strip(",")

    def set(self, name: str, values: str) -> None:
        """Show this setting."""
        self._quiet = True
        self._name_text.set(name)
        self._text.set(values)
        self._quiet = False
        self._arrange()

    def offer(self, can: Capabilities | None) -> None:
        """Let the backend's settings and values be chosen."""
        self._can = can
        self.name_field.configure(values=names_to_test(can))
        self._arrange()

    def _named(self) -> None:
        if not self._quiet:
            self._quiet = True
            self._text.set("")
            self._quiet = False
            self._arrange()
            self._changed()

    def _edited(self) -> None:
        if not self._quiet:
            self._check()
            self._changed()

    def _chips_pressed(self, chosen: Sequence[str]) -> None:
        self._text.set(quoted(chosen))

    def _arrange(self) -> None:
        """Buttons for values that can be listed, a field for others."""
        px = self._theme.px
        offered = values_on_offer(self.name, self._can)
        typed = not 1 < len(offered) <= CHIPS_MAX
        if typed:
            self.chips.grid_forget()
            self.values_field.grid(row=0, column=1, sticky="ew", padx=px(4))
            self._pick.grid(row=0, column=2) if offered else self._pick.grid_remove()
        else:
            self.values_field.grid_remove()
            self._pick.grid_remove()
            self.chips.grid(row=1, column=0, columnspan=4, sticky="ew", pady=(px(4), 0))
            self.chips.show(offered, unquoted(self.values))
        self._check()

    def _check(self) -> None:
        self.problem = problem_of(self.name, self.values) if self.name else ""
        hint = hint_of(self.name) if self.values_field.winfo_manager() and self.name else ""
        self._said.configure(
            text=self.problem or hint, style="SmallBad.TLabel" if self.problem else "SmallMuted.TLabel"
        )
        self._said.grid() if self.problem or hint else self._said.grid_remove()

    def _fill_menu(self) -> None:
        self._menu.delete(0, "end")
        for value in values_on_offer(self.name, self._can):
            self._menu.add_command(label=value, command=partial(self._append, value))

    def _append(self, value: str) -> None:
        there = unquoted(self.values)
        if value not in there:
            self._text.set(quoted((*there, value)))


class Chips(ttk.Frame):
    """Values as buttons that stay pressed, in as many rows as they need. `pressed` is told all that are."""

    def __init__(self, master: tkinter.Misc, theme: Theme, pressed: Callable[[Sequence[str]], None]) -> None:
        super().__init__(master)
        self._theme, self._pressed = theme, pressed
        self._on: dict[str, tkinter.BooleanVar] = {}
        self._buttons: list[ttk.Checkbutton] = []
        self.bind("<Configure>", lambda _: self._flow())

    def show(self, values: Sequence[str], chosen: Sequence[str]) -> None:
        """Offer `values`, those `chosen` pressed; chosen ones that are not on offer stay to be seen."""
        every = (*values, *(value for value in chosen if value not in values))
        if tuple(self._on) != every:
            self._make(every)
        for value, on in self._on.items():
            on.set(value in chosen)

    def _make(self, values: Sequence[str]) -> None:
        for button in self._buttons:
            button.destroy()
        self._on = {value: tkinter.BooleanVar(self) for value in values}
        pad = (self._theme.px(8), self._theme.px(2))
        self._buttons = [
            ttk.Checkbutton(
                self, text=value, variable=on, command=self._tell, bootstyle="primary-outline-toolbutton", padding=pad
            )
            for value, on in self._on.items()
        ]
        self._flow()

    def _tell(self) -> None:
        self._pressed([value for value, on in self._on.items() if on.get()])

    def _flow(self) -> None:
        """Put the buttons beside each other, and below where the width ends."""
        gap, room = self._theme.px(4), self.winfo_width()
        x = y = 0
        high = max((button.winfo_reqheight() for button in self._buttons), default=1)
        for button in self._buttons:
            wide = button.winfo_reqwidth()
            if x and x + wide > room > 1:
                x, y = 0, y + high + gap
            button.place(x=x, y=y, width=wide, height=high)
            x += wide + gap
        self.configure(height=y + high)
