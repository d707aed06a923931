"""The row below a picture: what was said about it, every word of which can be said by mouse as well."""

from __future__ import annotations

import tkinter
from collections.abc import Callable

import ttkbootstrap as ttk

from stablenew.gui.theme import SMALL, Theme
from stablenew.learning.rating_fold import Feedback

STARS = 5


def stars(score: float | None) -> str:
    """A score as stars, "" where there is none."""
    return "" if score is None else "★" * round(score)


def in_a_word(feedback: Feedback) -> str:
    """What was said, as short as can be: for below a thumbnail."""
    parts = [stars(feedback.score), "✕" if feedback.rejected else "", "♥" if feedback.favourite else ""]
    parts += ["#" if feedback.tags else "", "✎" if feedback.notes else ""]
    return " ".join(part for part in parts if part)


class VerdictBar(ttk.Frame):
    """Stars and buttons; `press` is called with the key that does the same."""

    def __init__(self, master: tkinter.Misc, theme: Theme, press: Callable[[str], None]) -> None:
        super().__init__(master)
        self._theme, self._press = theme, press
        self._stars = [self._star(number) for number in range(1, STARS + 1)]
        self._reject = self._button("Reject", "x", "X")
        self._favourite = self._button("Favourite", "f", "F")
        self._tags = self._button("Tags", "t", "T")
        self._note = self._button("Note", "n", "N")
        self._undo = self._button("Undo", "u", "U")
        self._said = ttk.Label(self, style="SmallMuted.TLabel")
        self._said.pack(side="left", padx=theme.px(8), fill="x", expand=True)
        self.use_theme()

    def use_theme(self) -> None:
        """Take on the theme's colours."""
        style = ttk.Style.get_instance()
        palette = self._theme.palette
        for name, colour in (("StarOn", palette.warning), ("StarOff", palette.muted)):
            style.configure(f"{name}.TLabel", foreground=colour, font=("TkDefaultFont", 16))

    def show(self, feedback: Feedback | None) -> None:
        """What was said about the picture; None where there is no picture."""
        score = 0 if feedback is None or feedback.score is None else round(feedback.score)
        for number, star in enumerate(self._stars, 1):
            lit = number <= score
            star.configure(text="★" if lit else "☆", style="StarOn.TLabel" if lit else "StarOff.TLabel")
        held = feedback or Feedback()
        self._reject.configure(bootstyle="danger" if held.rejected else "secondary-outline")
        self._favourite.configure(bootstyle="primary" if held.favourite else "secondary-outline")
        tags = ", ".join(held.tags)
        note = held.notes.replace("\n", " ")
        self._said.configure(text="   ".join(part for part in (f"# {tags}" if tags else "", note) if part))

    def _star(self, number: int) -> ttk.Label:
        star = ttk.Label(self, text="☆", cursor="hand2", name=f"star{number}")
        star.pack(side="left", padx=(0, self._theme.px(2)))
        star.bind("<Button-1>", lambda _: self._press(str(number)))
        return star

    def _button(self, text: str, key: str, shown: str) -> ttk.Button:
        button = ttk.Button(
            self,
            text=f"{text}  {shown}",
            bootstyle="secondary-outline",
            command=lambda: self._press(key),
            name=text.lower(),
        )
        first = text == "Reject"
        button.pack(side="left", padx=(self._theme.px(16 if first else 4), 0))
        return button


class LineEditor(ttk.Frame):
    """One line at the foot of its tab to type tags or a note into: Return takes it over, Escape does not."""

    def __init__(self, master: tkinter.Misc, theme: Theme, ended: Callable[[], None]) -> None:
        super().__init__(master)
        self._ended, self._theme = ended, theme
        self._take: Callable[[str], None] = lambda text: None
        self._label = ttk.Label(self)
        self._label.pack(side="left")
        self.entry = ttk.Entry(self, name="line")
        self.entry.pack(side="left", fill="x", expand=True, padx=theme.px(8))
        self._hint = ttk.Label(self, style="SmallMuted.TLabel", font=SMALL)
        self._hint.pack(side="left")
        self.entry.bind("<Return>", lambda _: self._end(taken=True))
        self.entry.bind("<Escape>", lambda _: self._end(taken=False))

    def ask(self, label: str, text: str, hint: str, take: Callable[[str], None]) -> None:
        """Begin with `text`; `take` is called with what stands there in the end."""
        self._take = take
        self.pack(side="bottom", fill="x", pady=(self._theme.px(8), 0))
        self._label.configure(text=label)
        self._hint.configure(text=hint)
        self.entry.delete(0, "end")
        self.entry.insert(0, text)
        self.entry.focus_set()
        self.entry.select_range(0, "end")

    def _end(self, *, taken: bool) -> str:
        if taken:
            self._take(self.entry.get())
        self.pack_forget()
        self._ended()
        return "break"
