"""Axes and skip rules as a person types them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablenew.errors import InvalidSetting
from stablenew.prompts.axes import axis_from_dict, axis_to_dict, parse_axis, parse_linked, parse_skip


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("cfg_scale=3,5,7", "txt2img.cfg_scale", [3.0, 5.0, 7.0]),
        ("steps=10..40:10", "txt2img.steps", [10, 20, 30, 40]),
        ("steps=3..1", "txt2img.steps", [3, 2, 1]),
        ("cfg=1..2:0.1", "txt2img.cfg_scale", [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0]),
        ('sampler="Euler a","x, y"', "txt2img.sampler", ["Euler a", "x, y"]),
        ("img2img.denoise=0.2,0.4", "img2img.denoise", [0.2, 0.4]),
        ("[[My Mood]]=calm, stormy", "mymood", ["calm", "stormy"]),
        ("seed=1..3", "seed", [1, 2, 3]),
        ("line=1,4", "line", [1, 4]),
        ("lora=none,ink:0.8", "lora", ["none", "ink:0.8"]),
        ('stages="txt2img,upscale",txt2img', "stages", [("txt2img", "upscale"), ("txt2img",)]),
    ],
)
def test_an_axis_as_typed(text, name, values):
    """Names resolve as settings do, ranges are exact decimals, quotes hold commas."""
    axis = parse_axis(text)
    assert axis.names == (name,)
    assert [row[0] for row in axis.values] == values
    assert axis_from_dict(axis_to_dict(axis)) == axis


@pytest.mark.parametrize(
    "text",
    ["", "steps", "steps=", "steps=1,,2", "steps=0", "steps=1..5:0", "steps=1..5:-1", "cfg=1..5", "steps=1..9999999",
     "stpes=1", "steps=5,5", 'sampler="a', "seed=x", "seed=-1", "images_per_prompt=2", "cfg=1..2..3", "steps>3"],
)  # fmt: skip
def test_an_axis_that_is_wrong_says_so(text):
    """What cannot be an axis is an InvalidSetting with what is allowed."""
    with pytest.raises(InvalidSetting):
        parse_axis(text)


def test_linked_axes_move_together():
    """Each value of one stands with one of the other; unlike numbers of values are refused."""
    axis = parse_linked("width=512,768 height=768,512")
    assert axis.values == ((512, 768), (768, 512))
    with pytest.raises(InvalidSetting, match="as many"):
        parse_linked("width=512,768 height=512")
    assert parse_linked("sampler=Euler a,DDIM [[x y]]=1,2").values == (("Euler a", "1"), ("DDIM", "2"))


def test_skip_rules():
    """Conditions join with and; what nothing varies is refused with the nearest name."""
    axes = [parse_axis("sampler=Euler a,DDIM"), parse_axis("steps=10,20")]
    rule = parse_skip("sampler=Euler a,steps<15", axes)
    assert [(c.name, c.sign, c.value) for c in rule.conditions] == [
        ("txt2img.sampler", "=", "Euler a"),
        ("txt2img.steps", "<", 15),
    ]
    with pytest.raises(InvalidSetting, match="that the plan varies"):
        parse_skip("cfg_scale>3", axes)


@given(
    st.text(max_size=30) | st.lists(st.sampled_from([*"=,.:'\"<>![]139", "steps", "..", "seed", "[[a]]"])).map("".join)
)
def test_any_text_is_an_axis_or_a_clear_error(text):
    """Arbitrary text gives an axis, or an InvalidSetting: never a traceback, a hang or a huge list."""
    for parse in (parse_axis, parse_linked, parse_skip):
        try:
            parse(text)
        except InvalidSetting:
            continue
