"""The template grammar: what each form means, and that parsing and formatting undo each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablenew.errors import PackError
from stablenew.prompts.template import (
    Access,
    Assign,
    Choice,
    Option,
    Slot,
    Text,
    Wildcard,
    Wrap,
    escape_text,
    format_template,
    parse_template,
)

PIECES = st.sampled_from(
    [*"{}[]_$%|\\~!@2:=?<>()# ,va\u00e9", "[[", "]]", "__", "$$", "3::", "1-2", "...", "${v", "%{", "{2$$"]  # noqa: RUF005
    + ["[[mood]]", "__x__", "{a|b}", "\\[\\[", "<lora:my__x:1>", "<lora:__x__:1>"]
)
TEXTS = st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=40)


@given(TEXTS)
def test_format_and_parse_undo_each_other(text):
    """Whatever a text parses to is written as a text that parses to the same tree."""
    try:
        tree = parse_template(text)
    except PackError:
        return
    assert parse_template(format_template(tree)) == tree


LITERALS = st.lists(PIECES, max_size=8).map("".join).filter(bool)


@given(LITERALS, LITERALS)
def test_any_literal_text_can_be_written(before, inside):
    """Escaping makes every text literal, alone and inside an alternative."""
    assert parse_template(escape_text(before)) == (Text(before),)
    inside = inside.strip() or "x"
    tree = (Text(before), Choice((Option((Text(inside),)), Option((Text("z"),)))))
    assert parse_template(format_template(tree)) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("[[ Mood ]]", (Slot("Mood"),)),
        (r"\[\[mood]]", (Text("[[mood]]"),)),
        ("__animals/*__", (Wildcard("animals/*"),)),
        ("__~x__", (Wildcard("x", "random"),)),
        ("{a|3::b}", (Choice((Option((Text("a"),)), Option((Text("b"),), 3.0))),)),
        ("{2$$ and $$a|b}", (Choice((Option((Text("a"),)), Option((Text("b"),))), 2, 2, " and "),)),
        ("{9$$a|b}", (Choice((Option((Text("a"),)), Option((Text("b"),))), 2, 2),)),
        ("${v=!x}${v}", (Assign("v", (Text("x"),), True), Access("v"))),
        ("${v:x y}", (Access("v", (Text("x y"),)),)),
        ("%{old ...$$cat}", (Wrap((Text("old ..."),), (Text("cat"),)),)),
        ("50% off, $5, a__b, (x:1.2), [a|b], \\(y\\)", (Text("50% off, $5, a__b, (x:1.2), [a|b], \\(y\\)"),)),
        ("100%{a}", (Text("100%"), Choice((Option((Text("a"),)),)))),
        ("<lora:my__style__x:0.8>", (Text("<lora:my__style__x:0.8>"),)),
        ("<lora:__x__:1>", (Text("<lora:"), Wildcard("x"), Text(":1>"))),
    ],
)
def test_what_each_form_means(text, tree):
    """Each form of the grammar parses to its tree, and what only looks like one stays text."""
    assert parse_template(text) == tree


@pytest.mark.parametrize(("text", "column"), [("a {b|c", 3), ("ab}", 3), ("${v=x", 1), ("%{a$$b", 1), ("x {a|{b}", 3)])
def test_an_unmatched_brace_is_pointed_at(text, column):
    """An unmatched brace is an error with its column and the way to write it literally."""
    with pytest.raises(PackError, match=r"brace|closes nothing") as caught:
        parse_template(text, where="p.txt", line=7)
    assert (caught.value.line, caught.value.column) == (7, column)


def test_deep_nesting_is_an_error_not_a_crash():
    """A hundred thousand open braces give an error at once."""
    with pytest.raises(PackError, match="nested"):
        parse_template("{" * 100_000)
    with pytest.raises(PackError, match="nested"):
        parse_template("%{" * 50_000 + "$$}" * 50_000)
