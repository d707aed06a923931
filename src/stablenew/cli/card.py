"""`stablenew card`: what works for you with a model, made of your ratings, kept, exported and applied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stablenew.cli.options import json_option, workspace_option
from stablenew.cli.rate import who_option

if TYPE_CHECKING:
    from stablenew.learning.taste_card import TasteCard
    from stablenew.pipeline.card_exports import CardForm
    from stablenew.workspace import Workspace

FORMS = ("preset", "a1111-styles", "a1111-defaults", "comfyui")


class CardGroup(click.Group):
    """`stablenew card MODEL` is `stablenew card make MODEL`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["make", *args]
        return super().parse_args(ctx, args)


@click.group(cls=CardGroup)
def card() -> None:
    """Make and show the taste card of a model: what works for you, and how that is known.

    \b
    stablenew card MODEL --class portraits     makes it from today's ratings, and shows it
    stablenew prove NAME                       blind pairs, old settings against new
    stablenew card apply NAME                  as a preset; or: stablenew run --card NAME
    """


@card.command()
@click.argument("model", required=False)
@click.option("--class", "prompt_class", metavar="NAME", help="Only prompts of this pack, or tagged class:NAME.")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["quality", "time"]),
    default="quality",
    show_default=True,
    help="What counts.",
)
@click.option("--baseline", multiple=True, metavar="NAME=VALUE", help="An old setting [default: the usual one].")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it as a page too.")
@who_option
@workspace_option
@json_option
def make(
    model: str | None,
    prompt_class: str | None,
    purpose: Any,
    baseline: tuple[str, ...],
    html: Path | None,
    who: str | None,
    workspace: Workspace,
    as_json: bool,
) -> None:
    """Make the card of MODEL from today's ratings, keep it, and show it; `card MODEL` is short for it."""
    from stablenew.learning.card_store import make_card
    from stablenew.learning.prompt_class import ANY

    made = make_card(
        workspace,
        model=model or ANY,
        prompt_class=prompt_class or ANY,
        who=who,
        purpose=purpose,
        baseline=_typed(baseline, "--baseline"),
    )
    if as_json:
        _print_json({"stored": made.stored, "said": made.said, "card": made.card and made.card.to_dict()})
        return
    if made.card is None:
        click.echo(made.said)
        for line in made.advice.statements:
            click.echo(f"  {line}")
        return
    _show(made.card)
    click.echo(f"({made.said})")
    if html is not None:
        _write_page(workspace, made.card.name, html)


@card.command()
@click.argument("name")
@click.option("--history", is_flag=True, help="Every version, oldest first.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it as a page.")
@workspace_option
@json_option
def show(name: str, history: bool, html: Path | None, workspace: Workspace, as_json: bool) -> None:
    """Show a card as it is kept."""
    from stablenew.learning.card_store import card_history
    from stablenew.learning.card_text import history_lines

    versions = card_history(workspace, name)
    if as_json:
        for each in versions if history else versions[-1:]:
            _print_json(each.to_dict())
        return
    _show(versions[-1])
    if history:
        click.echo("\nhistory")
        for line in history_lines(versions):
            click.echo(f"  {line}")
    if html is not None:
        _write_page(workspace, name, html)


@card.command("list")
@workspace_option
@json_option
def list_command(workspace: Workspace, as_json: bool) -> None:
    """List the cards and where each stands."""
    from stablenew.learning.card_store import list_cards
    from stablenew.learning.card_text import evidence_line, state_line

    for each in list_cards(workspace):
        if as_json:
            _print_json(each.to_dict())
        else:
            click.echo(f"{each.name}\n  {evidence_line(each)}\n  {state_line(each)}")


@card.command()
@click.argument("name")
@click.option("--as", "form", type=click.Choice(FORMS), required=True, help="For which tool.")
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="A new file [default: print it].")
@workspace_option
def export(name: str, form: CardForm, output: Path | None, workspace: Workspace) -> None:
    """Write a card for another tool, to merge by hand; no file that is there is touched."""
    from stablenew.pipeline.card_exports import export_card, write_export

    exported = export_card(workspace, name, form)
    if output is None:
        click.echo(exported.text, nl=False)
    else:
        write_export(exported, output)
        click.echo(f"wrote {output}")
    if exported.left_out:
        click.echo(f"not in it: {', '.join(exported.left_out)}", err=True)
    click.echo(exported.hint, err=True)


@card.command("apply")
@click.argument("name")
@click.option("--to", "preset", metavar="PRESET", help="The preset to change, or to make [default: the card's name].")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A current setting, to compare with.")
@click.option("--yes", is_flag=True, help="Store without asking.")
@workspace_option
def apply_command(name: str, preset: str | None, settings: tuple[str, ...], yes: bool, workspace: Workspace) -> None:
    """Show what a card changes against a preset (or the defaults), and store it as that preset."""
    from stablenew.pipeline.card_presets import apply_card, card_difference
    from stablenew.pipeline.presets import list_presets, read_preset

    target = preset or name
    exists = target in list_presets(workspace)
    current = dict(read_preset(workspace, target).settings) if exists else {}
    current |= _typed(settings, "--set")
    found = card_difference(workspace, name, current)
    _print_difference(found, f"preset {target}" if exists else "the defaults")
    if not (yes or click.confirm(f"store as preset {target}{' (it changes)' if exists else ''}?")):
        click.echo("nothing was stored")
        return
    apply_card(workspace, name, target, replace=True)
    click.echo(f"stored preset {target}: stablenew run PACK --preset {target}")


@card.command()
@click.argument("name")
@click.option("--reason", default="by hand", show_default=True, metavar="TEXT", help="Why; it is kept.")
@workspace_option
def withdraw(name: str, reason: str, workspace: Workspace) -> None:
    """Withdraw a card: the old settings are in use again, in presets made from it too."""
    from stablenew.pipeline.proof_outcome import withdraw_card

    presets = withdraw_card(workspace, name, reason)
    click.echo(f"card {name} is withdrawn, and the old settings are in use again")
    for each in presets:
        click.echo(each.said)


def _typed(texts: tuple[str, ...], option: str) -> dict[str, Any]:
    """Path -> value of settings as a person typed them. Raises click.BadParameter, UnknownSetting, InvalidSetting."""
    from stablenew.config import parse_value, resolve_setting
    from stablenew.run_request import parse_assignments

    found = {}
    for name, value in parse_assignments(texts, option).items():
        setting = resolve_setting(name)
        found[setting.path] = parse_value(setting, value)
    return found


def _show(shown: TasteCard) -> None:
    from rich.table import Table

    from stablenew.cli.output import table_console
    from stablenew.learning.card_text import card_lines, evidence_line, settings_rows, state_line

    console = table_console()
    console.print(f"card {shown.name}: {state_line(shown)}", soft_wrap=True)
    console.print(evidence_line(shown), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("setting", "old", "new", "brings, in stars"):
        table.add_column(heading, overflow="fold")
    for row in settings_rows(shown):
        table.add_row(*row)
    console.print(table)
    for line in card_lines(shown):
        console.print(f"  {line}", soft_wrap=True)
    for image in shown.images:
        stars = "" if image.stars is None else f"  {image.stars:g} stars"
        console.print(f"  {image.record_id[:8]}{stars}  {image.path}", soft_wrap=True)


def _print_difference(found: Any, against: str) -> None:
    from stablenew.learning.card_text import value_text

    click.echo(f"card {found.card.name} against {against}")
    for change in found.changes:
        click.echo(f"  {change.path}: {value_text(change.before)} -> {value_text(change.after)}")
    if found.same:
        click.echo(f"  the same already: {', '.join(found.same)}")
    if found.passed_over:
        click.echo(f"  not a setting of a preset: {', '.join(found.passed_over)}", err=True)


def _write_page(workspace: Workspace, name: str, path: Path) -> None:
    from stablenew.learning.card_store import card_history
    from stablenew.report.card_page import write_card_page

    write_card_page(workspace, card_history(workspace, name), path)
    click.echo(f"wrote {path}")


def _print_json(value: Any) -> None:
    import msgspec

    click.echo(msgspec.json.encode(value).decode())
