"""Where the grammar is that of sd-dynamic-prompts, the texts are too; and its traps are not ours."""

import pytest

from stablenew.config import PipelineConfig
from stablenew.errors import PackError
from stablenew.prompts.pack import parse_pack
from stablenew.prompts.randomizer import make_plan
from stablenew.prompts.wildcards import Wildcards, WildcardValues

dynamicprompts = pytest.importorskip("dynamicprompts.generators")

VALUES = {"c": ["blue sky", "red sea"], "n": ["__c__ hat", "bare"], "style": ["oops"]}
SAME = [
    "plain text, (with:1.2) [brackets]",
    "a {cat|dog} and {red|blue|green} hat",
    "{a {x|y}|b}",
    "{2$$ and $$a|b|c}",
    "{1-2$$ + $$a|b}",
    "{0-1$$a|b} end",
    "__c__ over __c__",
    "__n__",
    "{2$$ & $$__c__}",
    "${v:none} x",
    "{3::a|b} c",
]


def theirs(template):
    from dynamicprompts.wildcards import WildcardManager

    manager = WildcardManager(root_map={"": [dict(VALUES)]})
    return dynamicprompts.CombinatorialPromptGenerator(manager).generate(template, 1000)


def ours(template):
    given = {name: WildcardValues(texts=tuple(values)) for name, values in VALUES.items()}
    lines = parse_pack(template, name="p").prompt_lines()
    return [variant.prompt for variant in make_plan(PipelineConfig(), lines, wildcards=Wildcards(given=given))]


@pytest.mark.parametrize("template", SAME)
def test_the_same_texts(template):
    """Every text of their grid is in ours, and the other way round."""
    squeezed = [" ".join(text.split()) for text in ours(template)]
    assert sorted(squeezed) == sorted(" ".join(text.split()) for text in theirs(template))


@pytest.mark.parametrize("template", ["50% off for $5", "100%{a|b}", "<lora:my__style__x:0.8> cat"])
def test_their_traps_are_plain_text_here(template):
    """A bare % or $ and the __ inside a lora's name do not break a prompt, as they do there."""
    assert ours(template)[0].startswith(template[:4])
    try:
        broken = theirs(template)
    except Exception:  # noqa: BLE001 - whatever their parser raises
        return
    assert broken[0] != ours(template)[0]


def test_a_variable_chosen_once_is_crossed_here():
    """Their grid keeps the first value of `${v=!...}`; ours has a text for each."""
    template = "${v=!{a|b}}first ${v} then ${v}"
    assert theirs(template) == ["first a then a"]
    assert ours(template) == ["first a then a", "first b then b"]


def test_a_missing_wildcard_is_an_error_here():
    """Theirs repeats the wildcard's name as a prompt; ours stops with the nearest name."""
    assert theirs("__missing__")[0] == "__missing__"
    with pytest.raises(PackError, match="no wildcard __missing__"):
        ours("__missing__")
