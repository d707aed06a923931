"""`stablenew recommend`: which settings to use, how sure that is, and what is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from stablenew.cli.options import json_option, workspace_option
from stablenew.cli.rate import who_option

if TYPE_CHECKING:
    from stablenew.learning.recommendation import Recommendation, SettingEffect
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
    from stablenew.learning.advice import Question, gather

    asked = Question(model=model, pack=pack, who=who, experiment_id=experiment_id, baseline=_baseline(settings))
    if pair is not None:
        known = gather(workspace, asked)
        _say_map(known.evidence, known.context, pair, as_json=as_json)
        return
    advice = AdviceDesk(workspace).recommend(asked, purpose=purpose)
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


def _say_map(evidence: Any, context: str, pair: str, *, as_json: bool) -> None:
    from rich.table import Table

    from stablenew.cli.output import table_console
    from stablenew.learning.matched_effects import in_order, two_way_map
    from stablenew.learning.statements import value

    names = [part.strip() for part in pair.split(",")]
    if len(names) != 2 or any(name not in evidence.space.names for name in names):
        raise click.UsageError(f"--map takes two of the settings that varied: {', '.join(evidence.space.names)}")
    cells = two_way_map([each for each in evidence.scored if each.context == context], *names)
    if as_json:
        import msgspec

        for cell in cells:
            _say_json({names[0]: cell.first, names[1]: cell.second, **msgspec.to_builtins(cell)})
        return
    found = {(cell.first, cell.second): cell for cell in cells}
    columns = sorted({cell.second for cell in cells}, key=in_order)
    table = Table(title=f"{names[0]} by {names[1]}: stars above the mean of matched pictures", title_justify="left")
    for title in (names[0], *map(value, columns)):
        table.add_column(title)
    for row in dict.fromkeys(cell.first for cell in cells):
        said = [found.get((row, column)) for column in columns]
        table.add_row(value(row), *("" if each is None else f"{each.mean:+.2f} ({each.images})" for each in said))
    table_console().print(table)
    click.echo("In brackets: matched images. Pictures of one prompt and seed that differ in nothing else.")


def _say_json(data: Any) -> None:
    import msgspec

    click.echo(msgspec.json.encode(data).decode())
