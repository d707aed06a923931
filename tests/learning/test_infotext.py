from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablenew.learning.infotext import format_infotext, infotext, parse_infotext, quoted

WEBUI = (
    "masterpiece, (a cat:1.2), <lora:detail:0.6>\nsecond line\n"
    "Negative prompt: blurry, lowres\nbad hands: 2\n"
    "Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 1234567890, Size: 832x1216, "
    'Model hash: 67ab2fd8ec, Model: ponyDiffusionV6XL, VAE hash: 235745af8d, VAE: "a, b: c.safetensors", '
    'Denoising strength: 0.4, Clip skip: 2, ADetailer model: face.pt, ADetailer prompt: "face, \\"smile\\"\\n x", '
    'Hires upscale: 1.5, Hires upscaler: 4x-UltraSharp, Lora hashes: "detail: 7c6bad76eb54, other: 0123", '
    "Version: v1.10.1"
)
CIVITAI = (
    "a dog\nSteps: 30, Sampler: Euler a, CFG scale: 7, Seed: 5, "
    'Hashes: {"model": "f, {1}", "lora:x": "2"}, Size: 512x512, '
    'Civitai resources: [{"type":"checkpoint","modelVersionId":1,"name":"A, \\"B\\""},{"weight":0.8}], '
    "Civitai metadata: {}"
)


def a1111_quote(text: object) -> object:
    """As modules/infotext_utils.py of v1.10.1 has it."""
    if "," not in str(text) and "\n" not in str(text) and ":" not in str(text):
        return text
    return json.dumps(text, ensure_ascii=False)


def a1111_text(prompt: str, negative: str, params: dict[str, object]) -> str:
    """As `create_infotext` of v1.10.1 has it."""
    line = ", ".join(k if k == v else f"{k}: {a1111_quote(v)}" for k, v in params.items() if v is not None)
    negative_text = f"\nNegative prompt: {negative}" if negative else ""
    return f"{prompt}{negative_text}\n{line}".strip()


def test_a_real_text_is_understood() -> None:
    """Prompt and negative prompt keep their lines; quoted values lose their quotes, nothing else."""
    read = parse_infotext(WEBUI)
    assert read.prompt == "masterpiece, (a cat:1.2), <lora:detail:0.6>\nsecond line"
    assert read.negative_prompt == "blurry, lowres\nbad hands: 2"
    assert read.settings["VAE"] == "a, b: c.safetensors"
    assert read.settings["ADetailer prompt"] == 'face, "smile"\n x'
    assert read.settings["Lora hashes"] == "detail: 7c6bad76eb54, other: 0123"
    assert read.settings["Size"] == "832x1216"
    assert read.settings["Version"] == "v1.10.1"
    assert len(read.items) == 18


def test_unquoted_objects_and_lists_are_one_value() -> None:
    """Commas, brackets and quotes inside `Hashes: {...}` and `Civitai resources: [...]` end nothing."""
    settings = parse_infotext(CIVITAI).settings
    assert json.loads(settings["Hashes"])["model"] == "f, {1}"
    assert len(json.loads(settings["Civitai resources"])) == 2
    assert settings["Civitai metadata"] == "{}"
    assert settings["Size"] == "512x512"


@pytest.mark.parametrize(
    "text",
    [
        WEBUI,
        CIVITAI,
        "only a prompt",
        "prompt\nNegative prompt: only both",
        "Negative prompt: no prompt\nSteps: 1, Seed: 2",
        "Steps: 20, Sampler: Euler, Seed: 1",
        "p\nSteps: 20,Sampler: Euler,  Seed: 1,",
        'p\nSteps: 20, Broken: "no end, Other: {1, Third: ]',
        "p\nSteps: 20, Sampler: Euler, Tiling, Seed: 1",
        "p\nSteps: 20, Sampler: Euler\nTemplate: a {b|c}\nNegative Template: d",
        "a: b, c: d\nSteps: 20",
        "コードギアス — ★\nSteps: 20, Sampler: Euler a, Model: モデル",
    ],
)
def test_what_was_written_comes_back_byte_for_byte(text: str) -> None:
    """Formatting what was parsed gives the very text, unknown and broken parts included."""
    assert format_infotext(parse_infotext(text)) == text


def test_the_settings_are_found_from_the_bottom() -> None:
    """A prompt that quotes a settings line does not hide the real one, and lines after it are kept."""
    read = parse_infotext("Steps: 1, Seed: 1\nmore prompt\nSteps: 20, Seed: 2\nTemplate: x")
    assert read.prompt == "Steps: 1, Seed: 1\nmore prompt"
    assert read.settings["Seed"] == "2"
    assert read.trailer == "\nTemplate: x"


def test_a_settings_line_without_steps_is_found_when_it_is_last() -> None:
    """Three pairs on the last line are settings, as A1111 has it; two are prompt."""
    assert parse_infotext("p\nSampler: Euler, Seed: 2, Size: 8x8").settings["Seed"] == "2"
    assert parse_infotext("p\nalpha: b, beta: d").settings == {}


_word = st.text(string.ascii_letters + string.digits + " -/", min_size=2, max_size=12).map(str.strip)
_key = _word.filter(lambda key: len(key) >= 2 and key[0].isalnum())
_line = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=40)
_value = st.one_of(
    st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(st.characters(exclude_categories=["Cs"]))
)


def _innocent(text: str) -> bool:
    """Not a text that A1111 itself would take for something else."""
    return not any(line.startswith(("Negative prompt:", "Steps:")) for line in text.split("\n"))


@given(
    prompt=st.lists(_line, max_size=3).map("\n".join).map(str.strip).filter(_innocent),
    negative=st.lists(_line, max_size=3).map("\n".join).map(str.strip).filter(_innocent),
    params=st.dictionaries(_key, _value, max_size=6),
)
def test_any_text_a1111_writes_round_trips(prompt: str, negative: str, params: dict[str, object]) -> None:
    """Whatever `create_infotext` writes comes back byte for byte, its prompts and values understood."""
    params = {"Steps": 20, **params}
    text = a1111_text(prompt, negative, params)
    read = parse_infotext(text)
    assert format_infotext(read) == text
    assert (read.prompt, read.negative_prompt) == (prompt, negative)
    for key, value in params.items():
        if isinstance(value, str) and a1111_quote(value) == value and value.strip()[:1] in ('"', "{", "["):
            continue  # A1111 writes these without quotes, and cannot read them back either
        expected = str(value) if a1111_quote(value) != value else str(value).strip()
        if isinstance(value, str) and (value == key or value.strip() == ""):
            continue
        assert read.settings[key] == expected


@given(
    prompt=_line.map(str.strip).filter(_innocent),
    settings=st.dictionaries(_key, st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=6),
)
def test_our_writer_writes_what_a1111_would(prompt: str, settings: dict[str, object]) -> None:
    """For the same values our text is theirs, quotes only where a comma, colon or line break asks for them."""
    settings = {key: value for key, value in settings.items() if key != value}
    assert format_infotext(infotext(prompt, "", {"Steps": 20, **settings})) == a1111_text(
        prompt, "", {"Steps": 20, **settings}
    )


def test_quotes_only_where_needed() -> None:
    """A comma, a colon or a line break asks for quotes; nothing else does."""
    assert quoted('say "hi" {there}') == 'say "hi" {there}'
    assert [quoted(text) for text in ("a,b", "a:b", "a\nb")] == ['"a,b"', '"a:b"', '"a\\nb"']


@given(st.text(alphabet='ab:,"{}[]\\\n ', max_size=300))
def test_nothing_breaks_the_scanner(tail: str) -> None:
    """Any jumble is taken apart without an error, and its settings line put together again unchanged."""
    line = "Steps: 20," + tail.replace("\n", "")
    read = parse_infotext("p\n" + line.rstrip())
    assert ",".join(item.text for item in read.items) == line.rstrip()
    parse_infotext(tail)


@pytest.mark.parametrize("piece", ["a: {,", 'a: ",', "a: [{,", 'a: {"', "a: [[[[,"])
def test_a_hostile_line_costs_no_more_than_a_long_one(piece: str) -> None:
    """Half a million unclosed brackets or quotes are done with; with square cost this test would not end."""
    line = "Steps: 20, " + piece * (500_000 // len(piece))
    assert ",".join(item.text for item in parse_infotext(line).items) == line
