"""Options that several commands share, each declared once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from stablenew.workspace import Workspace

F = TypeVar("F", bound=Callable[..., Any])


def workspace_option(command: F) -> F:
    """`--workspace DIR`, handed on as `workspace`: a Workspace."""
    return click.option(
        "--workspace",
        metavar="DIR",
        type=click.Path(path_type=Path),
        callback=_open_workspace,
        help="Folder for everything StableNew writes [default: $STABLENEW_WORKSPACE, else the platform's data folder].",
    )(command)


def json_option(command: F) -> F:
    """`--json`, handed on as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON lines instead of text.")(command)


def _open_workspace(ctx: click.Context, _: click.Parameter, value: Path | None) -> Workspace:
    from stablenew.workspace import open_workspace

    workspace = open_workspace(value)
    ctx.ensure_object(dict)["workspace"] = workspace.root  # where `main` logs what it cannot explain
    return workspace
