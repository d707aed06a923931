"""What the window says when something went wrong, and that a mistake of ours is never lost."""

from __future__ import annotations

import traceback
from pathlib import Path

from stablenew.errors import StableNewError
from stablenew.gui.notices import Notice
from stablenew.log import get_logger
from stablenew.mishaps import describe_mistake, describe_os_error

log = get_logger("stablenew.gui")


def notice_of(exc: BaseException, workspace: Path) -> Notice:
    """What to show of `exc`. One that is no error of ours is written to the log and the workspace's errors.log."""
    if isinstance(exc, StableNewError):
        return Notice(text=str(exc), severity="bad")
    if isinstance(exc, OSError):
        return Notice(text=describe_os_error(exc), severity="bad")
    log.error("a mistake in the window", exc_info=exc)
    first, _, rest = describe_mistake(exc, workspace).partition("\n")
    where = f"; {rest}" if "\n" not in rest else ""  # else the rest is the traceback itself
    trace = "".join(traceback.format_exception(exc))
    return Notice(text=first + where, severity="bad", detail=f"{first}\n{trace}")
