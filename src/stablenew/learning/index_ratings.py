"""Ratings in the index: their lines by record, and what holds now about each record somebody spoke about."""

from __future__ import annotations

import sqlite3

import msgspec

from stablenew.learning.index_rows import SCORES_AT_ONCE, RowWriter
from stablenew.learning.learning_feedback import Rating
from stablenew.learning.learning_reader import record_key
from stablenew.learning.rating_fold import Feedback, fold


class RatingRows:
    """Adds and forgets rating lines, then folds what was touched. Used within one transaction at a time."""

    def __init__(self, db: sqlite3.Connection, rows: RowWriter) -> None:
        self._db, self._records = db, rows
        self._touched: set[int] = set()

    def begin(self) -> None:
        """Start a transaction."""
        self._touched.clear()

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
        touched = sorted(self._touched)  # neighbours in the tables, too
        for start in range(0, len(touched), SCORES_AT_ONCE):
            self._fold(touched[start : start + SCORES_AT_ONCE])
        self._touched.clear()

    def _fold(self, keys: list[int]) -> None:
        said: dict[int, list[Rating]] = {key: [] for key in keys}
        for key, body in self._db.execute(_LINES.format(marks=", ".join("?" * len(keys))), keys):
            said[key].append(_decoder.decode(body))
        folded = {key: fold(ratings) for key, ratings in said.items()}
        self._db.executemany("DELETE FROM feedback WHERE key = ?", [(key,) for key in keys if folded[key] is None])
        self._db.executemany(
            """INSERT OR REPLACE INTO feedback (key, score, rejected, favourite, tags, notes, people)
               VALUES (?, ?, ?, ?, ?, ?, ?)""",
            [_row(key, feedback) for key, feedback in folded.items() if feedback is not None],
        )
        self._records.set_scores({key: None if each is None else (each.score,) for key, each in folded.items()})


def _row(key: int, feedback: Feedback) -> tuple[object, ...]:
    tags = _encoder.encode(feedback.as_info().tags).decode()
    return key, feedback.score, feedback.rejected, feedback.favourite, tags, feedback.notes, feedback.people


def ratings_of_key(db: sqlite3.Connection, key: int) -> list[Rating]:
    """Every rating of one record in file order, undone ones included."""
    return [_decoder.decode(body) for _, body in db.execute(_LINES.format(marks="?"), (key,))]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Rating)
_LINES = """SELECT r.key, r.body FROM rating r JOIN file f ON f.id = r.file WHERE r.key IN ({marks})
    ORDER BY r.key, f.name, r.offset"""
