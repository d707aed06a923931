from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.learning.importing import pictures

from stablenew.backends.comfyui.names import our_sampler as comfy_sampler
from stablenew.backends.comfyui.names import our_scheduler as comfy_scheduler
from stablenew.learning.importing.found import SAMPLERS, SCHEDULERS, Found
from stablenew.learning.importing.image_texts import read_image_texts
from stablenew.learning.importing.read_picture import read_settings
from stablenew.variant import EffectiveSettings


def read(path: Path) -> Found:
    found = read_settings(read_image_texts(path, path.stat().st_size).texts)
    assert found is not None
    return found


def first(found: Found) -> EffectiveSettings:
    return found.stages[0].settings


@pytest.mark.parametrize("tool", sorted(pictures.tool_texts()))
def test_every_tool_is_recognised_by_its_own_picture(tool: str, tmp_path: Path) -> None:
    """The tool is named, and prompt, seed, sampler, steps, guidance and size are what its picture says."""
    found = read(pictures.write_png(tmp_path / "x.png", pictures.tool_texts()[tool]))
    assert found.tool == tool
    expected: dict[str, tuple[Any, ...]] = {
        "a1111": ("a cat, (masterpiece:1.2)", "blurry", 1234567890, "DPM++ 2M", "Karras", 28, 6.5, (512, 768)),
        "comfyui": ("a cat, a hat", "blurry", 42, "DPM++ 2M", "Karras", 25, 7.5, (512, 768)),
        "swarmui": ("a swan", "ugly", 99, "DPM++ 2M SDE", "Karras", 22, 6.0, (1024, 768)),
        "invokeai": ("a swing", "dark", 77, "DPM++ 2M", "Karras", 31, 5.5, (832, 1216)),
        "fooocus": ("a lamp", "", 1234, "dpmpp_2m_sde_gpu", "Karras", 30, 4.0, (1152, 896)),
        "novelai": ("a girl\nred hair", "lowres", 555, "Euler a", "Karras", 28, 5.0, (832, 1216)),
    }
    expected |= {"forge": expected["a1111"], "sdnext": expected["a1111"]}
    said = first(found)
    size = (said.width, said.height)
    words = (found.prompt, found.negative_prompt, found.seed)
    assert (*words, said.sampler, said.scheduler, said.steps, said.cfg_scale, size) == expected[tool]


def test_versions_and_models_are_named(tmp_path: Path) -> None:
    """Each tool's own word for its version, and models without folder and file suffix."""
    found = {
        tool: read(pictures.write_png(tmp_path / f"{tool}.png", texts)) for tool, texts in pictures.tool_texts().items()
    }
    assert {tool: each.version for tool, each in found.items() if each.version} == {
        "a1111": "v1.10.1",
        "forge": "f2.0.1v1.10.1-previous-664-gd557aef9",
        "sdnext": "ab12cd3",
        "swarmui": "0.9.6.2",
        "invokeai": "5.6.0",
        "fooocus": "v2.5.5",
        "novelai": "NovelAI Diffusion V4 4F49EC75",
    }
    assert {tool: first(each).model for tool, each in found.items()} == {
        "a1111": "ponyXL",
        "forge": "ponyXL",
        "sdnext": "ponyXL",
        "comfyui": "dream",
        "swarmui": "sd_xl_base_1.0",
        "invokeai": "Juggernaut XL",
        "fooocus": "juggernautXL_v8Rundiffusion",
        "novelai": "NovelAI Diffusion V4 4F49EC75",
    }


def test_what_has_no_field_of_its_own_is_kept(tmp_path: Path) -> None:
    """Hires settings under our names, unknown keys verbatim: a hash stays text even if it looks like a number."""
    extra = first(read(pictures.write_png(tmp_path / "x.png", {"parameters": pictures.A1111}))).extra
    assert extra["hires_scale"] == 1.5
    assert extra["hires_upscaler"] == "4x-UltraSharp"
    assert extra["hires_denoise"] == 0.4
    assert extra["VAE hash"] == "0123456789"
    assert extra["Lora hashes"] == "detail: 7c6bad76eb54"


def test_denoising_without_hires_is_a_picture_painted_over(tmp_path: Path) -> None:
    """A1111 writes the strength of img2img without any Hires key."""
    text = "p\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 8x8, Denoising strength: 0.6"
    found = read(pictures.write_png(tmp_path / "x.png", {"parameters": text}))
    assert (found.stages[0].stage, first(found).denoise) == ("img2img", 0.6)


def test_old_joined_sampler_names_come_apart(tmp_path: Path) -> None:
    """Before v1.9 the schedule was part of the sampler's name."""
    text = "p\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1"
    said = first(read(pictures.write_png(tmp_path / "x.png", {"parameters": text})))
    assert (said.sampler, said.scheduler) == ("DPM++ 2M", "Karras")


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif"])
def test_the_text_is_found_in_exif_too(suffix: str, tmp_path: Path) -> None:
    """JPEG, WebP and AVIF carry it as an Exif comment, in UTF-16 as piexif writes it."""
    text = pictures.A1111.replace("a cat", "猫 ★")
    path = pictures.write_other(tmp_path / f"x.{suffix}", pictures.exif_bytes(comment=text))
    found = read(path)
    assert found.prompt == "猫 ★, (masterpiece:1.2)"
    assert found.seed == 1234567890
    texts = read_image_texts(path, path.stat().st_size)
    assert (texts.width, texts.height) == (16, 24)


def test_comfyui_writes_webp_into_make_and_model(tmp_path: Path) -> None:
    """Its WebP nodes put the graph into Exif fields behind their names."""
    tags = {0x010F: "workflow:{}", 0x0110: "prompt:" + json.dumps(pictures.comfy_simple())}
    assert read(pictures.write_other(tmp_path / "x.webp", pictures.exif_bytes(tags=tags))).prompt == "a cat, a hat"


def test_comfyui_custom_sampling_is_followed(tmp_path: Path) -> None:
    """Noise, guider, sampler, sigmas and model each stand in a node of their own."""
    found = read(pictures.write_png(tmp_path / "x.png", {"prompt": json.dumps(pictures.comfy_flux())}))
    said = first(found)
    assert (found.prompt, found.negative_prompt, found.seed) == ("a fox", "", 219670278747233)
    assert (said.sampler, said.scheduler, said.steps, said.cfg_scale) == ("Euler", "Simple", 20, None)
    assert (said.model, said.vae, said.width) == ("flux1-dev", "ae", 1024)
    assert said.extra == {"guidance": 3.5}


def test_comfyui_second_pass_is_a_stage_of_its_own(tmp_path: Path) -> None:
    """The first sampler is txt2img, the second paints over; ControlNet's sides are not mixed up."""
    found = read(pictures.write_png(tmp_path / "x.png", {"prompt": json.dumps(pictures.comfy_hires())}))
    assert [stage.stage for stage in found.stages] == ["txt2img", "img2img"]
    second = found.stages[1].settings
    assert (second.sampler, second.steps, second.denoise) == ("Euler a", 12, 0.5)
    assert first(found).steps == 25
    assert (found.prompt, found.negative_prompt, found.seed) == ("a cat, a hat", "blurry", 42)
    assert first(found).extra == {"loras": "detail:0.6"}


def test_old_invokeai_pictures_are_read(tmp_path: Path) -> None:
    """Version 2's sd-metadata and version 1's command line; unwanted words stand in brackets."""
    two = read(pictures.write_png(tmp_path / "2.png", {"sd-metadata": json.dumps(pictures.INVOKE_2)}))
    assert (two.prompt, two.negative_prompt, first(two).sampler) == ("a barn", "fog, rain", "Euler a")
    line = '"a barn [fog]" -s 50 -S 123 -W 512 -H 448 -C 7.5 -A k_lms'
    one = read(pictures.write_png(tmp_path / "1.png", {"Dream": line}))
    assert (one.prompt, one.negative_prompt, one.seed) == ("a barn", "fog", 123)
    assert (first(one).steps, first(one).height, first(one).sampler) == (50, 448, "LMS")


def test_fooocus_in_the_scheme_of_a1111_is_still_fooocus(tmp_path: Path) -> None:
    """Its second scheme writes A1111's text with its own name as the version."""
    text = pictures.A1111.replace("v1.10.1", "Fooocus v2.5.5")
    assert read(pictures.write_png(tmp_path / "x.png", {"parameters": text})).tool == "fooocus"


def test_a_picture_without_settings_is_none() -> None:
    """A photo's comment, a bare workflow, or someone's JSON is no generated picture."""
    for texts in (
        {},
        {"Comment": "holiday"},
        {"workflow": "{}"},
        {"parameters": "{}"},
        {"prompt": '{"1": {"inputs": {}}}'},
    ):
        assert read_settings(texts) is None


def test_names_agree_with_the_comfyui_backend() -> None:
    """A sampler has the same name whether we ran it or found it, so that evidence groups."""
    for theirs, ours in SAMPLERS.items():
        assert comfy_sampler(theirs) == ours
    for theirs, ours in SCHEDULERS.items():
        assert comfy_scheduler(theirs) == ours


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_known = st.sampled_from(
    ["inputs", "class_type", "model", "positive", "negative", "steps", "cfg", "seed", "latent_image", "image",
     "sui_image_params", "prompt", "v4_prompt", "caption", "char_captions", "base_model", "resolution", "1", "2"]
)  # fmt: skip
_objects = st.recursive(_json, lambda inner: st.dictionaries(_known, inner, max_size=6), max_leaves=20)


@given(
    value=_objects,
    key=st.sampled_from(
        ["parameters", "prompt", "invokeai_metadata", "sd-metadata", "Comment", "UserComment", "Dream"]
    ),
)
def test_no_shape_of_json_breaks_a_reader(value: object, key: str) -> None:
    """Whatever stands where, the readers give settings or none, never an error."""
    read_settings({key: json.dumps(value), "Software": "NovelAI"})
