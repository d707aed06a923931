"""Answers of a server as values, nonsense and hostile ones included."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablenew.backends.comfyui.answers import (
    ImageRef,
    decode_history,
    decode_json,
    decode_queue,
    has_node_errors,
    refusal,
)
from stablenew.backends.comfyui.events import Event, decode_message, decode_preview
from stablenew.errors import GenerationFailed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
OUTPUTS = st.dictionaries(st.text(max_size=3), st.fixed_dictionaries({"images": JSON}))
SHAPED = st.fixed_dictionaries({}, optional={"status": JSON, "outputs": JSON | OUTPUTS})


def entry(status: str, *messages: tuple[str, dict[str, Any]], outputs: Any = None) -> dict[str, Any]:
    """A history with one job."""
    body = {"status_str": status, "completed": status == "success", "messages": [list(each) for each in messages]}
    return {"id": {"prompt": [], "outputs": outputs or {}, "status": body}}


def test_success_has_pictures_and_seconds() -> None:
    """A job that succeeded gives its pictures by node, and how long the server worked."""
    images = {"9": {"images": [{"filename": "p_1_.png", "subfolder": "s", "type": "output"}]}, "5": {"text": ["x"]}}
    times = (("execution_start", {"timestamp": 1000}), ("execution_success", {"timestamp": 3500}))
    done = decode_history(entry("success", *times, outputs=images), "id")
    assert done is not None
    assert done.ending == "success"
    assert done.images == {"9": (ImageRef(filename="p_1_.png", subfolder="s", folder="output"),)}
    assert done.seconds == 2.5


def test_an_interrupt_is_told_from_an_error() -> None:
    """Both have the status error; only the messages tell them apart."""
    interrupted = decode_history(entry("error", ("execution_interrupted", {"node_id": "3"})), "id")
    assert interrupted is not None
    assert interrupted.ending == "interrupted"
    message = {
        "node_id": "20",
        "node_type": "LoadImage",
        "exception_type": "ValueError",
        "exception_message": "no\nway\n",
    }
    failed = decode_history(entry("error", ("execution_error", message)), "id")
    assert failed is not None
    assert (failed.ending, failed.error) == ("error", "node 20 (LoadImage): ValueError: no way")


@pytest.mark.parametrize("answer", [{}, None, [], {"other": {}}, {"id": None}])
def test_no_entry_is_not_an_ending(answer: object) -> None:
    """`{}` and the like say nothing about the job."""
    assert decode_history(answer, "id") is None


@pytest.mark.parametrize(
    "image",
    [
        {"filename": "", "subfolder": "", "type": "output"},
        {"filename": 5, "subfolder": "", "type": "output"},
        {"filename": "a.png", "subfolder": None, "type": "output"},
        {"filename": "a.png", "subfolder": "", "type": "/etc"},
        {"filename": "a" * 5000, "subfolder": "", "type": "output"},
        "a.png",
    ],
)
def test_file_names_that_cannot_be_are_left_out(image: object) -> None:
    """A picture without a proper name is none."""
    done = decode_history(entry("success", outputs={"9": {"images": [image]}}), "id")
    assert done is not None
    assert done.images == {}


def test_refusals_name_node_input_and_reason() -> None:
    """A refused graph is told with each node, input and reason the server gave, on one line."""
    answer = {
        "error": {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation"},
        "node_errors": {
            "3": {
                "class_type": "KSampler",
                "errors": [{"message": "Value not in list", "details": "sampler_name: 'nope' not in (list of 44)"}],
            }
        },
    }
    assert refusal(answer) == "node 3 (KSampler): Value not in list sampler_name: 'nope' not in (list of 44)"
    plain = {
        "error": {"type": "invalid_prompt", "message": "Cannot execute", "details": "Node ID '#3'"},
        "node_errors": {},
    }
    assert refusal(plain) == "Cannot execute Node ID '#3'"
    assert refusal({"error": "teapot"}) == "teapot"
    assert refusal([]) == "it gave no reason"


def test_terminal_control_signs_do_not_pass() -> None:
    """A hostile reason cannot write to the terminal or run on for ever."""
    said = refusal({"error": {"message": "\x1b[2Jhi\r\nthere" + "x" * 99_999}})
    assert said.startswith("[2Jhi there")
    assert len(said) <= 1000


def test_queue_ids() -> None:
    """Running and waiting jobs by id, whatever else is in the items."""
    queue = decode_queue({"queue_running": [[1, "a", {}, {}, []], "x"], "queue_pending": [[2, "b"], [3], None]})
    assert (queue.running, queue.pending) == (frozenset("a"), frozenset("b"))


@given(JSON, JSON)
def test_any_json_is_survived(answer: Any, inner: Any) -> None:
    """Whatever JSON a server answers, decoding ends in a value."""
    for each in (answer, {"id": inner}, {"queue_running": inner}, {"node_errors": inner}, {"error": inner}):
        decode_queue(each)
        decode_history(each, "id")
        refusal(each)
        has_node_errors(each)


@given(SHAPED)
def test_any_history_entry_is_survived(raw: dict[str, Any]) -> None:
    """Whatever stands in a history entry, it is an ending."""
    assert decode_history({"id": raw}, "id") is not None


@given(st.binary())
def test_any_bytes_are_json_or_an_error_of_ours(content: bytes) -> None:
    """Bytes that are no JSON end in GenerationFailed."""
    with contextlib.suppress(GenerationFailed):
        decode_json(content, backend="x", what="y")


def test_numbers_as_python_writes_them_are_read() -> None:
    """NaN and Infinity, which the server writes where a node has them, do not spoil the answer."""
    assert decode_json(b'{"max": Infinity, "a": [1]}', backend="x", what="y")["a"] == [1]


def test_deep_nesting_is_an_error_of_ours() -> None:
    """JSON nested without end does not end the program."""
    with pytest.raises(GenerationFailed):
        decode_json(b"[" * 100_000, backend="x", what="y")


@pytest.mark.parametrize(
    ("kind", "data", "event"),
    [
        ("execution_start", {}, Event(kind="started", prompt_id="p")),
        ("progress", {"value": 2, "max": 8, "node": "3"}, Event(kind="progress", prompt_id="p", step=2, steps=8)),
        ("execution_success", {}, Event(kind="ended", prompt_id="p")),
        ("execution_error", {}, Event(kind="ended", prompt_id="p")),
        ("execution_interrupted", {}, Event(kind="ended", prompt_id="p")),
        ("executing", {"node": None}, None),
        ("status", {}, None),
        ("progress_state", {"nodes": {}}, None),
        ("crystools.monitor", {}, None),
        ("progress", {"value": "x", "max": 8}, None),
    ],
)
def test_messages_as_events(kind: str, data: dict[str, Any], event: Event | None) -> None:
    """Only a job's own messages count; `executing` of no node and an empty queue end nothing."""
    found = list(decode_message({"type": kind, "data": {**data, "prompt_id": "p"}}))
    assert found == ([event] if event else [])


def test_previews_of_both_kinds() -> None:
    """A preview with metadata names its job; a plain one belongs to the job whose node runs, and to none otherwise."""
    about = msgspec.json.encode({"prompt_id": "p", "image_type": "image/jpeg"})
    named = struct.pack(">II", 4, len(about)) + about + b"JPEG"
    assert list(decode_preview(named, "")) == [Event(kind="preview", prompt_id="p", preview=b"JPEG")]
    plain = struct.pack(">II", 1, 1) + b"JPEG"
    assert list(decode_preview(plain, "q")) == [Event(kind="preview", prompt_id="q", preview=b"JPEG")]
    assert list(decode_preview(plain, "")) == []


@given(st.binary(max_size=40), st.text(max_size=3))
def test_any_binary_message_is_survived(data: bytes, running: str) -> None:
    """Whatever binary message comes, it is a preview or nothing."""
    list(decode_preview(data, running))


@given(st.dictionaries(st.sampled_from(["type", "data"]), JSON))
def test_any_message_is_survived(message: dict[str, Any]) -> None:
    """Whatever message comes, it is an event or nothing."""
    list(decode_message(message))
