"""What a line can be: counts, texts, bindings, and the mistakes it can have."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stablenew.errors import PackError
from stablenew.prompts.choices import Draw
from stablenew.prompts.expansion import ReplaceRule, SlotValues, Vocabulary, expand_line
from stablenew.prompts.space import BalancedSpace
from stablenew.prompts.wildcards import Wildcards, WildcardValues

WILD = Wildcards(
    given={
        "c": WildcardValues(texts=("red", "blue")),
        "nested": WildcardValues(texts=("__c__ hat", "plain {x|y}"), weights=(1.0, 9.0)),
        "loop": WildcardValues(texts=("a __loop__",)),
    }
)
SLOTS = {
    "mood": SlotValues(name="Mood", values=("calm", "wild")),
    "deep": SlotValues(name="deep", values=("[[mood]] sea", "hill")),
    "self": SlotValues(name="self", values=("a [[self]]",)),
    "none": SlotValues(name="none", values=()),
}
VOCABULARY = Vocabulary(slots=SLOTS, wildcards=WILD)


def texts(prompt, negative="", vocabulary=VOCABULARY):
    line = expand_line(prompt, negative, vocabulary)
    space = BalancedSpace([tuple(size for _, size in line.factors)], [])
    made = []
    for k in range(line.count):
        draw = Draw(seed=3)
        made.append((*line.render(space.place(k)[1], draw), dict(draw.bindings)))
    return made


def prompts(prompt, **kwargs):
    return sorted(text for text, *_ in texts(prompt, **kwargs))


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("plain", ["plain"]),
        ("{a|b} {c|d}", ["a c", "a d", "b c", "b d"]),
        ("{a {x|y}|b}", ["a x", "a y", "b"]),
        ("{2$$ and $$a|b|c}", ["a and b", "a and c", "b and a", "b and c", "c and a", "c and b"]),
        ("{0-1$$a|b}", ["", "a", "b"]),
        ("{2$$-$$a|{b|c}}", ["a-b", "a-c", "b-a", "c-a"]),
        ("{2$$__c__}", ["blue, red", "red, blue"]),
        ("__c__ __c__", ["blue blue", "blue red", "red blue", "red red"]),
        ("__nested__", ["blue hat", "plain x", "plain y", "red hat"]),
        ("[[mood]] [[MOOD]]", ["calm calm", "wild wild"]),
        ("[[deep]]", ["calm sea", "hill", "wild sea"]),
        ("{[[mood]] cat|dog}", ["calm cat", "dog", "wild cat"]),
        ("${v=!{a|b}}${v}${v}", ["aa", "bb"]),
        ("${v={a|b}}${v}${v}", ["aa", "ab", "ba", "bb"]),
        ("${w:{a|b}}", ["a", "b"]),
        ("${v=!x}${v?=!y}${v}", ["x"]),
        ("%{a {big|old} ... !$${cat|dog}}", ["a big cat !", "a big dog !", "a old cat !", "a old dog !"]),
        ("%{photo $$cat}", ["photocat"]),
        (r"\[\[x]] 50% $5 a__b", ["[[x]] 50% $5 a__b"]),
    ],
)  # fmt: skip
def test_the_texts_of_a_line(prompt, expected):
    """Each form gives exactly its texts, each once."""
    assert prompts(prompt) == sorted(expected)


def test_bindings_say_which_choice_took_which_value():
    """Slots, wildcards and alternatives are bound by name; a name that comes again gets a number."""
    found = [bindings for *_, bindings in texts("[[mood]] __c__ __c__ {x|y}", "not [[mood]]")]
    assert {tuple(bindings) for bindings in found} == {("Mood", "__c__", "__c__#2", "{x|y}")}
    assert len({tuple(bindings.values()) for bindings in found}) == 16


def test_the_negative_prompt_has_the_same_slot_value():
    """A slot in both prompts has one value."""
    assert sorted(texts("a [[mood]]", "b [[mood]]")) == [
        ("a calm", "b calm", {"Mood": "calm"}),
        ("a wild", "b wild", {"Mood": "wild"}),
    ]


def test_replace_rules_match_whole_words():
    """A rule changes the word wherever it stands alone, with one value in the whole line."""
    vocabulary = Vocabulary(rules=(ReplaceRule(search="cat", values=("dog", "fox")),))
    assert prompts("a Cat, concatenate, {cat|x} cats", vocabulary=vocabulary) == [
        "a dog, concatenate, dog cats",
        "a dog, concatenate, x cats",
        "a fox, concatenate, fox cats",
        "a fox, concatenate, x cats",
    ]


def test_weights_decide_what_is_drawn():
    """In random mode an option nine times as heavy comes about nine times as often, and zero never."""
    vocabulary = Vocabulary(wildcards=WILD, mode="random")
    line = expand_line("{9::a|1::b|0::c}", "", vocabulary)
    assert line.count == 1
    drawn = [line.render((), Draw(seed=seed))[0] for seed in range(1000)]
    assert drawn.count("c") == 0
    assert 60 < drawn.count("b") < 140
    assert {line.render((), Draw(seed=5))[0] for _ in range(5)} == {drawn[5]}


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("[[modo]]", r"did you mean \[\[Mood\]\]"),
        ("__cc__", "no wildcard __cc__"),
        ("__loop__", "used inside itself"),
        ("[[self]]", "used inside itself"),
        ("[[none]]", "no values"),
        ("${v=${v}}${v}", "used inside itself"),
        ("${x}", "has no value"),
        ("".join(f"${{v{i + 1}=${{v{i}}}${{v{i}}}}}" for i in range(30)) + "${v0=x}${v30}", "expands to more"),
    ],
)
def test_what_cannot_be_expanded_says_why(prompt, reason):
    """Missing names have the nearest, and endless or exploding lines end at once with an error."""
    with pytest.raises(PackError, match=reason):
        expand_line(prompt, "", VOCABULARY, where="p.txt", line=4)


PIECES = st.sampled_from(
    [
        "[[mood]]",
        "[[deep]]",
        "__c__",
        "__nested__",
        "{a|b}",
        "{",
        "}",
        "|",
        "2$$",
        "${v=!",
        "${v}",
        "%{",
        "$$",
        "x",
        "~",
        "\\",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=10).map("".join), st.sampled_from(["grid", "random", "sequential", "rotate"]))
def test_any_text_expands_or_is_a_clear_error(text, mode):
    """Every text index of every line renders, or the line is refused; counts agree with the factors."""
    try:
        line = expand_line(text, text, Vocabulary(slots=SLOTS, wildcards=WILD, mode=mode))
    except PackError:
        return
    sizes = tuple(size for _, size in line.factors)
    space = BalancedSpace([sizes], [])
    assert space.count == line.count
    for k in {0, line.count // 2, line.count - 1}:
        line.render(space.place(k)[1], Draw(seed=k, image=1, line_index=2))
