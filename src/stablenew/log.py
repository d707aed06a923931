"""The log: human lines on stderr, JSON lines in a file per run, both with the run's and the variant's ids.

Loggers are structlog's, wrapped on their own: whatever a host application does with logging is left alone.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any, cast

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

_LEVELS = logging.getLevelNamesMapping()
_run_file: ContextVar[IO[bytes] | None] = ContextVar("stablenew_run_file", default=None)
_console_level = logging.ERROR


def get_logger(name: str) -> FilteringBoundLogger:
    """The logger of one part of the program; lines below info are dropped."""
    logger = structlog.wrap_logger(
        _Stderr(),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _write_to_run_file,
            _drop_below_console_level,
            structlog.dev.ConsoleRenderer(
                colors=False, sort_keys=False, exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        part=name,
    )
    return cast(FilteringBoundLogger, logger)


def set_console_level(level: str) -> None:
    """Show lines of at least `level` (until told: error) on stderr; a run's own file gets all from info up."""
    global _console_level
    _console_level = _LEVELS[level.upper()]


@contextlib.contextmanager
def run_log(path: Path, run_id: str) -> Iterator[None]:
    """While inside, log lines of this context also go to `path` as JSON, and carry `run_id`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file, structlog.contextvars.bound_contextvars(run_id=run_id):
        token = _run_file.set(file)
        try:
            yield
        finally:
            _run_file.reset(token)


def _write_to_run_file(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    file = _run_file.get()
    if file is not None:
        line: dict[str, Any] = dict(event)
        if info := line.pop("exc_info", None):
            line["traceback"] = "".join(traceback.format_exception(*_exc_info(info)))
        with contextlib.suppress(OSError, ValueError):
            file.write(msgspec.json.encode(line, enc_hook=repr) + b"\n")
    return event


def _exc_info(info: Any) -> Any:
    if isinstance(info, BaseException):
        return (type(info), info, info.__traceback__)
    return info if isinstance(info, tuple) else sys.exc_info()


def _drop_below_console_level(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
    if _LEVELS.get(method.upper(), logging.ERROR) < _console_level:
        raise structlog.DropEvent
    return event


class _Stderr:
    """Prints to whatever sys.stderr is at the time of the line, so that a captured stream sees it.

    Nobody reading it any more (a closed pipe or terminal) is no reason for what is logged about to fail.
    """

    def _print(self, message: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            print(message, file=sys.stderr, flush=True)

    debug = info = warning = error = critical = msg = _print
