"""The log: human lines on the console, JSON lines in a file per run, both with the run's and the variant's ids."""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

_run_file: ContextVar[IO[bytes] | None] = ContextVar("stablenew_run_file", default=None)


def configure_logging(level: str = "warning") -> None:
    """Send lines of at least `level` to stderr; a run's own log file always gets everything from info up."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _write_to_run_file,
            _console_threshold(logging.getLevelNamesMapping()[level.upper()]),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), sort_keys=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=_StderrFactory(),
    )


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
        info = line.pop("exc_info", None)
        if info:
            line["traceback"] = "".join(traceback.format_exception(*_exc_info(info)))
        with contextlib.suppress(OSError, ValueError):
            file.write(msgspec.json.encode(line, enc_hook=repr) + b"\n")
    return event


def _exc_info(info: Any) -> Any:
    if isinstance(info, BaseException):
        return (type(info), info, info.__traceback__)
    return info if isinstance(info, tuple) else sys.exc_info()


def _console_threshold(minimum: int) -> structlog.typing.Processor:
    levels = logging.getLevelNamesMapping()

    def keep(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
        if levels.get(method.upper(), logging.ERROR) < minimum:
            raise structlog.DropEvent
        return event

    return keep


class _StderrFactory:
    """A logger that writes to whatever sys.stderr is at the time of the line, so captured streams see it."""

    def __call__(self, *_: object) -> structlog.PrintLogger:
        return structlog.PrintLogger(sys.stderr)
