"""Prove a card: two pictures of one prompt and seed, the old settings and the card's, and which is better."""

from __future__ import annotations

import time
import tkinter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import ttkbootstrap as ttk

from stablenew.gui.keys import bind_keys
from stablenew.gui.pictures.loader import PictureLoader
from stablenew.gui.tabs.learn_parts import sitting_head
from stablenew.gui.tabs.learn_proof import Judging, Pair
from stablenew.gui.tabs.learn_tile import PictureTile
from stablenew.learning.blind_pairs import Proof
from stablenew.learning.rater_checks import Answer
from stablenew.pipeline.proof_outcome import Conclusion

if TYPE_CHECKING:
    from stablenew.gui.main_window import StableNewGUI

BUTTONS: tuple[tuple[str, Answer, tuple[str, ...]], ...] = (
    ("Left  ←", "left", ("Left", "1")),
    ("Right  →", "right", ("Right", "2")),
    ("Equal  T", "tie", ("t", "equal")),
    ("Skip  S", "skip", ("s",)),
)


class ProvePage(ttk.Frame):
    """Asks pair by pair. `ended` is told what came of it, also when stopped early; `left` where nothing did."""

    def __init__(
        self,
        master: tkinter.Misc,
        window: StableNewGUI,
        ended: Callable[[Conclusion], None],
        left: Callable[[], None],
    ) -> None:
        px = window.theme.px
        super().__init__(master, padding=(px(16), px(12), px(16), px(8)))
        self._window, self._ended, self._left = window, ended, left
        self._judging: Judging | None = None
        self._wanted: Proof | None = None
        self._waiting = self._leaving = self._keeping = False
        self._since = 0.0
        self.pair = Pair()
        self.loader = PictureLoader(window.bridge.call, self._ready)
        self._lay_out()
        self.bind("<Map>", lambda _: self.table.focus_set())

    @property
    def going_on(self) -> bool:
        """Whether a comparison is wanted that is not open yet: the page stays for it when another one ends."""
        return self._wanted is not None

    def begin(self, proof: Proof) -> None:
        """Ask about the pairs of `proof`, from the first that was not answered; one that is open is concluded first."""
        self._wanted, self.pair = proof, Pair()
        self._show()
        if self._judging is not None:
            self._conclude()
        elif not self._keeping:
            self._open(proof)

    def use_theme(self) -> None:
        """Take on the theme's colours."""
        self.table.configure(background=self._window.theme.palette.background)
        for tile in self.tiles:
            tile.use_theme()

    def destroy(self) -> None:
        """End the decoding threads as well."""
        self.loader.close()
        super().destroy()

    # What the keys and buttons do.

    def answer(self, answer: Answer) -> None:
        """Say which is better, and go on; nothing while the answer before is on its way to the disk."""
        judging = self._judging
        if judging is not None and not self.pair.over:
            decided_ms = round((time.monotonic() - self._since) * 1000)
            self._work(lambda: judging.answer(answer, decided_ms))

    def undo(self) -> None:
        """Take the last answer back."""
        if self._judging is not None:
            self._work(self._judging.undo)

    def leave(self) -> None:
        """End the sitting, once the answer on its way is on disk: what was found so far is kept with the card."""
        self._wanted = None
        if self._judging is None:
            self._left()  # nothing is open or could be, or what was found is being kept already
        else:
            self._conclude()

    # Parts.

    def _lay_out(self) -> None:
        px, theme = self._window.theme.px, self._window.theme
        self.prompt, self.counts = sitting_head(self, theme, "Stop  Esc", self.leave)
        foot = ttk.Frame(self)
        foot.pack(side="bottom", fill="x", pady=(px(8), 0))
        self.buttons: dict[Answer, ttk.Button] = {}
        for text, answer, _ in BUTTONS:
            style = "primary" if answer in ("left", "right") else "neutral"
            button = ttk.Button(foot, text=text, command=partial(self.answer, answer), bootstyle=style)
            button.pack(side="left", padx=(0, px(8)))
            self.buttons[answer] = button
        ttk.Button(foot, text="Undo  U", command=self.undo).pack(side="left", padx=(0, px(8)))
        self.hint = ttk.Label(foot, style="Muted.TLabel")
        self.hint.pack(side="left", padx=px(8))
        self.table = tkinter.Frame(self, takefocus=True, background=theme.palette.background, width=1, height=1)
        self.table.pack(fill="both", expand=True)
        self.tiles = tuple(
            PictureTile(self.table, self._window, partial(self.answer, side)) for side in ("left", "right")
        )
        for tile, place in zip(self.tiles, (0.0, 0.5), strict=True):
            tile.place(relx=place, rely=0, relwidth=0.5, relheight=1)
        self.tiles[0].canvas.bind("<Configure>", lambda _: self._want(), add=True)
        acts = {key: partial(self.answer, answer) for _, answer, keys in BUTTONS for key in keys}
        bind_keys(self.table, {**acts, "u": self.undo, "Escape": self.leave})

    # From one sitting to the next.

    def _open(self, proof: Proof) -> None:
        workspace, who = self._window.workspace, self._window.ratings.who

        def opened() -> tuple[Judging, Pair]:
            judging = Judging(workspace, proof, who)
            return judging, judging.pair()

        # Without a key: what comes of a job that is outdated is dropped, and its session would stay open.
        self._window.jobs.start(opened, partial(self._opened, proof))

    def _opened(self, proof: Proof, found: tuple[Judging, Pair]) -> None:
        judging, pair = found
        if self._wanted is not proof:
            self._window.jobs.start(judging.close)  # the person left meanwhile, or wants another
            return
        self._judging, self._wanted, self._leaving = judging, None, False
        self._take(pair)
        self.table.focus_set()

    def _conclude(self) -> None:
        """Keep what was found, once the answer on its way is on disk."""
        judging, self._leaving = self._judging, True
        if judging is not None and not self._waiting:
            self._judging, self._keeping = None, True
            self._window.jobs.start(judging.conclude, self._kept, failed=self._not_kept)

    def _kept(self, done: Conclusion) -> None:
        self._keeping = False
        self._ended(done)
        if self._wanted is not None:
            self._open(self._wanted)

    def _not_kept(self, exc: Exception) -> None:
        self._keeping = False
        self._window.report(exc)
        if self._wanted is not None:
            self._open(self._wanted)
        else:
            self._left()

    # What is seen.

    def _work(self, work: Callable[[], Pair]) -> None:
        if not self._waiting:
            self._waiting = True
            self._window.jobs.start(work, self._take, failed=self._failed)

    def _failed(self, exc: Exception) -> None:
        self._waiting = self._leaving = False
        self._window.report(exc)
        if self._wanted is not None:
            self._conclude()

    def _take(self, pair: Pair) -> None:
        self._waiting = False
        self.pair, self._since = Pair() if self._wanted is not None else pair, time.monotonic()
        if pair.over or self._leaving:
            self._conclude()
        self._show()

    def _show(self) -> None:
        pair = self.pair
        self.prompt.configure(text=pair.prompt.replace("\n", " "))
        self.counts.configure(text=f"{pair.answered} of {pair.pairs} answered" if pair.pairs else "")
        self.hint.configure(text=pair.hint)
        for button in self.buttons.values():
            button.configure(state="disabled" if pair.over else "normal")
        for tile in self.tiles:
            tile.clear()
        self._want()

    def _want(self) -> None:
        paths = [path for path in (self.pair.left, self.pair.right) if path is not None]
        if paths and min(self.tiles[0].room) > 1:
            self.loader.want(paths, self.tiles[0].room)
            for path in paths:
                self._ready(path)

    def _ready(self, path: Path) -> None:
        loaded = self.loader.get(path)
        if loaded is not None:
            for tile, shown in zip(self.tiles, (self.pair.left, self.pair.right), strict=True):
                if shown == path:
                    tile.show_picture(loaded)
