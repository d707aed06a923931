"""The text inside pictures: the A1111 `parameters` that other tools read, and our record id.

A picture that a server made is never re-encoded: what we add is inserted as PNG text chunks behind its header. The
chunk `stablenew` holds `{"record_id": ..., "run_id": ...}`; `parameters` is ours only where the server wrote none.
"""

from __future__ import annotations

import dataclasses
import io
import struct
import zlib
from typing import TYPE_CHECKING

import msgspec

from stablenew.learning.infotext import format_infotext, infotext
from stablenew.variant import EffectiveSettings, Variant

if TYPE_CHECKING:
    from PIL.Image import Image

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_END = len(PNG_SIGNATURE) + 25
_FIELDS = tuple(declared.name for declared in dataclasses.fields(EffectiveSettings))


def compose_infotext(variant: Variant, effective: EffectiveSettings, seed: int, version: str) -> str:
    """The A1111 `parameters` text of a picture: prompt, negative prompt, then one line of `Key: value` pairs.

    Source: modules/infotext_utils.py of AUTOMATIC1111 v1.10.1 (values are JSON-quoted if they hold a comma, colon or
    newline). Keys whose value is None are left out.
    """
    size = f"{effective.width}x{effective.height}" if effective.width and effective.height else None
    settings = {
        "Steps": effective.steps,
        "Sampler": effective.sampler,
        "Schedule type": effective.scheduler,
        "CFG scale": effective.cfg_scale,
        "Seed": seed,
        "Size": size,
        "Model hash": effective.model_hash,
        "Model": effective.model,
        "VAE": effective.vae,
        "Denoising strength": effective.denoise,
        "Clip skip": effective.clip_skip if (effective.clip_skip or 1) > 1 else None,
        "Upscaler": effective.upscaler,
        "Version": f"StableNew {version}",
    }
    return format_infotext(infotext(variant.prompt, variant.negative_prompt, settings))


def combined(before: EffectiveSettings | None, now: EffectiveSettings) -> EffectiveSettings:
    """`now`, with what it leaves unsaid taken from the stages `before` it."""
    if before is None:
        return now
    said = {name: value for name in _FIELDS if (value := getattr(now, name)) is not None}
    return dataclasses.replace(before, **said)


def encode_png(pixels: Image, texts: dict[str, str]) -> bytes:
    """`pixels` as PNG file bytes with `texts` as text chunks."""
    buffer = io.BytesIO()
    pixels.save(buffer, "PNG", compress_level=4)
    return insert_texts(buffer.getvalue(), texts)


def insert_texts(png: bytes, texts: dict[str, str]) -> bytes:
    """`png` with a text chunk for each of `texts` behind its header; every byte that was there stays as it is.

    Latin-1 text becomes a tEXt chunk, anything else iTXt, as Pillow and A1111 write them. Bytes that are no PNG are
    returned unchanged.
    """
    if not is_png(png):
        return png
    chunks = b"".join(_text_chunk(keyword, text) for keyword, text in texts.items())
    return png[:_HEADER_END] + chunks + png[_HEADER_END:]


def is_png(data: bytes) -> bool:
    """Whether `data` starts as a PNG file does."""
    return data.startswith(PNG_SIGNATURE) and len(data) > _HEADER_END


def image_suffix(data: bytes) -> str:
    """The file suffix that fits the bytes: .png, .jpg, .webp or .avif; .bin where they are none of these."""
    if data.startswith(PNG_SIGNATURE):
        return ".png"
    if data.startswith(b"\xff\xd8\xff"):
        return ".jpg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        return ".avif"
    return ".bin"


def record_chunk(record_id: str, run_id: str) -> str:
    """The text of the `stablenew` chunk."""
    return msgspec.json.encode({"record_id": record_id, "run_id": run_id}).decode()


def _text_chunk(keyword: str, text: str) -> bytes:
    try:
        kind, body = b"tEXt", keyword.encode("latin-1") + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        encoded = text.encode("utf-8", "replace")
        kind, body = b"iTXt", keyword.encode("latin-1") + b"\0\0\0\0\0" + encoded
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
