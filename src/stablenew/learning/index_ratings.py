"""Ratings in the index: their lines by record, and what holds now about each record somebody spoke about."""

from __future__ import annotations

import sqlite3

import msgspec

from stablenew.learning.index_rows import RowWriter
from stablenew.learning.learning_feedback import Rating
from stablenew.learning.learning_reader import record_key
from stablenew.learning.rating_fold import Feedback, fold


class RatingRows:
    """Adds and forgets rating lines, then folds what was touched. Used within one transaction at a time."""

    def __init__(self, db: sqlite3.Connection, rows: RowWriter) -> None:
        self._db, self._records = db, rows
        self._touched: set[int] = set()

    def add(self, rating: Rating, file: int, offset: int) -> None:
        """Add the line of `rating`, which stands at `offset` of `file`."""
        key = record_key(rating.record_id)
        body = _encoder.encode(rating).decode()
        self._db.execute("INSERT INTO rating (key, file, offset, body) VALUES (?, ?, ?, ?)", (key, file, offset, body))
        self._touched.add(key)

    def forget_file(self, file: int, offset: int = 0) -> None:
        """Remove the file's lines from `offset` on."""
        gone, place = "file = ? AND offset >= ?", (file, offset)
        self._touched |= {key for (key,) in self._db.execute(f"SELECT key FROM rating WHERE {gone}", place)}
        self._db.execute(f"DELETE FROM rating WHERE {gone}", place)

    def settle(self) -> None:
        """Fold anew what was touched, and give the records their scores; every record must be counted before."""
        for key in self._touched:
            feedback = fold(self.of_key(key))
            if feedback is None:
                self._db.execute("DELETE FROM feedback WHERE key = ?", (key,))
                self._records.set_score(key, None, folded=False)
            else:
                self._store(key, feedback)
        self._touched.clear()

    def of_key(self, key: int) -> list[Rating]:
        """Every rating of one record in file order."""
        return ratings_of_key(self._db, key)

    def _store(self, key: int, feedback: Feedback) -> None:
        tags = msgspec.json.encode(feedback.as_info().tags).decode()
        self._db.execute(
            """INSERT OR REPLACE INTO feedback (key, score, rejected, favourite, tags, notes, people)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            (key, feedback.score, feedback.rejected, feedback.favourite, tags, feedback.notes, feedback.people),
        )
        score = None if feedback.score is None else round(feedback.score * 1000)
        self._records.set_score(key, score, folded=True)


def ratings_of_key(db: sqlite3.Connection, key: int) -> list[Rating]:
    """Every rating of one record in file order, undone ones included."""
    bodies = db.execute(
        "SELECT body FROM rating r JOIN file f ON f.id = r.file WHERE r.key = ? ORDER BY f.name, r.offset", (key,)
    )
    return [_decoder.decode(body) for (body,) in bodies]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Rating)
