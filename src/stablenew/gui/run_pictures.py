"""The pictures of one run: what its plan promises, what its records say, and what was made this moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import TYPE_CHECKING

from stablenew.errors import InputError
from stablenew.learning.record_filter import Condition, field_name
from stablenew.learning.recorded_picture import (
    PictureWish,
    RecordedPicture,
    picture_of_result,
    picture_of_variant,
    read_pictures,
)
from stablenew.pipeline.run_folder import read_manifest
from stablenew.prompts.selection import variants_from_recipe

if TYPE_CHECKING:
    from stablenew.controller.events import VariantFinished
    from stablenew.gui.main_window import StableNewGUI
    from stablenew.workspace import Workspace

PLANNED_MAX = 5000


def planned_pictures(workspace: Workspace, run_id: str) -> list[RecordedPicture]:
    """A place for each variant of the run's plan (the first 5,000); none where the run has no plan to be read."""
    try:
        recipe = read_manifest(workspace, run_id).recipe
        variants = variants_from_recipe(recipe) if recipe else ()
        return [picture_of_variant(variant, run_id) for variant in islice(variants, PLANNED_MAX)]
    except InputError:
        return []  # imported records have no manifest, an experiment's run no plan: what was made is shown all the same


class RunPictures:
    """Used on Tk's thread. `changed` is called when there is something new, `failed` with why nothing can be read."""

    def __init__(
        self, window: StableNewGUI, *, changed: Callable[[], None], failed: Callable[[Exception], None]
    ) -> None:
        self._window, self._changed, self._failed = window, changed, failed
        self._held: dict[str, RecordedPicture] = {}
        self._live, self._made = "", dict[str, RecordedPicture]()
        self.run_id, self.reading = "", False

    @property
    def pictures(self) -> list[RecordedPicture]:
        """All of them; those not made yet have no path."""
        return list(self._held.values())

    def newest(self, picture: RecordedPicture) -> RecordedPicture:
        """What is known by now of `picture`, which may be from a while ago."""
        return self._held.get(picture.record_id, picture)

    def open(self, run_id: str) -> None:
        """Show that run from now on."""
        self.run_id, self.reading = run_id, True
        self._held = dict(self._made) if run_id == self._live else {}
        workspace = self._window.workspace
        self._window.jobs.start(
            lambda: planned_pictures(workspace, run_id), self._plan_of(run_id), failed=self._failed, key="grid plan"
        )
        wish = PictureWish(
            where=(Condition(field=field_name("run"), operator="=", value=run_id),),
            descending=False,
            without_picture=True,
        )
        self._window.library.stream(
            lambda index: read_pictures(index, wish), self._more, done=self._done, failed=self._give_up, key="grid"
        )
        self._changed()

    def add_made(self, event: VariantFinished) -> RecordedPicture | None:
        """Take in what was made this moment and give it; None where it belongs to another run. Nobody is told."""
        if event.run_id != self._live:
            self._live, self._made = event.run_id, {}
        made = picture_of_result(event.result, event.run_id)
        self._made[made.record_id] = made  # kept for when its run is opened later: it may have no record to be read
        if event.run_id != self.run_id:
            return None
        self._held[made.record_id] = made
        return made

    def _plan_of(self, run_id: str) -> Callable[[Iterable[RecordedPicture]], None]:
        def take(planned: Iterable[RecordedPicture]) -> None:
            if run_id == self.run_id:
                for picture in planned:
                    self._held.setdefault(picture.record_id, picture)
                self._changed()

        return take

    def _more(self, pictures: list[RecordedPicture]) -> None:
        self._window.ratings.learn(pictures)
        # A record without a picture may be of an earlier start, and the picture made since it was read.
        self._held |= {each.record_id: each for each in pictures if each.path or not self.newest(each).path}
        self._changed()

    def _done(self) -> None:
        self.reading = False
        self._changed()

    def _give_up(self, exc: Exception) -> None:
        self._done()
        self._failed(exc)
