"""The one-file HTML report of a run or an experiment: pictures, settings and ratings in a page that needs no server.

The page's own parts lie in `page/` and are put together here. Everything that came from outside (prompts, names, notes)
goes into the page as JSON and is only ever shown as text; a content policy in the page lets nothing be fetched and no
other script run.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from stablenew.atomic_file import write_atomically
from stablenew.errors import InputError, NotFound
from stablenew.learning.learning_reader import read_current_records
from stablenew.learning.learning_record import LearningRecord
from stablenew.learning.rating_fold import read_feedback, with_feedback
from stablenew.learning.record_settings import flat_settings, record_infotext
from stablenew.learning.share import Share, without_words
from stablenew.report.thumbnails import SIDE, thumbnails
from stablenew.workspace import Workspace

PICTURES_MAX = 5000
_SCRIPTS = ("model.js", "views.js", "dialogs.js", "main.js")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenReport:
    """A report on disk: how many records are in it, how many have no picture, and how many more there were."""

    path: Path
    records: int
    without_picture: int
    left_out: int


def write_report(
    workspace: Workspace,
    name: str,
    path: Path | None = None,
    *,
    limit: int = PICTURES_MAX,
    thumbnail_side: int = SIDE,
    on_progress: Callable[[int], None] | None = None,
) -> WrittenReport:
    """Write the report of the run or experiment called `name`; None: as report.html into its folder under runs.

    At most `limit` records are shown. `on_progress` is told how many are done. Raises NotFound when `name` has no
    record, InputError when the report cannot be written.
    """
    records = records_of(workspace, name)
    if not records:
        raise NotFound("run or experiment with records", name, workspace.records, "stablenew runs list shows runs")
    return write_records_report(
        records,
        path or workspace.runs / name / "report.html",
        workspace.root,
        _title(records, name),
        limit=limit,
        thumbnail_side=thumbnail_side,
        on_progress=on_progress,
    )


def write_records_report(
    records: Sequence[LearningRecord],
    path: Path,
    root: Path,
    title: str,
    *,
    limit: int = PICTURES_MAX,
    thumbnail_side: int = SIDE,
    share: Share = "full",
    on_progress: Callable[[int], None] | None = None,
) -> WrittenReport:
    """Write the report of any records to `path`; their image paths are relative to `root`.

    With `share` "settings" prompts and notes are left out, and the originals, which hold them, are not linked. Raises
    InputError when it cannot be written.
    """
    shown = records[:limit]
    items = report_items(shown, root, path.parent, share=share, thumbnail_side=thumbnail_side, on_progress=on_progress)
    page = render_report(title, _subtitle(records, limit), items, _axes(shown) if share == "full" else [])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, page.encode())
    except OSError as exc:
        raise InputError(f"the report cannot be written to {path}: {exc.strerror or exc}") from exc
    return WrittenReport(
        path=path,
        records=len(shown),
        without_picture=sum(item["thumb"] is None for item in items),
        left_out=len(records) - len(shown),
    )


def records_of(workspace: Workspace, name: str) -> list[LearningRecord]:
    """The records of the run called `name`, else of the experiment called so, with what people said about them."""
    found = list(read_current_records(workspace.records, name))
    if not found:
        every = read_current_records(workspace.records)
        found = [record for record in every if record.run.experiment_id == name]
    feedback = read_feedback(workspace.ratings) if found else {}
    found = [with_feedback(record, feedback.get(record.run.record_id)) for record in found]
    return sorted(found, key=lambda record: (record.run.run_id, record.pipeline.variant_index, record.run.timestamp))


def report_items(
    records: Sequence[LearningRecord],
    root: Path,
    folder: Path,
    *,
    share: Share = "full",
    thumbnail_side: int = SIDE,
    on_progress: Callable[[int], None] | None = None,
) -> list[dict[str, Any]]:
    """What the page knows of each record, as JSON types; `root` is what image paths are relative to, links `folder`."""
    paths = [_picture(record, root) for record in records]
    items: list[dict[str, Any]] = []
    for record, path, small in zip(records, paths, thumbnails(paths, thumbnail_side), strict=True):
        thumb = {"thumb": small.uri if small else None}
        size = dict(zip(("width", "height"), small.size if small else (None, None), strict=True))
        facts = _facts(record) if share == "full" else _facts(without_words(record))
        items.append(facts | _link(path if share == "full" else None, folder) | thumb | size)
        if on_progress is not None:
            on_progress(len(items))
    return items


def render_report(title: str, subtitle: str, items: Iterable[dict[str, Any]], axes: Sequence[str]) -> str:
    """The page. `axes` are the settings to begin with as columns and rows of the grid."""
    data = {"title": title, "subtitle": subtitle, "axes": list(axes), "items": list(items)}
    style = _part("report.css")
    script = "".join(_part(name) for name in _SCRIPTS).replace('"use strict";\n', "")
    script = f'"use strict";\n{script}'
    parts = {
        "%POLICY%": escape(_policy(script, style)),
        "%TITLE%": escape(title),
        "%STYLE%": style,
        "%SCRIPT%": script,
        # No "<" in it: nothing in a prompt can end the element that holds the data.
        "%DATA%": msgspec.json.encode(data).decode().replace("<", "\\u003c"),
    }
    page = _part("page.html")
    pieces: list[str] = []
    for mark in ("%POLICY%", "%TITLE%", "%STYLE%", "%DATA%", "%SCRIPT%"):
        before, _, page = page.partition(mark)
        pieces += [before, parts[mark]]
    return "".join([*pieces, page])


def _policy(script: str, style: str) -> str:
    """Nothing from anywhere, but our own script and style, and pictures from beside the file."""
    return (
        f"default-src 'none'; script-src '{_fingerprint(script)}'; style-src '{_fingerprint(style)}'; "
        "img-src data: file: 'self'; base-uri 'none'; form-action 'none'"
    )


def _fingerprint(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _part(name: str) -> str:
    return (files("stablenew.report") / "page" / name).read_text("utf-8")


def _picture(record: LearningRecord, root: Path) -> Path | None:
    """The newest stage's picture; None when there is none."""
    images = record.outcome.images
    return root / images[-1].path if images else None


def _facts(record: LearningRecord) -> dict[str, Any]:
    run, prompt, outcome, feedback = record.run, record.prompt, record.outcome, record.feedback
    error = f"{outcome.error_type or ''}: {outcome.error_message or ''}".strip(": ") if outcome.error else ""
    settings = flat_settings(record)
    return {
        "id": run.record_id,
        "run": run.run_id,
        "made": run.timestamp,
        "backend": f"{record.pipeline.backend} {record.pipeline.backend_version}".strip(),
        "status": outcome.status,
        "prompt": prompt.prompt,
        "negative": prompt.negative_prompt,
        "seed": prompt.seed,
        "bindings": prompt.bindings,
        "settings": settings,
        "set": _settable(settings),
        "seconds": outcome.duration_s,
        "rating": feedback.rating,
        "tags": feedback.tags,
        "notes": feedback.notes,
        "error": error,
        "infotext": record_infotext(record),
    }


def _settable(settings: dict[str, Any]) -> dict[str, Any]:
    """Those of `settings` that `--set` takes."""
    from stablenew.config import declared_settings

    known = declared_settings()
    return {name: value for name, value in settings.items() if name in known or f"txt2img.{name}" in known}


def _link(path: Path | None, folder: Path) -> dict[str, Any]:
    """How the page reaches the original: relative to the page, so that both can be moved together."""
    if path is None:
        return {"image": None, "file": ""}
    try:
        # "./" in front, so that no file name is taken for a scheme such as javascript:
        url = "./" + quote(Path(os.path.relpath(path, folder)).as_posix())
    except ValueError:  # another drive of Windows
        url = path.resolve().as_uri()
    return {"image": url, "file": path.name}


def _title(records: Sequence[LearningRecord], name: str) -> str:
    is_experiment = any(record.run.experiment_id == name for record in records)
    return f"Experiment {name}" if is_experiment else f"Run {name}"


def _subtitle(records: Sequence[LearningRecord], limit: int) -> str:
    """In a line: how many, when, made by what."""
    if not records:
        return "no records"
    status = Counter(record.outcome.status for record in records)
    parts = [f"{len(records):,} records", min(record.run.timestamp for record in records)[:10]]
    parts += sorted({record.pipeline.backend for record in records if record.pipeline.backend})
    parts += [f"{status[bad]} {bad}" for bad in ("failed", "cancelled") if status[bad]]
    rated = sum(record.feedback.rating is not None for record in records)
    parts += [f"{rated} rated"] if rated else []
    parts += [f"only the first {limit:,} are shown"] if len(records) > limit else []
    return " · ".join(parts)


def _axes(records: Sequence[LearningRecord]) -> list[str]:
    """The plan's own axes, in the plan's order."""
    found: dict[str, None] = {}
    for record in islice(records, 200):
        found |= dict.fromkeys(path.removeprefix("txt2img.") for path in record.pipeline.axes)
        found |= dict.fromkeys(f"[[{slot}]]" for slot in record.prompt.bindings)
    return list(found)
