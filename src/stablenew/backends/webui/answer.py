"""A server's answer, decoded: pictures and what it says about them. Nothing of it is trusted, no field is required."""

from __future__ import annotations

import binascii
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from PIL import Image, UnidentifiedImageError

from stablenew.backends.http_errors import NoReply
from stablenew.backends.webui.client import Reply, decode

_FORMATS = ("PNG", "JPEG", "WEBP")
"""What a WebUI can be set to send; anything else is refused before a decoder sees it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSaid:
    """What the server says about one picture. `fields` is its infotext's settings line, by A1111's keys."""

    seed: int | None = None
    prompt: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the server says about a whole answer; None where it says nothing. `pictures` pair with the real pictures."""

    present: bool = False
    sampler: str | None = None
    steps: int | None = None
    cfg_scale: float | None = None
    denoise: float | None = None
    model: str | None = None
    model_hash: str | None = None
    vae: str | None = None
    vae_hash: str | None = None
    clip_skip: int | None = None
    restore_faces: bool | None = None
    version: str | None = None
    job_timestamp: str | None = None
    first: int = 0
    pictures: tuple[PictureSaid, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureAnswer:
    """The pictures of an answer in base64, grids included, and what was said about them."""

    images: tuple[str, ...]
    said: Said


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    images: list[str] | None = None
    image: str | None = None
    info: Any = None


def read_answer(reply: Reply) -> PictureAnswer | NoReply:
    """The answer of txt2img, img2img or extras; a `NoReply` of nonsense when it is none."""
    body = decode(reply, _Body)
    if isinstance(body, NoReply):
        return body
    images = (body.image,) if body.image else tuple(body.images or ())
    return PictureAnswer(images=images, said=_said(body.info))


def read_picture(text: str) -> tuple[bytes, Image.Image] | NoReply:
    """One picture of an answer: its bytes exactly as sent, and its pixels, 8-bit sRGB, mode RGB."""
    payload = text.partition(",")[2] if text.startswith("data:") else text
    try:
        data = binascii.a2b_base64(payload.encode("ascii", "replace"), strict_mode=True)
    except (binascii.Error, ValueError) as exc:
        return NoReply(trouble="nonsense", text=f"the picture is not valid base64 ({exc})")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            return data, opened.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as exc:
        return NoReply(trouble="nonsense", text=f"the picture cannot be decoded ({type(exc).__name__})")


def written_infotext(data: bytes) -> str | None:
    """The A1111 text the server wrote into a PNG, None when there is none (or it is in another format's EXIF)."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as opened:
            text = opened.info.get("parameters")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return text if isinstance(text, str) else None


def settings_line(infotext: str) -> dict[str, str]:
    """The last line of an infotext that begins with "Steps:", as key and value; a quoted value loses its quotes.

    An infotext is not escaped, so a prompt may hold such a line too: the server's own is the last.
    """
    line = next((line for line in reversed(infotext.splitlines()) if line.startswith("Steps: ")), "")
    fields: dict[str, str] = {}
    for part in _parts(line[:_LONGEST_LINE]):
        value = part["value"].strip()
        if value.startswith('"') and value.endswith('"') and len(value) > 1:
            value = _unquoted(value)
        fields.setdefault(part["key"].strip(), value)
    return fields


_LONGEST_LINE = 20_000
_LONGEST_NAME = 300
_PART = re.compile(r'(?P<key>[^:,"]+):(?P<value> *"(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)')


def _parts(line: str) -> Iterator[re.Match[str]]:
    """Each `key: value` of the line; what has no such form is passed over up to the next comma."""
    position = 0
    while position < len(line):
        part = _PART.match(line, position)
        if part is not None:
            yield part
            position = part.end()
        else:
            comma = line.find(",", position)
            position = len(line) if comma < 0 else comma + 1


def _unquoted(value: str) -> str:
    try:
        return msgspec.json.decode(value.encode(), type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return value[1:-1]


def _said(info: Any) -> Said:
    """`info` is JSON text, or already an object in some forks."""
    if isinstance(info, str):
        try:
            info = msgspec.json.decode(info.encode("utf-8", "replace"))
        except (msgspec.MsgspecError, RecursionError):
            return Said()
    if not isinstance(info, dict):
        return Said()
    first = _whole(info.get("index_of_first_image")) or 0
    return Said(
        present=True,
        sampler=_name(info.get("sampler_name")),
        steps=_whole(info.get("steps")),
        cfg_scale=_number(info.get("cfg_scale")),
        denoise=_number(info.get("denoising_strength")),
        model=_name(info.get("sd_model_name")),
        model_hash=_name(info.get("sd_model_hash")),
        vae=_name(info.get("sd_vae_name")),
        vae_hash=_name(info.get("sd_vae_hash")),
        clip_skip=_whole(info.get("clip_skip")),
        restore_faces=info.get("restore_faces") if isinstance(info.get("restore_faces"), bool) else None,
        version=_name(info.get("version")),
        job_timestamp=_text(info.get("job_timestamp")),
        first=first if 0 <= first <= 64 else 0,
        pictures=_pictures(info, first),
    )


def _pictures(info: dict[Any, Any], first: int) -> tuple[PictureSaid, ...]:
    """What is said of each picture behind the grids: infotexts count the grids, seeds and prompts do not."""
    infotexts = _list(info.get("infotexts"))[first:]
    seeds, prompts = _list(info.get("all_seeds")), _list(info.get("all_prompts"))
    common = info.get("extra_generation_params")
    shared = {str(key): str(value) for key, value in common.items()} if isinstance(common, dict) else {}
    said = []
    for index in range(min(max(len(infotexts), len(seeds), 1), 4096)):
        fields = shared | settings_line(_text(_at(infotexts, index)) or "")
        seed = _whole(_at(seeds, index))
        said.append(
            PictureSaid(
                seed=_whole_text(fields.get("Seed")) if seed is None else seed,
                prompt=_text(_at(prompts, index)) if prompts else _text(info.get("prompt")),
                fields=fields,
            )
        )
    return tuple(said)


def _at(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _name(value: Any) -> str | None:
    """A text short enough for a record."""
    text = _text(value)
    return text[:_LONGEST_NAME] if text else None


def _whole(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _whole_text(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 20 else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
