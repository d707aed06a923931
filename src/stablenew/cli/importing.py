"""`stablenew import`: records of pictures that other tools made."""

from __future__ import annotations

import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stablenew.cli.options import json_option, workspace_option

if TYPE_CHECKING:
    from stablenew.learning.importing.import_folder import FolderImport, Imported
    from stablenew.workspace import Workspace

_SAID = {
    "record": "recorded",
    "duplicate": "copies of recorded ones",
    "ours": "made by StableNew",
    "no settings": "without settings inside",
    "unreadable": "unreadable",
}
_REASONS_SHOWN = 10


@click.command("import")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--watch", is_flag=True, help="Keep up with what another tool writes there, until Ctrl-C.")
@click.option(
    "--interval", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="Seconds between looks."
)
@workspace_option
@json_option
def import_command(folder: Path, watch: bool, interval: float, workspace: Workspace, as_json: bool) -> None:
    """Make records of pictures other tools made: A1111, Forge, SD.Next, ComfyUI, SwarmUI, InvokeAI, Fooocus, NovelAI.

    Nothing in FOLDER is changed. Records say where they come from and are marked observational: nobody planned those
    settings. Stars and folders of favourites become weak ratings. Once interrupted, the same command goes on.
    """
    from stablenew.learning.importing.import_folder import FolderImport

    said = _Said(as_json)
    with FolderImport(workspace, folder) as work:
        try:
            pending = work.pending()
            said.show(work.take(pending), len(pending))
            if watch:
                said.sum_up(work)
                _watch(work, said, interval)
        finally:
            said.sum_up(work)


class _Said:
    """Says what became of files, and adds it up."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._counts: Counter[str] = Counter()
        self._tools: Counter[str] = Counter()
        self._rated = 0
        self._shown: tuple[int, ...] = ()

    def show(self, imports: Iterable[Imported], total: int | None = None) -> None:
        """Take in `imports`, with a bar on a terminal when it is known how many there are."""
        if self._as_json or not total:
            for each in imports:
                self._take(each, aloud=total is None)
            return
        with click.progressbar(imports, length=total, label="importing", show_pos=True, file=sys.stderr) as bar:
            for each in bar:
                self._take(each, aloud=False)

    def sum_up(self, work: FolderImport) -> None:
        """One line for all, unless nothing was added since the last."""
        now = (*self._counts.values(), -1)
        if self._as_json or now == self._shown:
            return
        self._shown = now
        if not self._counts:
            click.echo(f"nothing new in {work.folder}")
            return
        click.echo(", ".join(f"{count:,} {_SAID[became]}" for became, count in self._counts.items()))
        if self._tools:
            click.echo("by " + ", ".join(f"{tool} {count:,}" for tool, count in self._tools.most_common()))
        if self._rated:
            click.echo(f"{self._rated:,} weak ratings from stars and folders of favourites")
        click.echo(f"records: run {work.run_id}")

    def _take(self, imported: Imported, *, aloud: bool) -> None:
        self._counts[imported.became] += 1
        self._rated += imported.rated
        if imported.became == "record":
            self._tools[imported.tool] += 1
        if self._as_json:
            import msgspec

            click.echo(msgspec.json.encode(imported, enc_hook=str).decode())
        elif aloud:
            click.echo(f"{imported.path.name}: {imported.reason or _SAID[imported.became]}")
        elif imported.became == "unreadable" and self._counts["unreadable"] <= _REASONS_SHOWN:
            click.echo(f"{imported.path}: passed over: {imported.reason}", err=True)


def _watch(work: FolderImport, said: _Said, interval: float) -> None:
    from stablenew.learning.importing.watch_folder import watch_folder

    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda _, __: stop.set())
    click.echo(f"watching {work.folder}; Ctrl-C ends it", err=True)
    said.show(watch_folder(work, stop, interval_s=interval))
