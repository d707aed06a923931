"""What scorers said: `learning/scores/NAME.jsonl`, a line a score, only ever appended, and never a person's rating."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from stablenew.errors import ScorerUnavailable
from stablenew.learning.append_file import AppendFile
from stablenew.learning.learning_feedback import rating_time
from stablenew.learning.learning_reader import UnreadableLine, lines_files
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.line_scan import scan_lines
from stablenew.learning.record_groups import Identifier, Timestamp
from stablenew.learning.safe_name import safe_name
from stablenew.learning.scorers import OpenScorer

SCORE_SCHEMA_VERSION = 1
AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreLine:
    """One score of one picture: the record it belongs to, the hash of its file, and who (which version) gave it."""

    record_id: Identifier
    image_sha256: str
    scorer: Identifier
    version: str
    score: float
    timestamp: Timestamp
    schema_version: Annotated[int, Meta(ge=1)] = SCORE_SCHEMA_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPicture:
    """A picture that was looked at: its score, or why there is none."""

    record_id: str
    score: float | None = None
    problem: str = ""


class ScoreWriter:
    """Appends the scores of one scorer, with the guarantees of AppendFile. Raises UnsafeName for a hostile name."""

    def __init__(self, folder: Path, scorer: str) -> None:
        self._file = AppendFile(folder / f"{safe_name(scorer, folder)}.jsonl")

    def append(self, *lines: ScoreLine) -> None:
        """Store `lines`: all of them or, with RecordNotWritten, none."""
        self._file.append_lines([msgspec.json.encode(line) for line in lines])

    def close(self) -> None:
        """Free the file; may be called twice."""
        self._file.close()


def read_scores(folder: Path, scorer: str | None = None) -> Iterator[ScoreLine | UnreadableLine]:
    """Every score below `folder`, of one scorer or of all, in file order; a line that is none comes as such."""
    for path in lines_files(folder):
        try:
            with path.open("rb") as file:
                for number, line in enumerate(scan_lines(file), 1):
                    if line.data is None or line.data.strip():
                        read = _parsed(path, number, line.data)
                        if isinstance(read, UnreadableLine) or scorer in (None, read.scorer):
                            yield read
        except OSError as exc:
            yield UnreadableLine(path, 0, f"the file cannot be read: {exc.strerror or exc}")


def newest_scores(folder: Path, scorer: str) -> dict[str, ScoreLine]:
    """By record id the newest score that `scorer` gave its picture."""
    return newest_by_scorer(folder, scorer).get(scorer, {})


def newest_by_scorer(folder: Path, scorer: str | None = None) -> dict[str, dict[str, ScoreLine]]:
    """By scorer, then by record id, the newest score it gave; of one scorer or of all."""
    found: dict[str, dict[str, ScoreLine]] = {}
    for line in read_scores(folder, scorer):
        if isinstance(line, ScoreLine):
            newest = found.setdefault(line.scorer, {})
            before = newest.get(line.record_id)
            if before is None or before.timestamp <= line.timestamp:
                newest[line.record_id] = line
    return found


def score_pictures(
    scorer: OpenScorer,
    records: Iterable[LearningRecord],
    folder: Path,
    root: Path,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Iterator[ScoredPicture]:
    """Score the newest picture of each record and store that below `folder`; image paths are relative to `root`.

    A picture that this version of the scorer has scored is left out. One that fails costs no other. Raises UnsafeName,
    RecordNotWritten.
    """
    known = {(line.record_id, line.image_sha256, line.version) for line in newest_scores(folder, scorer.name).values()}
    writer, waiting = ScoreWriter(folder, scorer.name), list[ScoreLine]()
    try:
        for record in records:
            images = record.outcome.images
            if not images or (record.run.record_id, images[-1].sha256, scorer.version) in known:
                continue
            try:
                score = _score(scorer, root / images[-1].path, record.prompt.prompt)
            except (OSError, ScorerUnavailable) as exc:
                yield ScoredPicture(record_id=record.run.record_id, problem=str(exc))
                continue
            waiting.append(
                ScoreLine(
                    record_id=record.run.record_id,
                    image_sha256=images[-1].sha256,
                    scorer=scorer.name,
                    version=scorer.version,
                    score=score,
                    timestamp=rating_time(clock()),
                )
            )
            if len(waiting) >= AT_ONCE:
                writer.append(*waiting)
                waiting.clear()
            yield ScoredPicture(record_id=record.run.record_id, score=score)
    finally:
        writer.append(*waiting)
        writer.close()


def _score(scorer: OpenScorer, path: Path, prompt: str) -> float:
    from PIL import Image

    with Image.open(path) as picture:
        picture.load()
        return scorer.score(picture, prompt)


def _parsed(path: Path, number: int, data: bytes | None) -> ScoreLine | UnreadableLine:
    try:
        return _decoder.decode(data or b"")
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        return UnreadableLine(path, number, f"not a score: {exc}")


_decoder = msgspec.json.Decoder(ScoreLine)
