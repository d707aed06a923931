"""What a ComfyUI server answers, decoded into values: its queue, its history, its errors (0.10.0).

Whatever the server sends, decoding it ends in a value or in GenerationFailed. Names of files and folders are the
server's business: they go back to it in a query and are never a path of ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from stablenew.errors import GenerationFailed

Ending = Literal["success", "error", "interrupted"]
_FOLDERS = ("output", "temp", "input")
_NAME_LIMIT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRef:
    """A picture on the server, as `GET /view` takes it."""

    filename: str
    subfolder: str
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a job ended. `images` by the node that saved them; `seconds` the server worked on it, None if not said."""

    ending: Ending
    images: Mapping[str, tuple[ImageRef, ...]] = field(default_factory=dict)
    error: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The ids of the jobs that run and that wait, of all clients."""

    running: frozenset[str]
    pending: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What became of a job that was handed over. `certain` False: the answer was lost, it may or may not be there."""

    prompt_id: str
    certain: bool = True


def decode_json(content: bytes, *, backend: str, what: str) -> Any:
    """The JSON in an answer. Raises GenerationFailed when it is none; `what` says whose answer it was.

    The server writes NaN and Infinity as Python does, where a node's limits or outputs hold them: those are read too.
    """
    try:
        return msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as exc:
        shown = content[:80].decode("utf-8", "replace")
        raise GenerationFailed(backend, f"the server's answer to {what} is not JSON: {shown!r}") from exc


def decode_queue(answer: object) -> Queue:
    """`GET /queue`: each item is [number, prompt_id, graph, extra, outputs]."""
    return Queue(
        running=frozenset(_queued_ids(answer, "queue_running")), pending=frozenset(_queued_ids(answer, "queue_pending"))
    )


def decode_history(answer: object, prompt_id: str) -> Finished | None:
    """`GET /history/{id}`: None while the job is not finished, or not known (any more): both give `{}`."""
    entry = answer.get(prompt_id) if isinstance(answer, Mapping) else None
    if not isinstance(entry, Mapping):
        return None
    status = entry.get("status")
    messages = dict(_messages(status))
    # An interrupted job has the status "error", and only its messages say what it was.
    if "execution_interrupted" in messages:
        return Finished(ending="interrupted")
    if not isinstance(status, Mapping) or status.get("status_str") != "success":
        return Finished(ending="error", error=_execution_error(messages.get("execution_error", {})))
    return Finished(ending="success", images=_images(entry.get("outputs")), seconds=_seconds(messages))


def refusal(answer: object) -> str:
    """In words why a graph was refused: every node and input that the server names, from an answer of either kind."""
    if not isinstance(answer, Mapping):
        return "it gave no reason"
    said = [f"node {node_id}{reason}" for node_id, reason in _node_reasons(answer.get("node_errors"))]
    error = answer.get("error")
    if not said and isinstance(error, Mapping):
        said = [" ".join(str(error[key]) for key in ("message", "details") if error.get(key))]
    elif not said and error:
        said = [str(error)]
    return one_line("; ".join(said)) or "it gave no reason"


def has_node_errors(answer: object) -> bool:
    """Whether an accepted graph has a branch that will silently not run (0.10.0 answers 200 then)."""
    return isinstance(answer, Mapping) and bool(answer.get("node_errors"))


def one_line(text: str) -> str:
    """A server's words on one line of at most 1000 printable characters."""
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text[:8000]).split())
    return text if len(text) <= 1000 else text[:997] + "..."


def _queued_ids(answer: object, key: str) -> Iterator[str]:
    items = answer.get(key) if isinstance(answer, Mapping) else None
    for item in items if isinstance(items, list) else ():
        if isinstance(item, list) and len(item) > 1 and isinstance(item[1], str):
            yield item[1]


def _messages(status: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    found = status.get("messages") if isinstance(status, Mapping) else None
    for message in found if isinstance(found, list) else ():
        if isinstance(message, list) and len(message) == 2 and isinstance(message[0], str):
            yield message[0], message[1] if isinstance(message[1], Mapping) else {}


def _execution_error(data: Mapping[str, Any]) -> str:
    where = f"node {data.get('node_id', '?')} ({data.get('node_type', 'unknown')})"
    kind = str(data.get("exception_type", "error"))
    text = str(data.get("exception_message", "")).strip() or "it gave no reason"
    return one_line(f"{where}: {kind}: {text}")


def _images(outputs: object) -> dict[str, tuple[ImageRef, ...]]:
    found: dict[str, tuple[ImageRef, ...]] = {}
    for node_id, output in outputs.items() if isinstance(outputs, Mapping) else ():
        listed = output.get("images") if isinstance(output, Mapping) else None
        refs = [_image_ref(each) for each in listed] if isinstance(listed, list) else []
        kept = tuple(ref for ref in refs if ref is not None)
        if kept:
            found[str(node_id)] = kept
    return found


def _image_ref(raw: object) -> ImageRef | None:
    if not isinstance(raw, Mapping):
        return None
    filename, subfolder, folder = (raw.get(key, "") for key in ("filename", "subfolder", "type"))
    if not (isinstance(filename, str) and isinstance(subfolder, str) and folder in _FOLDERS):
        return None
    if not filename or len(filename) + len(subfolder) > _NAME_LIMIT:
        return None
    return ImageRef(filename=filename, subfolder=subfolder, folder=folder)


def _seconds(messages: Mapping[str, Mapping[str, Any]]) -> float | None:
    times = [messages.get(name, {}).get("timestamp") for name in ("execution_start", "execution_success")]
    started, ended = (each if isinstance(each, int | float) else None for each in times)
    if started is None or ended is None or not 0 <= ended - started < 86_400_000:
        return None
    return (ended - started) / 1000


def _node_reasons(node_errors: object) -> Iterator[tuple[str, str]]:
    for node_id, raw in node_errors.items() if isinstance(node_errors, Mapping) else ():
        name = f" ({raw['class_type']})" if isinstance(raw, Mapping) and raw.get("class_type") else ""
        errors = raw.get("errors") if isinstance(raw, Mapping) else None
        for error in errors if isinstance(errors, list) and errors else ({},):
            parts = [str(error.get(key, "")) for key in ("message", "details")] if isinstance(error, Mapping) else []
            yield str(node_id), f"{name}: {' '.join(part for part in parts if part) or 'not valid'}"
