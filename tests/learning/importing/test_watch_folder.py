from __future__ import annotations

import threading
from pathlib import Path

from tests.learning.importing import pictures

from stablenew.learning.importing.import_folder import FolderImport
from stablenew.learning.importing.watch_folder import watch_folder
from stablenew.workspace import Workspace


def test_what_another_tool_writes_is_recorded(workspace: Workspace, tmp_path: Path) -> None:
    """A picture that appears is taken once it stays the same; one written in pieces is taken once, whole."""
    root = tmp_path / "out"
    root.mkdir()
    whole = pictures.write_png(tmp_path / "whole.png", {"parameters": pictures.A1111}).read_bytes()
    stop = threading.Event()
    looks = 0

    def on_idle() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            (root / "slow.png").write_bytes(whole[:100])
        elif looks == 2:
            (root / "slow.png").write_bytes(whole)
            pictures.write_png(root / "sub" / "quick.png", {"parameters": pictures.A1111}, shade=5)
        elif looks > 8:
            stop.set()

    with FolderImport(workspace, root) as work:
        seen = [(each.path.name, each.became) for each in watch_folder(work, stop, interval_s=0.01, on_idle=on_idle)]
    assert seen == [("slow.png", "record"), ("quick.png", "record")]


def test_a_broken_file_is_looked_at_again_when_it_changes(workspace: Workspace, tmp_path: Path) -> None:
    """A file that stayed broken for two looks is said to be unreadable, and recorded when it is whole after all."""
    root = tmp_path / "out"
    root.mkdir()
    whole = pictures.write_png(tmp_path / "whole.png", {"parameters": pictures.A1111}).read_bytes()
    (root / "x.png").write_bytes(whole[:100])
    stop = threading.Event()
    seen: list[str] = []
    with FolderImport(workspace, root) as work:
        for each in watch_folder(work, stop, interval_s=0.01):
            seen.append(each.became)
            if each.became == "unreadable":
                (root / "x.png").write_bytes(whole)
            else:
                stop.set()
    assert seen == ["unreadable", "record"]
