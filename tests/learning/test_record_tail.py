"""Records as they are appended, all or those that are wanted."""

from __future__ import annotations

import json

from tests.learning.archive import make_record, write_lines

from stablenew.learning.record_filter import parse_condition
from stablenew.learning.record_tail import RecordTail
from stablenew.workspace import Workspace


def test_only_what_fulfils_the_conditions_is_given(workspace: Workspace) -> None:
    """By any field of the line; what was there before, and lines that are no records, are left out."""
    path = workspace.records / "r.jsonl"
    write_lines(path, make_record("old", pack_name="foxes"))
    every = RecordTail(workspace.records)
    foxes = RecordTail(workspace.records, (parse_condition("pack=foxes"), parse_condition("steps>=20")))
    write_lines(path, make_record("a", pack_name="foxes", steps=20), make_record("b", pack_name="boats", steps=20))
    write_lines(path, make_record("c", pack_name="foxes", steps=10))
    with path.open("ab") as file:
        file.write(b"no record\n")
    assert [json.loads(line)["run"]["record_id"] for line in every.look()] == ["a", "b", "c"]
    assert [json.loads(line)["run"]["record_id"] for line in foxes.look()] == ["a"]
    assert foxes.look() == []
