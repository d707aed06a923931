"""What is written into pictures, and that nothing else in them changes."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from stablenew.pipeline.image_metadata import (
    compose_infotext,
    encode_png,
    image_suffix,
    insert_texts,
    record_chunk,
)
from stablenew.variant import EffectiveSettings
from tests.makers import make_config, make_variants

ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=200)
KEYWORDS = st.sampled_from(["parameters", "stablenew", "note"])
USED = EffectiveSettings(
    model="tiny",
    model_hash="0123abcdef",
    sampler="Euler a",
    scheduler="Karras",
    cfg_scale=7.0,
    steps=20,
    width=64,
    height=96,
)


def png(texts: dict[str, str] | None = None) -> bytes:
    info = PngImagePlugin.PngInfo()
    for keyword, text in (texts or {}).items():
        info.add_text(keyword, text)
    buffer = io.BytesIO()
    Image.effect_noise((24, 16), 90).convert("RGB").save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def texts_in(data: bytes) -> dict[str, str]:
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        return dict(opened.text)  # type: ignore[attr-defined]


def test_the_parameters_text_is_what_a1111_readers_expect() -> None:
    """Prompt, negative prompt, one line of settings in A1111's order."""
    variant = make_variants(make_config(), 1)[0]
    assert compose_infotext(variant, USED, 42, "1.0").splitlines() == [
        "a cat on a wall",
        "Negative prompt: blurry",
        "Steps: 20, Sampler: Euler a, Schedule type: Karras, CFG scale: 7, Seed: 42, Size: 64x96, "
        "Model hash: 0123abcdef, Model: tiny, Version: StableNew 1.0",
    ]


def test_values_that_would_break_the_line_are_quoted() -> None:
    """A model called "a, b: c" is one value to a reader."""
    variant = make_variants(make_config(), 1)[0]
    text = compose_infotext(variant, EffectiveSettings(model="a, b: c"), 1, "1.0")
    assert 'Model: "a, b: c"' in text


@given(st.dictionaries(KEYWORDS, ANY_TEXT, min_size=1))
def test_inserted_text_is_read_back_and_the_picture_stays_the_same(texts: dict[str, str]) -> None:
    """Any text, Latin or not, comes back from Pillow; every byte that was there before still is."""
    before = png({"prompt": "{}"})
    after = insert_texts(before, texts)
    assert texts_in(after) == {"prompt": "{}", **texts}
    assert after.startswith(before[:33])
    assert after.endswith(before[33:])


def test_bytes_that_are_no_png_are_left_alone() -> None:
    """A JPEG from a server stays byte for byte what it was."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    assert insert_texts(buffer.getvalue(), {"stablenew": "x"}) == buffer.getvalue()


def test_encoded_pixels_carry_their_texts() -> None:
    """Pixels of our own become a PNG with both chunks."""
    data = encode_png(Image.new("RGB", (8, 8), "red"), {"parameters": "p", "stablenew": record_chunk("r1", "run")})
    assert texts_in(data)["parameters"] == "p"
    assert json.loads(texts_in(data)["stablenew"]) == {"record_id": "r1", "run_id": "run"}


@pytest.mark.parametrize(("form", "suffix"), [("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp"), ("GIF", ".bin")])
def test_the_suffix_follows_the_bytes(form: str, suffix: str) -> None:
    """Files are named by what they are, not by what was asked."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, form)
    assert image_suffix(buffer.getvalue()) == suffix
