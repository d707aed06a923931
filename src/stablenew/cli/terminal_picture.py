"""Pictures on a terminal: kitty's and iTerm's protocols and sixel, where the terminal has one of them."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL.Image import Image

Protocol = Literal["kitty", "iterm", "sixel", "none"]
_KITTY_CHUNK = 4096


def terminal_protocol(environment: Mapping[str, str], *, is_terminal: bool) -> Protocol:
    """What the terminal can show, as far as the environment says; over ssh TERM and LC_TERMINAL come along.

    Sixel shows in TERM for few terminals only.
    """
    if not is_terminal or environment.get("TMUX"):
        return "none"
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if "kitty" in term or "ghostty" in term or environment.get("KITTY_WINDOW_ID") or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm") or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm"
    if "sixel" in term or term.startswith(("foot", "mlterm", "yaft")):
        return "sixel"
    return "none"


def side_by_side(*pictures: Image, height: int = 384) -> Image:
    """The pictures at the same height, next to each other."""
    from PIL import Image

    sized = [each.convert("RGB").resize((max(1, each.width * height // each.height), height)) for each in pictures]
    gap = 16
    sheet = Image.new("RGB", (sum(each.width + gap for each in sized) - gap, height), "black")
    left = 0
    for each in sized:
        sheet.paste(each, (left, 0))
        left += each.width + gap
    return sheet


def encode_picture(picture: Image, protocol: Protocol) -> bytes:
    """The bytes that make the terminal show `picture`; empty for "none"."""
    if protocol == "sixel":
        return _sixel(picture)
    if protocol == "none":
        return b""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    text = base64.standard_b64encode(buffer.getvalue())
    if protocol == "iterm":
        # https://iterm2.com/documentation-images.html
        return b"\x1b]1337;File=inline=1;size=%d:%s\x07\n" % (len(buffer.getvalue()), text)
    # https://sw.kovidgoyal.net/kitty/graphics-protocol/
    parts = [text[start : start + _KITTY_CHUNK] for start in range(0, len(text), _KITTY_CHUNK)]
    out = []
    for place, part in enumerate(parts):
        keys = b"a=T,f=100," if place == 0 else b""
        out.append(b"\x1b_G%sm=%d;%s\x1b\\" % (keys, place < len(parts) - 1, part))
    return b"".join(out) + b"\n"


def show(data: bytes) -> None:
    """Send `data` to the terminal."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _sixel(picture: Image) -> bytes:
    """DEC sixel graphics, 64 colours: bands of six rows, one pass per colour, runs shortened."""
    small = picture.convert("RGB").quantize(64)
    palette = small.getpalette() or []
    width, height = small.size
    pixels = small.tobytes()
    out = ["\x1bPq", f'"1;1;{width};{height}']
    for colour in range(len(palette) // 3):
        red, green, blue = (part * 100 // 255 for part in palette[3 * colour : 3 * colour + 3])
        out.append(f"#{colour};2;{red};{green};{blue}")
    for top in range(0, height, 6):
        rows = [pixels[row * width : (row + 1) * width] for row in range(top, min(top + 6, height))]
        for colour in sorted(set(b"".join(rows))):
            signs = [
                chr(63 + sum((row[column] == colour) << bit for bit, row in enumerate(rows))) for column in range(width)
            ]
            out.append(f"#{colour}{_shortened(signs)}$")
        out.append("-")
    return ("".join(out) + "\x1b\\\n").encode()


def _shortened(signs: list[str]) -> str:
    from itertools import groupby

    parts = []
    for sign, run in groupby(signs):
        count = len(list(run))
        parts.append(f"!{count}{sign}" if count > 3 else sign * count)
    return "".join(parts)
