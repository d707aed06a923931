"""`stablenew preset` and `stablenew go`: settings and runs a person gave a name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stablenew.cli.options import json_option, workspace_option

if TYPE_CHECKING:
    from stablenew.workspace import Workspace


@click.group()
def preset() -> None:
    """Save, list, show and import presets; `run --preset NAME` applies one."""


@preset.command()
@click.argument("name")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of the preset; repeatable.")
@click.option("--from-run", metavar="RUN_ID", help="Take the settings of a run.")
@click.option("--note", default="", metavar="TEXT", help="What it is for.")
@click.option("--replace", is_flag=True, help="Replace a preset of that name.")
@workspace_option
def save(
    name: str, settings: tuple[str, ...], from_run: str | None, note: str, replace: bool, workspace: Workspace
) -> None:
    """Save settings under a name."""
    from stablenew.config import PipelineConfig, apply_settings, config_from_dict, resolve_setting, setting_value
    from stablenew.pipeline.presets import Preset, preset_of, save_preset
    from stablenew.pipeline.run_folder import read_manifest
    from stablenew.run_request import parse_assignments, with_absolute_files

    base = config_from_dict(read_manifest(workspace, from_run).config) if from_run else PipelineConfig()
    given = with_absolute_files(parse_assignments(settings, "--set"))
    config = apply_settings(base, given)
    # What was named is kept even where it equals the default: applied over a pack's settings it makes a difference.
    named = {path: setting_value(config, path) for path in (resolve_setting(name).path for name in given)}
    made = Preset(settings={**preset_of(config).settings, **named}, note=note)
    if not made.settings:
        raise click.UsageError("nothing to save: give --set NAME=VALUE or --from-run RUN_ID")
    click.echo(f"saved {save_preset(workspace, name, made, replace=replace)}")


@preset.command("list")
@workspace_option
def list_command(workspace: Workspace) -> None:
    """List the presets."""
    from stablenew.pipeline.presets import list_presets

    for name in list_presets(workspace):
        click.echo(name)


@preset.command("show")
@click.argument("name")
@workspace_option
def show_preset(name: str, workspace: Workspace) -> None:
    """Show the settings of a preset."""
    from stablenew.pipeline.presets import read_preset

    found = read_preset(workspace, name)
    for path, value in found.settings.items():
        click.echo(f"{path} = {value}")
    if found.note:
        click.echo(f"# {found.note}")


@preset.command("apply")
@click.argument("name")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A current setting, to compare with.")
@workspace_option
def apply_preset(name: str, settings: tuple[str, ...], workspace: Workspace) -> None:
    """Show what a preset would change; `run --preset NAME` is what applies it to a run."""
    from stablenew.config import PipelineConfig, apply_settings, setting_value
    from stablenew.pipeline.presets import read_preset
    from stablenew.run_request import parse_assignments

    current = apply_settings(PipelineConfig(), parse_assignments(settings, "--set"))
    for path, value in read_preset(workspace, name).settings.items():
        before = setting_value(current, path)
        click.echo(f"{path}: {before} -> {value}" if before != value else f"{path}: {value} already")


@preset.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", metavar="NAME", help="Name of the preset [default: the file's].")
@click.option("--replace", is_flag=True, help="Replace a preset of that name.")
@workspace_option
def import_command(file: Path, name: str | None, replace: bool, workspace: Workspace) -> None:
    """Import a JSON preset or a pack's sidecar of the earlier program."""
    from stablenew.pipeline.presets import import_preset, save_preset

    found, passed_over = import_preset(file.read_bytes(), file)
    path = save_preset(workspace, name or file.stem, found, replace=replace)
    click.echo(f"saved {path} with {len(found.settings)} settings")
    if passed_over:
        click.echo(f"passed over, no setting of that name: {', '.join(passed_over)}", err=True)


@click.command()
@click.argument("label", required=False)
@click.option("--list", "list_them", is_flag=True, help="List the one-click actions.")
@click.option("--save", "save_as", metavar="NAME", help="Save one: give --pack and what else the run needs.")
@click.option("--pack", "packs", multiple=True, type=click.Path(path_type=Path), metavar="PACK", help="For --save.")
@click.option("--preset", "preset_name", metavar="NAME", help="For --save.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="For --save.")
@click.option("--vary", multiple=True, metavar="NAME=A,B,C", help="For --save.")
@click.option("--backend", metavar="NAME", help="For --save, or to run on another backend.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="For --save.")
@click.option("--replace", is_flag=True, help="Replace a one-click action of that name.")
@workspace_option
@json_option
def go(
    label: str | None,
    list_them: bool,
    save_as: str | None,
    packs: tuple[Path, ...],
    preset_name: str | None,
    settings: tuple[str, ...],
    vary: tuple[str, ...],
    backend: str | None,
    limit: int | None,
    replace: bool,
    workspace: Workspace,
    as_json: bool,
) -> int:
    """Run a one-click action: a pack, preset and settings under one label, which the records carry.

    \b
    stablenew go --save "Heroic portrait" --pack heroes.txt --set steps=30
    stablenew go "heroic portrait"
    """
    from stablenew.cli.run import run_action
    from stablenew.pipeline.presets import OneClickAction, list_actions, read_action, save_action
    from stablenew.run_request import parse_assignments, with_absolute_files

    if list_them:
        for name in list_actions(workspace):
            click.echo(name)
        return 0
    if save_as:
        if not packs:
            raise click.UsageError("--save needs at least one --pack")
        given = parse_assignments(settings, "--set")
        action = OneClickAction(
            label=save_as,
            packs=tuple(str(path.resolve()) for path in packs),
            preset=preset_name,
            set=tuple(f"{name}={value}" for name, value in with_absolute_files(given).items()),
            vary=vary,
            backend=backend,
            limit=limit,
        )
        click.echo(f"saved {save_action(workspace, save_as, action, replace=replace)}")
        return 0
    if label is None:
        raise click.UsageError("say which: stablenew go LABEL, or --list")
    only_saved = {"--pack": packs, "--preset": preset_name, "--set": settings, "--vary": vary, "--limit": limit}
    if unused := [option for option, value in {**only_saved, "--replace": replace}.items() if value]:
        raise click.UsageError(f"{', '.join(unused)} would be ignored: the action runs as saved; see --save NAME")
    return run_action(read_action(workspace, label), workspace, backend=backend, as_json=as_json)
