"""Text on a contact sheet: measured, wrapped to a width, and drawn in a font that has the letters."""

from __future__ import annotations

from functools import cache, lru_cache

from PIL import ImageFont
from PIL.ImageDraw import ImageDraw

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Pillow's built-in font has little beyond ASCII. Where these are installed they have the rest, in this order.
_WIDER_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "Arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "msyh.ttc",
    "YuGothM.ttc",
    "malgun.ttf",
    "Hiragino Sans GB.ttc",
    "Arial Unicode.ttf",
    "ArialUnicodeMS.ttf",
)
_NO_SUCH_SIGN = "\uffff"


def font_for(text: str, size: int) -> Font:
    """The font of `size` pixels that has most of the letters of `text`; what is missing shows as an empty box."""
    best = _built_in(size)
    missing = _missing(text, best)
    for name in _WIDER_FONTS:
        if not missing:
            break
        font = _installed(name, size)
        if font is not None and (left := _missing(text, font)) < missing:
            best, missing = font, left
    return best


def text_width(text: str, size: int) -> float:
    """Pixels that one line of `text` takes."""
    return float(font_for(text, size).getlength(text))


def line_height(size: int) -> int:
    """Pixels from one line to the next."""
    return round(size * 1.35)


def wrap(text: str, size: int, width: int, max_lines: int) -> list[str]:
    """`text` as at most `max_lines` lines of at most `width` pixels; what does not fit ends in "..."."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        lines += _wrapped(paragraph, size, width, max_lines + 1 - len(lines))
        if len(lines) > max_lines:
            return [*lines[: max_lines - 1], _shortened(lines[max_lines - 1], size, width)]
    return lines


def draw_lines(
    draw: ImageDraw, lines: list[str], *, size: int, fill: str, left: int, top: int, width: int, centred: bool = False
) -> None:
    """Write `lines` from (left, top) down, each centred in `width` when asked."""
    for number, line in enumerate(lines):
        font = font_for(line, size)
        room = (width - font.getlength(line)) / 2 if centred else 0
        # Anchored at the baseline, so that lines in different fonts stand level.
        position = (left + max(0, round(room)), top + number * line_height(size) + round(size * 0.95))
        draw.text(position, line, font=font, fill=fill, anchor="ls" if _scalable(font) else None)


def _wrapped(text: str, size: int, width: int, max_lines: int) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in _words(text[: 400 * max_lines], size, width):
        longer = f"{line} {word}".strip()
        if line and text_width(longer, size) > width:
            lines.append(line)
            line = word.strip()
            if len(lines) >= max_lines:
                return lines
        else:
            line = longer
    return [*lines, line] if line else lines


def _words(text: str, size: int, width: int) -> list[str]:
    """The words of `text`, one too long for a line cut into pieces (so is text written without spaces)."""
    words: list[str] = []
    for word in text.split():
        while text_width(word, size) > width and len(word) > 1:
            fitting = next(n for n in range(len(word) - 1, 0, -1) if n == 1 or text_width(word[:n], size) <= width)
            words.append(word[:fitting])
            word = word[fitting:]
        words.append(word)
    return words


def _shortened(line: str, size: int, width: int) -> str:
    while line and text_width(line + "...", size) > width:
        line = line[:-1]
    return line.rstrip(" ,") + "..."


def _missing(text: str, font: Font) -> int:
    return sum(not _has(font, sign) for sign in set(text) if not sign.isspace())


@lru_cache(maxsize=20_000)
def _has(font: Font, sign: str) -> bool:
    if sign.isascii():
        return True
    return bytes(font.getmask(sign)) != _empty_box(font)


@cache
def _empty_box(font: Font) -> bytes:
    return bytes(font.getmask(_NO_SUCH_SIGN))


@cache
def _built_in(size: int) -> Font:
    return ImageFont.load_default(size)


@cache
def _installed(name: str, size: int) -> Font | None:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


def _scalable(font: Font) -> bool:
    return isinstance(font, ImageFont.FreeTypeFont)
