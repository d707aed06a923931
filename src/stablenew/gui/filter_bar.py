"""The row above the pictures: which of them, and in which order."""

from __future__ import annotations

import tkinter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import ttkbootstrap as ttk

from stablenew.gui.culling import Sieve, Verdict
from stablenew.gui.theme import Theme
from stablenew.learning.record_filter import Condition, field_name
from stablenew.learning.recorded_picture import PictureWish

VERDICTS: dict[Verdict, str] = {
    "any": "Any rating",
    "unrated": "Not rated",
    "rated": "Rated",
    "5": "★★★★★",
    "4+": "★★★★ and up",
    "3+": "★★★ and up",
    "2-": "★★ and down",
    "favourite": "Favourites",
    "rejected": "Rejected",
}
SORTS = ("time", "rating", "seconds", "prompt", "seed", "model", "sampler", "scheduler", "steps", "cfg_scale", "width")


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFilter:
    """What a person chose; "" for all of them."""

    run: str = ""
    pack: str = ""
    model: str = ""
    verdict: Verdict = "any"
    tag: str = ""
    words: str = ""
    sort: str = "time"
    descending: bool = True

    def wish(self) -> PictureWish:
        """What is asked of the index. Raises InputError for a field that no record has."""
        chosen = {"run": self.run, "pack": self.pack, "model": self.model}
        return PictureWish(
            where=tuple(
                Condition(field=field_name(name), operator="=", value=value) for name, value in chosen.items() if value
            ),
            words=self.words.strip() or None,
            sort=field_name(self.sort),
            descending=self.descending,
        )

    def sieve(self) -> Sieve:
        """What of the answer is shown."""
        return Sieve(verdict=self.verdict, tag=self.tag)

    def asks_the_same(self, other: PictureFilter) -> bool:
        """Whether `other` needs no other pictures read, only another sieve."""
        return replace(self, verdict="any", tag="") == replace(other, verdict="any", tag="")

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return any((self.run, self.pack, self.model, self.tag, self.words.strip())) or self.verdict != "any"


def filter_from(memory: Mapping[str, Any]) -> PictureFilter:
    """The order that was remembered; what is shown begins with everything each time."""
    known = {each.name for each in fields(PictureFilter)} & {"sort", "descending"}
    return PictureFilter(**{name: memory[name] for name in known if type(memory.get(name)) in (str, bool)})


class FilterBar(ttk.Frame):
    """Tells `changed` what was chosen; the lists of runs, packs, models and tags are given to it."""

    def __init__(
        self,
        master: tkinter.Misc,
        theme: Theme,
        chosen: PictureFilter,
        changed: Callable[[PictureFilter], None],
    ) -> None:
        super().__init__(master)
        self._theme, self._changed, self.chosen = theme, changed, chosen
        self._boxes: dict[str, ttk.Combobox] = {}
        self._labels: dict[str, dict[str, str]] = {}
        for name, every, width in (("run", "All runs", 17), ("pack", "All packs", 10), ("model", "All models", 12)):
            self._box(name, {"": every}, width)
        self._box("verdict", {str(verdict): label for verdict, label in VERDICTS.items()}, 12)
        self._box("tag", {"": "Any tag"}, 8)
        self._words()
        self._order()
        self.show(chosen)

    def offer(self, name: str, values: Iterable[str]) -> None:
        """The values to choose from; what is chosen stays on the list."""
        every = self._labels[name][""]
        known = dict.fromkeys([*values, *([getattr(self.chosen, name)] if getattr(self.chosen, name) else [])])
        self._labels[name] = {"": every} | {value: value for value in known if value}
        self._boxes[name].configure(values=list(self._labels[name].values()))

    def show(self, chosen: PictureFilter) -> None:
        """Show `chosen`; nobody is told."""
        self.chosen = chosen
        for name, box in self._boxes.items():
            value = getattr(chosen, name)
            self._labels[name].setdefault(value, value)
            box.configure(values=list(self._labels[name].values()))
            box.set(self._labels[name][value])
        self._typed.set(chosen.words)
        self._sort.set(chosen.sort)
        self._direction.configure(text="↓" if chosen.descending else "↑")

    def focus_words(self) -> None:
        """Put the cursor into the text."""
        self.words.focus_set()
        self.words.select_range(0, "end")

    def _box(self, name: str, labels: dict[str, str], width: int) -> None:
        box = ttk.Combobox(self, state="readonly", width=width, values=list(labels.values()), name=name)
        box.pack(side="left", padx=(0, self._theme.px(6)))
        box.bind("<<ComboboxSelected>>", lambda _: self._choose())
        self._boxes[name], self._labels[name] = box, labels

    def _words(self) -> None:
        self._typed = tkinter.StringVar(self)
        self._words_label = ttk.Label(self, text="Text", style="Muted.TLabel")
        self.words = ttk.Entry(self, textvariable=self._typed, width=8, name="words")
        self.words.bind("<Return>", lambda _: self._choose())
        self.words.bind("<FocusOut>", lambda _: self._choose())

    def _order(self) -> None:
        """The order stands at the right end; the text has what is left over, and is what gives way."""
        px = self._theme.px
        label = ttk.Label(self, text="Sort", style="Muted.TLabel")
        self._sort = ttk.Combobox(self, values=SORTS, width=9, name="sort")
        self._sort.bind("<<ComboboxSelected>>", lambda _: self._choose())
        self._sort.bind("<Return>", lambda _: self._choose())
        self._direction = ttk.Button(self, width=2, command=self._turn, bootstyle="ghost", name="direction")
        self._direction.pack(side="right", padx=(px(2), 0))
        self._sort.pack(side="right")
        label.pack(side="right", padx=px(4))
        self._words_label.pack(side="left", padx=px(4))
        self.words.pack(side="left", fill="x", expand=True, padx=(0, px(6)))

    def _turn(self) -> None:
        self._choose(descending=not self.chosen.descending)

    def _choose(self, **said: Any) -> None:
        values = asdict(self.chosen) | {name: self._value(name) for name in self._boxes}
        values |= {"words": self._typed.get(), "sort": self._sort.get().strip() or "time"} | said
        chosen = PictureFilter(**values)
        if chosen != self.chosen:
            self.show(chosen)
            self._changed(chosen)

    def _value(self, name: str) -> str:
        label = self._boxes[name].get()
        return next((value for value, each in self._labels[name].items() if each == label), "")


def in_menu_order(values: Sequence[str | None], limit: int = 500) -> list[str]:
    """Names for a list to choose from: newest runs first where names are times, no empty ones, not endless."""
    return sorted((value for value in values if value), reverse=True)[:limit]
