"""What the keys of a verdict do, the same on every surface: 1 to 5, 0, x, f, t, n, and u to take the last one back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stablenew.gui.rating_book import RatingBook
from stablenew.gui.verdict_bar import LineEditor
from stablenew.learning.rating_fold import Feedback
from stablenew.learning.recorded_picture import RecordedPicture

JUDGING_KEYS = "012345xftnu"


class Judging:
    """For the `current` picture of one surface. `how` gives what a rating says of its circumstances.

    `went_on` is called after stars and a rejection, `returned` with the record whose verdict was taken back.
    """

    def __init__(
        self,
        book: RatingBook,
        surface: str,
        editor: LineEditor,
        *,
        current: Callable[[], RecordedPicture | None],
        how: Callable[[RecordedPicture], Mapping[str, object]],
        went_on: Callable[[], None] = lambda: None,
        returned: Callable[[str], None] = lambda record_id: None,
    ) -> None:
        self._book, self._surface, self._editor = book, surface, editor
        self._current, self._how, self._went_on, self._returned = current, how, went_on, returned

    def press(self, key: str) -> None:
        """Do what the key says, whoever pressed it: a keyboard, or a button with that key on it."""
        picture = self._current()
        if key == "u":
            self._undo()
        elif picture is None:
            return
        elif key in "12345":
            self._say(picture, score=int(key), **({"rejected": False} if self._said(picture).rejected else {}))
            self._went_on()
        elif key == "x":
            rejected = not self._said(picture).rejected
            self._say(picture, rejected=rejected)
            if rejected:
                self._went_on()
        elif key == "f":
            self._say(picture, favourite=not self._said(picture).favourite)
        elif key == "0":
            self._book.clear(picture, self._surface)
        else:
            self._edit(picture, tags=key == "t")

    def _said(self, picture: RecordedPicture) -> Feedback:
        return self._book.feedback(picture.record_id)

    def _say(self, picture: RecordedPicture, **said: object) -> None:
        self._book.say(picture, self._surface, **self._how(picture), **said)

    def _undo(self) -> None:
        said = self._book.undo(self._surface)
        if said is not None:
            self._returned(said.record_ids[0])

    def _edit(self, picture: RecordedPicture, *, tags: bool) -> None:
        held = self._said(picture)
        if tags:
            known = ", ".join(self._book.tags()[:8])
            hint = f"with commas; so far: {known}" if known else "with commas between them"
            self._editor.ask("Tags", ", ".join(held.tags), hint, lambda text: self._tag(picture, text))
        else:
            self._editor.ask("Note", held.notes, "Return keeps it", lambda text: self._note(picture, text))

    def _tag(self, picture: RecordedPicture, text: str) -> None:
        wanted = [tag for tag in dict.fromkeys(part.strip() for part in text.split(",")) if tag]
        held = self._said(picture).tags
        add, remove = [tag for tag in wanted if tag not in held], [tag for tag in held if tag not in wanted]
        if add or remove:
            self._say(picture, add_tags=add, remove_tags=remove)

    def _note(self, picture: RecordedPicture, text: str) -> None:
        if text.strip() != self._said(picture).notes:
            self._say(picture, notes=text.strip())
