"""Reading text that a person supplies: UTF-8, any line ends, and errors that say where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stablenew.errors import NotFound, PackError

MAX_PACK_BYTES = 64 * 2**20


def read_text(path: Path) -> str:
    """The UTF-8 text of a file a person supplies, without its byte order mark. Raises NotFound or PackError."""
    try:
        size = path.stat().st_size
        if size > MAX_PACK_BYTES:
            raise PackError(f"the file has {size:,} bytes, more than the {MAX_PACK_BYTES:,} that are read", path=path)
        data = path.read_bytes()
    except FileNotFoundError as exc:
        raise NotFound("file", path.name, path.parent) from exc
    except OSError as exc:
        raise PackError(f"cannot be read: {exc.strerror or exc}", path=path) from exc
    return decode_text(data, path)


def decode_text(data: bytes, where: Path | str) -> str:
    """`data` as UTF-8 text without its byte order mark. Raises PackError with line and column."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise PackError("the file is UTF-16: save it as UTF-8", path=where, line=1, column=1)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        before = data[: exc.start].decode("utf-8", "replace")
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        reason = f"byte 0x{data[exc.start]:02x} is not UTF-8: save the file as UTF-8"
        raise PackError(reason, path=where, line=line, column=column) from exc


def normalise_newlines(text: str) -> str:
    """`text` with every line end as LF and without a byte order mark."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def parse_json(text: str, where: Path | str) -> Any:
    """The JSON value in `text`. Raises PackError with line and column."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as exc:
        raise PackError(f"not JSON: {exc.msg}", path=where, line=exc.lineno, column=exc.colno) from exc
    except (RecursionError, ValueError) as exc:
        # ValueError: a number with thousands of digits, which Python refuses to convert.
        raise PackError(f"not usable JSON: {str(exc)[:80]}", path=where) from exc
