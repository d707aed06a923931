"""A person's own workflow: mapped, validated with node and input named, and sent with our values in it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablenew.backends.comfyui.backend import ComfyBackend
from stablenew.backends.comfyui.mapping import map_workflow
from stablenew.backends.comfyui.objects import decode_object_info
from stablenew.backends.comfyui.workflow import parse_workflow, validate_workflow
from stablenew.errors import InvalidSetting, NotFound, StableNewError, UnknownChoice
from stablenew.testing.stub_comfy import StubComfy
from stablenew.testing.stub_comfy_graph import Files, object_info
from tests.backends.comfy_requests import img2img, open_comfy, picture, sent_graph, txt2img, upscale

CLASSES = decode_object_info(object_info(Files()))


def graph() -> dict[str, Any]:
    """The workflow everybody starts with, as the editor exports it."""
    return {
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "seed": 1,
                "steps": 2,
                "cfg": 7.0,
                "sampler_name": "euler",
                "scheduler": "normal",
                "denoise": 1.0,
                "model": ["4", 0],
                "positive": ["6", 0],
                "negative": ["7", 0],
                "latent_image": ["5", 0],
            },
            "_meta": {"title": "KSampler"},
        },
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "stub-model.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 128, "height": 128, "batch_size": 1}},
        "6": {
            "class_type": "CLIPTextEncode",
            "inputs": {"text": "x", "clip": ["4", 1]},
            "_meta": {"title": "What to see"},
        },
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "y", "clip": ["4", 1]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "mine"}},
    }


@pytest.fixture(scope="module")
def stub() -> Iterator[StubComfy]:
    with StubComfy() as running:
        yield running


class Flow:
    """Writes workflow files and opens backends on them."""

    def __init__(self, stub: StubComfy, folder: Path) -> None:
        self.stub, self.folder = stub, folder
        self.opened: list[ComfyBackend] = []

    def __call__(
        self, nodes: object, mapping: dict[str, Any] | None = None, stage: str = "txt2img", **settings: Any
    ) -> ComfyBackend:
        (self.folder / "flow.json").write_text(nodes if isinstance(nodes, str) else json.dumps(nodes))
        workflows = {stage: {"file": "flow.json", "mapping": mapping or {}}}
        backend = open_comfy(self.stub, workspace=self.folder, workflows=workflows, **settings)
        self.opened.append(backend)
        return backend


@pytest.fixture
def flow(stub: StubComfy, tmp_path: Path) -> Iterator[Flow]:
    maker = Flow(stub, tmp_path)
    yield maker
    for backend in maker.opened:
        backend.close()


def test_a_plain_workflow_needs_no_mapping(stub: StubComfy, flow: Flow) -> None:
    """Where only one input fits, it is found: everything asked for arrives and is recorded."""
    made = picture(flow(graph()), txt2img(5, sampler="DPM++ 2M", steps=4, cfg_scale=3.0, prompt="a stub-embed cat"))
    sent = sent_graph(stub)
    wanted = {"seed": 5, "steps": 4, "cfg": 3.0, "sampler_name": "dpmpp_2m", "scheduler": "karras"}
    assert wanted.items() <= sent["KSampler"][0].items()
    assert [each["text"] for each in sent["CLIPTextEncode"]] == ["a embedding:stub-embed cat", "blurry"]
    assert sent["SaveImage"][0]["filename_prefix"].startswith("stablenew/")
    done = made.effective
    assert (done.sampler, done.scheduler, done.steps, done.cfg_scale) == ("DPM++ 2M", "Karras", 4, 3.0)
    assert (made.width, made.height) == (64, 64)
    assert done.extra["workflow"] == "flow.json"
    assert made.deviations == ()


def test_a_mapping_by_title_and_to_several_inputs(stub: StubComfy, flow: Flow) -> None:
    """A node is named by id, title or class; one setting may go to several inputs."""
    nodes = graph()
    nodes["10"] = {"class_type": "EmptyLatentImage", "inputs": {"width": 8, "height": 64, "batch_size": 1}}
    mapping = {"prompt": ["What to see.text", "7.text"], "width": ["5.width", "10.width"], "height": "5.height"}
    mapping |= {"negative_prompt": "ignore", "steps": "KSampler.steps"}
    picture(flow(nodes, mapping), txt2img(prompt="both"))
    assert [each["text"] for each in sent_graph(stub)["CLIPTextEncode"]] == ["both", "both"]
    assert [each["width"] for each in sent_graph(stub)["EmptyLatentImage"]] == [64, 64]


def test_an_ignored_setting_is_recorded_as_the_workflow_has_it(flow: Flow) -> None:
    """What the person keeps from us is stated as the workflow's own value, and as a deviation when asked otherwise."""
    made = picture(flow(graph(), {"steps": "ignore", "cfg_scale": "ignore"}), txt2img(steps=9))
    assert (made.effective.steps, made.effective.cfg_scale) == (2, 7.0)
    assert [(each.setting, each.asked, each.done) for each in made.deviations] == [("steps", 9, 2)]


def test_what_the_workflow_decides_is_not_recorded_as_asked(flow: Flow) -> None:
    """Settings without a single place in the workflow are named as unused; files it loads itself are stated."""
    nodes = graph()
    nodes["13"] = {"class_type": "KSampler", "inputs": {**nodes["3"]["inputs"], "steps": 5, "latent_image": ["3", 0]}}
    nodes["8"]["inputs"]["samples"] = ["13", 0]
    done = picture(flow(nodes), txt2img(steps=20)).effective
    assert (done.steps, done.model) == (None, "stub-model.safetensors")
    assert {"steps", "cfg_scale", "sampler", "scheduler", "clip_skip"} <= set(done.unused)
    assert "model" not in done.unused


def test_a_preview_node_is_saved_instead(stub: StubComfy, flow: Flow) -> None:
    """A workflow that only shows its picture gets a saving node, so that every job has a file of its own."""
    nodes = graph()
    nodes["9"] = {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}}
    backend = flow(nodes)
    first, second = picture(backend, txt2img(1)), picture(backend, txt2img(1))
    assert first.width == second.width == 64
    assert "PreviewImage" not in sent_graph(stub)


def test_img2img_with_a_workflow(stub: StubComfy, flow: Flow) -> None:
    """The start picture goes into the node that loads one."""
    nodes = graph()
    nodes["10"] = {"class_type": "LoadImage", "inputs": {"image": "whatever.png"}}
    nodes["5"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["10", 0], "vae": ["4", 2]}}
    made = picture(flow(nodes, stage="img2img"), img2img(denoise=0.4))
    assert sent_graph(stub)["LoadImage"][0]["image"].startswith("stablenew/")
    assert sent_graph(stub)["KSampler"][0]["denoise"] == 0.4
    assert made.effective.denoise == 0.4


def _upscale_flow() -> dict[str, Any]:
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "whatever.png"}},
        "2": {"class_type": "UpscaleModelLoader", "inputs": {"model_name": "Stub-2x.pth"}},
        "3": {"class_type": "ImageUpscaleWithModel", "inputs": {"upscale_model": ["2", 0], "image": ["1", 0]}},
        "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}},
    }


def test_upscaling_with_a_workflow_needs_no_prompt(flow: Flow) -> None:
    """A workflow that only makes larger takes picture and upscaler; a size it does not reach is a deviation."""
    backend = flow(_upscale_flow(), stage="upscale")
    made = picture(backend, upscale("upscaler", "Stub-2x"))
    assert (made.width, made.effective.upscaler, made.deviations) == (128, "Stub-2x.pth", ())
    far = dataclasses.replace(upscale("upscaler", "Stub-2x"), width=256)
    assert [(each.setting, each.asked, each.done) for each in picture(backend, far).deviations] == [("width", 256, 128)]
    with pytest.raises(UnknownChoice):
        backend.check(upscale("upscaler", "Stub-3x"))


def _without(node: str, *inputs: str) -> dict[str, Any]:
    nodes = graph()
    for name in inputs:
        del nodes[node]["inputs"][name]
    if not inputs:
        del nodes[node]
    return nodes


def _with(node: str, **inputs: Any) -> dict[str, Any]:
    nodes = graph()
    nodes[node]["inputs"] |= inputs
    return nodes


def _second_save() -> dict[str, Any]:
    nodes = graph()
    nodes["12"] = nodes["9"]
    return nodes


def _renamed(node: str, class_type: str) -> dict[str, Any]:
    nodes = graph()
    nodes[node]["class_type"] = class_type
    return nodes


WRONG: dict[str, tuple[Callable[[], Any], dict[str, Any], str]] = {
    "not JSON": (lambda: "{", {}, r"flow\.json.*Export \(API\)"),
    "editor's format": (lambda: {"nodes": [], "links": []}, {}, r"editor's own format.*Export \(API\)"),
    "no nodes": (dict, {}, "no nodes"),
    "not a graph": (lambda: {"3": {"inputs": {}}}, {}, "class_type"),
    "unknown class": (
        lambda: _renamed("3", "KSamplr"),
        {"prompt": "6.text", "seed": "5.width"},
        r"node 3 class_type.*KSampler",
    ),
    "missing input": (lambda: _without("3", "cfg"), {}, r"node 3 \(KSampler\) input cfg.*required"),
    "missing node": (lambda: _without("5"), {}, r"node 3 \(KSampler\) input latent_image.*no node 5"),
    "wrong output": (lambda: _with("8", vae=["4", 7]), {}, r"node 8 \(VAEDecode\) input vae.*it has 3"),
    "wrong type": (lambda: _with("8", vae=["4", 1]), {}, r"node 8 \(VAEDecode\) input vae.*gives CLIP"),
    "value not in list": (lambda: _with("4", ckpt_name="nope"), {"model": "ignore"}, r"node 4 .*ckpt_name.*stub-model"),
    "out of range": (lambda: _with("5", batch_size=0), {}, r"node 5 .*batch_size.*from 1 to 4096"),
    "not a number": (lambda: _with("5", batch_size="x"), {}, r"node 5 .*batch_size.*a number"),
    "two pictures": (_second_save, {}, r"mapping\.output.*node 9 .*node 12"),
    "no picture": (lambda: _without("9"), {}, r"mapping\.output.*SaveImage"),
    "unknown node": (graph, {"prompt": "66.text"}, r"mapping\.prompt.*66\.text.*node 6 "),
    "unknown input": (graph, {"prompt": "6.txt"}, r"mapping\.prompt.*6\.txt.*node 6 .*: text"),
    "no input": (graph, {"prompt": "6"}, r"mapping\.prompt.*NODE\.INPUT"),
    "linked input": (graph, {"prompt": "6.clip"}, r"mapping\.prompt.*STRING.*is CLIP"),
    "wrong kind": (graph, {"seed": "6.text"}, r"mapping\.seed.*INT.*is STRING"),
    "unknown name": (graph, {"promt": "6.text"}, r"promt.*prompt"),
    "ignored prompt": (graph, {"prompt": "ignore"}, r"mapping\.prompt"),
    "unknown output": (graph, {"output": "99"}, r"mapping\.output.*99.*node 9"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_before_anything_is_sent(stub: StubComfy, flow: Flow, case: str) -> None:
    """A workflow or mapping that cannot work is refused by `check`, with node and input."""
    make, mapping, words = WRONG[case]
    before = len(stub.requests)
    with pytest.raises(InvalidSetting, match=words):
        flow(make(), mapping).check(txt2img())
    assert not any(path == "/prompt" for _, path, _ in stub.requests[before:])


def test_a_setting_the_workflow_does_not_take_is_refused(flow: Flow) -> None:
    """What is asked for and goes nowhere is an error, instead of a picture made otherwise."""
    nodes = graph()
    nodes["5"] = {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}}
    nodes["10"] = nodes["5"]
    nodes["3"]["inputs"]["latent_image"] = ["5", 0]
    with pytest.raises(InvalidSetting, match=r"clip_skip.*no input mapped.*mapping\.clip_skip"):
        flow(nodes).check(txt2img(clip_skip=2))
    with pytest.raises(InvalidSetting, match="LoraLoader"):
        flow(nodes).check(txt2img(prompt="a <lora:stub-lora:1> cat"))
    with pytest.raises(UnknownChoice):
        flow(nodes).check(txt2img(model="nope"))


def test_a_workflow_that_is_not_there(stub: StubComfy, tmp_path: Path) -> None:
    """A file that does not exist is named with its folder."""
    backend = open_comfy(stub, workspace=tmp_path, workflows={"txt2img": {"file": "gone.json"}})
    with pytest.raises(NotFound, match=r"workflow 'gone\.json'"):
        backend.check(txt2img())
    backend.close()


def test_positive_and_negative_are_told_apart_through_nodes_between() -> None:
    """The prompt is found behind nodes between encoder and sampler."""
    nodes = graph()
    nodes["20"] = {"class_type": "CLIPSetLastLayer", "inputs": {"clip": ["4", 1], "stop_at_clip_layer": -2}}
    nodes["6"]["inputs"]["clip"] = ["20", 0]
    workflow = parse_workflow(json.dumps(nodes).encode(), where="w")
    found = map_workflow(workflow, {}, CLASSES, needs=("prompt", "seed"))
    assert found.targets["prompt"] == (("6", "text"),)
    assert found.targets["negative_prompt"] == (("7", "text"),)
    assert found.targets["clip_skip"] == (("20", "stop_at_clip_layer"),)


def test_a_workflow_without_a_seed_of_its_own_needs_a_mapping() -> None:
    """Without a place for the seed every picture would be the same: the mapping is asked for."""
    workflow = parse_workflow(json.dumps(_with("3", seed=["4", 0])).encode(), where="w")
    with pytest.raises(InvalidSetting, match=r"mapping\.seed.*that takes the seed"):
        map_workflow(workflow, {}, CLASSES, needs=("prompt", "seed"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@given(
    st.sampled_from(sorted(graph())),
    st.sampled_from(["inputs", "class_type", "_meta"]),
    JSON,
    st.dictionaries(st.sampled_from(["prompt", "seed", "output", "x"]), st.text(max_size=9)),
)
def test_any_spoilt_workflow_is_refused_or_fits(node: str, key: str, value: object, mapping: dict[str, Any]) -> None:
    """Whatever is done to a workflow or a mapping, it is used or refused with an error of ours."""
    nodes = graph()
    nodes[node][key] = value
    try:
        workflow = parse_workflow(json.dumps(nodes).encode(), where="w")
        map_workflow(workflow, mapping, CLASSES, needs=("prompt", "seed"))
        validate_workflow(workflow, CLASSES)
    except StableNewError:
        return
