"""Names that come from outside and name a file or folder of ours: refused, never altered, when they could do harm.

Altering them (stripping, encoding) would let two names share one file, so a hostile name is an error instead.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

from stablenew.errors import UnsafeName

NAME_BYTES_MAX = 128
"""Leaves room for what is added (a shard's host and process, an extension) below the 255 bytes file systems take."""

_FORBIDDEN = frozenset('<>:"/\\|?*')
# Characters drawn like a slash or backslash; some file systems and fonts treat them as one.
_SLASH_ALIKE = frozenset("\u2044\u2215\u2216\u2571\u2572\u29f5\u29f8\u29f9\u27cb\u27cd\u3033\u3035\ufe68\uff0f\uff3c")
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"]
    + [port + digit for port in ("com", "lpt") for digit in "0123456789"]
)


def safe_name(name: str, folder: Path | str, *, bytes_max: int = NAME_BYTES_MAX) -> str:
    """`name` itself when it can name one file or folder directly in `folder`, on any system.

    Raises UnsafeName saying why not: empty, too long, a path, a device of Windows, or signs that are not allowed.
    """
    reason = _objection(name, bytes_max) if isinstance(name, str) else "it is not a text"
    if reason is not None:
        raise UnsafeName(str(name), reason, folder)
    return name


def inside(path: Path, folder: Path) -> Path:
    """`path` itself when it leads into `folder`, links followed; `folder` may itself be a link.

    Raises UnsafeName when a link leads out, or `path` is itself a link.
    """
    if path.is_symlink():
        raise UnsafeName(path.name, "it is a link", folder)
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise UnsafeName(str(path.relative_to(folder)), "a link in it leads out of the folder", folder)
    return path


def _objection(name: str, bytes_max: int) -> str | None:
    """Why `name` is refused; None when it is fine."""
    if not name:
        return "it is empty"
    if len(name.encode("utf-8", "surrogatepass")) > bytes_max:
        return f"it is longer than {bytes_max} bytes"
    # A file system that normalises names may turn a harmless sign into a dot or slash: both forms must be fine.
    for form in (name, unicodedata.normalize("NFKC", name)):
        bad = next((sign for sign in form if not _allowed(sign)), None)
        if bad is not None:
            return f"{bad!r} is not allowed in a name"
        if form != form.strip() or form.startswith(".") or form.endswith("."):
            return "it starts or ends with a dot or space"
        if form.split(".")[0].rstrip().casefold() in _DEVICES:
            return "it is the name of a device on Windows"
    return None


def _allowed(sign: str) -> bool:
    if sign in _FORBIDDEN or sign in _SLASH_ALIKE:
        return False
    # C: control, format and unassigned signs, half surrogates; Zl, Zp: line and paragraph ends.
    category = unicodedata.category(sign)
    return category[0] != "C" and category not in ("Zl", "Zp")
