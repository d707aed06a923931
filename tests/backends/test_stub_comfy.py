"""The stub speaks as ComfyUI 0.10.0 was recorded to speak: order of events, errors, cache, interrupts, uploads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import websocket

from stablenew.testing.stub_comfy import StubComfy


@pytest.fixture
def stub() -> Iterator[StubComfy]:
    with StubComfy() as running:
        yield running


def graph(**sampler: Any) -> dict[str, Any]:
    """A graph as the facts were recorded with."""
    inputs = {
        "seed": 1,
        "steps": 2,
        "cfg": 7.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
        "model": ["4", 0],
        "positive": ["6", 0],
        "negative": ["6", 0],
        "latent_image": ["5", 0],
    }
    return {
        "3": {"class_type": "KSampler", "inputs": inputs | sampler},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "stub-model.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "x", "clip": ["4", 1]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "probe"}},
    }


def post(stub: StubComfy, nodes: dict[str, Any], **more: Any) -> httpx.Response:
    return httpx.post(f"{stub.url}/prompt", json={"prompt": nodes, **more}, trust_env=False)


def events(stub: StubComfy, nodes: dict[str, Any], client_id: str) -> list[tuple[str, Any]]:
    """(type, node) of every event up to the one after the end."""
    socket = websocket.create_connection(stub.url.replace("http", "ws") + f"/ws?clientId={client_id}", timeout=10)
    post(stub, nodes, client_id=client_id)
    seen: list[tuple[str, Any]] = []
    while not seen or seen[-1] != ("executing", None):
        message = json.loads(socket.recv())
        seen.append((message["type"], message["data"].get("node")))
    socket.close()
    return seen


def test_events_of_a_cold_job(stub: StubComfy) -> None:
    """Start, cached nodes, each node, its steps, its output, success, and after that an empty queue and no node."""
    seen = events(stub, graph(), "a")
    assert seen[0] == ("status", None)
    told = [kind for kind, _ in seen if kind != "status"]
    assert told[:2] == ["execution_start", "execution_cached"]
    assert told[-3:] == ["executed", "execution_success", "executing"]
    sampling = seen.index(("executing", "3"))
    assert seen[sampling + 1 : sampling + 4] == [("progress", "3"), ("progress", "3"), ("executing", "8")]
    assert seen[-2:] == [("status", None), ("executing", None)]


def test_events_of_a_job_that_is_cached(stub: StubComfy) -> None:
    """The same graph again: nothing runs, and the old output is told once more."""
    events(stub, graph(), "a")
    told = [kind for kind, _ in events(stub, graph(), "b") if kind != "status"]
    assert told == ["execution_start", "execution_cached", "executed", "execution_success", "executing"]


@pytest.mark.parametrize(
    ("spoil", "error", "node_error"),
    [
        ({"sampler_name": "nope"}, "prompt_outputs_failed_validation", "value_not_in_list"),
        ({"steps": 0}, "prompt_outputs_failed_validation", "value_smaller_than_min"),
        ({"steps": "abc"}, "prompt_outputs_failed_validation", "invalid_input_type"),
        ({"cfg": None}, "prompt_outputs_failed_validation", "required_input_missing"),
        ({"latent_image": ["4", 0]}, "prompt_outputs_failed_validation", "return_type_mismatch"),
    ],
)
def test_refusals(stub: StubComfy, spoil: dict[str, Any], error: str, node_error: str) -> None:
    """A bad input is refused with 400, the node, and the recorded type of error."""
    answer = post(stub, graph(**spoil))
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == error
    (found,) = answer.json()["node_errors"]["3"]["errors"]
    assert found["type"] == node_error
    if node_error == "value_not_in_list":
        assert found["details"] == "sampler_name: 'nope' not in (list of length 44)"


def test_unknown_class_and_no_output(stub: StubComfy) -> None:
    """A class that does not exist and a graph without an end are refused as a whole."""
    unknown = graph() | {"3": {"class_type": "NoSuch", "inputs": {}}}
    assert post(stub, unknown).json()["error"]["details"] == "Node ID '#3'"
    endless = {node_id: node for node_id, node in graph().items() if node_id != "9"}
    assert post(stub, endless).json()["error"]["type"] == "prompt_no_outputs"
    assert httpx.post(f"{stub.url}/prompt", json={}, trust_env=False).json()["error"]["type"] == "no_prompt"


def test_one_bad_branch_of_two_is_accepted(stub: StubComfy) -> None:
    """With two ends and one of them bad the graph is taken with 200, and the bad one silently does not run."""
    nodes = graph() | {"10": {"class_type": "SaveImage", "inputs": {"images": ["99", 0], "filename_prefix": "b"}}}
    answer = post(stub, nodes)
    assert answer.status_code == 200
    assert list(answer.json()["node_errors"]) == ["10"]
    prompt_id = answer.json()["prompt_id"]
    assert stub.wait_until(lambda: bool(stub.get_history(prompt_id)))
    assert list(stub.get_history(prompt_id)[prompt_id]["outputs"]) == ["9"]


def test_our_prompt_id_is_taken(stub: StubComfy) -> None:
    """A given prompt id is used, and a second job under the same id is accepted too."""
    numbers = [post(stub, graph(), prompt_id="mine").json()["number"] for _ in range(2)]
    assert numbers == [1, 2]


def test_view_and_upload(stub: StubComfy) -> None:
    """Missing files are 404 with no body, paths that climb are refused, another picture of a name gets another name."""
    missing = httpx.get(f"{stub.url}/view", params={"filename": "no.png"}, trust_env=False)
    assert (missing.status_code, missing.content) == (404, b"")
    climbing = httpx.get(f"{stub.url}/view", params={"filename": "../x"}, trust_env=False)
    assert climbing.status_code == 403

    def upload(data: bytes) -> Any:
        form = {"subfolder": "stablenew", "type": "input"}
        files = {"image": ("x.png", data, "image/png")}
        return httpx.post(f"{stub.url}/upload/image", files=files, data=form, trust_env=False).json()["name"]

    assert [upload(b"1"), upload(b"2"), upload(b"1")] == ["x.png", "x (1).png", "x.png"]


def test_a_second_socket_of_one_id_is_unhooked_when_the_first_dies(stub: StubComfy) -> None:
    """The mix-up that makes us take a new id each time: the old connection's end silences the new one."""
    address = stub.url.replace("http", "ws") + "/ws?clientId=one"
    old = websocket.create_connection(address, timeout=10)
    assert stub.wait_until(lambda: "one" in stub._sockets)
    first = stub._sockets["one"]
    new = websocket.create_connection(address, timeout=10)
    assert stub.wait_until(lambda: stub._sockets.get("one") is not first)
    old.close()
    assert stub.wait_until(lambda: "one" not in stub._sockets)
    new.close()
