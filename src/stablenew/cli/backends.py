"""`stablenew backends`: who can make pictures here, and whether they do what they are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from stablenew.cli.options import json_option, workspace_option

if TYPE_CHECKING:
    from stablenew.backends.probe import BackendStatus, SmokeReport
    from stablenew.workspace import Workspace


@click.group(invoke_without_command=True)
@workspace_option
@json_option
@click.pass_context
def backends(ctx: click.Context, workspace: Workspace, as_json: bool) -> None:
    """List the backends: the kinds installed, those configured, and the servers found at the usual local addresses."""
    if ctx.invoked_subcommand is not None:
        return
    import msgspec

    from stablenew.backends.probe import found_backends
    from stablenew.backends.registry import BACKENDS_FILE, DEFAULT_BACKEND, installed_kinds

    found = found_backends(workspace.root)
    if as_json:
        for status in found:
            click.echo(msgspec.json.encode(status).decode())
        return
    click.echo("kinds")
    for name in sorted(installed_kinds()):
        click.echo(f"  {name}" + ("  (default)" if name == DEFAULT_BACKEND else ""))
    click.echo("\nservers")
    for status in found:
        _print_status(status)
    if not found:
        click.echo(f"  none configured in {workspace.root / BACKENDS_FILE} and none found: see docs/backends.md")


@backends.command()
@click.argument("name")
@click.option("--url", metavar="URL", help="Address of the server, for a kind such as webui or comfyui.")
@workspace_option
@json_option
def check(name: str, url: str | None, workspace: Workspace, as_json: bool) -> None:
    """Make one small picture on the backend NAME and print what differs from what was asked."""
    import msgspec

    from stablenew.backends.probe import smoke_test
    from stablenew.backends.registry import BackendOptions, open_backend

    backend = open_backend(BackendOptions(name=name, url=url, workspace=workspace.root))
    try:
        report = smoke_test(backend)
    finally:
        backend.close()
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
    else:
        _print_report(report)
    click.get_current_context().exit(0 if report.ok else 1)


def _print_status(status: BackendStatus) -> None:
    where = f"  {status.url}" if status.url and status.url != status.name else ""
    click.echo(f"  {status.name}  ({status.kind}){where}")
    if not status.usable:
        click.echo(f"    {status.problem}")
        return
    latency = "" if status.latency_s is None else f", answers in {status.latency_s * 1000:.0f} ms"
    click.echo(f"    {status.version or 'version not said'}{latency}")
    models = ", ".join(status.models[:4]) + (f" and {len(status.models) - 4} more" if len(status.models) > 4 else "")
    if models:
        click.echo(f"    models: {models}")
    if not status.configured:
        click.echo(f"    use it with: --backend {status.kind} --url {status.url}")


def _print_report(report: SmokeReport) -> None:
    if report.problem:
        click.echo(f"{report.backend}: {report.problem}", err=True)
        return
    click.echo(f"{report.backend}: {report.version}, {report.width}x{report.height} in {report.seconds:.1f} s")
    for deviation in report.deviations:
        detail = f" ({deviation.detail})" if deviation.detail else ""
        click.echo(f"  {deviation.setting}: asked {deviation.asked}, done {deviation.done}{detail}")
    if report.ok:
        click.echo("  done as asked")
