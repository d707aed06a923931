"""Names of samplers, schedulers and files: ours and ComfyUI's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablenew.backends.comfyui.names import our_sampler, our_scheduler, split_joined, their_sampler, their_scheduler
from stablenew.backends.comfyui.objects import decode_object_info
from stablenew.backends.comfyui.prompt import Lora, mark_embeddings, match_file, take_loras
from stablenew.errors import InvalidSetting, UnknownChoice
from stablenew.testing.stub_comfy_graph import Files, object_info

CLASSES = decode_object_info(object_info(Files()))
SAMPLERS = CLASSES.choices("KSampler", "sampler_name")
SCHEDULERS = CLASSES.choices("KSampler", "scheduler")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Euler a", "euler_ancestral"),
        ("DPM++ 2M", "dpmpp_2m"),
        ("DPM++ 2S a", "dpmpp_2s_ancestral"),
        ("UniPC", "uni_pc"),
    ],
)
def test_known_samplers(ours: str, theirs: str) -> None:
    """The names people know lead to ComfyUI's, and back."""
    assert their_sampler(ours, SAMPLERS, "x") == theirs
    assert our_sampler(theirs) == ours


@pytest.mark.parametrize("theirs", SAMPLERS)
def test_every_sampler_goes_there_and_back(theirs: str) -> None:
    """Every sampler of the server has a name of ours that leads back to it, and its own name works as well."""
    assert their_sampler(our_sampler(theirs), SAMPLERS, "x") == theirs
    assert their_sampler(theirs, SAMPLERS, "x") == theirs


@pytest.mark.parametrize("theirs", SCHEDULERS)
def test_every_scheduler_goes_there_and_back(theirs: str) -> None:
    """Every scheduler of the server has a name of ours that leads back to it, and its own name works as well."""
    assert their_scheduler(our_scheduler(theirs), "euler", SCHEDULERS, "x") == theirs
    assert their_scheduler(theirs, "euler", SCHEDULERS, "x") == theirs


@pytest.mark.parametrize(
    ("sampler", "schedule"), [("euler", "normal"), ("dpmpp_2m", "karras"), ("dpmpp_3m_sde", "exponential")]
)
def test_automatic_is_what_the_webui_takes(sampler: str, schedule: str) -> None:
    """Automatic leads to the schedule the WebUI has behind it for that sampler."""
    assert their_scheduler("Automatic", sampler, SCHEDULERS, "x") == schedule


@pytest.mark.parametrize(("wrong", "nearest"), [("Euler ax", "Euler a"), ("DPM++ 2MM", "DPM++ 2M"), ("DDIN", "DDIM")])
def test_unknown_sampler_names_the_nearest(wrong: str, nearest: str) -> None:
    """A sampler that does not exist is refused in our names."""
    with pytest.raises(UnknownChoice) as refused:
        their_sampler(wrong, SAMPLERS, "x")
    assert refused.value.nearest == nearest


@pytest.mark.parametrize(
    ("sampler", "scheduler", "split"),
    [
        ("DPM++ 2M Karras", "Automatic", ("DPM++ 2M", "Karras")),
        ("dpm++ 2m sde exponential", "automatic", ("dpm++ 2m sde", "Exponential")),
        ("DPM++ 2M Karras", "Beta", ("DPM++ 2M Karras", "Beta")),
        ("Euler a", "Automatic", ("Euler a", "Automatic")),
        ("Karras", "Automatic", ("Karras", "Automatic")),
        ("Nope Karras", "Automatic", ("Nope Karras", "Automatic")),
    ],
)
def test_old_joined_names_are_taken_apart(sampler: str, scheduler: str, split: tuple[str, str]) -> None:
    """A joined name is two where the first is a sampler and no other schedule is named; else it stays as it is."""
    assert split_joined(sampler, scheduler) == split


def test_a_sampler_this_server_lacks_is_refused() -> None:
    """A name we know is refused all the same when the server does not list it."""
    with pytest.raises(UnknownChoice):
        their_sampler("DPM++ 2M", ("euler",), "x")


FILES = ("sd15/Dream.safetensors", "sdxl\\base.safetensors", "plain.ckpt", "a/same.pt", "b/same.pt")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("sd15/Dream.safetensors", FILES[0]),
        ("dream", FILES[0]),
        ("Dream.safetensors [0123456789]", FILES[0]),
        ("sdxl/base.safetensors", FILES[1]),
        ("base", FILES[1]),
        ("plain", FILES[2]),
        ("a/same", FILES[3]),
    ],
)
def test_files_are_found_by_path_name_stem_and_title(name: str, file: str) -> None:
    """A file is found by its path, its name, either without extension, in any case, and by the WebUI's title."""
    assert match_file(name, FILES, backend="x", kind="model") == file


@pytest.mark.parametrize("name", ["same", "same.pt", "drea", ""])
def test_a_name_that_fits_none_or_two_files_is_refused(name: str) -> None:
    """Neither no file nor two are guessed between."""
    with pytest.raises(UnknownChoice):
        match_file(name, FILES, backend="x", kind="model")


@pytest.mark.parametrize(
    ("prompt", "rest", "loras"),
    [
        ("a <lora:x:0.5> cat", "a  cat", [Lora(name="x", strength=0.5, text_strength=0.5)]),
        ("<lora:x>", "", [Lora(name="x")]),
        ("<LoRA:x:0.2:0.9>", "", [Lora(name="x", text_strength=0.2, strength=0.9)]),
        ("<lora:x:te=0.1:unet=-2>", "", [Lora(name="x", text_strength=0.1, strength=-2.0)]),
        ("<lora:x:1><lyco:y:2>", "", [Lora(name="x"), Lora(name="y", strength=2.0, text_strength=2.0)]),
        ("a < b > c", "a < b > c", []),
    ],
)
def test_lora_tags_are_taken_out(prompt: str, rest: str, loras: list[Lora]) -> None:
    """Lora tags leave the prompt with their strengths; nothing else does."""
    assert take_loras(prompt) == (rest, tuple(loras))


@pytest.mark.parametrize("tag", ["<lora:x:strong>", "<lora::1>", "<lora:x:nan>", "<lora:x:1e9>", "<hypernet:x:1>"])
def test_lora_tags_that_cannot_be_done_are_refused(tag: str) -> None:
    """A tag that would be lost or break the server is an error that quotes it."""
    with pytest.raises(InvalidSetting, match="lora:NAME:STRENGTH"):
        take_loras(tag)


@pytest.mark.parametrize(
    ("prompt", "marked"),
    [
        ("a BadHands b", "a embedding:badhands b"),
        ("(badhands:1.2)", "(embedding:badhands:1.2)"),
        ("embedding:badhands", "embedding:badhands"),
        ("mybadhands, badhands2", "mybadhands, badhands2"),
        ("badhands-v2", "embedding:badhands-v2"),
    ],
)
def test_embeddings_get_their_prefix(prompt: str, marked: str) -> None:
    """A bare name of an embedding is marked, the longest that fits; parts of words and marked ones are left alone."""
    assert mark_embeddings(prompt, ("badhands", "badhands-v2")) == marked


@given(st.text(), st.lists(st.text(), max_size=4))
def test_no_prompt_breaks_the_reading(prompt: str, names: list[str]) -> None:
    """Any text is either read or refused as a setting."""
    try:
        rest, _ = take_loras(prompt)
    except InvalidSetting:
        return
    mark_embeddings(rest, names)
