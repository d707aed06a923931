"""The texts inside a picture file, read without decoding a pixel, within fixed bounds of time and memory.

PNG: tEXt, zTXt, iTXt and eXIf chunks. JPEG, WebP: Exif and XMP. AVIF: Exif. Whatever the file says, no more is read,
unpacked or followed than the limits here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from stablenew.errors import InputError
from stablenew.learning.importing.exif_texts import read_exif

TEXT_BYTES_MAX = 4 * 1024 * 1024
"""Of one text, unpacked; ComfyUI's largest workflows take a tenth of it."""
ALL_TEXTS_BYTES_MAX = 16 * 1024 * 1024
CHUNKS_MAX = 100_000
AVIF_BYTES_MAX = 128 * 1024 * 1024
SIDE_MAX = 65_535

_PNG = b"\x89PNG\r\n\x1a\n"
_XMP_KEYWORD = "XML:com.adobe.xmp"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class UnreadablePicture(InputError):
    """The file is no picture that can be read, or asks for more than the limits; nothing was harmed."""


@dataclass(slots=True, kw_only=True)
class ImageTexts:
    """What a file says: `texts` by keyword (Exif texts by tag name), its XMP packet, stars from Exif, its pixels."""

    kind: str
    width: int = 0
    height: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    xmp: bytes = b""
    stars: int | None = None
    room: int = ALL_TEXTS_BYTES_MAX

    def add(self, keyword: str, text: str) -> None:
        """Keep a text; the first of a keyword counts."""
        self.room -= len(text)
        if self.room < 0:
            raise UnreadablePicture(f"it holds more than {ALL_TEXTS_BYTES_MAX // 2**20} MB of text")
        self.texts.setdefault(keyword, text)

    def add_exif(self, data: bytes) -> None:
        """Keep what Exif data says."""
        found = read_exif(data)
        for name, text in found.texts.items():
            self.add(name, text)
        self.stars = found.stars if self.stars is None else self.stars


def read_image_texts(path: Path, size: int) -> ImageTexts:
    """What the picture file of `size` bytes says. Raises UnreadablePicture saying why not, OSError."""
    with path.open("rb") as file:
        head = file.read(16)
        file.seek(0)
        if head.startswith(_PNG):
            found = _read_png(file, size)
        elif head.startswith(b"\xff\xd8\xff"):
            found = _read_jpeg(file, size)
        elif head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            found = _read_webp(file, size)
        elif head[4:12] in (b"ftypavif", b"ftypavis"):
            found = _read_avif(path, size)
        else:
            raise UnreadablePicture("it is no PNG, JPEG, WebP or AVIF file" if size else "it is empty")
    if not (0 < found.width <= SIDE_MAX and 0 < found.height <= SIDE_MAX):
        raise UnreadablePicture(f"it claims {found.width} x {found.height} pixels")
    return found


def _read_png(file: BinaryIO, size: int) -> ImageTexts:
    found = ImageTexts(kind="png")
    for kind, start, length in _png_chunks(file, size):
        if kind == b"IHDR" and length == 13:
            found.width, found.height = struct.unpack(">II", file.read(8))
        elif kind in (b"tEXt", b"zTXt", b"iTXt", b"eXIf"):
            if length > TEXT_BYTES_MAX:
                raise UnreadablePicture(f"it holds a text of {length:,} bytes")
            _take_png_text(found, kind, file.read(length))
        elif kind == b"IEND":
            return found
        file.seek(start + length + 4)
    raise UnreadablePicture("it is cut off")


def _png_chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and length of every chunk, the file standing at the start of its content."""
    file.seek(len(_PNG))
    for _ in range(CHUNKS_MAX):
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        start = file.tell()
        if start + length + 4 > size:
            return
        yield kind, start, length
    raise UnreadablePicture(f"it has more than {CHUNKS_MAX:,} chunks")


def _take_png_text(found: ImageTexts, kind: bytes, body: bytes) -> None:
    if kind == b"eXIf":
        found.add_exif(body)
        return
    keyword_bytes, _, rest = body.partition(b"\0")
    keyword = keyword_bytes.decode("latin-1")
    if kind == b"tEXt":
        # Latin-1 by the book; some tools put UTF-8 there all the same.
        found.add(keyword, _utf8_or_latin1(rest))
    elif kind == b"zTXt":
        found.add(keyword, _unpacked(rest[1:]).decode("latin-1"))
    else:
        packed, rest = rest[:1] == b"\1", rest[2:]
        text = rest.partition(b"\0")[2].partition(b"\0")[2]
        text = _unpacked(text) if packed else text
        if keyword == _XMP_KEYWORD:
            found.xmp = text
        else:
            found.add(keyword, text.decode("utf-8", "replace"))


def _utf8_or_latin1(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _unpacked(data: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, TEXT_BYTES_MAX)
    except zlib.error as exc:
        raise UnreadablePicture(f"a packed text in it is damaged: {exc}") from exc
    if unpacker.unconsumed_tail:
        raise UnreadablePicture(f"a packed text in it is larger than {TEXT_BYTES_MAX // 2**20} MB")
    return text


def _read_jpeg(file: BinaryIO, size: int) -> ImageTexts:
    found = ImageTexts(kind="jpeg")
    file.seek(2)
    for _ in range(CHUNKS_MAX):
        head = file.read(2)
        while len(head) == 2 and head == b"\xff\xff":
            head = head[1:] + file.read(1)
        if len(head) < 2 or head[0] != 0xFF:
            break
        if head[1] in (0xDA, 0xD9):
            return found
        if head[1] == 0x01 or 0xD0 <= head[1] <= 0xD8:
            continue
        length = int.from_bytes(file.read(2), "big")
        start = file.tell()
        if length < 2 or start + length - 2 > size:
            break
        _take_jpeg_segment(found, head[1], file.read(length - 2))
    raise UnreadablePicture("it is cut off or damaged")


def _take_jpeg_segment(found: ImageTexts, kind: int, body: bytes) -> None:
    if kind in _JPEG_SIZES and len(body) >= 5:
        found.height, found.width = struct.unpack(">HH", body[1:5])
    elif kind == 0xE1 and body.startswith(b"Exif\0"):
        found.add_exif(body[6:])
    elif kind == 0xE1 and body.startswith(_JPEG_XMP):
        found.xmp = body[len(_JPEG_XMP) :]
    elif kind == 0xFE:
        found.add("comment", _utf8_or_latin1(body).strip("\0"))


def _read_webp(file: BinaryIO, size: int) -> ImageTexts:
    found = ImageTexts(kind="webp")
    place = 12
    for _ in range(CHUNKS_MAX):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return found
        kind, length = struct.unpack("<4sI", head)
        if place + 8 + length > size:
            raise UnreadablePicture("it is cut off")
        _take_webp_chunk(found, kind, length, file)
        place += 8 + length + length % 2
    raise UnreadablePicture(f"it has more than {CHUNKS_MAX:,} chunks")


def _take_webp_chunk(found: ImageTexts, kind: bytes, length: int, file: BinaryIO) -> None:
    if kind in (b"EXIF", b"XMP "):
        if length > TEXT_BYTES_MAX:
            raise UnreadablePicture(f"it holds metadata of {length:,} bytes")
        body = file.read(length)
        if kind == b"XMP ":
            found.xmp = body
        else:
            found.add_exif(body.removeprefix(b"Exif\0\0"))
    elif kind in (b"VP8X", b"VP8 ", b"VP8L") and not found.width:
        found.width, found.height = _webp_size(kind, file.read(10))


def _webp_size(kind: bytes, head: bytes) -> tuple[int, int]:
    """Width and height from the first 10 bytes of a chunk (RFC 9649)."""
    if len(head) < 10:
        return 0, 0
    if kind == b"VP8X":
        return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return struct.unpack("<H", head[6:8])[0] & 0x3FFF, struct.unpack("<H", head[8:10])[0] & 0x3FFF


def _read_avif(path: Path, size: int) -> ImageTexts:
    """By Pillow, which reads the file's boxes and decodes nothing until asked to."""
    if size > AVIF_BYTES_MAX:
        raise UnreadablePicture(f"it is an AVIF file of {size:,} bytes")
    from PIL import Image

    try:
        with Image.open(path, formats=("AVIF",)) as opened:
            found = ImageTexts(kind="avif", width=opened.width, height=opened.height)
            exif = opened.info.get("exif") or b""
            xmp = opened.info.get("xmp") or b""
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as exc:
        raise UnreadablePicture(f"it is no AVIF file that can be read: {exc}") from exc
    if len(exif) + len(xmp) > TEXT_BYTES_MAX:
        raise UnreadablePicture(f"it holds metadata of {len(exif) + len(xmp):,} bytes")
    found.xmp = xmp
    found.add_exif(exif.removeprefix(b"Exif\0\0"))
    return found
