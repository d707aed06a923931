"""What is known about one picture, beside it: prompt, settings, how it came about."""

from __future__ import annotations

import tkinter
from collections.abc import Iterable, Sequence

import ttkbootstrap as ttk

from stablenew.gui.theme import Theme
from stablenew.learning.recorded_picture import RecordedPicture

Row = tuple[str, str]


def facts_of(picture: RecordedPicture) -> list[Row]:
    """Name and value of what is known, the settings first."""
    size = f"{picture.width} x {picture.height}" if picture.width and picture.height else ""
    settings = [(name, plain(value)) for name, value in picture.settings.items()]
    rest = [
        ("seed", "" if picture.seed is None else str(picture.seed)),
        ("picture", size),
        ("seconds", "" if picture.seconds is None else f"{picture.seconds:.1f}"),
        *((f"[[{slot}]]", value) for slot, value in picture.bindings.items()),
        ("pack", picture.pack),
        ("run", picture.run_id),
        ("made", picture.made_at[:19].replace("T", " ")),
        ("record", picture.record_id),
        ("file", picture.path.rpartition("/")[2]),
    ]
    return [row for row in [*settings, *rest] if row[1]]


def differing(pictures: Sequence[RecordedPicture]) -> list[tuple[str, tuple[str, ...]]]:
    """By name, what is not the same in all of `pictures`: each one's value, "" where it has none."""
    whole = [_all_settings(picture) for picture in pictures]
    names = dict.fromkeys(name for settings in whole for name in settings)
    found = [(name, tuple(settings.get(name, "") for settings in whole)) for name in names]
    return [(name, values) for name, values in found if len(set(values)) > 1]


def _all_settings(picture: RecordedPicture) -> dict[str, str]:
    found = {name: plain(value) for name, value in picture.settings.items()}
    found |= {f"[[{slot}]]": value for slot, value in picture.bindings.items()}
    found |= {"prompt": picture.prompt, "negative prompt": picture.negative_prompt}
    return found | ({} if picture.seed is None else {"seed": str(picture.seed)})


def plain(value: object) -> str:
    """A setting's value as a person writes it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


class InfoPanel(ttk.Frame):
    """The prompt, and a table of facts. `show` is for Tk's thread."""

    def __init__(self, master: tkinter.Misc, theme: Theme, *, width: int = 300) -> None:
        super().__init__(master, width=theme.px(width), padding=(theme.px(16), 0, 0, 0))
        self.pack_propagate(False)
        self._theme = theme
        self.text = tkinter.Text(self, wrap="word", borderwidth=0, highlightthickness=0, state="disabled", cursor="")
        bar = ttk.Scrollbar(self, command=self.text.yview)
        self.text.configure(yscrollcommand=bar.set)
        bar.pack(side="right", fill="y")
        self.text.pack(side="left", fill="both", expand=True)
        self.use_theme()

    def use_theme(self) -> None:
        """Take on the theme's colours."""
        palette, px = self._theme.palette, self._theme.px
        self.text.configure(
            background=palette.background,
            foreground=palette.foreground,
            font="TkDefaultFont",
            spacing1=px(2),
            spacing3=px(2),
            tabs=(px(104),),
            padx=0,
            pady=0,
        )
        self.text.tag_configure("heading", font="StableNewHeading", spacing1=px(8))
        self.text.tag_configure("name", foreground=palette.muted)
        self.text.tag_configure("row", lmargin2=px(104), wrap="char")

    def show(self, picture: RecordedPicture | None) -> None:
        """The facts of `picture`."""
        self.text.configure(state="normal")
        self.text.delete("1.0", "end")
        if picture is not None:
            self._words("Prompt", picture.prompt)
            if picture.negative_prompt:
                self._words("Negative prompt", picture.negative_prompt)
            self._rows("Settings", facts_of(picture))
        self.text.configure(state="disabled")

    def _words(self, heading: str, words: str) -> None:
        self.text.insert("end", f"{heading}\n", "heading", f"{words}\n")

    def _rows(self, heading: str, rows: Iterable[Row]) -> None:
        self.text.insert("end", f"{heading}\n", "heading")
        for name, value in rows:
            self.text.insert("end", name, ("name", "row"), f"\t{value}\n", "row")
