"""Small pictures, kept on disk in the workspace so that the next look at ten thousand of them costs no decoding."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from PIL import Image

from stablenew.atomic_file import write_atomically
from stablenew.gui.pictures.decode import Decoded, decode, shrink
from stablenew.log import get_logger

log = get_logger("stablenew.gui")

SIDES = (192, 384)
"""The sizes that are kept; a tile takes the next larger one."""

QUALITY = 88


class ThumbnailStore:
    """Thumbnails below `folder`, one JPEG a picture and size. Any thread may use it.

    A file stands under a hash of the picture's place, size and time, so that a changed picture gets a new one.
    What cannot be kept (a full disk, a folder that cannot be written) is made anew each time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._said_why = False

    def get(self, path: Path, side: int) -> Decoded:
        """The picture at `path`, no side longer than `side` pixels."""
        kept = self._place(path, side)
        if kept is None:
            return Decoded(None, "the file is gone")
        found = _read(kept)
        if found is None:
            found = self._make(path, kept, _kept_side(side))
        if found.pixels is None:
            return found
        return Decoded(shrink(found.pixels, side))

    def _make(self, path: Path, kept: Path, side: int) -> Decoded:
        decoded = decode(path, at_least=side)
        if decoded.pixels is None:
            return decoded
        small = shrink(decoded.pixels, side)
        if small.size != decoded.pixels.size:  # a picture that is small itself needs no copy
            self._keep(small, kept)
        return Decoded(small)

    def _keep(self, small: Image.Image, kept: Path) -> None:
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=QUALITY)
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(kept, buffer.getvalue())
        except FileNotFoundError:
            return  # another thread made the same one just now
        except OSError as exc:
            if not self._said_why:
                log.warning("thumbnails cannot be kept", folder=str(self._folder), error=str(exc))
            self._said_why = True

    def _place(self, path: Path, side: int) -> Path | None:
        """Where its thumbnail stands; None where there is no such picture."""
        try:
            status = path.stat()
        except OSError:
            return None
        named = f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0{_kept_side(side)}"
        digest = hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return self._folder / digest[:2] / f"{digest[2:]}.jpg"


def _read(kept: Path) -> Decoded | None:
    """What is kept there; None where nothing is, or nothing that can be read."""
    decoded = decode(kept)
    return decoded if decoded.pixels is not None else None


def _kept_side(side: int) -> int:
    return next((kept for kept in SIDES if kept >= side), SIDES[-1])
