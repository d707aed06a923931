"""Ratings as photo tools keep them: XMP in a file beside the picture, or inside it. Pixels are never touched.

Properties (XMP specification part 1, ISO 16684-1, and part 2): `xmp:Rating` (-1 rejected, 0 none, 1 to 5),
`dc:subject` (tags), `dc:description` (notes). A sidecar is called `picture.png.xmp`, as darktable and digiKam do;
`picture.xmp`, as Adobe's programs do, is read too. What others wrote into a sidecar or packet stays in it.
"""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stablenew.atomic_file import write_atomically
from stablenew.errors import InputError

XMP_BYTES_MAX = 1 << 20
_NAMES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
}
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_PNG, _PNG_KEYWORD = b"\x89PNG\r\n\x1a\n", b"XML:com.adobe.xmp"
_JPEG, _JPEG_KEYWORD = b"\xff\xd8", b"http://ns.adobe.com/xap/1.0/\0"
_CHUNKS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Xmp:
    """What XMP says of a picture. `score` None: not rated."""

    score: int | None = None
    rejected: bool = False
    tags: tuple[str, ...] = ()
    notes: str = ""


def parse_xmp(data: bytes) -> Xmp:
    """What the packet says. Raises InputError when it is no XMP."""
    description = _description(_tree(data))
    rating = _property(description, "xmp", "Rating")
    try:
        score = None if rating is None else round(float(rating))
    except (ValueError, OverflowError) as exc:
        raise InputError(f"xmp:Rating is {rating!r}, not a number") from exc
    return Xmp(
        score=score if score is not None and 1 <= score <= 5 else None,
        rejected=score == -1,
        tags=tuple(dict.fromkeys(_items(description, "subject"))),
        notes=next(iter(_items(description, "description")), ""),
    )


def compose_xmp(xmp: Xmp, before: bytes | None = None) -> bytes:
    """A packet that says `xmp`; everything else that `before` said stays. Raises InputError when `before` is no XMP."""
    for prefix, uri in _NAMES.items():
        ET.register_namespace(prefix, uri)
    root = _tree(before) if before else ET.fromstring(_EMPTY)
    description = _description(root)
    for name in ("Rating",):
        description.attrib.pop(_tag("xmp", name), None)
    for prefix, name in (("xmp", "Rating"), ("dc", "subject"), ("dc", "description")):
        for old in description.findall(_tag(prefix, name)):
            description.remove(old)
    description.set(_tag("xmp", "Rating"), "-1" if xmp.rejected else str(xmp.score or 0))
    if xmp.tags:
        bag = ET.SubElement(ET.SubElement(description, _tag("dc", "subject")), _tag("rdf", "Bag"))
        for tag in xmp.tags:
            ET.SubElement(bag, _tag("rdf", "li")).text = _xml_safe(tag)
    if xmp.notes:
        choice = ET.SubElement(ET.SubElement(description, _tag("dc", "description")), _tag("rdf", "Alt"))
        ET.SubElement(choice, _tag("rdf", "li"), {_XML_LANG: "x-default"}).text = _xml_safe(xmp.notes)
    body = ET.tostring(root, encoding="unicode")
    head = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    return f'{head}\n{body}\n<?xpacket end="w"?>\n'.encode()


def sidecar_path(image: Path) -> Path:
    """Where the sidecar of a picture is written."""
    return image.with_name(f"{image.name}.xmp")


def read_xmp(image: Path) -> Xmp | None:
    """What XMP says of the picture: its sidecar first, then what is inside; None where there is none.

    Raises InputError when it cannot be read, OSError when the picture cannot.
    """
    for sidecar in (sidecar_path(image), image.with_suffix(".xmp")):
        if sidecar.is_file():
            return parse_xmp(_read_limited(sidecar))
    packet = embedded_packet(image.read_bytes())
    return None if packet is None else parse_xmp(packet)


def write_sidecar(image: Path, xmp: Xmp) -> Path:
    """Say `xmp` in the picture's sidecar, keeping what else is in it. Raises InputError, OSError."""
    path = sidecar_path(image)
    before = _read_limited(path) if path.is_file() else None
    write_atomically(path, compose_xmp(xmp, before))
    return path


def embedded_packet(data: bytes) -> bytes | None:
    """The XMP packet inside a PNG, JPEG or WebP file; None where there is none."""
    if data.startswith(_PNG):
        for kind, start, end in _png_chunks(data):
            if kind == b"iTXt" and data.startswith(_PNG_KEYWORD + b"\0", start):
                return _itxt_text(data[start:end])
    elif data.startswith(_JPEG):
        for start, end in _jpeg_segments(data):
            if data.startswith(_JPEG_KEYWORD, start + 4):
                return data[start + 4 + len(_JPEG_KEYWORD) : end]
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        for kind, start, end in _riff_chunks(data):
            if kind == b"XMP ":
                return data[start:end]
    return None


def embed_xmp(data: bytes, xmp: Xmp) -> bytes:
    """The same PNG or JPEG file saying `xmp`; every other byte stays. Raises InputError for other kinds of file."""
    packet = compose_xmp(xmp, embedded_packet(data))
    if data.startswith(_PNG):
        return _into_png(data, packet)
    if data.startswith(_JPEG):
        return _into_jpeg(data, packet)
    raise InputError("XMP can be put into PNG and JPEG files only: use sidecars for this one")


def record_id_in(data: bytes) -> str | None:
    """The id of the record that a PNG of ours names in its `stablenew` chunk."""
    import msgspec

    if data.startswith(_PNG):
        for kind, start, end in _png_chunks(data):
            if kind == b"tEXt" and data.startswith(b"stablenew\0", start):
                try:
                    said = msgspec.json.decode(data[start + 10 : end])
                except (msgspec.DecodeError, UnicodeError):
                    return None
                found = said.get("record_id") if isinstance(said, dict) else None
                return found if isinstance(found, str) and found else None
    return None


def _into_png(data: bytes, packet: bytes) -> bytes:
    body = _PNG_KEYWORD + b"\0\0\0\0\0" + packet
    chunk = struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))
    kept, header_end = [], len(_PNG) + 25
    last = header_end
    for kind, start, end in _png_chunks(data):
        if kind == b"iTXt" and data.startswith(_PNG_KEYWORD + b"\0", start):
            kept.append(data[last : start - 8])
            last = end + 4
    return data[:header_end] + chunk + b"".join(kept) + data[last:]


def _into_jpeg(data: bytes, packet: bytes) -> bytes:
    body = _JPEG_KEYWORD + packet
    if len(body) + 2 > 0xFFFF:
        raise InputError("the XMP is larger than a JPEG can hold in one piece: use a sidecar")
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    kept, last, place = [], 2, 2
    for start, end in _jpeg_segments(data):
        if data.startswith(_JPEG_KEYWORD, start + 4):
            kept.append(data[last:start])
            last = end
        elif data[start + 1] in (0xE0, 0xE1) and place == start:
            place = end  # JFIF and Exif come first
    rest = b"".join(kept) + data[last:]
    split = place - 2
    return data[:2] + rest[:split] + segment + rest[split:]


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Type, and where the content starts and ends, of every chunk."""
    place = len(_PNG)
    for _ in range(_CHUNKS_MAX):
        if place + 12 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + size
        if end + 4 > len(data):
            return
        yield kind, place + 8, end
        place = end + 4


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Where every segment before the picture itself starts and ends."""
    place = 2
    for _ in range(_CHUNKS_MAX):
        if place + 4 > len(data) or data[place] != 0xFF or data[place + 1] in (0xDA, 0xD9):
            return
        end = place + 2 + struct.unpack_from(">H", data, place + 2)[0]
        yield place, end
        place = end


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    place = 12
    for _ in range(_CHUNKS_MAX):
        if place + 8 > len(data):
            return
        kind, size = struct.unpack_from("<4sI", data, place)
        yield kind, place + 8, min(place + 8 + size, len(data))
        place += 8 + size + size % 2


def _itxt_text(body: bytes) -> bytes:
    """The text of an iTXt chunk, unpacked where it is compressed. Raises InputError."""
    _, _, rest = body.partition(b"\0")
    compressed, rest = rest[:1] == b"\1", rest[2:]
    text = rest.partition(b"\0")[2].partition(b"\0")[2]
    if not compressed:
        return text
    try:
        return zlib.decompressobj().decompress(text, XMP_BYTES_MAX)
    except zlib.error as exc:
        raise InputError(f"the XMP in the picture cannot be unpacked: {exc}") from exc


def _read_limited(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(XMP_BYTES_MAX + 1)
    if len(data) > XMP_BYTES_MAX:
        raise InputError(f"{path} is larger than any XMP sidecar")
    return data


def _tree(data: bytes) -> ET.Element:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data or len(data) > XMP_BYTES_MAX:
        # XMP has no such thing; it is how a few bytes are made to need gigabytes.
        raise InputError("that is no XMP: it declares a document type, or is too large")
    try:
        return ET.fromstring(data.strip(b"\0 \r\n\t"))
    except (ET.ParseError, ValueError) as exc:
        raise InputError(f"that is no XMP: {exc}") from exc


def _description(root: ET.Element) -> ET.Element:
    found = root.find(f".//{_tag('rdf', 'Description')}")
    if found is None:
        raise InputError("that is no XMP: it describes nothing")
    return found


def _property(description: ET.Element, prefix: str, name: str) -> str | None:
    """A simple property, which may stand as an attribute or as an element."""
    found = description.get(_tag(prefix, name))
    return description.findtext(_tag(prefix, name)) if found is None else found


def _items(description: ET.Element, name: str) -> list[str]:
    """The elements of the dc array `name`."""
    holder = description.find(_tag("dc", name))
    return [] if holder is None else [item.text for item in holder.iter(_tag("rdf", "li")) if item.text]


def _tag(prefix: str, name: str) -> str:
    return f"{{{_NAMES[prefix]}}}{name}"


def _xml_safe(text: str) -> str:
    """`text` without the control characters XML cannot hold."""
    return "".join(sign for sign in text if sign >= " " or sign in "\t\n\r")


_EMPTY = (
    f'<x:xmpmeta xmlns:x="{_NAMES["x"]}"><rdf:RDF xmlns:rdf="{_NAMES["rdf"]}"><rdf:Description rdf:about=""/>'
    "</rdf:RDF></x:xmpmeta>"
)
