"""`stablenew gui`: the desktop window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stablenew.cli.options import workspace_option
from stablenew.errors import InputError

if TYPE_CHECKING:
    from stablenew.workspace import Workspace

_NEEDS = {
    "tkinter": "the window needs Tk, which this Python comes without: on Debian and Ubuntu apt install python3-tk, "
    "on macOS brew install python-tk",
    "_tkinter": "the window needs Tk, which this Python was built without: install a Python with it",
    "ttkbootstrap": "the window needs the extra gui: pip install 'stablenew[gui]'",
}


@click.command()
@click.option("--backend", metavar="NAME", help="Who makes the pictures [default: as last time, else local].")
@click.option("--url", metavar="URL", help="Address of the server, for backends that are one.")
@click.option("--model", metavar="M", help="Model name, folder, hub id or file [default: the backend's own].")
@workspace_option
def gui(backend: str | None, url: str | None, model: str | None, workspace: Workspace) -> None:
    """Open the window: run packs, watch, rate, compare and learn."""
    if (url or model) and backend is None:
        raise click.UsageError("--url and --model belong to a backend: name it with --backend")
    try:
        from stablenew.gui.main_window import open_window
    except ImportError as exc:
        raise InputError(missing_part(exc)) from exc
    open_window(workspace, backend=backend, url=url, model=model)


def missing_part(exc: ImportError) -> str:
    """What to install, in one line."""
    name = (exc.name or "").partition(".")[0]
    return _NEEDS.get(name, f"the window cannot start: {exc}")
