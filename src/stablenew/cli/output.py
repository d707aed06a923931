"""Where output goes: streams that take any text, tables that are never cut in a pipe, and readers that have gone."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

_NO_EDGE = 100_000
"""Columns of a table that nobody sees on a screen: more than any row has."""


def open_output() -> None:
    """Let stdout and stderr take any text: what their encoding cannot say (a prompt's emoji in a pipe on Windows) is
    escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush_output() -> None:
    """Write out what is still held back. Raises OSError here, where it can be answered, and not at exit."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def forget_output() -> None:
    """Whoever read our output has gone (`| head`), or it has no room: Python must not complain of the rest at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _point_nowhere(stream)


def table_console() -> Console:
    """A console for tables on stdout: as wide as the terminal, without an edge where it is none.

    Brackets and colons are printed as they are: prompts are full of them.
    """
    from rich.console import Console

    width = None if sys.stdout.isatty() else _NO_EDGE
    return Console(width=width, markup=False, emoji=False, highlight=False)


def _point_nowhere(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
