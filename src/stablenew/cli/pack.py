"""`stablenew pack`: what is in a pack, what is wrong with it, and what it would run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stablenew.cli.options import json_option, workspace_option

if TYPE_CHECKING:
    from stablenew.prompts.pack import Pack
    from stablenew.prompts.wildcards import Wildcards
    from stablenew.workspace import Workspace

_FORMATS = ["auto", "stablenew", "a1111", "styles", "tsv", "lines"]

pack_argument = click.argument("pack_path", metavar="PACK", type=click.Path(path_type=Path))
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default="auto",
    show_default=True,
    help="How the file is written; lines: one prompt a row.",
)


@click.group()
def pack() -> None:
    """Check a pack, show what is in it, and preview its variants."""


@pack.command()
@pack_argument
@format_option
@click.option("--backend", metavar="NAME", help="Also look for the loras and embeddings on this backend.")
@click.option("--url", metavar="URL", help="Address of the server, for backends that are one.")
@workspace_option
@json_option
def lint(pack_path: Path, form: str, backend: str | None, url: str | None, workspace: Workspace, as_json: bool) -> int:
    """Find missing slots and wildcards, unmatched braces, duplicates, and plans too large to finish."""
    import msgspec

    from stablenew.prompts.lint import lint_pack
    from stablenew.prompts.pack import read_pack

    found, wildcards = read_pack(pack_path, form), _wildcards(pack_path, workspace)
    with _prompt_check(backend, url, workspace) as check_prompt:
        findings = lint_pack(found, wildcards=wildcards, check_prompt=check_prompt)
    for finding in findings:
        if as_json:
            click.echo(msgspec.json.encode(finding).decode())
            continue
        place = ":".join(str(part) for part in (pack_path, finding.line, finding.column) if part is not None)
        click.echo(f"{place}: {finding.severity}: {finding.message}")
    if not findings and not as_json:
        click.echo(f"{pack_path}: nothing to say against it")
    return 2 if any(finding.severity == "error" for finding in findings) else 0


@pack.command()
@pack_argument
@format_option
@workspace_option
@json_option
def show(pack_path: Path, form: str, workspace: Workspace, as_json: bool) -> None:
    """Show the lines, the slots with their values, and how many variants they make."""
    import msgspec

    from stablenew.config import PipelineConfig
    from stablenew.prompts.estimate import estimate_plan
    from stablenew.prompts.lint import size_text
    from stablenew.prompts.pack import read_pack
    from stablenew.prompts.randomizer import plan_pack

    found = read_pack(pack_path, form)
    if as_json:
        click.echo(msgspec.json.encode(_shown(found)).decode())
        return
    click.echo(f"{found.name}  {len(found.lines)} prompts  {found.pack_id}")
    for line in found.lines:
        click.echo(f"{line.line_number:>5}  {line.prompt}")
        if line.negative_prompt:
            click.echo(f"       neg: {line.negative_prompt}")
        for path, value in line.settings:
            click.echo(f"       {path} = {value}")
    for slot in found.matrix.slots if found.matrix.enabled else ():
        mode = f"  ({slot.mode})" if slot.mode else ""
        click.echo(f"[[{slot.name}]]{mode}  {', '.join(slot.values)}")
    plan = plan_pack(PipelineConfig(), found, wildcards=_wildcards(pack_path, workspace))
    click.echo(size_text(estimate_plan(plan)))


@pack.command()
@pack_argument
@format_option
@click.option("--limit", type=click.IntRange(min=1), default=10, show_default=True, metavar="N", help="How many.")
@click.option("--vary", multiple=True, metavar="NAME=A,B,C", help="As for run, such as '[[mood]]=calm,stormy'.")
@workspace_option
@json_option
def preview(pack_path: Path, form: str, limit: int, vary: tuple[str, ...], workspace: Workspace, as_json: bool) -> None:
    """Print the prompts that `run --limit N` would make, without making a picture."""
    import msgspec

    from stablenew.config import PipelineConfig
    from stablenew.prompts.axes import parse_axis
    from stablenew.prompts.pack import read_pack
    from stablenew.prompts.randomizer import plan_pack

    plan = plan_pack(
        PipelineConfig(),
        read_pack(pack_path, form),
        axes=[parse_axis(text) for text in vary],
        limit=limit,
        wildcards=_wildcards(pack_path, workspace),
    )
    for variant in plan:
        if as_json:
            data = {
                "prompt": variant.prompt,
                "negative_prompt": variant.negative_prompt,
                "seed": variant.seed,
                "line": variant.line.line_number,
                "bindings": variant.bindings,
                "axes": variant.axes,
            }
            click.echo(msgspec.json.encode(data).decode())
            continue
        click.echo(variant.prompt)
        if variant.negative_prompt:
            click.echo(f"  neg: {variant.negative_prompt}")
    if not as_json:
        click.echo(f"{plan.count:,} of {plan.total:,}", err=True)


@contextmanager
def _prompt_check(name: str | None, url: str | None, workspace: Workspace) -> Iterator[Callable[[str], None] | None]:
    """What asks the backend `name` whether it can do a prompt; None where no backend was chosen."""
    if name is None:
        yield None
        return
    from stablenew.backends.base import Txt2ImgRequest
    from stablenew.backends.registry import BackendOptions, open_backend
    from stablenew.config import Txt2ImgSettings

    backend = open_backend(BackendOptions(name=name, url=url, workspace=workspace.root))
    samplers = backend.capabilities().samplers
    settings = Txt2ImgSettings(sampler=samplers[0]) if samplers else Txt2ImgSettings()
    try:
        yield lambda prompt: backend.check(Txt2ImgRequest(prompt=prompt, negative_prompt="", seed=0, settings=settings))
    finally:
        backend.close()


def _shown(found: Pack) -> dict[str, Any]:
    import msgspec

    return {
        "name": found.name,
        "pack_id": found.pack_id,
        "lines": msgspec.to_builtins(found.lines),
        "matrix": msgspec.to_builtins(found.matrix),
        "preset": found.sidecar.preset,
        "notes": found.notes,
    }


def _wildcards(pack_path: Path, workspace: Workspace) -> Wildcards:
    from stablenew.prompts.wildcards import Wildcards
    from stablenew.run_request import wildcard_folders

    return Wildcards(folders=wildcard_folders((pack_path,), workspace))
