"""What is said when something went wrong that is no error of ours."""

from __future__ import annotations

import errno
import os
import traceback
from datetime import UTC, datetime
from pathlib import Path

DEBUG_VARIABLE = "STABLENEW_DEBUG"
LOG_NAME = "errors.log"

_HINTS = {
    errno.ENOSPC: "make room, or choose a folder on another disk with --workspace",
    errno.EDQUOT: "make room, or choose a folder on another disk with --workspace",
    errno.EACCES: "it needs other rights, or another folder: --workspace DIR",
    errno.EPERM: "it needs other rights, or another folder: --workspace DIR",
    errno.EROFS: "choose a folder that can be written to with --workspace",
}


def describe_os_error(exc: OSError) -> str:
    """The path, what the system said, and what to do about it, in one line."""
    reason = exc.strerror or str(exc) or type(exc).__name__
    said = f"{exc.filename}: {reason}" if exc.filename is not None else reason
    hint = _HINTS.get(exc.errno or 0)
    return f"{said}; {hint}" if hint else said


def describe_mistake(exc: BaseException, workspace: Path | None) -> str:
    """That it is our mistake, and where its traceback is: here with STABLENEW_DEBUG=1, else in the workspace's log.

    Where there is no workspace yet, or nothing can be written there, the traceback comes with the text.
    """
    said = f"this is a mistake in StableNew, not yours: {type(exc).__name__}: {exc}"
    trace = "".join(traceback.format_exception(exc))
    if not os.environ.get(DEBUG_VARIABLE) and workspace is not None:
        log = workspace / LOG_NAME
        try:
            workspace.mkdir(parents=True, exist_ok=True)
            with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')}\n{trace}\n")
        except OSError:
            return f"{said}\n{trace}"
        return f"{said}\nthe traceback is in {log}: please report it"
    return f"{said}\n{trace}"
