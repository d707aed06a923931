"""What a server says of its node classes is understood in both encodings, and nonsense is survived."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stablenew.backends.comfyui.objects import COMBO, decode_object_info
from stablenew.testing.stub_comfy_graph import Files, object_info

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
RECORDED: dict[str, Any] = object_info(Files(checkpoints=("b.safetensors", "a.ckpt"), upscale_models=("x2.pth",)))


def test_both_encodings_of_a_list_are_read() -> None:
    """The two encodings one server uses give the same kind of input."""
    classes = decode_object_info(RECORDED)
    assert RECORDED["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] == ["b.safetensors", "a.ckpt"]
    assert classes.choices("CheckpointLoaderSimple", "ckpt_name") == ("b.safetensors", "a.ckpt")
    assert RECORDED["UpscaleModelLoader"]["input"]["required"]["model_name"][0] == "COMBO"
    assert classes.choices("UpscaleModelLoader", "model_name") == ("x2.pth",)


def test_limits_types_and_outputs_are_read() -> None:
    """Ranges, defaults, link types, outputs and output nodes are as the server has them."""
    classes = decode_object_info(RECORDED)
    sampler = classes.get("KSampler")
    assert sampler is not None
    assert (sampler.inputs["steps"].kind, sampler.inputs["steps"].minimum, sampler.inputs["steps"].maximum) == (
        "INT",
        1,
        10_000,
    )
    assert sampler.inputs["sampler_name"].kind == COMBO
    assert not sampler.inputs["model"].is_literal
    assert sampler.outputs == ("LATENT",)
    saver = classes.get("SaveImage")
    assert saver is not None
    assert saver.is_output
    assert not sampler.is_output
    assert classes.default("EmptyLatentImage", "width") == 512
    loader = classes.get("LoadImage")
    assert loader is not None
    assert loader.inputs["image"].upload
    optional = classes.get("DualCLIPLoader")
    assert optional is not None
    assert not optional.inputs["device"].required


def test_what_is_not_there_is_nothing() -> None:
    """A class or input the server lacks has no choices and no default."""
    classes = decode_object_info({})
    assert classes.choices("KSampler", "sampler_name") == ()
    assert classes.default("KSampler", "steps") is None
    assert classes.get("KSampler") is None


@given(JSON)
def test_any_json_is_survived(answer: object) -> None:
    """Whatever a server sends, decoding gives classes."""
    decode_object_info(answer)


@given(st.dictionaries(st.sampled_from(["required", "optional"]), JSON), JSON)
def test_any_class_is_survived(inputs: dict[str, Any], outputs: object) -> None:
    """Whatever a custom node says of itself, the others are still read."""
    classes = decode_object_info({**RECORDED, "Odd": {"input": inputs, "output": outputs}})
    assert "KSampler" in classes
    assert "Odd" in classes
