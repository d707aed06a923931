"""The pack grammar: lossless, its own inverse, and clear about what it cannot read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablenew.errors import NotFound, PackError
from stablenew.prompts.pack import (
    PackLine,
    format_pack,
    make_pack,
    parse_pack,
    read_pack,
    write_pack,
)

TEXT = """\ufeff# the opening\r
a castle on a hill,\r
NEG: blurry\r
sunset\r
neg: lowres\r
   \r
\\# not a comment\r
\\neg: not negative\r
# only a comment\r
"""

ROW = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
ROWS = st.lists(st.sampled_from(["", "neg: x", "NEG:y", "# c", "\\#d", "\\\\neg: e", " f "]) | ROW, max_size=8)


def test_the_grammar():
    """Blocks are prompts; neg rows join with a comma, the others with a space, also after a neg row."""
    pack = parse_pack(TEXT, name="p")
    first, second = pack.lines
    assert (first.prompt, first.negative_prompt) == ("a castle on a hill, sunset", "blurry, lowres")
    assert (first.line_number, first.comments) == (2, ("the opening",))
    assert (second.prompt, second.line_number) == ("# not a comment neg: not negative", 7)
    assert second.comments == ("only a comment",)


@given(ROWS)
def test_a_pack_is_saved_as_it_was_read(rows):
    """Any text comes back from its pack without a change but for line ends, and gives an equal pack again."""
    text = "\r\n".join(rows)
    pack = parse_pack(text, name="p")
    assert format_pack(pack) == text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    assert parse_pack(format_pack(pack), name="p") == pack


PROMPT = st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["#x", "neg: y", "\\#z", "\\\\NEG:w", "a # b"]
)


@given(st.lists(st.tuples(PROMPT, PROMPT, st.lists(PROMPT, max_size=2)), max_size=5))
def test_lines_written_to_a_pack_are_read_back(lines):
    """Whatever prompts, negatives and comments are put into a pack, parsing its text gives them again."""
    lines = [(prompt.strip(), negative.strip(), comments) for prompt, negative, comments in lines]
    made = make_pack(
        [PackLine(line_number=0, prompt=p, negative_prompt=n, comments=tuple(c)) for p, n, c in lines], name="p"
    )
    read = parse_pack(format_pack(made), name="p")
    assert [(line.prompt, line.negative_prompt) for line in read.lines] == [(p, n) for p, n, _ in lines]
    assert [line.line_number for line in read.lines] == [line.line_number for line in made.lines]
    assert (read.pack_id, read.rows) == (made.pack_id, made.rows)


def test_the_id_is_of_the_prompts_alone():
    """Comments, the name and the place of a pack do not change its id; a prompt does."""
    one = parse_pack("# x\na\nneg: b", name="one")
    assert one.pack_id == parse_pack("a\n\n\nneg: b".replace("\n\n\n", "\n"), name="two").pack_id
    assert one.pack_id != parse_pack("a\nneg: c", name="one").pack_id


def error_of(read, path):
    try:
        read(path)
    except PackError as error:
        return error
    return None


@given(st.binary(max_size=60))
def test_any_bytes_give_a_pack_or_an_error_with_its_place(data):
    """A file of arbitrary bytes is read, or refused with line and column."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.txt"
        path.write_bytes(data)
        error = error_of(read_pack, path)
        assert error is None or error.line is not None


def test_bytes_that_are_not_utf8_are_pointed_at(tmp_path):
    """The error names the line and column of the first byte that is not UTF-8."""
    path = tmp_path / "p.txt"
    path.write_bytes("a\né".encode() + b"\xff")
    with pytest.raises(PackError) as caught:
        read_pack(path)
    assert (caught.value.line, caught.value.column) == (2, 2)
    path.write_bytes("a".encode("utf-16"))
    with pytest.raises(PackError, match="UTF-16"):
        read_pack(path)


def test_a_missing_pack_names_the_nearest(tmp_path):
    """A pack that is not there is NotFound, with the name that was probably meant."""
    (tmp_path / "heroes.txt").write_text("a")
    with pytest.raises(NotFound, match=r"heroes\.txt"):
        read_pack(tmp_path / "heros.txt")


def test_saving_keeps_comments(tmp_path):
    """A pack written to disk and read again is the same, comments included."""
    pack = parse_pack(TEXT, name="p")
    write_pack(pack, tmp_path / "p.txt")
    again = read_pack(tmp_path / "p.txt")
    assert (again.rows, again.lines) == (pack.rows, pack.lines)
