"""What the desktop does for us: open a file with the program it belongs to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from stablenew.errors import NotFound, StableNewError


def open_with_desktop(path: Path) -> None:
    """Open `path` (a file or a folder) as a double click on the desktop would. Blocks for a moment: not on Tk's thread.

    Raises NotFound when it is not there, StableNewError where this desktop opens nothing.
    """
    if not path.exists():
        raise NotFound("file", path.name, path.parent)
    if sys.platform == "win32":
        os.startfile(path)
        return
    program = "open" if sys.platform == "darwin" else "xdg-open"
    if shutil.which(program) is None:
        raise StableNewError(f"there is no {program} here to open {path} with")
    subprocess.Popen([program, str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
