"""How the window looks: a quiet light and a quiet dark theme, an 8-pixel grid, sizes that follow the screen.

The greys have no hue, so that they do not tint the judgement of pictures beside them.
"""

from __future__ import annotations

import tkinter
from dataclasses import dataclass
from tkinter import font as tkfont
from typing import Any

import ttkbootstrap as ttk

from stablenew.gui.state import ThemeName

GRID = 8
"""Distances are multiples or halves of this many logical pixels."""

NAME = "stablenew"
SCALES = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
_STANDARD_PIXELS_PER_POINT = 96 / 72
_system_scaling: dict[str, float] = {}
"""By screen, pixels per point as Tk found them: a scaling that is set stays with the screen for later windows."""

# Registered before a root is there: ttkbootstrap queues it for the first one.
_FAMILY = ttk.Theme(
    name=NAME,
    primary="#2f6fb5",
    success="#2e8b57",
    info="#4b7f9e",
    warning="#c98a1b",
    danger="#c6443c",
    neutral="#8b9096",
    light={"background": "#f5f5f5", "foreground": "#222222"},
    dark={"background": "#1e1e1e", "foreground": "#dedede"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The colours of the theme in use, for what is drawn by hand. `canvas` is the ground pictures lie on."""

    background: str
    foreground: str
    muted: str
    border: str
    field: str
    canvas: str
    accent: str
    selection: str
    good: str
    warning: str
    bad: str


_PALETTES: dict[ThemeName, Palette] = {
    "light": Palette(
        background="#f5f5f5",
        foreground="#222222",
        muted="#5f6368",
        border="#d4d4d4",
        field="#ffffff",
        canvas="#e2e2e2",
        accent="#2f6fb5",
        selection="#cfe0f3",
        good="#1f7a47",
        warning="#8a5a00",
        bad="#b3261e",
    ),
    "dark": Palette(
        background="#1e1e1e",
        foreground="#dedede",
        muted="#a0a4a8",
        border="#3c3c3c",
        field="#262626",
        canvas="#141414",
        accent="#6ea8e0",
        selection="#2f4a66",
        good="#6cc08b",
        warning="#e0b050",
        bad="#f0857d",
    ),
}


class Theme:
    """The look of one window. Make it right after the root and before the first widget; on Tk's thread."""

    def __init__(self, root: tkinter.Misc, name: ThemeName, scale: float | None = None) -> None:
        self._root = root
        self.name: ThemeName = name
        system = _system_scaling.setdefault(root.winfo_screen(), float(root.tk.call("tk", "scaling")))
        root.tk.call("tk", "scaling", system if scale is None else scale * _STANDARD_PIXELS_PER_POINT)
        self.scale = float(root.tk.call("tk", "scaling")) / _STANDARD_PIXELS_PER_POINT
        _name_fonts(root)
        style = ttk.Style.get_instance()
        if f"{NAME}-light" not in style.theme_names():
            for definition in _FAMILY.to_definitions():
                palette = _PALETTES["dark" if definition.mode == "dark" else "light"]
                definition.colors.inputbg = palette.field
                definition.colors.border = palette.border
                style.register_theme(definition)
        self.use(name)

    @property
    def palette(self) -> Palette:
        """The colours in use."""
        return _PALETTES[self.name]

    @property
    def dark(self) -> bool:
        return self.name == "dark"

    def px(self, logical: float) -> int:
        """Pixels of this screen for `logical` ones of a standard screen."""
        return round(logical * self.scale)

    def use(self, name: ThemeName) -> None:
        """Switch to the light or the dark theme; widgets follow by themselves, hand-drawn things must be told."""
        self.name = name
        style = ttk.Style.get_instance()
        style.theme_use(f"{NAME}-{name}")
        self._own_styles(style)

    def _own_styles(self, style: ttk.Style) -> None:
        palette = self.palette
        for kind, colour in (
            ("Muted", palette.muted),
            ("Good", palette.good),
            ("Warning", palette.warning),
            ("Bad", palette.bad),
            ("Accent", palette.accent),
        ):
            style.configure(f"{kind}.TLabel", foreground=colour)
            style.configure(f"Small{kind}.TLabel", foreground=colour, font=SMALL)
        style.configure("Heading.TLabel", font=HEADING)
        style.configure("Title.TLabel", font=TITLE)
        style.configure("Small.TLabel", font=SMALL)
        style.configure("Treeview", rowheight=self.px(22))
        chosen = [("selected", palette.selection)], [("selected", palette.foreground)]
        ring = [("focus", palette.accent)]
        style.map("Treeview", background=chosen[0], foreground=chosen[1], bordercolor=ring, lightcolor=ring)
        mark: Any = ("selected", "focus", palette.accent)
        before: Any = style.map("TNotebook.Tab", "foreground") or ()
        style.map("TNotebook.Tab", foreground=[mark, *(each for each in before if each != mark)])
        style.configure("TNotebook.Tab", padding=(self.px(16), self.px(6)))
        style.configure("TEntry", padding=self.px(3))
        style.configure("TCombobox", padding=tuple(map(self.px, (5, 3, 6, 2))))
        style.configure("TSpinbox", padding=tuple(map(self.px, (6, 3))))
        style.configure("TButton", padding=tuple(map(self.px, (10, 3))))
        style.configure("TMenubutton", padding=tuple(map(self.px, (10, 3, 6, 3))))


HEADING, TITLE, SMALL = "StableNewHeading", "StableNewTitle", "StableNewSmall"


def _name_fonts(root: tkinter.Misc) -> None:
    """The fonts beside Tk's own, derived from its default one so that they grow with it."""
    base = tkfont.nametofont("TkDefaultFont", root=root)
    family, size = base.actual("family"), int(base.actual("size"))
    for name, change, weight in ((HEADING, 0, "bold"), (TITLE, 3, "bold"), (SMALL, -1, "normal")):
        if name not in tkfont.names(root):
            made = tkfont.Font(root=root, name=name, family=family, size=size + change, weight=weight)  # type: ignore[arg-type]
            made.delete_font = False  # the Python object may go, the font stays
