"""A variant while it is being executed: the one mutable thing of a run, and only as long as it lasts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stablenew.backends.base import Picture
from stablenew.config import StageName
from stablenew.pipeline.image_store import read_saved
from stablenew.pipeline.run_folder import JournalLine
from stablenew.variant import EffectiveSettings, StageResult, Status, Variant


@dataclass(slots=True, kw_only=True, eq=False)
class Work:
    """One variant under way. The run's thread owns all but `results`, which its desk appends to.

    `picture` and `size` (width, height) are the newest stage's. `begun`: something was done for it, so it gets a
    record. `ended`: no further stage is tried.
    """

    variant: Variant
    record_id: str
    picture: Picture = b""
    size: tuple[int, int] = (0, 0)
    seed: int | None = None
    started_at: str = ""
    begun: bool = False
    ended: bool = False
    results: list[StageResult] = field(default_factory=list)

    def restore(self, done: Mapping[StageName, JournalLine], root: Path) -> None:
        """Take over the leading stages that an earlier start finished and whose pictures are still there unchanged."""
        for stage in self.variant.config.stages:
            line = done.get(stage)
            data = read_saved(root, line.result.image) if line and line.result.image else None
            if line is None or line.result.image is None or data is None:
                return
            self.picture, self.size = data, (line.result.image.width, line.result.image.height)
            self.seed, self.started_at, self.begun = line.seed, line.started_at, True
            self.results.append(line.result)

    @property
    def pending(self) -> tuple[StageName, ...]:
        """The stages still to do, by what was restored; the desk's own progress does not show here."""
        return self.variant.config.stages[len(self.results) :]

    @property
    def status(self) -> Status:
        """What the results so far come to."""
        found = {result.status for result in self.results}
        if "failed" in found:
            return "failed"
        return "cancelled" if "cancelled" in found or not self.results else "ok"

    @property
    def effective(self) -> EffectiveSettings | None:
        """What the stages so far used, the newest one's word over the older ones'."""
        from stablenew.pipeline.image_metadata import combined

        said: EffectiveSettings | None = None
        for result in self.results:
            said = combined(said, result.effective) if result.effective else said
        return said
