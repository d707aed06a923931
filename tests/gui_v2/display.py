"""A screen for the tests: the one there is, or an Xvfb of this process's own."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SIZE = (1920, 1080)

PATIENCE_S = 180.0
"""How long the screen may take to come and to go."""


class NoScreen(Exception):
    """There is no screen and none can be made: the text says why."""


@contextmanager
def screen() -> Iterator[str]:
    """The name of a display, in the environment while inside; on Windows and macOS the desktop's own ("").

    Under X an Xvfb is started even where a display is there, so that tests neither disturb nor depend on somebody's
    desktop; STABLENEW_TEST_DISPLAY=1 shows them on the one there is.
    """
    if not sys.platform.startswith("linux"):
        yield ""
        return
    if os.environ.get("STABLENEW_TEST_DISPLAY") and os.environ.get("DISPLAY"):
        yield os.environ["DISPLAY"]
        return
    before = os.environ.get("DISPLAY")
    server, name = _start()
    os.environ["DISPLAY"] = name
    try:
        yield name
    finally:
        if before is None:
            os.environ.pop("DISPLAY", None)
        else:
            os.environ["DISPLAY"] = before
        server.terminate()
        server.wait(PATIENCE_S)


def _start() -> tuple[subprocess.Popen[bytes], str]:
    program = shutil.which("Xvfb")
    if program is None:
        raise NoScreen("there is no Xvfb to show windows on: apt install xvfb")
    reader, writer = os.pipe()
    shape = "{}x{}x24".format(*SIZE)
    # Xvfb takes the next free number and says which: processes beside each other do not collide.
    server = subprocess.Popen(
        [program, "-displayfd", str(writer), "-screen", "0", shape, "-nolisten", "tcp", "-dpi", "96"],
        pass_fds=(writer,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        ready, _, _ = select.select([pipe], [], [], PATIENCE_S)
        number = pipe.readline().strip() if ready else b""
    if not number:
        server.kill()
        server.wait()
        raise NoScreen("Xvfb does not start")
    return server, f":{number.decode()}"
