"""What leaves the house: copies of records and pictures without the words, or with nothing inside at all.

The records kept here stay whole, and so do the pictures; only copies are stripped. A picture is never re-encoded: what
is taken out are chunks and segments of its file, and everything behind its end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stablenew.errors import InputError
from stablenew.learning.image_strip import put_infotext, strip_metadata
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.record_groups import FeedbackInfo, ImageInfo, StageInfo
from stablenew.learning.record_settings import record_infotext

Share = Literal["full", "settings", "none"]

_WORDY = ("prompt", "template", "wildcard", "script", "option", "style", "text", "caption", "comment", "metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What became of one record's picture: the copy, or the `problem` that there is none."""

    record_id: str
    path: Path | None = None
    problem: str | None = None


def without_words(record: LearningRecord) -> LearningRecord:
    """`record` with its settings, ratings and hashes, without prompts, notes, names of people, machines and folders.

    Its ids and keys stay, so that groups stay groups; who guesses a whole prompt right can check that against them.
    """
    pipeline = record.pipeline
    prompt = dataclasses.replace(
        record.prompt, prompt="", negative_prompt="", template="", negative_template="", bindings={}, pack_name=""
    )
    outcome = dataclasses.replace(
        record.outcome,
        images=[_bare_name(image) for image in record.outcome.images],
        error_message=None,
        deviations=[dataclasses.replace(each, detail="") for each in record.outcome.deviations],
    )
    return LearningRecord(
        run=dataclasses.replace(record.run, user_id=None, host_id=""),
        prompt=prompt,
        pipeline=dataclasses.replace(
            pipeline,
            axes=_without_wordy(pipeline.axes),
            stages=[_bare_stage(stage) for stage in pipeline.stages],
        ),
        outcome=outcome,
        feedback=FeedbackInfo(rating=record.feedback.rating),
    )


def share_pictures(records: Iterable[LearningRecord], root: Path, folder: Path, share: Share) -> Iterator[Shared]:
    """Copy the last picture of each record into `folder`; `root` is the workspace.

    "full" copies the file as it is. "settings" leaves the settings in it, without prompts and record id. "none" leaves
    nothing, and names the files by number. Raises InputError when the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InputError(f"{folder} cannot be made: {exc.strerror or exc}") from exc
    for number, record in enumerate(record for record in records if record.outcome.images):
        source = root / record.outcome.images[-1].path
        name = f"{number + 1:05}{source.suffix}" if share == "none" else source.name
        try:
            data = _stripped(source.read_bytes(), record, share)
            path = _write_new(folder, name, data)
        except (OSError, InputError) as exc:
            yield Shared(record_id=record.run.record_id, problem=f"{source}: {exc}")
        else:
            yield Shared(record_id=record.run.record_id, path=path)


def _stripped(data: bytes, record: LearningRecord, share: Share) -> bytes:
    if share == "full":
        return data
    bare = strip_metadata(data)
    return bare if share == "none" else put_infotext(bare, record_infotext(record, with_prompts=False))


def _write_new(folder: Path, name: str, data: bytes) -> Path:
    """Write under a name that is not there yet; the same content under the same name is there already."""
    stem, suffix = Path(name).stem, Path(name).suffix
    for number in range(10_000):
        path = folder / (name if number == 0 else f"{stem}-{number}{suffix}")
        try:
            with path.open("xb") as file:
                file.write(data)
        except FileExistsError:
            if path.read_bytes() == data:
                return path
        else:
            return path
    raise InputError(f"{folder} holds ten thousand files called {name}")


def _bare_name(image: ImageInfo) -> ImageInfo:
    return dataclasses.replace(image, path=image.path.rpartition("/")[2])


def _bare_stage(stage: StageInfo) -> StageInfo:
    return dataclasses.replace(stage, extra=_without_wordy(stage.extra), error_message=None)


def _without_wordy(values: dict[str, Any]) -> dict[str, Any]:
    """Without settings that may hold words of the prompt, such as an ADetailer prompt or a script's arguments."""
    return {name: value for name, value in values.items() if not any(word in name.casefold() for word in _WORDY)}
