"""Other programs' packs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablenew.config import PipelineConfig
from stablenew.errors import PackError
from stablenew.prompts.pack import read_pack
from stablenew.prompts.pack_formats import parse_a1111, parse_prompt_list, parse_styles, parse_tsv
from stablenew.prompts.randomizer import plan_pack


def test_a1111_lines_bring_their_settings():
    """A line's own seed, size, steps, sampler and model apply to its pictures and to no other's."""
    pack = parse_a1111(
        '--prompt "a red fox" --negative_prompt "blurry" --seed 7 --steps 30 --cfg_scale 4.5 --width 640 '
        '--sampler_name "DPM++ 2M" --sd_model "m"\nplain one\n--prompt several words --n_iter 1 --outpath_grids x',
        name="p",
    )
    first, second, third = plan_pack(PipelineConfig(), pack)
    assert (first.prompt, first.negative_prompt, first.seed) == ("a red fox", "blurry", 7)
    settings = first.config.txt2img
    assert (settings.steps, settings.cfg_scale, settings.width, settings.sampler) == (30, 4.5, 640, "DPM++ 2M")
    assert (first.config.model, second.config.model, second.config.txt2img.steps) == ("m", None, 20)
    assert (second.prompt, third.prompt) == ("plain one", "several words")
    assert "line 3" in pack.notes[0]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('--prompt "a', "quotes"),
        ("--promt a", "did you mean --prompt"),
        ("--steps 20 30", "quote a value"),
        ("--steps 999", "from 1 to 150"),
        ("--steps", "needs a value"),
        ("--batch_size 4 --prompt x", "not something"),
    ],
)
def test_an_a1111_line_that_is_wrong_is_pointed_at(row, reason):
    """Each mistake in a line is an error with the line and what to do."""
    with pytest.raises(PackError, match=reason) as caught:
        parse_a1111(f"ok\n{row}", name="p")
    assert caught.value.line == 2


def test_styles(tmp_path):
    """A style is a line with its name as comment; {prompt} is the slot [[prompt]]."""
    path = tmp_path / "styles.csv"
    path.write_text(
        'name,prompt,negative_prompt\nOil,"oil painting of {prompt}, thick",photo\n,,\n', encoding="utf-8-sig"
    )
    (line,) = read_pack(path).lines
    assert (line.prompt, line.negative_prompt) == ("oil painting of [[prompt]], thick", "photo")
    assert line.comments == ("Oil",)
    with pytest.raises(PackError, match="columns"):
        parse_styles("a,b\n1,2", name="s")


def test_tables_and_lists():
    """A .tsv has prompt and negative, with or without a heading; a list has one prompt a row."""
    for text in ("a fox\tblurry\nb\t", "prompt\tnegative\na fox\tblurry\nb\t"):
        lines = parse_tsv(text, name="t").lines
        assert [(line.prompt, line.negative_prompt) for line in lines] == [("a fox", "blurry"), ("b", "")]
    assert [line.prompt for line in parse_prompt_list("#1 pick\r\n\r\nb\n", name="l").lines] == ["#1 pick", "b"]


def error_of(parse, text):
    try:
        parse(text, name="p")
    except PackError as error:
        return error
    return None


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["--prompt ", "--steps ", '"', "x ", "\n", "\t", ",", "9"])).map("".join)
)
@pytest.mark.parametrize("parse", [parse_a1111, parse_styles, parse_tsv, parse_prompt_list])
def test_any_text_is_a_pack_or_a_clear_error(parse, text):
    """Arbitrary text in any format gives a pack, or an error that names the line."""
    error = error_of(parse, text)
    assert error is None or error.line is not None or "columns" in error.reason
