"""The labelled contact sheet of a run, from what its own folder says: with or without learning records."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from stablenew.atomic_file import write_atomically
from stablenew.config import STAGES, StageName
from stablenew.learning.experiments import read_experiment
from stablenew.learning.learning_adapter import variants_of
from stablenew.pipeline.run_folder import JournalLine, RunFolder, RunManifest, read_manifest
from stablenew.prompts.selection import variants_from_recipe
from stablenew.report.contact_sheet import SheetEntry, contact_sheet
from stablenew.variant import Variant
from stablenew.workspace import Workspace

PICTURES_MAX = 500
"""Pictures of one sheet: more is nothing to look at at once, and `stablenew report` shows them all."""


def write_run_sheet(workspace: Workspace, run_id: str) -> Path | None:
    """Put `sheet.png` into the run's folder and return where; None when the run has no picture.

    Rows are prompts and columns the settings that vary; without any, pictures follow each other with their prompts.
    Of a larger run the first 500 are shown, and the title says how many more there are.
    Raises NotFound when there is no such run, InputError when its manifest cannot be read.
    """
    folder = RunFolder(workspace, run_id)
    manifest = read_manifest(workspace, run_id)
    planned = _variants(workspace, manifest) if manifest.recipe else None
    entries = list(_unplanned(folder) if planned is None else _planned(folder, planned))
    shown = _few_enough(entries)
    if not any(entry.path for entry in shown):
        return None
    more = len(entries) - len(shown)
    title = f"run {run_id}: the first {len(shown):,}, and {more:,} more" if more else f"run {run_id}"
    buffer = io.BytesIO()
    # Level 4 and no `optimize`: a tenth larger, and several times sooner there.
    contact_sheet(shown, title=title).save(buffer, "PNG", compress_level=4)
    path = folder.path / "sheet.png"
    write_atomically(path, buffer.getvalue())
    return path


def _variants(workspace: Workspace, manifest: RunManifest) -> Iterable[Variant]:
    """What the run was to make: an experiment's cells or their sources, or what its recipe says."""
    recipe = manifest.recipe or {}
    if "experiment" not in recipe:
        return variants_from_recipe(recipe)
    experiment = read_experiment(workspace, recipe["experiment"])
    whole = variants_of(experiment.plan, experiment.experiment_id)
    return whole if manifest.run_id == experiment.experiment_id else whole.sources


def _few_enough(entries: list[SheetEntry]) -> list[SheetEntry]:
    """The first `PICTURES_MAX`, of those with a picture where the first have none."""
    first = entries[:PICTURES_MAX]
    if any(entry.path for entry in first):
        return first
    return [entry for entry in entries if entry.path][:PICTURES_MAX]


def setting_label(axes: Mapping[str, object]) -> str:
    """What the axes chose, in few words: "cfg_scale 7, sampler Euler"."""
    return ", ".join(f"{path.rpartition('.')[2]} {_short(value)}" for path, value in axes.items())


def _planned(folder: RunFolder, variants: Iterable[Variant]) -> Iterator[SheetEntry]:
    done = folder.done_stages()
    for variant in variants:
        yield _entry(folder, variant, done.get((variant.index, variant.variant_id), {}))


def _unplanned(folder: RunFolder) -> Iterator[SheetEntry]:
    """Of a run whose variants were handed in ready-made: what was made, by number."""
    for (index, _), stages in sorted(folder.done_stages().items()):
        yield SheetEntry(path=_picture(folder, stages), caption=f"variant {index + 1}")


def _entry(folder: RunFolder, variant: Variant, stages: Mapping[StageName, JournalLine]) -> SheetEntry:
    path = _picture(folder, stages)
    varied = setting_label(variant.axes)
    return SheetEntry(
        path=path,
        caption=f"seed {variant.seed}" if varied else variant.prompt,
        row=variant.prompt if varied else None,
        column=varied or None,
        note="" if path else "no picture",
    )


def _picture(folder: RunFolder, stages: Mapping[StageName, JournalLine]) -> Path | None:
    """The newest stage's picture."""
    for stage in reversed(STAGES):
        if stage in stages and (image := stages[stage].result.image) is not None:
            return folder.workspace.root / image.path
    return None


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
