"""A run's progress in words, the same on the command line and in the window."""

from __future__ import annotations

from stablenew.controller.events import Progress, RecordLost
from stablenew.variant import VariantResult


def counts_text(progress: Progress) -> str:
    """How many are done, and what went wrong among them."""
    said = f"{progress.done}/{progress.total}"
    for number, word in ((progress.failed, "failed"), (progress.deviations, "deviations")):
        said += f", {number} {word}" if number else ""
    return said + (f", {progress.lost_records} records lost" if progress.lost_records else "")


def eta_text(progress: Progress, now_s: float) -> str:
    """How long it will still take; empty before anything can be said."""
    seconds = progress.eta_s(now_s)
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.0f} s left"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d} left" if minutes >= 60 else f"{minutes}:{rest:02d} min left"


def trouble_text(result: VariantResult) -> str:
    """What a person must be told of a variant, empty when all went well."""
    name = f"variant {result.variant.index + 1} of {result.variant.count}"
    if result.failure is not None and result.status == "failed":
        return f"{name} failed: {result.failure.message}"
    differing = [one for stage in result.stages for one in stage.deviations]
    if differing:
        return f"{name}: " + "; ".join(f"{one.setting}: asked {one.asked}, done {one.done}" for one in differing)
    return ""


def lost_text(event: RecordLost) -> str:
    """That a record was lost."""
    return f"the learning record of variant {event.result.variant.index + 1} was lost; its picture is safe"
