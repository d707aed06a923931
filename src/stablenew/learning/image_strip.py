"""Metadata taken out of picture files and put into them, pixels untouched: PNG, JPEG, WebP.

What carries the look (colour profiles, gamma, transparency, animation) stays; texts, Exif, XMP, comments, unknown parts
and whatever follows the end of the picture go.
"""

from __future__ import annotations

import re
import struct
import zlib

from stablenew.errors import InputError
from stablenew.learning.importing.exif_texts import build_exif

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset(
    (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT", b"bKGD",
     b"pHYs", b"acTL", b"fcTL", b"fdAT")
)  # fmt: skip
_WEBP_KEPT = frozenset((b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))
_VP8X_EXIF, _VP8X_XMP = 0x08, 0x04
_JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
_SEGMENT_MAX = 0xFFFF - 2


def strip_metadata(data: bytes) -> bytes:
    """The same picture without a word in it. Raises InputError for damage, and for other kinds of file."""
    try:
        if data.startswith(_PNG):
            return _strip_png(data)
        if data.startswith(b"\xff\xd8\xff"):
            return _strip_jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp([(kind, body) for kind, body in _webp_chunks(data) if kind in _WEBP_KEPT], exif=None)
    except (struct.error, IndexError) as exc:
        raise InputError("it is damaged") from exc
    raise InputError("metadata can be taken out of PNG, JPEG and WebP files only")


def put_infotext(data: bytes, text: str) -> bytes:
    """The same picture with `text` where A1111 puts its parameters: a PNG text chunk, else the Exif comment.

    Any other Exif in a JPEG or WebP goes. Raises InputError for other kinds of file, and a text too long for a JPEG.
    """
    if data.startswith(_PNG):
        end = len(_PNG) + 25
        return data[:end] + _png_text("parameters", text) + data[end:]
    if data.startswith(b"\xff\xd8\xff"):
        body = b"Exif\0\0" + build_exif(text)
        if len(body) > _SEGMENT_MAX:
            raise InputError("the text is longer than a JPEG can hold")
        bare = _strip_jpeg(data)
        return bare[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + bare[2:]
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp([(kind, body) for kind, body in _webp_chunks(data) if kind in _WEBP_KEPT], exif=build_exif(text))
    raise InputError("texts can be put into PNG, JPEG and WebP files only")


def _strip_png(data: bytes) -> bytes:
    kept = [_PNG]
    place = len(_PNG)
    while True:
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            raise InputError("it is cut off")
        if kind in _PNG_KEPT:
            kept.append(data[place:end])
        if kind == b"IEND":
            return b"".join(kept)
        place = end


def _png_text(keyword: str, text: str) -> bytes:
    try:
        kind, body = b"tEXt", keyword.encode() + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        kind, body = b"iTXt", keyword.encode() + b"\0\0\0\0\0" + text.encode("utf-8", "replace")
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _strip_jpeg(data: bytes) -> bytes:
    """Segment by segment, and through the picture itself to its very end: what follows it goes too."""
    kept = [data[:2]]
    place = 2
    while True:
        found = _JPEG_MARKER.match(data, place)
        if found is None:
            raise InputError("it is damaged")
        marker, start = found[1][0], found.end()
        if marker == 0xD9:
            return b"".join([*kept, b"\xff\xd9"])
        length = struct.unpack_from(">H", data, start)[0]
        end = start + length
        if length < 2 or end > len(data):
            raise InputError("it is cut off")
        if marker == 0xDA:
            after = _JPEG_MARKER.search(data, end)
            if after is None:
                raise InputError("it is cut off")
            end = after.start()
        if _jpeg_stays(marker, data[start + 2 : start + 16]):
            kept.append(b"\xff" + data[start - 1 : end])
        place = end


def _jpeg_stays(marker: int, head: bytes) -> bool:
    if marker == 0xFE:
        return False
    if not 0xE0 <= marker <= 0xEF:
        return True
    is_profile = marker == 0xE2 and head.startswith(b"ICC_PROFILE\0")
    return marker == 0xE0 or is_profile or (marker == 0xEE and head.startswith(b"Adobe"))


def _webp_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    if end > len(data) + 1:  # some writers leave out the last padding byte
        raise InputError("it is cut off")
    found = []
    place = 12
    while place + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, place)
        if place + 8 + length > len(data):
            raise InputError("it is cut off")
        found.append((kind, data[place + 8 : place + 8 + length]))
        place += 8 + length + length % 2
    return found


def _webp(chunks: list[tuple[bytes, bytes]], exif: bytes | None) -> bytes:
    """The file of `chunks`, with Exif where given; its header says so."""
    if exif is not None:
        chunks = [*_extended(chunks), (b"EXIF", exif)]
    body = b"".join(
        kind
        + struct.pack("<I", len(part))
        + (_flagged(part, exif) if kind == b"VP8X" else part)
        + b"\0" * (len(part) % 2)
        for kind, part in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _flagged(header: bytes, exif: bytes | None) -> bytes:
    flags = header[0] & ~(_VP8X_EXIF | _VP8X_XMP)
    return bytes([flags | (_VP8X_EXIF if exif is not None else 0)]) + header[1:]


def _extended(chunks: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """With the extended header that a file needs to hold Exif."""
    kinds = [kind for kind, _ in chunks]
    if b"VP8X" in kinds:
        return chunks
    for kind, part in chunks:
        if kind == b"VP8L":
            bits = struct.unpack_from("<I", part, 1)[0]
            return [_header(bits & 0x3FFF, bits >> 14 & 0x3FFF, 0x10 if bits >> 28 & 1 else 0), *chunks]
        if kind == b"VP8 ":
            width, height = struct.unpack_from("<HH", part, 6)
            return [_header((width & 0x3FFF) - 1, (height & 0x3FFF) - 1, 0), *chunks]
    raise InputError("it holds no picture")


def _header(width_less_1: int, height_less_1: int, flags: int) -> tuple[bytes, bytes]:
    sides = width_less_1.to_bytes(3, "little") + height_less_1.to_bytes(3, "little")
    return b"VP8X", bytes([flags, 0, 0, 0]) + sides
