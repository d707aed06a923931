"""`stablenew backends`: who can make pictures here."""

from __future__ import annotations

import click


@click.command()
def backends() -> None:
    """List the kinds of backend that are installed."""
    from stablenew.backends.registry import DEFAULT_BACKEND, installed_kinds

    for name in sorted(installed_kinds()):
        click.echo(name + ("  (default)" if name == DEFAULT_BACKEND else ""))
