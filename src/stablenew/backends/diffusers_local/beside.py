"""Importing the large libraries on one thread while another, such as a window's, goes on.

What would make the other wait is the interpreter lock. Loading a shared library holds it from beginning to end, and so
does each collection of garbage, of which the import of thousands of modules causes many.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

_LIBRARIES = ("libtorch_cpu", "libtorch_python")


@contextlib.contextmanager
def importing_beside_others() -> Iterator[None]:
    """While inside, the first import holds up other threads for tens of milliseconds at a time instead of hundreds."""
    if "diffusers" in sys.modules:
        yield
        return
    _load_without_the_lock()
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # modules live as long as the program: no later collection looks at them again
        if was_on:
            gc.enable()


def _load_without_the_lock() -> None:
    """Load torch's libraries through a foreign call, which lets go of the lock; importing torch finds them loaded.

    Does nothing where that is not possible: the import loads them then.
    """
    spec = find_spec("torch")
    if os.name != "posix" or spec is None or spec.origin is None or "torch" in sys.modules:
        return
    load = ctypes.CDLL(None).dlopen
    load.restype, load.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_int]
    suffix = ".dylib" if sys.platform == "darwin" else ".so"
    for name in _LIBRARIES:
        path = Path(spec.origin).parent / "lib" / f"{name}{suffix}"
        if path.is_file():
            load(os.fsencode(path), os.RTLD_LAZY)
