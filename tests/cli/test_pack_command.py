"""`stablenew pack`: lint, show and preview as a person runs them."""

import json

import pytest
from click.testing import CliRunner

from stablenew.cli.pack import pack


@pytest.fixture
def heroes(tmp_path):
    """A pack with a slot, a wildcard beside it, and a sidecar."""
    (tmp_path / "heroes.txt").write_text("a [[mood]] __animal__\nneg: blurry\n\na tower\n", encoding="utf-8")
    slots = [{"name": "mood", "values": ["calm", "wild"]}]
    (tmp_path / "heroes.json").write_text(json.dumps({"pack_data": {"matrix": {"slots": slots}}}))
    (tmp_path / "wildcards").mkdir()
    (tmp_path / "wildcards" / "animal.txt").write_text("fox\nowl\nbear\n")
    return tmp_path / "heroes.txt"


def invoke(*args, path):
    result = CliRunner().invoke(
        pack, [args[0], str(path), *args[1:], "--workspace", str(path.parent / "ws")], standalone_mode=False
    )
    assert result.exception is None, result.output
    return result


def test_preview_prints_the_variants(heroes):
    """The prompts that would run are printed, balanced, with the total beside them."""
    result = invoke("preview", "--limit", "4", path=heroes)
    assert result.stdout.count("a tower") == 1
    assert "neg: blurry" in result.stdout
    assert "4 of 7" in result.stderr
    rows = [json.loads(row) for row in invoke("preview", "--json", path=heroes).stdout.splitlines()]
    assert {row["bindings"].get("__animal__") for row in rows} == {"fox", "owl", "bear", None}


def test_show_has_lines_slots_and_size(heroes):
    """Lines with their numbers, slots with their values, and the number of variants."""
    text = invoke("show", path=heroes).stdout
    assert "    1  a [[mood]] __animal__" in text
    assert "[[mood]]  calm, wild" in text
    assert "7 variants" in text


def test_lint_says_where_and_returns_2_for_errors(heroes):
    """A good pack returns 0; a broken one names file, line and column, and returns 2."""
    result = invoke("lint", path=heroes)
    assert (result.return_value, "nothing to say" in result.stdout) == (0, True)
    heroes.write_text("a [[modo]] x\n")
    result = invoke("lint", path=heroes)
    assert result.return_value == 2
    assert "heroes.txt:1:3: error: there is no slot [[modo]]: did you mean [[mood]]?" in result.stdout
