"""The few Exif fields that image generators write into, read without trusting a single offset.

Source: Exif 2.32 (CIPA DC-008), TIFF 6.0. Only the first directory and its Exif directory are looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Set
from dataclasses import dataclass, field

ENTRIES_MAX = 500
_NAMES = {0x010E: "ImageDescription", 0x010F: "Make", 0x0110: "Model", 0x0131: "Software"}
_EXIF_NAMES = {0x9286: "UserComment", 0x927C: "MakerNote"}
_EXIF_DIRECTORY, _RATING = 0x8769, 0x4746
_SHORT, _LONG = 3, 4
_BYTES = frozenset({1, 2, 7})


@dataclass(frozen=True, slots=True)
class ExifTexts:
    """Texts by the name of their tag, and the stars (1 to 5) that Windows and cameras write; None: none."""

    texts: dict[str, str] = field(default_factory=dict)
    stars: int | None = None


def read_exif(data: bytes) -> ExifTexts:
    """What Exif data (from the TIFF header on) says; damage ends the reading, it is no error."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return ExifTexts()
    texts: dict[str, str] = {}
    entries = _entries(data, order, struct.unpack_from(f"{order}I", data, 4)[0])
    for tag, name in _NAMES.items():
        if value := _value(data, entries.get(tag), _BYTES):
            texts[name] = value.rstrip(b"\0").decode("utf-8", "replace")
    if len(where := _value(data, entries.get(_EXIF_DIRECTORY), {_LONG})) >= 4:
        inner = _entries(data, order, struct.unpack_from(f"{order}I", where)[0])
        for tag, name in _EXIF_NAMES.items():
            if value := _value(data, inner.get(tag), _BYTES):
                texts[name] = decode_comment(value, order)
    rating = _value(data, entries.get(_RATING), {_SHORT})
    stars = struct.unpack_from(f"{order}H", rating)[0] if len(rating) >= 2 else 0
    return ExifTexts(texts, stars if 1 <= stars <= 5 else None)


def decode_comment(value: bytes, order: str = ">") -> str:
    """The text of a UserComment: its first 8 bytes say how it is coded; without them UTF-8 is assumed.

    UNICODE should be UTF-16 in the byte order of the file; piexif, which A1111 uses, writes big-endian always, so the
    order is told from where the zero bytes are.
    """
    code, body = value[:8], value[8:]
    if code.startswith(b"UNICODE"):
        return _utf16(body, order)
    if code in (b"ASCII\0\0\0", b"\0\0\0\0\0\0\0\0"):
        return body.rstrip(b"\0").decode("utf-8", "replace")
    return value.strip(b"\0").decode("utf-8", "replace")


def encode_comment(text: str) -> bytes:
    """`text` as a UserComment, as piexif and with it A1111 writes it."""
    return b"UNICODE\0" + text.encode("utf-16-be", "surrogatepass")


def build_exif(comment: str) -> bytes:
    """Exif data (from the TIFF header on) that holds `comment` as its UserComment and nothing else."""
    value = encode_comment(comment)
    # Header, the first directory with one entry that leads to the Exif directory, and that one with one entry.
    first, second = 8, 26
    return b"".join(
        (
            b"MM\0*" + struct.pack(">I", first),
            struct.pack(">HHHIII", 1, _EXIF_DIRECTORY, _LONG, 1, second, 0),
            struct.pack(">HHHIII", 1, 0x9286, 7, len(value), second + 18, 0),
            value,
        )
    )


def _utf16(body: bytes, order: str) -> str:
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return body.decode("utf-16", "replace").rstrip("\0")
    sample = body[:2000]
    high_first, low_first = sample[::2].count(0), sample[1::2].count(0)
    if high_first != low_first:
        order = ">" if high_first > low_first else "<"
    return body.decode("utf-16-be" if order == ">" else "utf-16-le", "replace").rstrip("\0")


_Entry = tuple[int, int, int]


def _entries(data: bytes, order: str, start: int) -> dict[int, _Entry]:
    """By tag an entry of the directory at `start`: its type, and where its value stands; the first of a tag counts."""
    found: dict[int, _Entry] = {}
    if start + 2 > len(data):
        return found
    count = struct.unpack_from(f"{order}H", data, start)[0]
    for number in range(min(count, ENTRIES_MAX)):
        place = start + 2 + 12 * number
        if place + 12 > len(data):
            break
        tag, kind, length = struct.unpack_from(f"{order}HHI", data, place)
        size = length * {_SHORT: 2, _LONG: 4}.get(kind, 1 if kind in _BYTES else 0)
        at = place + 8 if size <= 4 else struct.unpack_from(f"{order}I", data, place + 8)[0]
        found.setdefault(tag, (kind, at, at + size))
    return found


def _value(data: bytes, entry: _Entry | None, kinds: Set[int]) -> bytes:
    """The bytes of an entry of one of `kinds`, b"" where there is none or it leads out of the data."""
    if entry is None or entry[0] not in kinds or entry[2] > len(data):
        return b""
    return data[entry[1] : entry[2]]
