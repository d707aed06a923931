"""The command line: parse, call the controller, print. One file per group of commands, imported when it is used.

Exit codes: 0 all made, 1 some variants failed or something broke, 2 wrong usage or input, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import Any

import click

from stablenew.errors import InputError, RunBusy, StableNewError

COMMANDS = {
    "demo": "stablenew.cli.demo:demo",
    "run": "stablenew.cli.run:run",
    "go": "stablenew.cli.presets:go",
    "pack": "stablenew.cli.pack:pack",
    "preset": "stablenew.cli.presets:preset",
    "runs": "stablenew.cli.runs:runs",
    "records": "stablenew.cli.records:records",
    "rate": "stablenew.cli.rate:rate",
    "ratings": "stablenew.cli.rate:ratings",
    "experiment": "stablenew.cli.experiment:experiment",
    "scorers": "stablenew.cli.scorers:scorers",
    "recommend": "stablenew.cli.recommend:recommend",
    "card": "stablenew.cli.card:card",
    "prove": "stablenew.cli.prove:prove",
    "taste": "stablenew.cli.taste:taste",
    "import": "stablenew.cli.importing:import_command",
    "export": "stablenew.cli.export:export",
    "report": "stablenew.cli.report:report",
    "backends": "stablenew.cli.backends:backends",
    "gui": "stablenew.cli.gui:gui",
}
"""Command name -> module:function, in the order of the help page."""

EXIT_OK, EXIT_SOME_FAILED, EXIT_WRONG_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130


class _ReaderGone(Exception):
    """Nobody reads what we print any more, as with `| head`: no error."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for, so that the program starts at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from stablenew.errors import nearest_name

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            nearest = nearest_name(args[0], COMMANDS)
            hint = f": did you mean {nearest}?" if nearest else "; stablenew --help lists them"
            ctx.fail(f"there is no command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as exc:
            # click would answer with exit code 1 before `main` sees it.
            raise _ReaderGone from exc


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"stablenew {version('stablenew')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version, help="Show the version."
)
def cli() -> None:
    """Run Stable Diffusion prompt packs, keep one learning record per picture, and find out which settings work.

    Start with `stablenew demo`: it needs no server, no GPU and no download.
    """


def main(args: list[str] | None = None) -> None:
    """The console script: runs the command and exits with its code; whatever goes wrong is said, not a traceback."""
    from stablenew.cli.output import flush_output, forget_output, open_output

    open_output()
    found: dict[str, Any] = {}
    try:
        code = cli.main(args=_readable(args), prog_name="stablenew", standalone_mode=False, obj=found)
        flush_output()
    except click.exceptions.Abort:
        code = EXIT_INTERRUPTED
    except click.ClickException as exc:
        exc.show()
        code = EXIT_WRONG_INPUT
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except Exception as exc:  # noqa: BLE001  # the command line's door: it becomes a line and an exit code
        code = _explain(exc, found)
    forget_output()
    sys.exit(code if isinstance(code, int) else EXIT_OK)


def _readable(args: list[str] | None) -> list[str]:
    """The arguments. Raises InputError for one that is not text: records and manifests could not hold it."""
    given = sys.argv[1:] if args is None else args
    for arg in given:
        try:
            arg.encode()
        except UnicodeEncodeError as exc:
            raise InputError(f"{arg!r} is not UTF-8 text: rename the file, or type it in UTF-8") from exc
    return given


def _explain(exc: Exception, found: dict[str, Any]) -> int:
    """Say on stderr what went wrong and return the exit code. `found` has the workspace, once it is known."""
    if isinstance(exc, (_ReaderGone, BrokenPipeError)):
        return EXIT_OK
    from stablenew.mishaps import describe_mistake, describe_os_error

    code = EXIT_SOME_FAILED
    if isinstance(exc, StableNewError):
        said = str(exc)
        code = EXIT_WRONG_INPUT if isinstance(exc, (InputError, RunBusy)) else EXIT_SOME_FAILED
    elif isinstance(exc, OSError):
        said = describe_os_error(exc)
    else:
        said = describe_mistake(exc, found.get("workspace"))
    with contextlib.suppress(OSError):
        click.echo(f"stablenew: {said}", err=True)
    return code
