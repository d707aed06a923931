"""The .json beside a pack: matrix and preset, never lines of its own."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablenew.config import PipelineConfig
from stablenew.errors import PackError
from stablenew.prompts.pack import read_pack
from stablenew.prompts.randomizer import plan_pack
from stablenew.prompts.sidecar import format_sidecar, parse_sidecar

MATRIX = {
    "enabled": True,
    "mode": "fanout",
    "limit": 0,
    "slots": [{"name": "Mood", "values": ["calm", "stormy"]}, {"name": "time", "values": ["dawn"], "mode": "random"}],
    "base_prompt": "photo",
    "prompt_mode": "prepend",
}


def write(tmp_path, text, sidecar):
    (tmp_path / "p.txt").write_text(text, encoding="utf-8")
    (tmp_path / "p.json").write_text(json.dumps(sidecar), encoding="utf-8")
    return tmp_path / "p.txt"


def test_the_matrix_makes_the_variants(tmp_path):
    """Slots, mode and base prompt of the sidecar are those of the plan."""
    pack = read_pack(write(tmp_path, "a [[mood]] sea at [[TIME]]", {"pack_data": {"matrix": MATRIX}}))
    assert [v.prompt for v in plan_pack(PipelineConfig(), pack)] == [
        "photo, a calm sea at dawn",
        "photo, a stormy sea at dawn",
    ]


def test_a_disabled_matrix_gives_no_values(tmp_path):
    """With the matrix switched off its slots are not filled, and that is an error, not an empty text."""
    pack = read_pack(write(tmp_path, "a [[mood]]", {"pack_data": {"matrix": MATRIX | {"enabled": False}}}))
    with pytest.raises(PackError, match=r"no slot \[\[mood\]\]"):
        plan_pack(PipelineConfig(), pack)


def test_lines_that_differ_stop_the_pack(tmp_path):
    """A sidecar that holds other prompts than the .txt is refused; the same prompts are fine."""
    path = write(tmp_path, "a\n\nb", {"pack_data": {"lines": ["a", {"prompt": "b"}]}})
    assert len(read_pack(path).lines) == 2
    write(tmp_path, "a\n\nb", {"pack_data": {"lines": ["a", "c"]}})
    with pytest.raises(PackError, match="prompt 2 differs"):
        read_pack(path)
    write(tmp_path, "a\n\nb", {"pack_data": {"lines": ["a"]}})
    with pytest.raises(PackError, match="1 against 2"):
        read_pack(path)


def test_what_is_not_ours_is_kept():
    """Writing a sidecar keeps the fields it does not know, and reads back equal."""
    text = json.dumps(
        {"pack_data": {"matrix": MATRIX | {"colour": 1}, "x": 2}, "preset_data": {"txt2img": {"steps": 9}}}
    )
    sidecar = parse_sidecar(text, "p.json")
    written = format_sidecar(sidecar)
    again = parse_sidecar(written, "p.json")
    assert (again.matrix, again.preset) == (sidecar.matrix, sidecar.preset)
    assert json.loads(written)["pack_data"]["x"] == 2
    assert json.loads(written)["pack_data"]["matrix"]["colour"] == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from("pack_data preset_data matrix slots name values mode limit lines randomization".split()),  # noqa: SIM905
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_a_sidecar_or_a_clear_error(value):
    """Whatever JSON stands in the file, it is used or refused as a PackError."""
    try:
        sidecar = parse_sidecar(json.dumps({"pack_data": value, "preset_data": value}), "p.json")
    except PackError:
        return
    assert parse_sidecar(format_sidecar(sidecar), "p.json").matrix == sidecar.matrix


@given(st.text(max_size=30))
def test_text_that_is_not_json_is_pointed_at(text):
    """Broken JSON is an error, never a traceback."""
    with pytest.raises(PackError):
        parse_sidecar("{{" + text, "p.json")
