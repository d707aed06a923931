"""The JSON Schema of the record, from its dataclasses; `python -m stablenew.learning.record_schema` writes the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from stablenew.learning.record_groups import SCHEMA_VERSION, RecordGroups

SCHEMA_FILE = Path(__file__).with_name("record_schema.json")


def record_schema() -> dict[str, Any]:
    """The schema of one line of a record file. Fields it does not name are allowed: the format grows."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"StableNew learning record, version {SCHEMA_VERSION}",
        **msgspec.json.schema(RecordGroups),
    }
    plain: dict[str, Any] = json.loads(json.dumps(schema, default=msgspec.to_builtins))
    return plain


def schema_text() -> str:
    """The schema as the checked-in file has it."""
    return json.dumps(record_schema(), indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8", newline="\n")
