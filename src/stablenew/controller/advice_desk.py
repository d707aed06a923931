"""What a workspace's ratings say, for the command line and the window: no run, no backend, no controller is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stablenew.learning.advice import Question
    from stablenew.learning.recommendation import Purpose, Recommendation
    from stablenew.learning.settings_map import SettingsMap
    from stablenew.workspace import Workspace


class AdviceDesk:
    """Asks the learning part, which is imported with the first question.

    Any thread may ask. An answer is worked out before it is returned, which takes seconds where much is rated: a window
    asks on a worker's thread.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def recommend(self, question: Question, *, purpose: Purpose = "quality") -> Recommendation:
        """Which settings to use. Raises InputError where no rated picture is about what is asked, or none differ."""
        from stablenew.learning.advice import advise

        return advise(self.workspace, question, purpose=purpose)

    def next_row(self, question: Question, *, images: int, per_second: bool = False) -> tuple[dict[str, Any], ...]:
        """The settings of `images` pictures that would change the advice most, the best known first.

        `per_second`: most for the time that making them takes. Raises InputError as `recommend` does.
        """
        from stablenew.learning.advice import advise_next

        return advise_next(self.workspace, question, images=images, per_second=per_second)

    def settings_map(self, question: Question, names: Sequence[str]) -> SettingsMap:
        """Two settings together, from matched pictures. Raises InputError as `recommend` does, and for other names."""
        from stablenew.learning.advice import gather
        from stablenew.learning.settings_map import settings_map

        known = gather(self.workspace, question)
        return settings_map(known.evidence, known.context, names)

    def rated_classes(self) -> tuple[str, ...]:
        """The prompt classes (`class:NAME`) of rated pictures: a question's `pack` may name them as it names packs."""
        from stablenew.learning.advice import rated_classes

        return rated_classes(self.workspace)
