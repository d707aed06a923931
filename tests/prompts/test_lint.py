"""Lint, estimate, and the loras and embeddings of a prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablenew.config import PipelineConfig, apply_settings
from stablenew.errors import UnknownChoice
from stablenew.prompts.estimate import estimate_plan, stage_work
from stablenew.prompts.extra_networks import common_form, find_networks, translate
from stablenew.prompts.lint import lint_pack
from stablenew.prompts.pack import make_pack, parse_pack
from stablenew.prompts.randomizer import make_plan
from stablenew.prompts.sidecar import Matrix, Sidecar, SlotValues


def findings(text, matrix=None, **options):
    parsed = parse_pack(text, name="p")
    pack = make_pack(parsed.lines, name="p", rows=parsed.rows, sidecar=Sidecar(matrix=matrix or Matrix()))
    return [(f.severity, f.line, f.column, f.message) for f in lint_pack(pack, **options)]


def has(*tags):
    """A backend that knows these tags and no other."""

    def check_prompt(prompt):
        if prompt not in tags:
            raise UnknownChoice(backend="b", kind="name", value=prompt, known=tags)

    return check_prompt


MOOD = Matrix(slots=(SlotValues(name="mood", values=("a", "b")),))


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("a [[modo]]", {"matrix": MOOD}, ("error", 1, 3, "did you mean [[mood]]")),
        ("ok\n\na __x__", {}, ("error", 3, 3, "no wildcard __x__")),
        ("a {b", {}, ("error", 1, 3, "never closed")),
        ("a ((b)", {}, ("warning", 1, 3, "parentheses do not match")),
        ("a\n\nA ", {}, ("warning", 3, None, "same prompt as in line 1")),
        ("a", {"matrix": MOOD}, ("warning", None, None, "no line uses the slot [[mood]]")),
        ("neg: a", {}, ("warning", 1, None, "prompt is empty")),
        ("", {}, ("error", None, None, "no prompt")),
        ("a\nb\nc", {}, ("warning", 1, None, "--format lines")),
        ("<lora:inc:1>", {"check_prompt": has("<lora:ink:1>")}, ("error", 1, 1, "did you mean '<lora:ink:1>'")),
        ("<embedding:x>", {"check_prompt": has("x")}, ("error", 1, 1, "no name called 'embedding:x'")),
        (" ".join(["{a|b|c|d}"] * 10), {}, ("warning", None, None, "1,048,576 variants")),
        (" ".join(["{a|b|c|d}"] * 40), {}, ("error", None, None, "give --limit N")),
    ],
)
def test_each_finding(text, options, expected):
    """Each thing lint looks for is found, in its place, and is the only finding."""
    ((severity, line, column, message),) = findings(text, **options)
    assert (severity, line, column) == expected[:3]
    assert expected[3] in message


def test_a_good_pack_has_no_findings():
    """Escapes, emphasis, known loras and every form of the grammar pass."""
    text = "a (b:1.2) \\( [c] <lora:ink:0.5> [[mood]]\nneg: x\n\n<lora:{ink|ink}:1> {2$$a|b} ${v=!x}${v}"
    assert findings(text, matrix=MOOD, check_prompt=has("<lora:ink:0.5>")) == []


def test_the_estimate_counts_every_stage():
    """Images, room and minutes are those of all stages of all variants, at each variant's own size."""
    config = apply_settings(PipelineConfig(), {"stages": "txt2img,upscale", "width": 1000 - 1000 % 8, "height": 1000})
    plan = make_plan(config, parse_pack("a\n\nb", name="p").prompt_lines(), seeds=5)
    estimate = estimate_plan(plan, seconds_per_work={"txt2img": 0.5, "upscale": 2.0})
    megapixels = 1000 * 1000 / 1e6
    assert (estimate.variants, estimate.images, estimate.model_changes) == (10, 20, 0)
    assert estimate.gigabytes == pytest.approx(10 * megapixels * (1 + 4) * 3 / 1000)
    assert estimate.minutes == pytest.approx(10 * (megapixels * 20 * 0.5 + 4 * megapixels * 2.0) / 60)
    assert stage_work(config, "txt2img") == pytest.approx(megapixels * 20)
    assert estimate_plan(plan, seconds_per_work={"txt2img": 0.5}).minutes is None


def test_loras_and_embeddings_per_family():
    """Each family of backends gets its own spelling; weights are those of text encoder and model."""
    prompt = "a <lora:my__style:0.5:0.8> (<embedding:bad>:1.2) <embedding:x> <lora:n> b"
    lora, weighted, plain, bare = find_networks(prompt)
    assert (lora.name, lora.text_weight, lora.weight) == ("my__style", 0.5, 0.8)
    assert (weighted.name, plain.name, bare.weight) == ("bad", "x", None)
    assert translate(prompt, "a1111").prompt == "a <lora:my__style:0.5:0.8> (bad:1.2) x <lora:n> b"
    comfy = translate(prompt, "comfyui")
    assert comfy.prompt == "a  (embedding:bad:1.2) embedding:x  b"
    assert [network.name for network in comfy.loras] == ["my__style", "n"]
    assert translate(prompt, "diffusers").prompt == "a  (bad:1.2) x  b"
    assert common_form(prompt) == "a <lora:my__style:0.5:0.8> (embedding:bad:1.2) embedding:x <lora:n> b"


@given(
    st.text(max_size=30) | st.lists(st.sampled_from(["<lora:", "<embedding:", "a", ":", ">", "0.5", "("])).map("".join)
)
def test_any_prompt_is_translated(text):
    """Translation takes any text, and leaves one without tags as it is."""
    for family in ("a1111", "comfyui", "diffusers"):
        translated = translate(text, family)
        if not find_networks(text):
            assert translated.prompt == text.strip()


@given(st.text(max_size=40))
def test_any_pack_is_linted(text):
    """Lint never fails, whatever the pack."""
    findings(text.replace("\0", ""))
