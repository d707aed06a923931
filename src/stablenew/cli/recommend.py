"""`stablenew recommend`: which settings to use, how sure that is, and what is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from stablenew.cli.options import json_option, workspace_option
from stablenew.cli.rate import who_option

if TYPE_CHECKING:
    from stablenew.learning.recommendation import Recommendation, SettingEffect
    from stablenew.learning.settings_map import SettingsMap
    from stablenew.workspace import Workspace


@click.command()
@click.option("--model", metavar="M", help="For this model; others' pictures tell something about it too.")
@click.option("--pack", metavar="P", help="For this pack or prompt class.")
@click.option("--experiment", "experiment_id", metavar="ID", help="From one experiment's pictures alone.")
@click.option(
    "--for", "purpose", type=click.Choice(["quality", "time"]), default="quality", show_default=True,
    help="The best there is, or the quickest that is hardly worse.",
)  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Compare with this; repeatable.")
@click.option("--effects", is_flag=True, help="What each setting does, value by value.")
@click.option("--map", "pair", metavar="A,B", help="Mean stars of two settings together, from matched pictures.")
@who_option
@workspace_option
@json_option
def recommend(
    model: str | None,
    pack: str | None,
    experiment_id: str | None,
    purpose: Any,
    settings: tuple[str, ...],
    effects: bool,
    pair: str | None,
    who: str | None,
    workspace: Workspace,
    as_json: bool,
) -> None:
    """Say which settings to use, from your records and ratings; and how sure that is.

    \b
    stablenew recommend --model dreamshaper_8 --pack heroes
    stablenew recommend --for time --json
    stablenew recommend --map sampler,steps
    """
    from stablenew.controller.advice_desk import AdviceDesk
    from stablenew.learning.advice import Question

    asked = Question(model=model, pack=pack, who=who, experiment_id=experiment_id, baseline=_baseline(settings))
    desk = AdviceDesk(workspace)
    if pair is not None:
        _say_map(desk.settings_map(asked, [name.strip() for name in pair.split(",")]), as_json=as_json)
        return
    advice = desk.recommend(asked, purpose=purpose)
    if as_json:
        _say_json(advice.to_dict())
        return
    for statement in advice.statements:
        click.echo(statement)
    if effects:
        for effect in sorted(advice.effects, key=lambda each: -each.share):
            _say_effect(effect)
    _say_what_next(advice)


def _baseline(texts: tuple[str, ...]) -> dict[str, Any]:
    from stablenew.learning.plan_setting import setting_name, typed_value
    from stablenew.run_request import parse_assignments

    named = {setting_name(name): value for name, value in parse_assignments(texts, "--set").items()}
    return {name: typed_value(name, value, name) for name, value in named.items()}


def _say_what_next(advice: Recommendation) -> None:
    if advice.proof:
        click.echo(f"Proof: {' '.join(record_id[:12] for record_id in advice.proof)} (stablenew records show ID)")
    if advice.enough:
        click.echo("Keep it with stablenew card; measure it blind with stablenew prove.")
    else:
        click.echo("Look at more: stablenew experiment next says which pictures would tell most.")


def _say_effect(effect: SettingEffect) -> None:
    from rich.table import Table

    from stablenew.cli.output import table_console
    from stablenew.learning.statements import gain, value

    table = Table(title=f"{effect.name}: {effect.share:.0%} of what settings explain", title_justify="left")
    for title in ("value", "stars against the mean", "rated images", "in matched pairs", "pairs"):
        table.add_column(title)
    for each in effect.values:
        if each.tested:
            matched = "" if each.matched is None else gain(each.matched)
            table.add_row(value(each.value), gain(each.stars), str(each.images), matched, str(each.pairs))
    untested = sum(not each.tested for each in effect.values)
    table_console().print(table)
    if untested:
        click.echo(f"{untested} more values were not tested.")


def _say_map(found: SettingsMap, *, as_json: bool) -> None:
    from rich.table import Table

    from stablenew.cli.output import table_console
    from stablenew.learning.statements import value

    if as_json:
        import msgspec

        for cell in found.cells.values():
            _say_json({found.first: cell.first, found.second: cell.second, **msgspec.to_builtins(cell)})
        return
    title = f"{found.first} by {found.second}: stars above the mean of matched pictures"
    table = Table(title=title, title_justify="left")
    for heading in (found.first, *map(value, found.seconds)):
        table.add_column(heading)
    for first in found.firsts:
        table.add_row(value(first), *(_cell_text(found, first, second) for second in found.seconds))
    table_console().print(table)
    click.echo("In brackets: matched images. Pictures of one prompt and seed that differ in nothing else.")


def _cell_text(found: SettingsMap, first: Any, second: Any) -> str:
    cell = found.cells.get((first, second))
    if cell is not None:
        return f"{cell.mean:+.2f} ({cell.images})"
    return "no match" if (first, second) in found.rated else "not tested"


def _say_json(data: Any) -> None:
    import msgspec

    click.echo(msgspec.json.encode(data).decode())
